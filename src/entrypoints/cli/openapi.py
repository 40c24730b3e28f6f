"""`thinkwatch openapi`: the document clients are generated from."""

from pathlib import Path
from typing import NoReturn, cast

import click
import msgspec

from application.console.audit import ShowAudit
from application.console.documents import RemoteDocuments
from application.console.idempotency import IdempotentRequests
from application.console.key_collection import KeyCollection
from application.console.key_handovers import KeyHandoverDesk
from application.console.limits.alerts import BudgetAlertList
from application.console.limits.collection import BudgetCollection, RuleCollection
from application.console.limits.overrides import ManageOverrides
from application.console.limits.standing import LimitStandings
from application.console.people.assignments import ManageAssignments
from application.console.people.explanation import ExplainAccess
from application.console.people.invites import ManageInvites
from application.console.people.roles import ManageRoles
from application.console.people.teams import ManageTeams
from application.console.people.users import ManageUsers
from application.console.providers import InspectProviders
from application.console.request_records import RequestRecords
from application.console.routing.simulation import SimulateRouting
from application.console.routing.states import RouteStates
from application.console.service_accounts import ManageServiceAccounts
from application.console.settings.manage import ManageSettings
from application.identity.console_access import ConsoleAccess
from application.identity.credential_resets import CredentialResets
from application.identity.denials import Denials
from application.identity.passwords import OwnPassword
from application.identity.second_factor import SecondFactors
from application.identity.session_list import SessionList
from application.identity.sessions import ConsoleSessions
from application.identity.setup import SetUp
from application.identity.sign_in import SignIn
from application.identity.whoami import WhoAmI
from application.ports.clock import Clock, IdGenerator
from entrypoints.cli.options import json_option
from entrypoints.console.app import create_console_api
from entrypoints.console.edge import ConsoleEdge
from entrypoints.console.openapi import document_json
from entrypoints.console.services import (
    CatalogServices,
    Console,
    IdentityServices,
    InstallationServices,
    KeyServices,
    LimitServices,
    PeopleServices,
    RoutingServices,
    SsoServices,
)
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


class _Group:
    """Stands for a group of services, each of which is one that is not called."""

    def __getattr__(self, name: str) -> _NotCalled:
        return _NotCalled()


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
        ),
        keys=KeyServices(
            keys=cast("KeyCollection", _NotCalled()),
            handovers=cast("KeyHandoverDesk", _NotCalled()),
            accounts=cast("ManageServiceAccounts", _NotCalled()),
        ),
        providers=cast("InspectProviders", _NotCalled()),
        catalog=cast("CatalogServices", _Group()),
        routing=RoutingServices(
            simulation=cast("SimulateRouting", _NotCalled()),
            states=cast("RouteStates", _NotCalled()),
        ),
        people=PeopleServices(
            users=cast("ManageUsers", _NotCalled()),
            teams=cast("ManageTeams", _NotCalled()),
            roles=cast("ManageRoles", _NotCalled()),
            assignments=cast("ManageAssignments", _NotCalled()),
            invites=cast("ManageInvites", _NotCalled()),
            access=cast("ExplainAccess", _NotCalled()),
        ),
        identity=IdentityServices(
            edge=ConsoleEdge(),
            clock=cast("Clock", _NotCalled()),
            access=cast("ConsoleAccess", _NotCalled()),
            denials=cast("Denials", _NotCalled()),
            sign_in=cast("SignIn", _NotCalled()),
            sessions=cast("ConsoleSessions", _NotCalled()),
            session_list=cast("SessionList", _NotCalled()),
            own_password=cast("OwnPassword", _NotCalled()),
            factors=cast("SecondFactors", _NotCalled()),
            resets=cast("CredentialResets", _NotCalled()),
            setup=cast("SetUp", _NotCalled()),
            whoami=cast("WhoAmI", _NotCalled()),
        ),
        single_sign_on=cast("SsoServices", _Group()),
        installation=InstallationServices(
            settings=cast("ManageSettings", _NotCalled()),
            audit=cast("ShowAudit", _NotCalled()),
            documents=cast("RemoteDocuments", _NotCalled()),
        ),
        requests=cast("IdempotentRequests", _NotCalled()),
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
