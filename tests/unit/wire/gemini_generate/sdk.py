"""google-genai as a reader of what we write, without a network."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import httpx
from google.genai import Client, types

QUESTION = "Hi"


class Exchange:
    """What the client gets for its next request, and what it sent."""

    def __init__(self) -> None:
        """Make a client, which takes long."""
        self.answer = b"{}"
        self.status = 200
        self.chunk = 1 << 20
        self.sent: Any = None
        options = types.HttpOptions(
            base_url="https://gateway.example",
            httpx_client=httpx.Client(transport=httpx.MockTransport(self._handle)),
            retry_options=types.HttpRetryOptions(attempts=1),
        )
        self.client = Client(api_key="k", http_options=options)

    def give(self, answer: bytes, *, status: int = 200, chunk: int = 1 << 20) -> None:
        """Answer the next request with `answer`, in pieces of `chunk` bytes."""
        self.answer, self.status, self.chunk = answer, status, chunk

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.sent = json.loads(request.content)
        return httpx.Response(self.status, stream=_Pieces(self.answer, self.chunk))


class _Pieces(httpx.SyncByteStream):
    def __init__(self, data: bytes, size: int) -> None:
        self._data = data
        self._size = size

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self._data), self._size):
            yield self._data[start : start + self._size]


@cache
def exchange() -> Exchange:
    """Return the one client of all tests."""
    return Exchange()


def whole(answer: bytes, *, status: int = 200) -> types.GenerateContentResponse:
    """Return an answer as the client reads it."""
    exchange().give(answer, status=status)
    return exchange().client.models.generate_content(model="m", contents=QUESTION)


def streamed(answer: bytes, *, chunk: int = 1 << 20) -> list[types.GenerateContentResponse]:
    """Return the chunks of a streamed answer as the client reads them."""
    exchange().give(answer, chunk=chunk)
    models = exchange().client.models
    return list(models.generate_content_stream(model="m", contents=QUESTION))


def replayed(parts: list[types.Part]) -> list[dict[str, Any]]:
    """Return parts of an answer as the client sends them in the next request."""
    contents = [types.Content(role="user", parts=[types.Part(text=QUESTION)])]
    contents.append(types.Content(role="model", parts=parts))
    return sent(contents)["contents"][1]["parts"]


def sent(
    contents: list[types.Content], config: types.GenerateContentConfig | None = None
) -> dict[str, Any]:
    """Return the body that the client sends."""
    exchange().give(b"{}")
    exchange().client.models.generate_content(model="m", contents=list(contents), config=config)
    return exchange().sent


def parts_of(chunks: list[types.GenerateContentResponse], candidate: int = 0) -> list[types.Part]:
    """Return the parts of one candidate, those of all chunks in a row."""
    found: list[types.Part] = []
    for chunk in chunks:
        for each in chunk.candidates or []:
            if (each.index or 0) == candidate and each.content is not None:
                found += each.content.parts or []
    return found
