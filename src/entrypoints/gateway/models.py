"""The models a key may use, in the form of the caller's dialect (data-plane.md section 1).

`GET /v1/models` is OpenAI's list, with an `anthropic-version` header Anthropic's, and for Google's
clients, which send `x-goog-api-key`, Gemini's; so is `GET /v1beta/models`.
"""

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.response import Response
from litestar.types import HTTPScope

from application.gateway.list_models import ListModels
from application.ports.dialect import DialectCodec
from domain.errors import DomainError
from entrypoints.asgi import REQUEST_ID, AnyRequest, header_values
from entrypoints.client_address import Networks, client_address
from entrypoints.gateway.credentials import RequestHeaders
from entrypoints.gateway.dialects import Dialects
from entrypoints.gateway.errors import describe_error, refusal_headers
from entrypoints.gateway.model_lists import write_model, write_models


def model_routes(
    models: ListModels, dialects: Dialects, trusted_proxies: Networks
) -> list[HTTPRouteHandler]:
    """Return the route handlers of the model list."""

    def caller(scope: HTTPScope) -> tuple[tuple[str, ...], str]:
        return RequestHeaders(scope).credentials, client_address(scope, trusted_proxies)

    def codec_of(scope: HTTPScope) -> DialectCodec:
        if scope["path"].startswith("/v1beta/") or _from_google(scope):
            return dialects.gemini
        if header_values(scope, b"anthropic-version"):
            return dialects.anthropic
        return dialects.openai_chat

    def refuse(request: AnyRequest, codec: DialectCodec, error: DomainError) -> Response[bytes]:
        public = describe_error(error, request.scope["state"][REQUEST_ID])
        headers = [*refusal_headers(public), *codec.error_headers(public)]
        return Response(
            codec.error_body(public),
            status_code=codec.error_status(public),
            media_type="application/json",
            headers={name.decode("ascii"): value.decode("ascii") for name, value in headers},
        )

    @get(["/v1/models", "/v1beta/models"], media_type="application/json")
    async def list_models(request: AnyRequest) -> Response[bytes]:
        """List the models this key may use."""
        codec = codec_of(request.scope)
        try:
            visible = await models.all(*caller(request.scope))
        except DomainError as error:
            return refuse(request, codec, error)
        return _json(write_models(visible, codec.dialect))

    @get(["/v1/models/{model:path}", "/v1beta/models/{model:path}"], media_type="application/json")
    async def retrieve_model(request: AnyRequest, model: FromPath[str]) -> Response[bytes]:
        """Describe one model."""
        codec = codec_of(request.scope)
        try:
            # Litestar's path parameter keeps its leading slash; model names may contain slashes.
            found = await models.one(*caller(request.scope), model.removeprefix("/"))
        except DomainError as error:
            return refuse(request, codec, error)
        return _json(write_model(found, codec.dialect))

    return [list_models, retrieve_model]


def _from_google(scope: HTTPScope) -> bool:
    """Google's SDKs ask for the stable version, `/v1/models`, as OpenAI's do."""
    return any(name in (b"x-goog-api-key", b"x-goog-api-client") for name, _ in scope["headers"])


def _json(body: bytes) -> Response[bytes]:
    return Response(body, media_type="application/json")
