"""The Litestar app of port 3001."""

import msgspec
from litestar import Litestar
from litestar.di import Provide
from litestar.types import ASGIApp, Scope

from entrypoints.asgi import REQUEST_ID, RequestScope
from entrypoints.console.api.budget_alerts import budget_alert_routes
from entrypoints.console.api.budgets import budget_routes
from entrypoints.console.api.health import console_health_route
from entrypoints.console.api.limit_overrides import override_routes
from entrypoints.console.api.limit_standings import standing_routes
from entrypoints.console.api.limits import rule_routes
from entrypoints.console.api.providers import provider_routes
from entrypoints.console.api.requests import request_routes
from entrypoints.console.api.routing import routing_routes
from entrypoints.console.headers import CONSOLE_HEADERS
from entrypoints.console.media_types import require_json
from entrypoints.console.openapi import openapi_config
from entrypoints.console.pages.api_docs import API_DOCS, ApiDocs
from entrypoints.console.pages.welcome import PAGES
from entrypoints.console.problems import MEDIA_TYPE, Problem, problem_response
from entrypoints.console.schemas import ExactNumbers, Structs
from entrypoints.console.security import actor_of, token_guard
from entrypoints.console.services import Console
from entrypoints.console.system_status import SystemStatus
from entrypoints.health import health_routes


def create_console_app(console: Console) -> ASGIApp:
    """Return the ASGI app that serves the console's REST API."""
    return RequestScope(
        create_console_api(console),
        new_id=console.ids.new_id,
        on_crash=_crash,
        headers=CONSOLE_HEADERS,
    )


def create_console_api(console: Console) -> Litestar:
    """Return the bare Litestar app: the source of the OpenAPI document."""
    return Litestar(
        route_handlers=[
            *request_routes(console.request_records),
            *rule_routes(console.limits.rules, console.limits.requests),
            *override_routes(console.limits.overrides, console.limits.requests),
            *standing_routes(console.limits.standings),
            *budget_routes(console.limits.budgets, console.limits.requests),
            *budget_alert_routes(console.limits.alerts),
            *provider_routes(console.providers),
            *routing_routes(console.routing.simulation, console.routing.states),
            *PAGES,
            *API_DOCS,
            console_health_route(SystemStatus(console.health, console.system)),
            *health_routes(console.health),
        ],
        dependencies={"by": Provide(actor_of, sync_to_thread=False)},
        guards=[token_guard(console.token)],
        before_request=require_json,
        exception_handlers={Exception: problem_response},
        openapi_config=openapi_config(ApiDocs(path="/")),
        plugins=[ExactNumbers(), Structs()],
        logging_config=None,
    )


def _crash(scope: Scope) -> tuple[bytes, bytes]:
    problem = Problem(
        type="urn:thinkwatch:problem:internal_error",
        title="Internal error",
        status=500,
        detail="The request failed.",
        request_id=scope["state"][REQUEST_ID],
    )
    return MEDIA_TYPE.encode("ascii"), msgspec.json.encode(problem)
