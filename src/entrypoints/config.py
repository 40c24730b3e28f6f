"""Environment (and `thinkwatch.toml`) -> frozen `BootConfig`. Only here is `os.environ` read."""

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from domain.secret import Secret
from domain.settings.catalog import SPECS, SettingValue
from entrypoints import config_values as values
from entrypoints.config_sources import ConfigProblem, Sources, Variable
from entrypoints.failures import EXIT_CONFIGURATION, Failure, StartFailed

VARIABLES: tuple[Variable, ...] = (
    Variable("THINKWATCH_CONFIG", "thinkwatch.toml", "Optional configuration file."),
    Variable("THINKWATCH_DATA_DIR", "./thinkwatch-data", "Where everything local is kept."),
    Variable("DATABASE_URL", None, "PostgreSQL; unset: embedded.", secret=True),
    Variable("REDIS_URL", None, "Redis or Valkey; unset: embedded.", secret=True),
    Variable("CLICKHOUSE_URL", None, "ClickHouse over HTTP; unset: embedded.", secret=True),
    Variable(
        "ENCRYPTION_KEY",
        None,
        "Key ring for provider credentials: 32 bytes each, hex or base64, comma-separated; the "
        "first seals, all open. Unset: generated, while PostgreSQL is embedded.",
        secret=True,
    ),
    Variable(
        "JWT_SECRET",
        None,
        "Signs console tokens, at least 32 characters. Unset: generated, as above.",
        secret=True,
    ),
    Variable("METRICS_BEARER_TOKEN", None, "Opens /metrics; unset: no metrics.", secret=True),
    Variable("GATEWAY_HOST", "0.0.0.0", "Address the gateway listens on."),  # noqa: S104
    Variable("GATEWAY_PORT", "3000", "Port of the gateway; 0 picks a free one."),
    Variable("CONSOLE_HOST", "127.0.0.1", "Address the console listens on."),
    Variable("CONSOLE_PORT", "3001", "Port of the console; 0 picks a free one."),
    Variable("PUBLIC_GATEWAY_URL", None, "URL under which clients reach the gateway."),
    Variable("PUBLIC_CONSOLE_URL", None, "URL under which people reach the console."),
    Variable("CORS_ORIGINS", None, "Web origins that may call the console, comma-separated."),
    Variable("GATEWAY_CORS_ORIGINS", None, "Web origins that may call the gateway, likewise."),
    Variable("TRUSTED_PROXIES", None, "Networks whose X-Forwarded-For is believed (CIDR list)."),
    Variable(
        "UPSTREAM_ALLOWED_NETWORKS",
        None,
        "Non-public networks that providers may be in (CIDR list, or none). Unset: loopback and "
        "private networks while PostgreSQL is embedded, otherwise none.",
    ),
    Variable(
        "THINKWATCH_TOKEN",
        None,
        "Key that commands show to the console; unset: the data directory's operator token.",
        secret=True,
    ),
    Variable("LOG_LEVEL", "info", "debug, info, warning or error."),
    Variable("LOG_FORMAT", "text", "text or json."),
    Variable("THINKWATCH_WORKERS", "1", "Gateway processes; 0 runs all roles in one process."),
    Variable(
        "THINKWATCH_MAX_CONNECTIONS",
        "0",
        "Most client connections per gateway process; 0: what its limit of open files allows.",
    ),
    Variable(
        "THINKWATCH_SHUTDOWN_DELAY_SECONDS",
        "0",
        "How long ports stay open, with /health/ready red, after SIGTERM.",
    ),
    Variable(
        "THINKWATCH_SHUTDOWN_GRACE_SECONDS",
        "30",
        "How long open streams may go on after the ports closed.",
    ),
)

SETTING_VARIABLES = tuple(Variable(spec.env, None, spec.description) for spec in SPECS)
"""What settings are where nothing is stored (docs/settings.md)."""


