"""`thinkwatch version`."""

import platform

import click
import msgspec

from entrypoints.cli.options import json_option
from entrypoints.version import VERSION


@click.command("version", epilog="Example: thinkwatch version --json")
@json_option
def command(*, as_json: bool) -> None:
    """Print the version of ThinkWatch and of the Python it runs on."""
    if as_json:
        versions = {"version": VERSION, "python": platform.python_version()}
        click.echo(msgspec.json.encode(versions))
    else:
        click.echo(f"thinkwatch {VERSION} (Python {platform.python_version()})")
