"""`GET /v1/models`: the models a key may use, as OpenAI lists them."""

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.response import Response

from application.gateway.list_models import ListModels
from application.ports.dialect import DialectCodec
from domain.errors import DomainError
from domain.routing.catalog import Model
from entrypoints.asgi import REQUEST_ID, AnyRequest
from entrypoints.client_address import Networks, client_address
from entrypoints.gateway.credentials import RequestHeaders
from entrypoints.gateway.errors import describe_error, refusal_headers


class ModelObject(msgspec.Struct, frozen=True):
    """A model as the OpenAI API describes it; `created` is Unix seconds."""

    id: str
    created: int
    object: str = "model"
    owned_by: str = "thinkwatch"


class ModelPage(msgspec.Struct, frozen=True):
    """The whole list; the API does not page it."""

    data: list[ModelObject]
    object: str = "list"


def model_routes(
    models: ListModels, codec: DialectCodec, trusted_proxies: Networks
) -> list[HTTPRouteHandler]:
    """Return the route handlers of the model list."""

    def caller(request: AnyRequest) -> tuple[tuple[str, ...], str]:
        scope = request.scope
        return RequestHeaders(scope).credentials, client_address(scope, trusted_proxies)

    def refuse(request: AnyRequest, error: DomainError) -> Response[bytes]:
        public = describe_error(error, request.scope["state"][REQUEST_ID])
        headers = {
            name.decode("ascii"): value.decode("ascii") for name, value in refusal_headers(public)
        }
        return Response(
            codec.error_body(public),
            status_code=public.status,
            media_type="application/json",
            headers=headers,
        )

    @get("/v1/models", media_type="application/json")
    async def list_models(request: AnyRequest) -> Response[bytes]:
        """List the models this key may use."""
        try:
            visible = await models.all(*caller(request))
        except DomainError as error:
            return refuse(request, error)
        return _json(ModelPage([_as_openai(model) for model in visible]))

    @get("/v1/models/{model:path}", media_type="application/json")
    async def retrieve_model(request: AnyRequest, model: FromPath[str]) -> Response[bytes]:
        """Describe one model."""
        try:
            # Litestar's path parameter keeps its leading slash; model names may contain slashes.
            found = await models.one(*caller(request), model.removeprefix("/"))
        except DomainError as error:
            return refuse(request, error)
        return _json(_as_openai(found))

    return [list_models, retrieve_model]


def _as_openai(model: Model) -> ModelObject:
    return ModelObject(id=model.name, created=model.created_at_ms // 1000)


def _json(body: msgspec.Struct) -> Response[bytes]:
    return Response(msgspec.json.encode(body), media_type="application/json")
