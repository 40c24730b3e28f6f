"""OpenAI's own client as a reader of what we write."""

import json
from typing import Any, cast, get_args

import httpx2
import openai
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel

_EVENTS: dict[str, type[BaseModel]] = {
    get_args(event.model_fields["type"].annotation)[0]: event
    for event in get_args(get_args(ResponseStreamEvent)[0])
}
_QUESTION: dict[str, Any] = {"model": "gpt-public", "input": "Hi"}


def client(
    body: bytes, *, status: int = 200, content_type: str = "text/event-stream"
) -> openai.OpenAI:
    """Return a client that gets `body` for every request."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(
            status, headers={"content-type": content_type}, content=body, request=request
        )

    return openai.OpenAI(
        api_key="none",
        max_retries=0,
        http_client=httpx2.Client(transport=httpx2.MockTransport(answer)),
    )


def whole(body: bytes) -> Response:
    """Return a whole answer as the client understands it."""
    with client(body, content_type="application/json") as reader:
        return cast("Response", reader.responses.create(**_QUESTION))


def streamed(body: bytes) -> Response:
    """Return what a stream adds up to, by the client's own accumulator."""
    with client(body) as reader, reader.responses.stream(**_QUESTION) as stream:
        return cast("Response", stream.get_final_response())


def accumulated(body: bytes) -> list[Any]:
    """Return the events of the client's accumulator, which checks their order and identities."""
    with client(body) as reader, reader.responses.stream(**_QUESTION) as stream:
        return list(stream)


def events(body: bytes) -> list[Any]:
    """Return the events of a stream as the client parses them."""
    with client(body) as reader:
        return list(reader.responses.create(**_QUESTION, stream=True))


def frames(body: bytes) -> list[dict[str, Any]]:
    """Return the data of a stream's events."""
    return [
        json.loads(line.removeprefix(b"data: "))
        for line in body.split(b"\n")
        if line.startswith(b"data: ")
    ]


def check(body: bytes) -> None:
    """Check every event and what is in it against the client's types, which it does not itself."""
    for frame in frames(body):
        _EVENTS[frame["type"]].model_validate(frame)


def check_whole(body: bytes) -> None:
    """Check a whole answer against the client's types."""
    Response.model_validate_json(body)