class BootConfig(Struct, frozen=True, kw_only=True):
    """Everything fixed at start; what can change while running is a setting in the console.

    Attributes:
        data_dir: absolute path.
        database_url, redis_url, clickhouse_url: None means embedded.
        encryption_keys: the ring as text; `key_ring()` is the bytes. Empty until the data
            directory's generated key is filled in (`entrypoints.datadir.with_secrets`).
        trusted_proxies: networks in CIDR notation.
        upstream_allowed_networks: likewise; None means the default of the kind of installation.
        settings: by key, those that the environment gives.
    """

    data_dir: Path
    database_url: Secret | None = None
    redis_url: Secret | None = None
    clickhouse_url: Secret | None = None
    encryption_keys: tuple[Secret, ...] = ()
    jwt_secret: Secret | None = None
    metrics_bearer_token: Secret | None = None
    console_token: Secret | None = None
    gateway_host: str = "0.0.0.0"  # noqa: S104 - the gateway is there to be reached
    gateway_port: int = 3000
    console_host: str = "127.0.0.1"
    console_port: int = 3001
    public_gateway_url: str | None = None
    public_console_url: str | None = None
    cors_origins: tuple[str, ...] = ()
    gateway_cors_origins: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    upstream_allowed_networks: tuple[str, ...] | None = None
    log_level: str = "info"
    log_format: str = "text"
    workers: int = 1
    max_connections: int = 0
    shutdown_delay_seconds: int = 0
    shutdown_grace_seconds: int = 30
    settings: Mapping[str, SettingValue] = {}

    def key_ring(self) -> tuple[bytes, ...]:
        """Return the 32-byte keys; the first one seals."""
        decoded = (values.key_bytes(key.reveal()) for key in self.encryption_keys)
        return tuple(key for key in decoded if key is not None)


class LoadedConfig(Struct, frozen=True, kw_only=True):
    """A valid configuration. `sources` says per variable where its value came from."""

    config: BootConfig
    sources: Mapping[str, str]
    warnings: tuple[str, ...]


class ConfigurationFailed(StartFailed):
    """The configuration is unusable; every problem found is in `problems`, one line each."""

    def __init__(self, problems: tuple[ConfigProblem, ...]) -> None:
        """`problems` is not empty."""
        super().__init__(
            *(
                Failure(f"{problem.name} {problem.message}", problem.mend, EXIT_CONFIGURATION)
                for problem in problems
            )
        )
        self.problems = problems


def environment() -> Mapping[str, str]:
    """Return the process environment, for code that interpolates `${NAME}` or passes it on."""
    return os.environ


