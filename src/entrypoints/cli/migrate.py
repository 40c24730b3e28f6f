"""`thinkwatch migrate`."""

import asyncio
from pathlib import Path

import click
import msgspec
from msgspec import Struct

from adapters.sql import migrations
from entrypoints.cli.options import configured, data_dir_option, json_option
from entrypoints.failures import EXIT_FAILED
from entrypoints.stores import stores_for_command

_EPILOG = """\b
Exit codes: 0 when the schema is up to date, 1 when --check finds that it is not, 69 when the
database cannot be reached.

\b
Examples:
  thinkwatch migrate
  thinkwatch migrate --check
  thinkwatch migrate --sql > schema.sql
"""


class Report(Struct, frozen=True, kw_only=True):
    """What `--json` prints: revisions of the schema before and after, and the newest one."""

    before: str | None
    after: str | None
    head: str


@click.command("migrate", epilog=_EPILOG)
@click.option("--check", is_flag=True, help="Only tell whether the schema is up to date.")
@click.option("--sql", "as_sql", is_flag=True, help="Print the SQL and touch no database.")
@data_dir_option
@json_option
def command(data_dir: Path | None, *, check: bool, as_sql: bool, as_json: bool) -> int:
    """Bring the database schema up to date: in one transaction, on one replica at a time."""
    if as_sql:
        click.echo(migrations.sql(), nl=False)
        return 0
    with stores_for_command(configured(data_dir=data_dir).config, command="migrate") as stores:
        report = asyncio.run(_migrate(stores.database_url, check=check))
    if as_json:
        click.echo(msgspec.json.encode(report))
    elif report.before == report.after == report.head:
        click.echo(f"The schema is up to date ({report.head}).")
    elif check:
        click.echo(f"The schema is at {report.before or 'nothing'}, not at {report.head}.")
    else:
        click.echo(f"The schema went from {report.before or 'nothing'} to {report.after}.")
    return 0 if report.after == report.head else EXIT_FAILED


async def _migrate(url: str, *, check: bool) -> Report:
    before = await migrations.state(url)
    if check or before.is_current:
        return Report(before=before.current, after=before.current, head=before.head)
    await migrations.upgrade(url)
    after = await migrations.state(url)
    return Report(before=before.current, after=after.current, head=after.head)
