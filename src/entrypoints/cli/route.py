"""`thinkwatch route`: where requests go, and the routes as they stand, through the console."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, TypeVar

import click
import msgspec

from application.console.routing.states import RouteOrder, RouteState
from application.console.routing.views import Simulated
from domain.inference.dialect import Dialect, Operation
from domain.routing.capabilities import Capability
from entrypoints.cli.console_api import ConsoleApi, open_console_api
from entrypoints.cli.options import configured, data_dir_option, json_option
from entrypoints.cli.paging import every_item
from entrypoints.cli.route_table import plan_lines, route_lines, route_name
from entrypoints.failures import EXIT_FAILED, Failure, StartFailed

_EPILOG = """\b
A ROUTE is an id as 'route list' prints it, or MODEL@PROVIDER where only one route of the model
leads to the provider.

\b
Examples:
  thinkwatch route explain --model gpt-4o --key ci
  thinkwatch route explain --body request.json --dialect anthropic_messages --json
  thinkwatch route list --model gpt-4o
  thinkwatch route drain gpt-4o@openai
  thinkwatch route reset gpt-4o@openai
"""
_PATH = "/api/routing/routes"
_F = TypeVar("_F", bound=Callable[..., object])
_url_option = click.option("--url", help="URL of the console [default: the one that runs here].")


@click.group("route", epilog=_EPILOG)
def command() -> None:
    """Explain where requests go; list, drain and reset routes."""


@command.command("explain")
@click.option("--model", help="Name or alias; may be left out with a --body that names it.")
@click.option("--key", help="Id of the key, owner/name, or a name only one active key has.")
@click.option("--user", help="E-mail or id of the user, instead of a key.")
@click.option("--session", "session_id", help="Value of the session header.")
@click.option(
    "--dialect", type=click.Choice([each.value for each in Dialect]), help="[default: openai_chat]"
)
@click.option(
    "--operation", type=click.Choice([each.value for each in Operation]), help="[default: chat]"
)
@click.option(
    "--feature",
    "features",
    multiple=True,
    type=click.Choice([each.value for each in Capability]),
    help="An ability the request uses; repeat it for more.",
)
@click.option("--input-tokens", type=click.IntRange(0), help="Length of the prompt.")
@click.option("--output-tokens", type=click.IntRange(0), help="Bound of the answer.")
@click.option("--body", type=click.File("rb"), help="File with a whole request; '-' reads stdin.")
@_url_option
@data_dir_option
@json_option
def explain(
    *,
    body: IO[bytes] | None,
    features: tuple[str, ...],
    url: str | None,
    data_dir: Path | None,
    as_json: bool,
    **wish: str | int | None,
) -> None:
    """Tell where a request would go: routes in order, with scores, and why not the others.

    Nothing is sent and nothing counted.
    """
    if body is None and wish["model"] is None:
        raise click.UsageError("say for which model: --model, or --body with a request")
    asked: dict[str, object] = {name: each for name, each in wish.items() if each is not None}
    if features:
        asked["features"] = features
    if body is not None:
        asked["body"] = _request(body.read())
    with open_console_api(configured(data_dir=data_dir).config, url) as console:
        answer = console.post("/api/routing/simulate", asked)
    if as_json:
        click.echo(answer)
        return
    for line in plan_lines(msgspec.json.decode(answer, type=Simulated), _now_ms()):
        click.echo(line)


@command.command("list")
@click.option("--model", help="Only the routes of this model or alias.")
@_url_option
@data_dir_option
@json_option
def list_routes(
    *, model: str | None, url: str | None, data_dir: Path | None, as_json: bool
) -> None:
    """List routes with the health that all gateway processes report together."""
    query = {"model": model} if model else {}
    with open_console_api(configured(data_dir=data_dir).config, url) as console:
        routes = list(every_item(console, _PATH, query))
    if as_json:
        click.echo(msgspec.json.encode({"routes": routes}))
        return
    states = [msgspec.json.decode(raw, type=RouteState) for raw in routes]
    for line in route_lines(states, _now_ms()):
        click.echo(line)


def _ordered(order: _F) -> _F:
    """Add what every order takes."""
    options = (
        click.argument("route"),
        click.option("--dry-run", is_flag=True, help="Only tell how the route would stand."),
        _url_option,
        data_dir_option,
        json_option,
    )
    for option in reversed(options):
        order = option(order)
    return order


@command.command("drain")
@_ordered
def drain(
    *, route: str, dry_run: bool, url: str | None, data_dir: Path | None, as_json: bool
) -> None:
    """Take ROUTE out until 'undrain'; running requests end where they are."""
    _give("drain", route, dry_run=dry_run, url=url, data_dir=data_dir, as_json=as_json)


@command.command("undrain")
@_ordered
def undrain(
    *, route: str, dry_run: bool, url: str | None, data_dir: Path | None, as_json: bool
) -> None:
    """Let requests go to ROUTE again."""
    _give("undrain", route, dry_run=dry_run, url=url, data_dir=data_dir, as_json=as_json)


@command.command("reset")
@_ordered
def reset(
    *, route: str, dry_run: bool, url: str | None, data_dir: Path | None, as_json: bool
) -> None:
    """Close the circuit of ROUTE and end its cool-down."""
    _give("reset", route, dry_run=dry_run, url=url, data_dir=data_dir, as_json=as_json)


def _give(
    order: str, route: str, *, dry_run: bool, url: str | None, data_dir: Path | None, as_json: bool
) -> None:
    query = {"dry_run": "true"} if dry_run else {}
    with open_console_api(configured(data_dir=data_dir).config, url) as console:
        answer = console.post(f"{_PATH}/{_found(console, route)}/{order}", {}, query)
    if as_json:
        click.echo(answer)
        return
    done = msgspec.json.decode(answer, type=RouteOrder)
    for line in route_lines([done.item], _now_ms()):
        click.echo(line)
    if not done.applied:
        click.echo("nothing was changed")


def _found(console: ConsoleApi, reference: str) -> str:
    """Return the id of the one route that is meant.

    Raises:
        StartFailed: there is none, or more than one.
    """
    routes = [msgspec.json.decode(raw, type=RouteState) for raw in every_item(console, _PATH, {})]
    found = [each.id for each in routes if reference in (each.id, route_name(each))]
    if len(found) == 1:
        return found[0]
    what = (
        f"several routes are called '{reference}'" if found else f"there is no route '{reference}'"
    )
    raise StartFailed(Failure(what, "name it by an id of 'thinkwatch route list'", EXIT_FAILED))


def _request(content: bytes) -> msgspec.Raw:
    try:
        msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise click.UsageError(f"--body is not JSON: {error}") from error
    return msgspec.Raw(content)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
