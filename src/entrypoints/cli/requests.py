"""`thinkwatch requests`: the records of requests, and their arrival."""

import re
import time
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import click

from domain.records.events import Outcome
from entrypoints.cli.console_api import open_console_api
from entrypoints.cli.options import configured, data_dir_option, json_option
from entrypoints.cli.record_feed import RecordFeed
from entrypoints.cli.record_table import RecordTable

_EPILOG = """\b
Records are printed oldest first; times are UTC. With --json every line is one record as the
console's GET /api/requests returns it.

\b
Examples:
  thinkwatch requests --since 1h --outcome upstream_error
  thinkwatch requests --follow --model gpt-4o
  thinkwatch requests --json --limit 1000 | jq .cost_nano_usd
"""
_UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_AGO = re.compile(r"(\d{1,6})([smhd])")


class Moment(click.ParamType[int]):
    """A point in time: `90s`, `15m`, `1h`, `7d` ago, or ISO 8601. Converted to Unix milliseconds."""

    name = "when"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Return Unix milliseconds."""
        text = str(value)
        if ago := _AGO.fullmatch(text):
            return time.time_ns() // 1_000_000 - int(ago[1]) * _UNITS_MS[ago[2]]
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.fail(f"'{text}' is neither an age like 15m or 2h nor an ISO 8601 time", param, ctx)
        return round(moment.astimezone().timestamp() * 1000)


class ConsoleUrl(click.ParamType[str]):
    """An absolute http(s) URL."""

    name = "url"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Return the URL as it is."""
        text = str(value)
        try:
            parts = urlsplit(text)
            usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
        except ValueError:
            usable = False
        if not usable:
            self.fail(f"'{text}' is not an http(s) URL", param, ctx)
        return text


@click.command("requests", epilog=_EPILOG)
@click.option("--follow", "-f", is_flag=True, help="Go on printing records as they arrive.")
@click.option(
    "--limit", "-n", type=click.IntRange(0, 100_000), default=20, show_default=True,
    help="How many of the newest records.",
)  # fmt: skip
@click.option("--since", type=Moment(), help="Started at or after: 15m, 2h, 7d, or ISO 8601.")
@click.option("--until", type=Moment(), help="Started before.")
@click.option("--model", help="Requested or served model.")
@click.option("--provider", help="Name of the provider.")
@click.option("--outcome", type=click.Choice([str(outcome) for outcome in Outcome]))
@click.option("--status", type=click.IntRange(0, 599), help="HTTP status.")
@click.option("--key", "key_id", help="Id of the API key.")
@click.option("--user", help="Id or email of the user.")
@click.option("--request-id", help="As in the x-request-id header of the answer.")
@click.option(
    "--url", type=ConsoleUrl(), help="URL of the console [default: the one that runs here]."
)
@json_option
@data_dir_option
def command(
    *,
    follow: bool,
    limit: int,
    since: int | None,
    until: int | None,
    url: str | None,
    as_json: bool,
    data_dir: Path | None,
    **filters: str | int | None,
) -> None:
    """Show the records of requests."""
    config = configured(data_dir=data_dir).config
    wanted = {"since_ms": since, "until_ms": until, **filters}
    query = {name: str(value) for name, value in wanted.items() if value is not None}
    with open_console_api(config, url) as console:
        feed = RecordFeed(console.get, query)
        if not follow:
            _print(feed.newest(limit), None if as_json else RecordTable())
            return
        table = None if as_json else RecordTable()
        batches = feed.follow(limit, time.sleep)
        _print(next(batches), table)
        for records in batches:
            for line in _lines(records, table):
                click.echo(line)


def _print(records: list[bytes], table: RecordTable | None) -> None:
    lines = _lines(records, table)
    if table is not None:
        click.echo(table.heading())
    for line in lines:
        click.echo(line)


def _lines(records: list[bytes], table: RecordTable | None) -> list[str]:
    return [record.decode() for record in records] if table is None else table.lines(records)
