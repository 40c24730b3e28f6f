"""`thinkwatch doctor`: every value with its source, every dependency with its mend."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit, urlunsplit

import click
import msgspec
from msgspec import Struct

from domain.secret import Secret
from entrypoints.cli.options import configured, data_dir_option, json_option
from entrypoints.config import VARIABLES, BootConfig, LoadedConfig
from entrypoints.datadir import DataDir, Holder, with_secrets
from entrypoints.failures import StartFailed
from entrypoints.preflight import Check, check_dependencies, check_ports
from entrypoints.roles import ALL_ROLES
from entrypoints.stores import stores_for_command

_EPILOG = """\b
Exit codes: 0 when everything is fine (warnings included), 78 when the configuration has to be
changed, 69 when something it depends on is not available.

\b
Examples:
  thinkwatch doctor
  thinkwatch doctor --json --data-dir /var/lib/thinkwatch
"""
_URLS = ("DATABASE_URL", "REDIS_URL", "CLICKHOUSE_URL")


class Value(Struct, frozen=True, kw_only=True):
    """An effective configuration value; secrets are masked."""

    name: str
    value: str
    source: str


class Line(Struct, frozen=True, kw_only=True):
    """Outcome of one check: `ok`, `warning` or `failed`."""

    check: str
    status: str
    detail: str
    mend: str | None = None


class Report(Struct, frozen=True, kw_only=True):
    """What `doctor --json` prints."""

    ok: bool
    configuration: tuple[Value, ...]
    checks: tuple[Line, ...]


@click.command("doctor", epilog=_EPILOG)
@data_dir_option
@json_option
def command(data_dir: Path | None, *, as_json: bool) -> int:
    """Check the configuration and every dependency, and say what to do.

    Embedded stores that do not run are started for the check. It works beside a running server.
    """
    try:
        loaded = configured(data_dir=data_dir)
    except StartFailed as error:
        return _finish((), _failed_lines("configuration", error), error.exit_code, as_json=as_json)
    values = effective_values(loaded)
    try:
        checks, code = _check(loaded.config)
    except StartFailed as error:
        return _finish(values, _failed_lines("stores", error), error.exit_code, as_json=as_json)
    return _finish(values, tuple(map(_line, checks)), code, as_json=as_json)


def _check(config: BootConfig) -> tuple[list[Check], int]:
    directory = DataDir(config.data_dir)
    running = directory.running_holder()
    with stores_for_command(config, command="doctor") as stores:
        complete = with_secrets(config)
        checks = asyncio.run(check_dependencies(complete, stores, ALL_ROLES))
    checks.append(Check(name="data directory", detail=_use(directory, running)))
    if running is None:
        checks += check_ports(config, ALL_ROLES)
    failures = [check.failure for check in checks if check.failure is not None]
    return checks, max((failure.exit_code for failure in failures), default=0)


def _use(directory: DataDir, running: Holder | None) -> str:
    return f"{directory.path}, " + ("not in use" if running is None else f"in use by {running}")


def _failed_lines(name: str, error: StartFailed) -> tuple[Line, ...]:
    return tuple(
        Line(check=name, status="failed", detail=failure.what, mend=failure.mend)
        for failure in error.failures
    )


def _line(check: Check) -> Line:
    if check.failure is not None:
        return Line(
            check=check.name, status="failed", detail=check.failure.what, mend=check.failure.mend
        )
    if check.warning is not None:
        return Line(check=check.name, status="warning", detail=check.warning)
    return Line(check=check.name, status="ok", detail=check.detail)


def _finish(values: tuple[Value, ...], lines: tuple[Line, ...], code: int, *, as_json: bool) -> int:
    if as_json:
        report = Report(ok=code == 0, configuration=values, checks=lines)
        click.echo(msgspec.json.encode(report))
        return code
    for value in values:
        click.echo(f"{value.name:<34} {value.value}  ({value.source})")
    if values:
        click.echo()
    for line in lines:
        mend = f" - {line.mend}" if line.mend else ""
        click.echo(f"{line.status:<8} {line.check}: {line.detail}{mend}")
    return code


def effective_values(loaded: LoadedConfig) -> tuple[Value, ...]:
    """Return every variable with its value in force, masked where it is a secret."""
    return tuple(
        Value(
            name=variable.name,
            value=_shown(variable.name, loaded.config),
            source=loaded.sources.get(variable.name, "default"),
        )
        for variable in VARIABLES
        if variable.name != "THINKWATCH_CONFIG"
    )


_FIELD_OF: Mapping[str, str] = {
    "ENCRYPTION_KEY": "encryption_keys",
    "THINKWATCH_TOKEN": "console_token",
}


def _shown(name: str, config: BootConfig) -> str:
    field = _FIELD_OF.get(name, name.removeprefix("THINKWATCH_").lower())
    value: object = getattr(config, field)
    if name in _URLS:
        return "embedded" if not isinstance(value, Secret) else masked_url(value.reveal())
    if name in ("ENCRYPTION_KEY", "JWT_SECRET") and not value:
        return "generated, in the data directory"
    if isinstance(value, Secret):
        return "set"
    if isinstance(value, tuple):
        parts = cast("tuple[object, ...]", value)
        secret = any(isinstance(part, Secret) for part in parts)
        return f"set ({len(parts)})" if secret else ", ".join(map(str, parts)) or "none"
    return "not set" if value is None else str(value)


def masked_url(url: str) -> str:
    """Return `url` without its password and its query, which may hold one too."""
    parts = urlsplit(url)
    account, at, hosts = parts.netloc.rpartition("@")
    user, colon, _ = account.partition(":")
    shown = f"{user}{':…' if colon else ''}{at}{hosts}"
    query = "…" if parts.query else ""
    return urlunsplit((parts.scheme, shown, parts.path, query, ""))
