"""`thinkwatch audit`: the administrative trail, on the stores or from an export."""

import os
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
from msgspec import Struct

from application.records.export import verify_export
from application.records.verification import CopyState, TrailReport
from entrypoints.cli.administering import BY_COMMAND, administer
from entrypoints.cli.options import configured, data_dir_option, json_option
from entrypoints.container.administration import Administration
from entrypoints.container.installation import audit_signer
from entrypoints.datadir import with_secrets
from entrypoints.failures import EXIT_FAILED, Failure, StartFailed

_EPILOG = """\b
The trail is verified against itself, its noted end, its signed checkpoints, and the copy in
ClickHouse where CLICKHOUSE_URL names it. Exit code 1: something was changed; the line says which
event is the first.

\b
Examples:
  thinkwatch audit verify
  thinkwatch audit export -o audit.jsonl
  thinkwatch audit verify --file audit.jsonl
"""
_COPIES = {
    CopyState.COMPARED: "and as its copy in the log store",
    CopyState.UNREACHABLE: "the copy in the log store could not be asked",
    CopyState.NONE: "no copy was compared",
}


class Verdict(Struct, frozen=True, kw_only=True):
    """What `--json` prints; `first_bad` and `fault` are null when the trail is intact."""

    intact: bool
    events: int
    hash: str
    first_bad: int | None
    fault: str | None
    checkpoints: int
    unchecked_checkpoints: int
    copy: str
    copied: int | None


@click.group("audit", epilog=_EPILOG)
def command() -> None:
    """Verify and export the audit trail."""


@command.command("verify")
@click.option(
    "--file",
    "--export",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Verify an export instead, without any store; signatures need ENCRYPTION_KEY.",
)
@data_dir_option
@json_option
def verify(path: Path | None, data_dir: Path | None, *, as_json: bool) -> None:
    """Find any event that was changed, inserted, deleted or moved, and name the first."""
    if path is None:
        report = administer("audit", data_dir, _verify)
    else:
        report = _verify_file(path, data_dir)
    if as_json:
        click.echo(msgspec.json.encode(_verdict(report)))
    if report.first_bad is not None:
        bad = report.first_bad
        raise StartFailed(
            Failure(
                f"audit event {bad.sequence} {bad.fault}",
                "compare it with backups, exports and the copy in the log store",
                EXIT_FAILED,
            )
        )
    if not as_json:
        _print(report)


@command.command("export")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path, allow_dash=True),
    help="Where to; - writes to standard output.",
)
@data_dir_option
def export(output: Path, data_dir: Path | None) -> None:
    """Write the whole trail with its proofs as JSON lines."""

    async def work(administration: Administration) -> None:
        lines = await administration.audit.export(BY_COMMAND)
        if str(output) == "-":
            async for some in lines:
                click.echo(some, nl=False)
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with os.fdopen(os.open(output, flags, 0o600), "wb") as opened:
            async for some in lines:
                opened.write(some)

    try:
        administer("audit", data_dir, work)
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise click.ClickException(f"{output}: {error.strerror} - name another file") from error


async def _verify(administration: Administration) -> TrailReport:
    return await administration.verify_audit.run()


def _verify_file(path: Path, data_dir: Path | None) -> TrailReport:
    config = configured(data_dir=data_dir).config
    if not config.encryption_keys and (config.data_dir / "encryption_key").exists():
        config = with_secrets(config)
    signer = audit_signer(config) if config.encryption_keys else None
    return verify_export(_lines(path), signer)


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as opened:
        yield from opened


def _print(report: TrailReport) -> None:
    click.echo(f"{report.events} events are as they were recorded, {_COPIES[report.copy]}.")
    click.echo(f"{report.checkpoints} signed checkpoints are right.")
    if report.unchecked_checkpoints:
        click.echo(
            f"The signatures of {report.unchecked_checkpoints} checkpoints were not checked: "
            "that needs ENCRYPTION_KEY.",
            err=True,
        )
    click.echo(f"The last event has the hash {report.head.hash.hex()}.")


def _verdict(report: TrailReport) -> Verdict:
    bad = report.first_bad
    return Verdict(
        intact=report.intact,
        events=report.events,
        hash=report.head.hash.hex(),
        first_bad=bad.sequence if bad is not None else None,
        fault=bad.fault if bad is not None else None,
        checkpoints=report.checkpoints,
        unchecked_checkpoints=report.unchecked_checkpoints,
        copy=report.copy.value,
        copied=report.copied,
    )
