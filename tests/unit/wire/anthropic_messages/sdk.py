"""Anthropic's own client as a reader of what we write."""

from typing import Any, cast

import anthropic
import httpx2
from anthropic.types import Message
from anthropic.types.beta import BetaMessage

_QUESTION: dict[str, Any] = {
    "model": "claude-public",
    "max_tokens": 64,
    "messages": [{"role": "user", "content": "Hi"}],
}


def client(
    body: bytes,
    *,
    status: int = 200,
    content_type: str = "text/event-stream",
    headers: dict[str, str] | None = None,
) -> anthropic.Anthropic:
    """Return a client that gets `body` for every request."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(
            status,
            headers={"content-type": content_type, **(headers or {})},
            content=body,
            request=request,
        )

    return anthropic.Anthropic(
        api_key="none",
        max_retries=0,
        http_client=httpx2.Client(transport=httpx2.MockTransport(answer)),
    )


def whole(body: bytes) -> Message:
    """Return a whole answer as the client understands it."""
    with client(body, content_type="application/json") as reader:
        return cast("Message", reader.messages.create(**_QUESTION))


def streamed(body: bytes) -> Message:
    """Return what a stream adds up to, by the client's own accumulator."""
    with client(body) as reader, reader.messages.stream(**_QUESTION) as stream:
        return stream.get_final_message()


def streamed_beta(body: bytes) -> BetaMessage:
    """Return what a stream adds up to, by the accumulator of the beta API."""
    with client(body) as reader, reader.beta.messages.stream(**_QUESTION) as stream:
        return stream.get_final_message()


def events(body: bytes) -> list[Any]:
    """Return the events of a stream as the client parses them."""
    with client(body) as reader:
        return list(reader.messages.create(**_QUESTION, stream=True))
