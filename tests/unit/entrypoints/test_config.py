"""Configuration: where values come from, and that every fault is one line with its mend."""

import base64
import secrets
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from domain.secret import Secret
from entrypoints.config import (
    SETTING_VARIABLES,
    VARIABLES,
    BootConfig,
    ConfigurationFailed,
    LoadedConfig,
    from_wire_hook,
    load_config,
    to_wire,
)

KEY = "6f1d9ac47be2385071c6ee029d4b8fa31857dc40b9a263fe0c91744be825d36a"
JWT = "Zk3v9QwLr8TnXy2BcD5fGhJ7mPsVaE4u"
BOTH = {"ENCRYPTION_KEY": KEY, "JWT_SECRET": JWT}
DATABASE = "postgresql://tw:pa55w0rd@db.example.org:5432/thinkwatch"


@pytest.fixture(autouse=True)
def empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(environ: Mapping[str, str], **options: str) -> LoadedConfig:
    return load_config(environ, options=options)


def problems(environ: Mapping[str, str]) -> list[str]:
    with pytest.raises(ConfigurationFailed) as caught:
        load(environ)
    assert caught.value.exit_code == 78
    lines = [str(failure) for failure in caught.value.failures]
    assert lines == [str(problem) for problem in caught.value.problems]
    assert all("\n" not in line and " - " in line for line in lines)
    return lines


def test_with_an_empty_environment_everything_is_embedded(tmp_path: Path) -> None:
    loaded = load({})
    assert loaded.config == BootConfig(data_dir=tmp_path / "thinkwatch-data")
    assert loaded.warnings == ()
    assert set(loaded.sources.values()) == {"default"}


def test_an_option_wins_over_the_environment_which_wins_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "thinkwatch.toml").write_text(
        'gateway_port = 1001\nCONSOLE_PORT = 1002\ndata_dir = "d"\nworkers = 7\n'
        'trusted_proxies = ["10.0.0.0/8", "::1"]\n'
    )
    loaded = load({"GATEWAY_PORT": "2001", "THINKWATCH_WORKERS": "2"}, THINKWATCH_WORKERS="3")
    config = loaded.config
    assert (config.gateway_port, config.console_port, config.workers) == (2001, 1002, 3)
    assert config.trusted_proxies == ("10.0.0.0/8", "::1/128")
    assert config.data_dir == tmp_path / "d"
    assert loaded.sources["GATEWAY_PORT"] == "environment"
    assert loaded.sources["CONSOLE_PORT"] == "thinkwatch.toml"
    assert loaded.sources["THINKWATCH_WORKERS"] == "option"
    assert loaded.sources["CONSOLE_HOST"] == "default"


def test_an_empty_variable_counts_as_unset() -> None:
    assert load({"DATABASE_URL": "", "GATEWAY_PORT": ""}) == load({})


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    loaded = load({"ENCRYPTION_KEY_FILE": str(tmp_path / "key")})
    assert loaded.config.key_ring() == (bytes.fromhex(KEY),)
    assert loaded.sources["ENCRYPTION_KEY"] == "ENCRYPTION_KEY_FILE"


