"""The Litestar app of port 3001."""

import msgspec
from litestar import Litestar
from litestar.di import Provide
from litestar.response import Response
from litestar.types import ASGIApp, Scope

from entrypoints.asgi import REQUEST_ID, AnyRequest, RequestScope
from entrypoints.console.api.auth import auth_routes
from entrypoints.console.api.budget_alerts import budget_alert_routes
from entrypoints.console.api.budgets import budget_routes
from entrypoints.console.api.health import console_health_route
from entrypoints.console.api.installation import installation_routes
from entrypoints.console.api.invites import invite_routes
from entrypoints.console.api.key_handovers import handover_routes
from entrypoints.console.api.keys import key_routes
from entrypoints.console.api.limit_overrides import override_routes
from entrypoints.console.api.limit_standings import standing_routes
from entrypoints.console.api.limits import rule_routes
from entrypoints.console.api.me import me_routes
from entrypoints.console.api.model_routes import model_route_routes
from entrypoints.console.api.models import model_routes
from entrypoints.console.api.prices import price_routes
from entrypoints.console.api.providers import provider_inspection_routes, provider_routes
from entrypoints.console.api.requests import request_routes
from entrypoints.console.api.roles import access_routes, assignment_routes, role_routes
from entrypoints.console.api.routing import routing_routes
from entrypoints.console.api.service_accounts import service_account_routes
from entrypoints.console.api.sessions import session_routes
from entrypoints.console.api.setup import setup_routes
from entrypoints.console.api.single_sign_on import own_link_routes, sso_routes
from entrypoints.console.api.sso_providers import sso_lifecycle_routes, sso_provider_routes
from entrypoints.console.api.teams import team_routes
from entrypoints.console.api.users import user_routes
from entrypoints.console.bulk import refusals_of
from entrypoints.console.denials import RecordDenials
from entrypoints.console.headers import CONSOLE_HEADERS, StrictTransport
from entrypoints.console.idempotency import ClaimKeys, KeepAnswers
from entrypoints.console.media_types import require_json
from entrypoints.console.openapi import openapi_config
from entrypoints.console.pages.api_docs import API_DOCS, ApiDocs
from entrypoints.console.pages.welcome import PAGES
from entrypoints.console.problems import MEDIA_TYPE, Problem, problem_response
from entrypoints.console.schemas import ExactNumbers, Structs
from entrypoints.console.security import actor_of, console_guard, origin_of
from entrypoints.console.services import Console
from entrypoints.console.system_status import SystemStatus
from entrypoints.cors import CrossOrigin
from entrypoints.health import health_routes

_LARGEST_BODY = 8 * 1024 * 1024
_SENT = (
    "Authorization", "Content-Type", "Idempotency-Key", "If-Match", "X-CSRF-Token", "X-Request-Id",
)  # fmt: skip
_READ = ("ETag", "Idempotency-Replayed", "Location", "Retry-After", "X-Request-Id")


def create_console_app(console: Console) -> ASGIApp:
    """Return the ASGI app that serves the console's REST API."""
    edge = console.identity.edge
    app: ASGIApp = KeepAnswers(create_console_api(console), console.requests)
    app = RecordDenials(app, console.identity.denials)
    if edge.cors_origins:
        app = CrossOrigin(app, edge.cors_origins, headers=_SENT, exposed=_READ, credentials=True)
    scoped = RequestScope(app, new_id=console.ids.new_id, on_crash=_crash, headers=CONSOLE_HEADERS)
    return StrictTransport(scoped, edge)


def create_console_api(console: Console) -> Litestar:
    """Return the bare Litestar app: the source of the OpenAPI document."""
    claim_keys = ClaimKeys(console.requests)

    async def before(request: AnyRequest) -> Response[bytes] | None:
        require_json(request)
        return await claim_keys(request)

    return Litestar(
        route_handlers=[
            *setup_routes(console.identity),
            *auth_routes(console.identity, console.single_sign_on.sign_in),
            *sso_routes(console.identity, console.single_sign_on.sign_in),
            *own_link_routes(console.identity, console.single_sign_on.links),
            *sso_provider_routes(console.identity, console.single_sign_on),
            *sso_lifecycle_routes(console.identity, console.single_sign_on),
            *me_routes(console.identity),
            *session_routes(console.identity),
            *request_routes(console.request_records),
            *rule_routes(console.limits.rules),
            *override_routes(console.limits.overrides),
            *standing_routes(console.limits.standings),
            *budget_routes(console.limits.budgets),
            *budget_alert_routes(console.limits.alerts),
            *provider_routes(console.catalog.providers),
            *provider_inspection_routes(console.providers),
            *model_routes(console.catalog.models),
            *model_route_routes(console.catalog.routes),
            *price_routes(console.catalog.prices),
            *routing_routes(console.routing.simulation, console.routing.states),
            *key_routes(console.keys.keys),
            *handover_routes(console.keys.handovers),
            *service_account_routes(console.keys.accounts),
            *user_routes(console.people.users),
            *team_routes(console.people.teams),
            *role_routes(console.people.roles),
            *assignment_routes(console.people.assignments),
            *access_routes(console.people.access),
            *invite_routes(console.people.invites),
            *installation_routes(console.installation),
            *PAGES,
            *API_DOCS,
            console_health_route(SystemStatus(console.health, console.system)),
            *health_routes(console.health),
        ],
        dependencies={
            "by": Provide(actor_of, sync_to_thread=False),
            "origin": Provide(origin_of, sync_to_thread=False),
            "refusals": Provide(refusals_of, sync_to_thread=False),
        },
        guards=[console_guard(console.identity.access, console.identity.edge)],
        request_max_body_size=_LARGEST_BODY,
        exception_handlers={Exception: problem_response},
        before_request=before,
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
