"""OpenAI's own client as a reader of what we write."""

from functools import cache
from typing import Any, cast

import httpx2
import openai
from openai.types.chat import ChatCompletion, ChatCompletionChunk

_QUESTION: dict[str, Any] = {
    "model": "public",
    "messages": [{"role": "user", "content": "Hello"}],
}


class _Answers(httpx2.BaseTransport):
    """Gives the same answer to every request until it is given another one."""

    def __init__(self) -> None:
        self.body = b""
        self.status = 200
        self.content_type = "application/json"

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(
            self.status,
            headers={"content-type": self.content_type},
            content=self.body,
            request=request,
        )


@cache
def _client() -> tuple[openai.OpenAI, _Answers]:
    answers = _Answers()
    http = httpx2.Client(transport=answers)
    client = openai.OpenAI(
        api_key="none", base_url="http://gateway.test/v1", max_retries=0, http_client=http
    )
    return client, answers


def client(body: bytes, *, status: int = 200, stream: bool = False) -> openai.OpenAI:
    """Return a client that gets `body` for every request, until this is called again."""
    known, answers = _client()
    answers.body, answers.status = body, status
    answers.content_type = "text/event-stream" if stream else "application/json"
    return known


def whole(body: bytes) -> ChatCompletion:
    """Return a whole answer as the client understands it."""
    return cast("ChatCompletion", client(body).chat.completions.create(**_QUESTION))


def chunks(body: bytes) -> list[ChatCompletionChunk]:
    """Return the chunks of a stream as the client parses them."""
    return list(client(body, stream=True).chat.completions.create(**_QUESTION, stream=True))


def streamed(body: bytes) -> ChatCompletion:
    """Return what a stream adds up to, by the client's own accumulator."""
    with client(body, stream=True).chat.completions.stream(**_QUESTION) as stream:
        return stream.until_done().current_completion_snapshot
