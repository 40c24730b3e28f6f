"""`thinkwatch providers`: whether providers answer, and what they offer, through the console."""

from pathlib import Path
from urllib.parse import quote

import click
import msgspec

from application.console.providers import ModelsOffered, ProviderTest
from entrypoints.cli.console_api import open_console_api
from entrypoints.cli.options import configured, data_dir_option, json_option
from entrypoints.failures import EXIT_FAILED

_EPILOG = """\b
Examples:
  thinkwatch providers test openai
  thinkwatch providers models anthropic --json
"""

_url_option = click.option("--url", help="URL of the console [default: the one that runs here].")


@click.group("providers", epilog=_EPILOG)
def command() -> None:
    """Test providers and list their models."""


@command.command("test")
@click.argument("name")
@_url_option
@data_dir_option
@json_option
def test(*, name: str, url: str | None, data_dir: Path | None, as_json: bool) -> int:
    """Ask the provider NAME with its stored credentials; the exit code is 1 if that fails."""
    with open_console_api(configured(data_dir=data_dir).config, url) as console:
        answer = console.post(f"/api/providers/{quote(name, safe='')}/test", {})
    found = msgspec.json.decode(answer, type=ProviderTest)
    if as_json:
        click.echo(answer)
    elif found.error is None:
        listed = f"{len(found.models)} model{'' if len(found.models) == 1 else 's'}"
        asked = listed if found.asked == "models" else f"'{found.asked}'"
        click.echo(f"ok  {name} answered in {found.latency_ms:.0f} ms ({asked})")
    else:
        status = f" ({found.error.status})" if found.error.status is not None else ""
        click.echo(f"failed  {name}: {found.error.message}{status} - {found.error.mend}", err=True)
    return 0 if found.ok else EXIT_FAILED


@command.command("models")
@click.argument("name")
@_url_option
@data_dir_option
@json_option
def models(*, name: str, url: str | None, data_dir: Path | None, as_json: bool) -> None:
    """List the models that the provider NAME offers, as routes name them."""
    with open_console_api(configured(data_dir=data_dir).config, url) as console:
        answer = console.get(f"/api/providers/{quote(name, safe='')}/models", {})
    if as_json:
        click.echo(answer)
        return
    for model in msgspec.json.decode(answer, type=ModelsOffered).models:
        click.echo(f"{model.id}  {model.name}".rstrip())