@pytest.mark.parametrize(
    ("environ", "line"),
    [
        (
            {"JWT_SECRET": JWT, "JWT_SECRET_FILE": "/x"},
            "JWT_SECRET and JWT_SECRET_FILE are both set - unset one of them",
        ),
        (
            {"JWT_SECRET_FILE": "/does/not/exist"},
            "JWT_SECRET_FILE names /does/not/exist: No such file or directory - check the path ",
        ),
        (
            {"JWT_SECRET_FILE": "/dev/null"},
            "JWT_SECRET_FILE names /dev/null: empty or too large - put the value in it",
        ),
        ({"GATEWAY_PORT": "70000"}, "GATEWAY_PORT is not a whole number from 0 to 65535 - "),
        ({"GATEWAY_PORT": "1_000"}, "GATEWAY_PORT is not a whole number from 0 to 65535 - "),
        ({"GATEWAY_HOST": "no spaces"}, "GATEWAY_HOST is 'no spaces', not an address - "),
        ({"CONSOLE_PORT": "3000"}, "CONSOLE_PORT is 3000 like GATEWAY_PORT - "),
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL is 'loud' - set it to one of: debug, info, "),
        ({"TRUSTED_PROXIES": "10.0.0.1/8"}, "TRUSTED_PROXIES contains '10.0.0.1/8': "),
        ({"CORS_ORIGINS": "https://a.example, *"}, "CORS_ORIGINS contains '*' - "),
        ({"PUBLIC_GATEWAY_URL": "gateway.example.com"}, "PUBLIC_GATEWAY_URL is not an http(s) "),
        ({**BOTH, "DATABASE_URL": "mysql://db/x"}, "DATABASE_URL is not a PostgreSQL URL - "),
        ({**BOTH, "DATABASE_URL": "postgresql://db:99999/x"}, "DATABASE_URL is not a URL - "),
        ({"REDIS_URL": "http://redis:6379"}, "REDIS_URL is not a Redis URL - "),
        ({"CLICKHOUSE_URL": "clickhouse://x:9000"}, "CLICKHOUSE_URL is not a ClickHouse HTTP "),
        ({"METRICS_BEARER_TOKEN": "short"}, "METRICS_BEARER_TOKEN is shorter than 16 "),
        ({"JWT_SECRET": "a" * 40}, "JWT_SECRET has too little entropy - "),
        ({"JWT_SECRET": "abcdefghij" * 4}, "JWT_SECRET has too little entropy - "),
        (
            {"JWT_SECRET": "abcdefghijklmnopqrstuvwxyzABCDEFGHIJ"},
            "JWT_SECRET has too little entropy - ",
        ),
        ({"JWT_SECRET": "please-CHANGEME-before-you-deploy-this"}, "JWT_SECRET looks like a place"),
        ({"ENCRYPTION_KEY": "abc"}, "ENCRYPTION_KEY is not 32 bytes in hex or base64 - "),
        ({"ENCRYPTION_KEY": "00" * 32}, "ENCRYPTION_KEY has too little entropy - "),
        ({"ENCRYPTION_KEY": bytes(range(32)).hex()}, "ENCRYPTION_KEY "),
        (
            {"ENCRYPTION_KEY": base64.b64encode(b"my very own pass phrase of 32 by").decode()},
            "ENCRYPTION_KEY has too little entropy - ",
        ),
        ({"ENCRYPTION_KEY": f"{KEY},{'ab' * 32}"}, "ENCRYPTION_KEY has too little entropy - "),
        ({"THINKWATCH_CONFIG": "/does/not/exist"}, "THINKWATCH_CONFIG names /does/not/exist, "),
    ],
)
def test_each_fault_is_one_line_with_its_mend(environ: dict[str, str], line: str) -> None:
    (found,) = problems(environ)
    assert found.startswith(line)


def test_all_faults_are_told_at_once_and_no_secret_is_repeated() -> None:
    lines = problems(
        {
            "DATABASE_URL": "postgresql://tw:hunter2hunter2@db:x/tw",
            "JWT_SECRET": "hunter2hunter2",
            "ENCRYPTION_KEY": "hunter2hunter2",
            "GATEWAY_PORT": "-1",
        }
    )
    assert [line.split()[0] for line in lines] == [
        "DATABASE_URL",
        "ENCRYPTION_KEY",
        "JWT_SECRET",
        "GATEWAY_PORT",
    ]
    assert "hunter2" not in "".join(lines)


def test_with_an_external_database_both_secrets_are_required() -> None:
    lines = problems({"DATABASE_URL": DATABASE})
    assert [line.split(" - ")[0] for line in lines] == [
        "ENCRYPTION_KEY is not set although DATABASE_URL is",
        "JWT_SECRET is not set although DATABASE_URL is",
    ]
    assert load({"DATABASE_URL": DATABASE, **BOTH})


def test_a_faulty_secret_is_not_reported_as_missing_too() -> None:
    lines = problems({"DATABASE_URL": DATABASE, "ENCRYPTION_KEY": "x", "JWT_SECRET": JWT})
    assert len(lines) == 1


@pytest.mark.parametrize(
    "url",
    [
        "redis://h",
        "rediss://:p@h:6380/1",
        "unix:///run/redis.sock?db=1",
        "redis+sentinel://s1:26379,s2:26379/mymaster/0",
        "rediss+cluster://n1:6379,n2:6379",
    ],
)
def test_every_kind_of_redis_url_is_accepted(url: str) -> None:
    assert load({"REDIS_URL": url}).config.redis_url == Secret(url)


@pytest.mark.parametrize(
    "url",
    ["postgres://u@h/d", "postgresql+asyncpg://u:p@h:5432/d", "postgresql://u@/d?host=/run/pg"],
)
def test_every_spelling_of_a_postgresql_url_is_handed_on_as_asyncpg_takes_it(url: str) -> None:
    found = load({"DATABASE_URL": url, **BOTH}).config.database_url
    assert found == Secret("postgresql://" + url.partition("://")[2])


