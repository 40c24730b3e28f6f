"""`thinkwatch openapi`: the document clients are generated from."""

from pathlib import Path
from typing import NoReturn, cast

import click
import msgspec

from application.console.idempotency import IdempotentRequests
from application.console.limits.alerts import BudgetAlertList
from application.console.limits.collection import BudgetCollection, RuleCollection
from application.console.limits.overrides import ManageOverrides
from application.console.limits.standing import LimitStandings
from application.console.providers import InspectProviders
from application.console.request_records import RequestRecords
from application.console.routing.simulation import SimulateRouting
from application.console.routing.states import RouteStates
from application.ports.clock import IdGenerator
from domain.secret import Secret
from entrypoints.cli.options import json_option
from entrypoints.console.app import create_console_api
from entrypoints.console.openapi import document_json
from entrypoints.console.services import Console, LimitServices, RoutingServices
from entrypoints.health import HealthChecks

_EPILOG = """\b
Examples:
  thinkwatch openapi > openapi.json
  thinkwatch openapi --output openapi.json
"""


class _NotCalled:
    """Stands where a route would find its service: describing routes calls none."""

    def __getattr__(self, name: str) -> NoReturn:
        raise AssertionError(f"a description needs no {name}")


@click.command("openapi", epilog=_EPILOG)
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write it to a file."
)
@json_option
def command(output: Path | None, *, as_json: bool) -> None:
    """Print the OpenAPI document of the console.

    It is JSON in any case: indented for people, on one line with --json.
    """
    console = Console(
        request_records=cast("RequestRecords", _NotCalled()),
        limits=LimitServices(
            rules=cast("RuleCollection", _NotCalled()),
            budgets=cast("BudgetCollection", _NotCalled()),
            overrides=cast("ManageOverrides", _NotCalled()),
            standings=cast("LimitStandings", _NotCalled()),
            alerts=cast("BudgetAlertList", _NotCalled()),
            requests=cast("IdempotentRequests", _NotCalled()),
        ),
        providers=cast("InspectProviders", _NotCalled()),
        routing=RoutingServices(
            simulation=cast("SimulateRouting", _NotCalled()),
            states=cast("RouteStates", _NotCalled()),
        ),
        token=Secret(""),
        ids=cast("IdGenerator", _NotCalled()),
        health=HealthChecks({}),
    )
    document = document_json(create_console_api(console))
    text = document if as_json else msgspec.json.format(document, indent=2)
    if output is None:
        click.echo(text)
        return
    try:
        output.write_bytes(text + b"\n")
    except OSError as error:
        raise click.ClickException(f"{output}: {error.strerror} - name another file") from error
