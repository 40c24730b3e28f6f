"""The routes of conversations on port 3000 (data-plane.md section 1)."""

from litestar import post
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.types import ASGIApp

from application.ports.dialect import DialectCodec
from domain.inference.dialect import Operation
from entrypoints.gateway.asked import (
    Asked,
    Endpoint,
    asked_of_converse,
    asked_of_gemini,
    converse_verb,
    gemini_verb,
    path_rest,
)
from entrypoints.gateway.dialects import Dialects

_JSON = "application/json"


def conversation_routes(endpoint: Endpoint, dialects: Dialects) -> list[HTTPRouteHandler]:
    """Return the route handlers of the five dialects."""

    def fixed(codec: DialectCodec, operation: Operation) -> ASGIApp:
        asked = Asked(codec, operation)
        return endpoint(lambda _: asked)

    chat = fixed(dialects.openai_chat, Operation.CHAT)
    responses = fixed(dialects.openai_responses, Operation.CHAT)
    messages = fixed(dialects.anthropic, Operation.CHAT)
    count = fixed(dialects.anthropic, Operation.COUNT_TOKENS)
    gemini = endpoint(lambda scope: asked_of_gemini(scope, path_rest(scope), dialects))
    converse = endpoint(lambda scope: asked_of_converse(path_rest(scope), dialects))

    @post("/v1/chat/completions", status_code=200, media_type=_JSON)
    async def chat_completions() -> ASGIApp:
        """Create a chat completion (OpenAI Chat Completions API), streamed or not."""
        return chat

    @post("/v1/responses", status_code=200, media_type=_JSON)
    async def create_response() -> ASGIApp:
        """Create a response (OpenAI Responses API), streamed or not."""
        return responses

    @post("/v1/messages", status_code=200, media_type=_JSON)
    async def create_message() -> ASGIApp:
        """Create a message (Anthropic Messages API), streamed or not."""
        return messages

    @post("/v1/messages/count_tokens", status_code=200, media_type=_JSON)
    async def count_tokens() -> ASGIApp:
        """Count the input tokens of a message (Anthropic)."""
        return count

    @post(
        ["/v1beta/models/{rest:path}", "/v1/models/{rest:path}"], status_code=200, media_type=_JSON
    )
    async def generate_content(rest: FromPath[str]) -> ASGIApp:
        """Generate content or count tokens (Gemini API), streamed or not."""
        if not gemini_verb(rest.removeprefix("/")):
            raise NotFoundException
        return gemini

    @post("/model/{rest:path}", status_code=200, media_type=_JSON)
    async def converse_with(rest: FromPath[str]) -> ASGIApp:
        """Converse with a model (Amazon Bedrock Runtime API), streamed or not."""
        if not converse_verb(rest.removeprefix("/")):
            raise NotFoundException
        return converse

    return [
        chat_completions,
        create_response,
        create_message,
        count_tokens,
        generate_content,
        converse_with,
    ]
