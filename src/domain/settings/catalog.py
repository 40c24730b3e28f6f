"""Every runtime setting: key, type, default, bounds, description.

The one list from which validation, the REST API, docs/settings.md and the names of environment
variables are made.
"""

import re
from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct

type_names = {bool: "a boolean", int: "an integer", str: "a string"}
SettingValue = bool | int | str
_INTEGER = re.compile(r"-?[0-9]{1,18}")


class SettingSource(StrEnum):
    """Where the value in force comes from."""

    DEFAULT = "default"
    ENV = "env"
    DB = "db"


class SettingSpec(Struct, frozen=True, kw_only=True):
    """One setting. Integers have inclusive bounds; strings may have a closed list of choices.

    Attributes:
        restart: it is read when a process starts; a change waits for the next start.
    """

    key: str
    default: SettingValue
    description: str
    minimum: int | None = None
    maximum: int | None = None
    choices: tuple[str, ...] | None = None
    restart: bool = False

    @property
    def group(self) -> str:
        """What belongs together: the key up to its first dot."""
        return self.key.partition(".")[0]

    @property
    def env(self) -> str:
        """Name of the environment variable that gives it another default."""
        return "TW_" + self.key.replace(".", "_").replace("-", "_").upper()

    @property
    def type_name(self) -> str:
        """`boolean`, `integer` or `string`."""
        return type_names[type(self.default)].split()[1]

    def parse(self, text: str) -> SettingValue:
        """Return the value that `text` writes, as environment variables do.

        Raises:
            ValueError: as `check`.
        """
        if isinstance(self.default, bool):
            return self.check({"true": True, "false": False}.get(text.lower(), text))
        if isinstance(self.default, int):
            return self.check(int(text) if _INTEGER.fullmatch(text) else text)
        return self.check(text)

    def check(self, value: object) -> SettingValue:
        """Return `value` if it is allowed for this setting.

        Raises:
            ValueError: wrong type or out of bounds; the text says what would be right.
        """
        if isinstance(value, bool) and self.choices is not None:
            value = str(value).lower()  # `true` and `false` beside other words
        wanted = type(self.default)
        if type(value) is not wanted:
            raise ValueError(f"{self.key} must be {type_names[wanted]}")
        assert isinstance(value, bool | int | str)
        if self.minimum is not None and isinstance(value, int) and value < self.minimum:
            raise ValueError(f"{self.key} must be at least {self.minimum}")
        if self.maximum is not None and isinstance(value, int) and value > self.maximum:
            raise ValueError(f"{self.key} must be at most {self.maximum}")
        if self.choices is not None and value not in self.choices:
            raise ValueError(f"{self.key} must be one of {', '.join(self.choices)}")
        return value


