"""HTTP exchange with a provider, as narrow as the gateway path needs it."""

from abc import abstractmethod
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from msgspec import Struct

Headers = Sequence[tuple[bytes, bytes]]


class UpstreamTimeouts(Struct, frozen=True, kw_only=True):
    """Bounds of one exchange, in seconds.

    Attributes:
        connect: TCP and TLS, including the wait for a pooled connection.
        first_byte: from the request being sent to the response head.
        idle: between two parts of the response body.
        total: the whole exchange, from `send` to the last byte.
    """

    connect: float
    first_byte: float
    idle: float
    total: float


class UpstreamRequest(Struct, frozen=True, kw_only=True):
    """One request. `host`, `content-length` and connection headers are the transport's business.

    Attributes:
        url: absolute http(s) URL with an already encoded path and query.
        headers: lower-case names and values; a value with CR, LF or NUL is refused.
    """

    method: str
    url: str
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    timeouts: UpstreamTimeouts


class UpstreamResponse(Protocol):
    """Response head plus a body that is read once.

    `aclose` may be called at any time and any number of times; it gives the connection back when
    the body was read to its end and closes it otherwise.
    """

    @property
    @abstractmethod
    def status(self) -> int:
        """HTTP status (never 1xx)."""
        ...

    @property
    @abstractmethod
    def headers(self) -> Headers:
        """Response headers with lower-case names, in wire order, duplicates kept."""
        ...

    @abstractmethod
    def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives, never empty, content-encoding removed.

        Raises:
            UpstreamTimeout: the `idle` or `total` bound passed.
            UpstreamUnavailable: the connection broke before the body was complete.
            UpstreamProtocolError: bad framing or bad compressed data.
        """
        ...

    @abstractmethod
    async def aclose(self) -> None:
        """Release the connection."""
        ...


class UpstreamTransport(Protocol):
    """A pool of connections to the servers of one provider."""

    @abstractmethod
    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        """Send `request` and return once the response head is in. Never follows redirects.

        A request is repeated on a fresh connection only if a pooled one turned out to be closed
        before any byte of the answer arrived, and either it is certain that the request was not
        processed or its method is safe (GET, HEAD, OPTIONS).
        Cancelling the call closes the connection.

        Raises:
            UpstreamTimeout: a bound passed.
            UpstreamUnavailable: no connection, or it broke before the head was complete.
            UpstreamProtocolError: the head is not HTTP/1.1, or over the header limits.
            InvalidRequest: URL or headers cannot be sent.
        """
        ...

    @abstractmethod
    async def aclose(self) -> None:
        """Close idle connections now and busy ones when their exchange ends."""
        ...
