"""The Litestar app of port 3000."""

from collections.abc import Callable, Mapping

import structlog
from litestar import Litestar
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException
from litestar.response import Response
from litestar.types import ASGIApp, HTTPScope, Scope

from application.ports.dialect import DialectCodec, PublicError
from entrypoints.asgi import REQUEST_ID, AnyRequest, RequestScope
from entrypoints.cors import CrossOrigin
from entrypoints.gateway.asked import Asked
from entrypoints.gateway.conversation_routes import conversation_routes
from entrypoints.gateway.errors import describe_error, public_http_error
from entrypoints.gateway.inference import InferenceEndpoint
from entrypoints.gateway.models import model_routes
from entrypoints.gateway.relay_routes import relay_routes
from entrypoints.gateway.services import Gateway
from entrypoints.health import health_routes
from entrypoints.metrics import metrics_routes

log = structlog.get_logger(__name__)

SECURITY_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
]
HSTS = (b"strict-transport-security", b"max-age=31536000")
"""RFC 6797; browsers heed it over TLS only."""
_SENT = (
    "Authorization", "Content-Type", "X-Api-Key", "Api-Key", "X-Goog-Api-Key", "X-Request-Id",
    "Anthropic-Version", "Anthropic-Beta", "OpenAI-Organization", "OpenAI-Project", "Traceparent",
)  # fmt: skip
_READ = ("Retry-After", "X-Request-Id")


def create_gateway_app(gateway: Gateway) -> ASGIApp:
    """Return the ASGI app that serves the public gateway."""
    dialects = gateway.dialects

    def endpoint(asked: Callable[[HTTPScope], Asked]) -> InferenceEndpoint:
        return InferenceEndpoint(
            gateway.handle_inference,
            asked,
            gateway.clock,
            gateway.ids,
            trusted_proxies=gateway.trusted_proxies,
            keep_alive_s=gateway.keep_alive_s,
        )

    def router_refusal(request: AnyRequest, error: HTTPException) -> Response[bytes]:
        public = public_http_error(
            error.status_code,
            request.scope["state"][REQUEST_ID],
            request.scope["path"],
            request.scope["method"],
        )
        return _refusal(dialects.of_path(request.scope["path"]), public, error.headers)

    def unexpected(request: AnyRequest, error: Exception) -> Response[bytes]:
        request_id = request.scope["state"][REQUEST_ID]
        log.error("request_crashed", request_id=request_id, exc_info=error)
        public = describe_error(error, request_id)
        return _refusal(dialects.of_path(request.scope["path"]), public, None)

    def crash(scope: Scope) -> tuple[bytes, bytes]:
        public = describe_error(RuntimeError(), scope["state"][REQUEST_ID])
        return b"application/json", dialects.of_path(scope["path"]).error_body(public)

    app = Litestar(
        route_handlers=[
            *conversation_routes(endpoint, dialects),
            *relay_routes(endpoint, dialects),
            *model_routes(gateway.list_models, dialects, gateway.trusted_proxies),
            *health_routes(gateway.health),
            *metrics_routes(gateway.metrics, gateway.metrics_token),
        ],
        exception_handlers={
            NotFoundException: router_refusal,
            MethodNotAllowedException: router_refusal,
            Exception: unexpected,
        },
        openapi_config=None,
        logging_config=None,
    )
    headers = [*SECURITY_HEADERS, HSTS] if gateway.over_tls else SECURITY_HEADERS
    served = app if not gateway.cors_origins else _with_origins(app, gateway.cors_origins)
    return RequestScope(served, new_id=gateway.ids.new_id, on_crash=crash, headers=headers)


def _with_origins(app: ASGIApp, origins: tuple[str, ...]) -> ASGIApp:
    # Keys are sent by pages themselves; there is no cookie that a browser could add.
    return CrossOrigin(app, origins, headers=_SENT, exposed=_READ, credentials=False)


def _refusal(
    codec: DialectCodec, public: PublicError, headers: Mapping[str, str] | None
) -> Response[bytes]:
    own = {name.decode(): value.decode() for name, value in codec.error_headers(public)}
    return Response(
        codec.error_body(public),
        status_code=codec.error_status(public),
        media_type="application/json",
        headers={**(headers or {}), **own},
    )
