"""HTTP/1.1 on a public port: what one connection may cost before anybody is authenticated."""

import asyncio
import functools
import resource
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import structlog
from msgspec import Struct
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState

MAX_HEAD_BYTES = 65_536
"""Most bytes of target, header names and header values (and trailers) of one request."""
MAX_HEADERS = 100
"""Most header fields of one request, trailers included."""
HEAD_TIMEOUT_S = 15.0
"""Longest time from the connection, or from the first byte of the next request, to its head."""

_MOST_DESCRIPTORS = 65_536
_OTHER_DESCRIPTORS = 128
_WARN_EVERY_S = 10.0

log = structlog.get_logger(__name__)


class Refusal(Struct, frozen=True, kw_only=True):
    """Why a connection is refused below the app, in words for the client."""

    status: int
    code: str
    message: str


MALFORMED = Refusal(
    status=400, code="malformed_request", message="The request is not well-formed HTTP/1.1."
)
HEAD_TOO_LARGE = Refusal(
    status=431,
    code="headers_too_large",
    message=(
        f"URL and headers are over {MAX_HEAD_BYTES} bytes together, or there are over "
        f"{MAX_HEADERS} headers."
    ),
)
TOO_MANY_CONNECTIONS = Refusal(
    status=503,
    code="too_many_connections",
    message="The server has as many connections as it can take; try again shortly.",
)


class RefusalAnswer(Struct, frozen=True, kw_only=True):
    """A refusal in the shape of the port."""

    request_id: str
    content_type: str
    body: bytes


DescribeRefusal = Callable[[Refusal], RefusalAnswer]


class _HeadTooLargeError(Exception):
    """Stops the parser."""


class BoundedHttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol with bounds on the head, on the time for it, and on connections.

    There is one timer per connection at most, and none while a request is being answered.
    """

    def __init__(
        self,
        config: "Config",
        server_state: "ServerState",
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        describe: DescribeRefusal,
        max_connections: int,
        head_timeout_s: float = HEAD_TIMEOUT_S,
    ) -> None:
        """`describe` words a refusal; over `max_connections` of its server, it is refused."""
        super().__init__(config, server_state, app_state, _loop)
        self._describe = describe
        self._max_connections = max_connections
        self._head_timeout_s = head_timeout_s
        self._head_timer: asyncio.TimerHandle | None = None
        self._head_done = False
        self._head_bytes = 0
        self._head_count = 0
        self._unreported = 0
        self._refusal = MALFORMED

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Start the clock of the first request, or refuse one connection too many."""
        super().connection_made(transport)
        if len(self.connections) > self._max_connections:
            _warn_of_connections(self.loop.time(), self._max_connections)
            self._refuse(TOO_MANY_CONNECTIONS)
            return
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse; see to it that what the parser only hoards is bounded as well."""
        if self.transport.is_closing():
            return
        self._unreported += len(data)
        super().data_received(data)
        if self._unreported > MAX_HEAD_BYTES:
            # One endless header, trailer or chunk extension: the parser keeps it to itself.
            self._refuse(HEAD_TOO_LARGE)
        elif self._head_timer is None and not self._answering():
            # The next request has begun, or a body goes on that nobody reads any more.
            self._arm()

    def on_message_begin(self) -> None:
        """Start counting."""
        self._head_done = False
        self._head_bytes = self._head_count = self._unreported = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Count a part of the request target."""
        self._unreported = 0
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header; trailers are not headers (RFC 9110 section 6.5.1) and are dropped."""
        self._unreported = 0
        self._head_count += 1
        # As `_count` does, without the call: this runs for every header of every request.
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > MAX_HEAD_BYTES or self._head_count > MAX_HEADERS:
            self._refusal = HEAD_TOO_LARGE
            raise _HeadTooLargeError
        if not self._head_done:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Stop the clock: the app has its own for the rest."""
        self._unreported = 0
        self._head_done = True
        self._disarm()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body, which the app bounds."""
        self._unreported = 0
        super().on_body(body)

    def on_chunk_header(self) -> None:
        """Note that the parser moves on."""
        self._unreported = 0

    def send_400_response(self, msg: str) -> None:
        """Answer what the parser refused; uvicorn's own `msg` is not shown."""
        del msg
        self._refuse(self._refusal)

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refusal = HEAD_TOO_LARGE
            raise _HeadTooLargeError

    def _refuse(self, refusal: Refusal) -> None:
        self._disarm()
        self._unset_keepalive_if_required()
        self._unreported = 0
        if self.transport.is_closing():
            return
        # An answer is on its way, or owed to an earlier request: another would be taken for it.
        if not self._answering() or (self._head_done and not self.cycle.response_started):
            answer = self._describe(refusal)
            lines = [
                ("content-type", answer.content_type),
                ("content-length", str(len(answer.body))),
                ("x-request-id", answer.request_id),
                ("connection", "close"),
            ]
            head = "".join(f"{name}: {value}\r\n" for name, value in lines).encode("ascii")
            self.transport.write(b"%b%b\r\n%b" % (STATUS_LINE[refusal.status], head, answer.body))
        self.transport.close()

    def _answering(self) -> bool:
        return bool(self.cycle) and not self.cycle.response_complete

    def _arm(self) -> None:
        self._head_timer = self.loop.call_later(self._head_timeout_s, self._too_slow)

    def _disarm(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_slow(self) -> None:
        self._head_timer = None
        self.transport.close()


def protocol_factory(
    describe: DescribeRefusal, max_connections: int, *, head_timeout_s: float = HEAD_TIMEOUT_S
) -> type[asyncio.Protocol]:
    """Return what uvicorn takes as `http`."""
    made = functools.partial(
        BoundedHttpProtocol,
        describe=describe,
        max_connections=max_connections,
        head_timeout_s=head_timeout_s,
    )
    return cast("type[asyncio.Protocol]", made)  # uvicorn only calls it


def raise_descriptor_limit() -> int:
    """Raise the soft limit of open files as far as it may be, to 65 536; return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _MOST_DESCRIPTORS)
    if soft == resource.RLIM_INFINITY:
        return _MOST_DESCRIPTORS
    if soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        return most
    return soft


def connections_within(descriptors: int) -> int:
    """Return how many clients `descriptors` open files serve: each may need an upstream too."""
    return max(16, (descriptors - _OTHER_DESCRIPTORS) // 2)


_warned_at = float("-inf")


def _warn_of_connections(now: float, limit: int) -> None:
    global _warned_at  # noqa: PLW0603 - one log line per process and interval
    if now - _warned_at >= _WARN_EVERY_S:
        _warned_at = now
        log.warning("too_many_connections", limit=limit)
