"""The routes of other operations on port 3000 (data-plane.md section 1)."""

from litestar import delete, get, post
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.types import ASGIApp

from entrypoints.gateway.asked import (
    RELAYED_PATHS,
    Endpoint,
    asked_of_relay,
    asked_of_response,
    path_rest,
    response_operation,
)
from entrypoints.gateway.dialects import Dialects

_JSON = "application/json"


def relay_routes(endpoint: Endpoint, dialects: Dialects) -> list[HTTPRouteHandler]:
    """Return the route handlers of what is relayed, never translated."""
    relayed = endpoint(lambda scope: asked_of_relay(scope, dialects))
    of_response = endpoint(lambda scope: asked_of_response(scope, path_rest(scope), dialects))

    @post(list(RELAYED_PATHS), status_code=200, media_type=_JSON)
    async def relay_operation() -> ASGIApp:
        """Embeddings, legacy completions, moderations, reranking, images and audio (OpenAI)."""
        return relayed

    def about_response(method: str, rest: str) -> ASGIApp:
        if response_operation(method, rest.removeprefix("/")) is None:
            raise NotFoundException
        return of_response

    @get("/v1/responses/{rest:path}", media_type=_JSON)
    async def retrieve_response(rest: FromPath[str]) -> ASGIApp:
        """Show a kept response or its input (OpenAI Responses API)."""
        return about_response("GET", rest)

    @delete("/v1/responses/{rest:path}", status_code=200, media_type=_JSON)
    async def delete_response(rest: FromPath[str]) -> ASGIApp:
        """Delete a kept response (OpenAI Responses API)."""
        return about_response("DELETE", rest)

    @post("/v1/responses/{rest:path}", status_code=200, media_type=_JSON)
    async def cancel_response(rest: FromPath[str]) -> ASGIApp:
        """Cancel a response that is made in the background (OpenAI Responses API)."""
        return about_response("POST", rest)

    return [relay_operation, retrieve_response, delete_response, cancel_response]