def load_config(
    environ: Mapping[str, str] | None = None, *, options: Mapping[str, str] | None = None
) -> LoadedConfig:
    """Read and validate the whole configuration; nothing is created or connected.

    Args:
        environ: instead of the process environment.
        options: values given on the command line, by variable name; they win.

    Raises:
        ConfigurationFailed: with all problems at once.
    """
    given = environment() if environ is None else environ
    sources = Sources((*VARIABLES, *SETTING_VARIABLES), given, options or {})
    named = sources.optional("THINKWATCH_CONFIG", values.path)
    sources.read_file(
        named if named is not None else Path("thinkwatch.toml"), required=named is not None
    )
    database_url = sources.optional("DATABASE_URL", values.database_url)
    config = BootConfig(
        data_dir=sources.value("THINKWATCH_DATA_DIR", values.path),
        database_url=database_url,
        redis_url=sources.optional("REDIS_URL", values.redis_url),
        clickhouse_url=sources.optional("CLICKHOUSE_URL", values.clickhouse_url),
        encryption_keys=sources.optional("ENCRYPTION_KEY", values.many(values.encryption_key))
        or (),
        jwt_secret=sources.optional("JWT_SECRET", values.token(32)),
        metrics_bearer_token=sources.optional("METRICS_BEARER_TOKEN", values.bearer_token(16)),
        console_token=sources.optional("THINKWATCH_TOKEN", values.bearer_token(16)),
        gateway_host=sources.value("GATEWAY_HOST", values.host),
        gateway_port=sources.value("GATEWAY_PORT", values.integer(0, 65_535)),
        console_host=sources.value("CONSOLE_HOST", values.host),
        console_port=sources.value("CONSOLE_PORT", values.integer(0, 65_535)),
        public_gateway_url=sources.optional("PUBLIC_GATEWAY_URL", values.public_url),
        public_console_url=sources.optional("PUBLIC_CONSOLE_URL", values.public_url),
        cors_origins=sources.optional("CORS_ORIGINS", values.many(values.origin)) or (),
        gateway_cors_origins=sources.optional("GATEWAY_CORS_ORIGINS", values.many(values.origin))
        or (),
        trusted_proxies=sources.optional("TRUSTED_PROXIES", values.many(values.network)) or (),
        upstream_allowed_networks=sources.optional(
            "UPSTREAM_ALLOWED_NETWORKS", values.none_or(values.many(values.network))
        ),
        log_level=sources.value("LOG_LEVEL", values.choice("debug", "info", "warning", "error")),
        log_format=sources.value("LOG_FORMAT", values.choice("text", "json")),
        workers=sources.value("THINKWATCH_WORKERS", values.integer(0, 256)),
        max_connections=sources.value("THINKWATCH_MAX_CONNECTIONS", values.integer(0, 1_000_000)),
        shutdown_delay_seconds=sources.value(
            "THINKWATCH_SHUTDOWN_DELAY_SECONDS", values.integer(0, 600)
        ),
        shutdown_grace_seconds=sources.value(
            "THINKWATCH_SHUTDOWN_GRACE_SECONDS", values.integer(0, 3600)
        ),
        settings={
            spec.key: value
            for spec in SPECS
            if (value := sources.optional(spec.env, values.setting(spec))) is not None
        },
    )
    sources.warn_about_unknown("THINKWATCH_")
    sources.warn_about_unknown("TW_")
    problems = (*sources.problems, *_cross_checks(config, sources))
    if problems:
        raise ConfigurationFailed(problems)
    return LoadedConfig(config=config, sources=sources.used, warnings=tuple(sources.warnings))


def _cross_checks(config: BootConfig, sources: Sources) -> list[ConfigProblem]:
    """Find what is wrong only in combination."""
    problems: list[ConfigProblem] = []
    if config.gateway_port == config.console_port != 0:
        problems.append(
            ConfigProblem(
                "CONSOLE_PORT",
                f"is {config.console_port} like GATEWAY_PORT",
                "give the console a port of its own",
            )
        )
    if sources.used["DATABASE_URL"] == "default":
        return problems
    faulty = {problem.name.removesuffix("_FILE") for problem in sources.problems}
    for name, value in (
        ("ENCRYPTION_KEY", config.encryption_keys),
        ("JWT_SECRET", config.jwt_secret),
    ):
        if not value and name not in faulty:
            problems.append(
                ConfigProblem(
                    name,
                    "is not set although DATABASE_URL is",
                    f"{values.NEW_KEY}, and set the same one on every replica",
                )
            )
    return problems


def to_wire(config: Struct) -> bytes:
    """Encode for a child process, secrets in clear: it goes through a pipe and nowhere else."""
    return msgspec.json.encode(config, enc_hook=_reveal)


def _reveal(value: object) -> object:
    match value:
        case Secret():
            return value.reveal()
        case Path():
            return os.fspath(value)
        case _:
            raise NotImplementedError(type(value).__name__)


def from_wire_hook(wanted: type, value: str) -> object:
    """`dec_hook` that undoes `to_wire`."""
    if wanted is Secret or wanted is Path:
        return wanted(value)
    raise NotImplementedError(wanted.__name__)