SPECS: tuple[SettingSpec, ...] = (
    SettingSpec(
        key="gateway.max_body_bytes",
        default=32 * 1024 * 1024,
        minimum=1024,
        maximum=512 * 1024 * 1024,
        description="Largest request body the gateway accepts, in bytes.",
    ),
    SettingSpec(
        key="gateway.max_json_depth",
        default=64,
        minimum=8,
        maximum=500,
        description="Deepest nesting of objects and arrays in a request body.",
    ),
    SettingSpec(
        key="gateway.max_reply_bytes",
        default=64 * 1024 * 1024,
        minimum=1024,
        maximum=1024 * 1024 * 1024,
        description="Largest non-streamed provider answer that is relayed, in bytes.",
    ),
    SettingSpec(
        key="upstream.connect_timeout_ms",
        default=5_000,
        minimum=10,
        maximum=120_000,
        description="Longest wait for a connection to a provider, TLS included.",
    ),
    SettingSpec(
        key="upstream.first_byte_timeout_ms",
        default=120_000,
        minimum=100,
        maximum=3_600_000,
        description="Longest wait for the first byte of a provider's answer.",
    ),
    SettingSpec(
        key="upstream.idle_timeout_ms",
        default=120_000,
        minimum=100,
        maximum=3_600_000,
        description="Longest silence between two parts of a provider's answer.",
    ),
    SettingSpec(
        key="upstream.total_timeout_ms",
        default=900_000,
        minimum=1_000,
        maximum=7_200_000,
        description="Longest time for a whole exchange with a provider.",
    ),
    SettingSpec(
        key="upstream.drain_timeout_ms",
        default=60_000,
        minimum=100,
        maximum=3_600_000,
        description="Longest time an answer is read on after its client has gone, at providers "
        "with the option 'on_disconnect: drain'.",
    ),
    SettingSpec(
        key="routing.max_attempts",
        default=5,
        minimum=1,
        maximum=20,
        description="Most attempts of one request over all routes, the first included.",
    ),
    SettingSpec(
        key="routing.deadline_ms",
        default=300_000,
        minimum=0,
        maximum=3_600_000,
        description="No further attempt of a request begins later than this after the first. "
        "Failing over from a provider that says nothing needs more than "
        "upstream.first_byte_timeout_ms.",
    ),
    SettingSpec(
        key="routing.breaker_failure_rate_pct",
        default=50,
        minimum=1,
        maximum=100,
        description="A route's circuit opens when at least this share of its recent outcomes, in "
        "percent, were failures.",
    ),
    SettingSpec(
        key="routing.breaker_min_requests",
        default=20,
        minimum=1,
        maximum=100_000,
        description="Recent outcomes of a route below which no failure rate is believed.",
    ),
    SettingSpec(
        key="routing.breaker_consecutive_failures",
        default=5,
        minimum=1,
        maximum=1_000,
        description="A route's circuit opens after this many failures in a row, however few "
        "requests it had.",
    ),
    SettingSpec(
        key="routing.breaker_open_ms",
        default=5_000,
        minimum=100,
        maximum=3_600_000,
        description="How long a circuit stays open before a request tests the route. It doubles "
        "with every failed test, up to a minute, or to this where it is longer.",
    ),
    SettingSpec(
        key="routing.probe_interval_ms",
        default=0,
        minimum=0,
        maximum=3_600_000,
        description="How often routes that are not well are asked by the gateway itself; 0: never, "
        "only requests test them. Anything below 1000 counts as 1000.",
    ),
    SettingSpec(
        key="routing.guess_model_by_prefix",
        default=False,
        description="Whether a model nobody configured goes to the providers of its vendor: "
        "gpt-… to OpenAI, claude-… to Anthropic, gemini-… to Gemini. It has no price.",
    ),
    SettingSpec(
        key="security.rate_limit_fail_closed",
        default="false",
        choices=("false", "true", "local"),
        description="While the limit store is down: 'false' admits and counts afterwards, 'true' "
        "refuses, 'local' enforces each process's share of every limit.",
    ),
    SettingSpec(
        key="security.key_outage_grace_seconds",
        default=60,
        minimum=0,
        maximum=86_400,
        description="How long keys known to a process go on working while the database is down. "
        "A process that is cut off may honour a revoked key for this long.",
    ),
    SettingSpec(
        key="security.password_min_length",
        default=8,
        minimum=8,
        maximum=128,
        description="Fewest characters of a new password of the console.",
    ),
    SettingSpec(
        key="security.totp_required_roles",
        default="",
        description="Roles whose holders need a second factor to use the console, comma-separated.",
    ),
    SettingSpec(
        key="session.ip_binding",
        default="network",
        choices=("exact", "network"),
        description="Where the tokens of a new console session count: at the address of the "
        "sign-in only, or in its network (/24 of IPv4, /64 of IPv6).",
    ),
    SettingSpec(
        key="session.idle_minutes",
        default=480,
        minimum=1,
        maximum=43_200,
        description="A new console session ends when it was not used for this long.",
    ),
    SettingSpec(
        key="session.lifetime_hours",
        default=168,
        minimum=1,
        maximum=8_760,
        description="A new console session ends after this long, however much it is used.",
    ),
    SettingSpec(
        key="limits.replicas",
        default=0,
        minimum=0,
        maximum=10_000,
        description="Gateway processes, over all machines, that share the limits while 'local' "
        "enforcement is on; 0: as many as this server runs.",
    ),
    SettingSpec(
        key="limits.unknown_price",
        default="flag",
        choices=("flag", "block"),
        description="Requests for a model without a price: 'flag' lets them through, marked in "
        "their record; 'block' refuses them where a USD budget applies.",
    ),
    SettingSpec(
        key="records.journal_quota_bytes",
        default=2 * 1024 * 1024 * 1024,
        minimum=1024 * 1024,
        maximum=1024 * 1024 * 1024 * 1024,
        description="Most bytes of unshipped records each gateway process keeps on disk; "
        "over it new requests are refused with 503.",
    ),
    SettingSpec(
        key="journal.fsync",
        default="interval",
        choices=("interval", "always", "never"),
        description="When records are forced to disk, which only matters for a power cut: every "
        "100 ms, with every record, or never.",
        restart=True,
    ),
)

CATALOG: Mapping[str, SettingSpec] = {spec.key: spec for spec in SPECS}


class Settings(Struct, frozen=True):
    """Effective settings: what is stored, else what the environment says, else the default.

    A stored value wins over the environment: it was set later, on purpose, with a reason, and takes
    effect everywhere at once, while the environment may differ from replica to replica and says
    what an installation starts with.

    Attributes:
        values: what is stored.
        environment: what this process was started with, checked.
    """

    values: Mapping[str, SettingValue] = {}
    environment: Mapping[str, SettingValue] = {}

    def value(self, key: str) -> SettingValue:
        """Return a setting of any type."""
        found = self.values.get(key)
        if found is None:
            found = self.environment.get(key)
        return CATALOG[key].default if found is None else found

    def source(self, key: str) -> SettingSource:
        """Tell where the value comes from."""
        if key in self.values:
            return SettingSource.DB
        return SettingSource.ENV if key in self.environment else SettingSource.DEFAULT

    def integer(self, key: str) -> int:
        """Return an integer setting."""
        value = self.value(key)
        assert isinstance(value, int)
        return value

    def flag(self, key: str) -> bool:
        """Return a boolean setting."""
        value = self.value(key)
        assert isinstance(value, bool)
        return value

    def text(self, key: str) -> str:
        """Return a string setting."""
        value = self.value(key)
        assert isinstance(value, str)
        return value
