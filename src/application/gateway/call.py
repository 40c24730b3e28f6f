"""One inference request on its way through the gateway."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field

from msgspec import Struct

from application.ports.dialect import NOT_IN_URL, DialectCodec, RequestTarget
from domain.inference.dialect import Operation, Surface
from domain.inference.head import RequestHead
from domain.limits.reservations import Reading
from domain.records.trace_context import NO_TRACE, TraceContext

BodyReader = Callable[[int], Awaitable[bytes]]
"""Reads the request body up to a bound in bytes; raises `BodyTooLarge`, `ClientDisconnected`."""


class RateLimits(Struct, frozen=True, kw_only=True):
    """The tightest window rule per metric, for the rate-limit headers."""

    requests: Reading | None = None
    tokens: Reading | None = None


@dataclass(slots=True, kw_only=True)
class InferenceCall:
    """What the edge knows of a request, and what the pipeline adds to it.

    Attributes:
        event_id: id of the request's record, unique for ever (clients may repeat request ids).
        request_id: the one id shown everywhere: response header, upstream header, record.
        target: what the URL says of the request.
        content_type: of the body, without parameters only for forms (they need their boundary).
        dialect_headers: headers that are part of the caller's dialect, for providers that speak it.
        credentials: values of all credential headers that were sent.
        trace: the caller's trace, or the one it was given at the opening of its books.
        started: monotonic seconds at arrival.
        rate_limits: the tightest window rules, once they have been checked.
        output_bound: the most tokens a choice may have, set where a strict limit needs a bound and
            neither the request nor the model has one.
        client_gone: set when the client hung up.
        dispatched: set once the request may go upstream.
        committed: set by the edge when it has answered 200 to keep a silent stream alive.
        body, head: set once the body has been read.
    """

    event_id: str
    request_id: str
    operation: Operation
    codec: DialectCodec
    credentials: tuple[str, ...]
    read_body: BodyReader
    started: float
    started_at_ms: int
    surface: Surface = Surface.AI_GATEWAY
    target: RequestTarget = NOT_IN_URL
    content_type: bytes = b"application/json"
    dialect_headers: tuple[tuple[bytes, bytes], ...] = ()
    trace: TraceContext = NO_TRACE
    session_id: str = ""
    client_ip: str = ""
    client_name: str = ""
    client_version: str = ""
    tags: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
    head: RequestHead | None = None
    client_gone: bool = False
    dispatched: bool = False
    committed: bool = False
    rate_limits: RateLimits | None = None
    output_bound: int | None = None


class Reply:
    """What goes back to the client. The reply owns the end of the call: always close it.

    Either `body` holds everything, or `chunks` yields it once as it becomes available.
    """

    __slots__ = ("_close", "body", "chunks", "headers", "status")

    def __init__(
        self,
        *,
        status: int,
        headers: list[tuple[bytes, bytes]],
        close: Callable[[], Awaitable[None]],
        body: bytes = b"",
        chunks: AsyncGenerator[bytes] | None = None,
    ) -> None:
        """`close` may be run more than once; it releases the upstream and settles the call."""
        self.status = status
        self.headers = headers
        self.body = body
        self.chunks = chunks
        self._close = close

    async def aclose(self) -> None:
        """Release the upstream and settle the call if it is not settled yet."""
        await self._close()
