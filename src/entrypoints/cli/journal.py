"""`thinkwatch journal`: what the journals hold, and the replay of dead ones."""

import asyncio
import time
from pathlib import Path

import click
import msgspec
from msgspec import Struct

from adapters.bus.redis_streams import RedisStreams
from adapters.journal.adoption import FileDeadJournals
from adapters.journal.inspection import JournalReport, inspect_journals
from adapters.redis.connection import connect
from adapters.system.clock import SystemClock
from adapters.system.identifiers import UuidGenerator
from adapters.system.randomness import SystemRandomness
from application.jobs.adopt_journals import AdoptJournals
from entrypoints.cli.options import configured, data_dir_option, json_option
from entrypoints.datadir import DataDir
from entrypoints.stores import stores_for_command

_EPILOG = """\b
Every gateway process keeps its request records in a journal of its own until they are stored.
The journal of a killed process is adopted by the next one that runs; 'replay' does it now.

\b
Examples:
  thinkwatch journal status
  thinkwatch journal status --json | jq '.[].unconfirmed_records'
  thinkwatch journal replay --wait 60
"""
_HEADINGS = ("JOURNAL", "STATE", "BYTES", "SEGMENTS", "OPEN", "UNCONFIRMED", "LAG", "DAMAGED")


class Replay(Struct, frozen=True, kw_only=True):
    """What `journal replay --json` prints: journals of dead processes before and after."""

    found: int
    stored: int
    waiting: int


@click.group("journal", epilog=_EPILOG)
def command() -> None:
    """Look into the journals and replay them."""


@command.command("status")
@json_option
@data_dir_option
def status(*, as_json: bool, data_dir: Path | None) -> None:
    """Show every journal of this machine."""
    reports = inspect_journals(DataDir(configured(data_dir=data_dir).config.data_dir).journal)
    if as_json:
        click.echo(msgspec.json.encode(reports).decode())
        return
    now_ms = time.time_ns() // 1_000_000
    rows = [_HEADINGS, *(_row(report, now_ms) for report in reports)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


@command.command("replay")
@click.option(
    "--wait", "wait_s", type=click.FloatRange(0, 3600), default=10.0, show_default=True,
    help="Seconds to wait until the records are stored; a worker has to run for that.",
)  # fmt: skip
@json_option
@data_dir_option
def replay(*, wait_s: float, as_json: bool, data_dir: Path | None) -> None:
    """Ship the journals of dead processes now."""
    config = configured(data_dir=data_dir).config
    root = DataDir(config.data_dir).journal
    found = _count_dead(root)
    if found:
        with stores_for_command(config, command="journal replay") as stores:
            asyncio.run(_replay(root, stores.redis_url, wait_s))
    waiting = _count_dead(root)
    outcome = Replay(found=found, stored=max(0, found - waiting), waiting=waiting)
    if as_json:
        click.echo(msgspec.json.encode(outcome).decode())
    elif not found:
        click.echo("No process has left a journal behind.")
    else:
        click.echo(f"Journals found: {found}, stored: {outcome.stored}, waiting: {waiting}.")


async def _replay(root: Path, redis_url: str, wait_s: float) -> None:
    """Ship what dead journals hold, and wait for its storage. Raises `ServiceUnavailable`."""
    clock, randomness = SystemClock(), SystemRandomness()
    redis = connect(redis_url)
    consumer = f"replay-{UuidGenerator().new_id()}"
    bus = RedisStreams(redis, consumer=consumer, clock=clock)
    adopt = AdoptJournals(FileDeadJournals(root), bus, clock=clock, randomness=randomness)
    deadline = clock.monotonic() + wait_s
    try:
        await adopt.round()
        while adopt.in_hand and clock.monotonic() < deadline:
            await asyncio.sleep(0.2)
            await adopt.round()
    finally:
        await adopt.drain()
        await redis.aclose()


def _count_dead(root: Path) -> int:
    return sum(not report.in_use for report in inspect_journals(root))


def _row(report: JournalReport, now_ms: int) -> tuple[str, ...]:
    oldest = report.oldest_unconfirmed_ms
    return (
        report.name,
        "in use" if report.in_use else "dead",
        str(report.bytes_used),
        str(report.segments),
        str(report.open_requests),
        str(report.unconfirmed_records),
        "-" if oldest is None else f"{max(0, now_ms - oldest) / 1000:.1f}s",
        str(report.damaged),
    )
