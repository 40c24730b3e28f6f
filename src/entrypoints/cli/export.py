"""`thinkwatch export`."""

from pathlib import Path

import click

from entrypoints.cli.administering import administer
from entrypoints.cli.documents import dump_json, dump_yaml
from entrypoints.cli.options import data_dir_option, json_option
from entrypoints.container.administration import Administration

_EPILOG = """\b
Secrets are left out: credentials of providers and secrets of keys. 'apply' keeps what is stored
where the document says nothing, so applying an export changes nothing. To set up another
installation with it, add 'credentials' to the providers that need them.

\b
Examples:
  thinkwatch export > thinkwatch.yaml
  thinkwatch export --json
"""
_HEAD = "# Secrets are left out; 'thinkwatch apply' keeps those that are stored.\n"


@click.command("export", epilog=_EPILOG)
@data_dir_option
@json_option
def command(data_dir: Path | None, *, as_json: bool) -> None:
    """Print the configuration as a document for 'apply'."""

    async def work(administration: Administration) -> dict[str, object]:
        return await administration.export.export()

    document = administer("export", data_dir, work)
    if as_json:
        click.echo(dump_json(document))
    else:
        click.echo(_HEAD + dump_yaml(document), nl=False)
