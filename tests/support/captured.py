"""A transport without a network: it keeps what goes out and answers what a test says."""

import json
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Any

from application.ports.upstream import (
    Headers,
    UpstreamRequest,
    UpstreamResponse,
    UpstreamTransport,
)

JSON = ((b"content-type", b"application/json"),)


class CannedResponse(UpstreamResponse):
    """An answer in one piece."""

    def __init__(self, status: int, body: Any = b"", headers: Sequence[tuple[bytes, bytes]] = JSON):
        """`body` is bytes, or what becomes JSON."""
        self._status = status
        self._body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._headers = headers
        self.closed = False

    @property
    def status(self) -> int:
        return self._status

    @property
    def headers(self) -> Headers:
        return self._headers

    async def chunks(self) -> AsyncIterator[bytes]:
        if self._body:
            yield self._body

    async def aclose(self) -> None:
        self.closed = True


class CapturedTransport(UpstreamTransport):
    """Answers with what is queued, in order; `always` answers the rest."""

    def __init__(self, *answers: CannedResponse | Exception) -> None:
        """An exception is raised instead of an answer."""
        self.queue = deque(answers)
        self.always: CannedResponse | None = None
        self.requests: list[UpstreamRequest] = []
        self.given: list[CannedResponse] = []
        self.closed = 0

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        self.requests.append(request)
        answer = self.queue.popleft() if self.queue else self.always
        assert answer is not None, f"nothing was to be asked of {request.url}"
        if isinstance(answer, Exception):
            raise answer
        self.given.append(answer)
        return answer

    async def aclose(self) -> None:
        self.closed += 1

    @property
    def header_sets(self) -> list[dict[str, str]]:
        """The headers of each request."""
        return [
            {name.decode(): value.decode() for name, value in request.headers}
            for request in self.requests
        ]

    @property
    def urls(self) -> list[str]:
        """The URL of each request."""
        return [request.url for request in self.requests]