def test_random_keys_and_secrets_of_the_usual_tools_are_accepted() -> None:
    for _ in range(300):
        raw = secrets.token_bytes(32)
        ring = f"{raw.hex()},{base64.b64encode(raw).decode()},{secrets.token_urlsafe(32)}"
        loaded = load({"ENCRYPTION_KEY": ring, "JWT_SECRET": secrets.token_hex(16)})
        assert loaded.config.key_ring()[:2] == (raw, raw)


@pytest.mark.parametrize("name", ["METRICS_BEARER_TOKEN", "THINKWATCH_TOKEN"])
@pytest.mark.parametrize("flaw", ["\u00f6", " ", "\n", "\x7f"])
def test_a_token_that_no_header_can_hold_is_refused(name: str, flaw: str) -> None:
    (line,) = problems({name: f"abcdefgh{flaw}ijklmnopqr"})
    assert line.startswith(f"{name} has white space or characters beyond ASCII")


def test_an_unknown_variable_of_ours_is_warned_about_with_the_likely_name() -> None:
    loaded = load({"THINKWATCH_DATADIR": "x", "THINKWATCH_WORKERS": "1", "OTHER": "x"})
    assert loaded.warnings == (
        "THINKWATCH_DATADIR is not a known setting - did you mean THINKWATCH_DATA_DIR?",
    )


def test_an_unknown_key_in_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thinkwatch.toml").write_text("gatewayport = 1\n[table]\n")
    assert problems({}) == [
        "thinkwatch.toml: gatewayport is not a known setting - did you mean GATEWAY_PORT?",
        "thinkwatch.toml: table is not a known setting - remove it",
    ]


def test_a_broken_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "thinkwatch.toml").write_text("gateway_port = = 1\n")
    (line,) = problems({})
    assert "thinkwatch.toml cannot be read: " in line


def test_secrets_in_a_file_that_others_can_read_are_warned_about(tmp_path: Path) -> None:
    path = tmp_path / "thinkwatch.toml"
    path.write_text(f'jwt_secret = "{JWT}"\n')
    path.chmod(0o644)
    assert "JWT_SECRET" in load({}).warnings[0]
    path.chmod(0o600)
    assert load({}).warnings == ()


def test_the_configuration_reaches_a_child_unchanged_and_shows_no_secret() -> None:
    config = load(
        {"ENCRYPTION_KEY": KEY, "JWT_SECRET": JWT, "REDIS_URL": "redis://:hunter2@h"}
    ).config
    assert msgspec.json.decode(to_wire(config), type=BootConfig, dec_hook=from_wire_hook) == config
    assert KEY not in repr(config)
    assert "hunter2" not in repr(config)


def test_every_variable_has_a_usable_default() -> None:
    assert all(variable.default is None or variable.default for variable in VARIABLES)
    known = {variable.name for variable in (*VARIABLES, *SETTING_VARIABLES)}
    assert set(load({}).sources) == known


def test_settings_of_the_environment_are_typed_and_survive_the_way_to_a_child() -> None:
    loaded = load(
        {
            "TW_GATEWAY_MAX_JSON_DEPTH": "32",
            "TW_ROUTING_GUESS_MODEL_BY_PREFIX": "True",
            "TW_SECURITY_RATE_LIMIT_FAIL_CLOSED": "true",
        }
    )
    assert loaded.config.settings == {
        "gateway.max_json_depth": 32,
        "routing.guess_model_by_prefix": True,
        "security.rate_limit_fail_closed": "true",
    }
    wire = to_wire(loaded.config)
    assert msgspec.json.decode(wire, type=BootConfig, dec_hook=from_wire_hook) == loaded.config


@pytest.mark.parametrize("wrong", ["7", "501", "abc", "1_0", "3.5", " 9", "9" * 400])
def test_a_wrong_setting_of_the_environment_is_one_line(wrong: str) -> None:
    [line] = problems({"TW_GATEWAY_MAX_JSON_DEPTH": wrong})
    assert line.startswith("TW_GATEWAY_MAX_JSON_DEPTH is wrong: gateway.max_json_depth must be")


def test_a_setting_that_nobody_knows_is_a_warning() -> None:
    [warning] = load({"TW_GATEWAY_MAX_JSON_DEEP": "9"}).warnings
    assert "did you mean TW_GATEWAY_MAX_JSON_DEPTH?" in warning
