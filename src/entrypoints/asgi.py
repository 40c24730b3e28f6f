"""ASGI edge: request scope, body reading, disconnect watch, plain responses.

Everything here is outermost or inside a raw ASGI endpoint, so it also covers 404, 405 and 500.
"""

import asyncio
import re
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

import structlog
from litestar import Request
from litestar.datastructures import State
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from domain.errors import BodyTimeout, BodyTooLarge, ClientDisconnected

REQUEST_ID = "thinkwatch_request_id"
TRACE_ID = "thinkwatch_trace_id"
Headers = list[tuple[bytes, bytes]]
AnyRequest = Request[object, object, State]

_REQUEST_ID_FORM = re.compile(rb"[A-Za-z0-9._:+/=@-]{1,128}")
# https://www.w3.org/TR/trace-context/#traceparent-header: version 00 has exactly these four parts.
_TRACEPARENT_FORM = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")

log = structlog.get_logger(__name__)


class RequestScope:
    """Outermost wrapper: gives every request an id and every answer its headers.

    `x-request-id`, `x-trace-id` or the trace id of `traceparent` is honoured, in this order, when
    well-formed; otherwise an id is minted. An exception that escapes the app is logged and answered
    by `on_crash`, without internals.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        new_id: Callable[[], str],
        on_crash: Callable[[Scope], tuple[bytes, bytes]],
        headers: Headers,
    ) -> None:
        """`on_crash` returns (content type, body); `headers` are added to every answer."""
        self._app = app
        self._new_id = new_id
        self._on_crash = on_crash
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id, trace_id = _ids(scope["headers"], self._new_id)
        state = scope.setdefault("state", {})
        state[REQUEST_ID] = request_id
        state[TRACE_ID] = trace_id
        added = [(b"x-request-id", request_id.encode("ascii")), *self._headers]
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message["headers"], *added]
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception:
            log.exception("request_crashed", request_id=request_id, path=scope["path"])
            if started:
                raise  # the server closes the connection: a cut answer must look cut
            content_type, body = self._on_crash(scope)
            await respond(send_with_headers, 500, body, [(b"content-type", content_type)])


def _ids(headers: Iterable[tuple[bytes, bytes]], new_id: Callable[[], str]) -> tuple[str, str]:
    """Return (request id, trace id); the trace id is empty when the caller gave none."""
    given = given_trace = trace = b""
    for name, value in headers:
        if name == b"x-request-id":
            given = value
        elif name == b"x-trace-id":
            given_trace = value
        elif name == b"traceparent" and (match := _TRACEPARENT_FORM.fullmatch(value)):
            trace = match[1]
    for candidate in (given, given_trace, trace):
        if candidate and _REQUEST_ID_FORM.fullmatch(candidate):
            return candidate.decode("ascii"), trace.decode("ascii")
    return new_id(), trace.decode("ascii")


async def respond(
    send: Send, status: int, body: bytes, headers: Headers, *, is_head: bool = False
) -> None:
    """Send a whole response."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [*headers, (b"content-length", str(len(body)).encode("ascii"))],
        }
    )
    await send({"type": "http.response.body", "body": b"" if is_head else body, "more_body": False})


def header_values(scope: HTTPScope, name: bytes) -> list[bytes]:
    """Return all values of a header given by its lower-case name."""
    return [value for key, value in scope["headers"] if key == name]


async def read_body(scope: HTTPScope, receive: Receive, limit: int, timeout_s: float) -> bytes:
    """Read the whole request body.

    Raises:
        BodyTooLarge: it is over `limit` bytes; known from `content-length` before any byte is read.
        BodyTimeout: it did not arrive within `timeout_s` seconds.
        ClientDisconnected: the client hung up.
    """
    for value in header_values(scope, b"content-length"):
        if value.isdigit() and int(value) > limit:
            raise BodyTooLarge(limit)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    raise ClientDisconnected
                body = message["body"]
                size += len(body)
                if size > limit:
                    raise BodyTooLarge(limit)
                parts.append(body)
                if not message["more_body"]:
                    return parts[0] if len(parts) == 1 else b"".join(parts)
    except TimeoutError:
        raise BodyTimeout from None


class DisconnectWatch:
    """Cancels the body of its `with` when the client hangs up after `begin` was called.

    Plain task cancellation is used, so that clean-up code may await normally. The `with` then
    raises `ClientDisconnected` in place of the cancellation, after `on_gone` was called.
    """

    __slots__ = ("_gone", "_on_gone", "_receive", "_watch", "_work")

    def __init__(self, receive: Receive, on_gone: Callable[[], None]) -> None:
        """Watch what `receive` says."""
        self._receive = receive
        self._on_gone = on_gone
        self._gone = False
        self._watch: asyncio.Future[object] | None = None
        self._work: asyncio.Task[object] | None = None

    def begin(self) -> None:
        """Watch from now on: the body has been read, so the next message is the disconnect."""
        self._work = asyncio.current_task()
        self._watch = asyncio.ensure_future(_next_message(self._receive))
        self._watch.add_done_callback(self._on_message)

    def __enter__(self) -> Self:
        """Begin later: until the body has been read there is nothing to watch."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the watch."""
        if self._watch is not None:
            self._watch.remove_done_callback(self._on_message)
            self._watch.cancel()
        # Without `gone` it is this process that shuts down; the client is still there.
        if self._gone and isinstance(error, asyncio.CancelledError):
            assert self._work is not None
            self._work.uncancel()
            raise ClientDisconnected from None

    def _on_message(self, watch: asyncio.Future[object]) -> None:
        if watch.cancelled():
            return
        watch.exception()
        self._gone = True
        self._on_gone()
        assert self._work is not None
        self._work.cancel()


async def _next_message(receive: Receive) -> object:
    return await receive()
