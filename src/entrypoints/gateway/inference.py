"""The inference endpoint: a bare ASGI app behind Litestar's routing."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable

import structlog
from litestar.types import HTTPScope, Receive, Scope, Send

from application.gateway.call import InferenceCall, Reply
from application.gateway.handle_inference import HandleInference
from application.ports.clock import Clock, IdGenerator
from domain.errors import ClientDisconnected, DomainError, ServiceUnavailable
from entrypoints.asgi import (
    REQUEST_ID,
    TRACE_ID,
    DisconnectWatch,
    read_body,
    respond,
)
from entrypoints.client_address import Networks, client_address
from entrypoints.gateway.asked import Asked
from entrypoints.gateway.credentials import RequestHeaders
from entrypoints.gateway.errors import describe_error, refusal_headers
from entrypoints.gateway.governed_headers import governed_headers
from entrypoints.gateway.keep_alive import KeepAlive

BODY_TIMEOUT_S = 60.0
"""Longest time a client may take to send its request body."""
LONGEST_STREAM_S = 2 * 3600.0 + 60.0
"""Longest time a streamed answer may take to send: over the largest `upstream.total_timeout_ms`."""
GOODBYE_TIMEOUT_S = 1.0
"""Longest time to tell a client that the gateway shuts down."""
_GOODBYE = "The gateway is shutting down; send the request again."

log = structlog.get_logger(__name__)


class InferenceEndpoint:
    """Serves inference requests, as a bare ASGI app."""

    def __init__(
        self,
        handler: HandleInference,
        asked: Callable[[HTTPScope], Asked],
        clock: Clock,
        ids: IdGenerator,
        *,
        trusted_proxies: Networks,
        keep_alive_s: float,
    ) -> None:
        """`asked` reads dialect and operation from the URL; it never fails.

        `trusted_proxies` are the networks whose `x-forwarded-for` is believed. A stream that is
        silent for `keep_alive_s` seconds is kept alive in the dialect's way.
        """
        self._keep_alive_s = keep_alive_s
        self._handler = handler
        self._asked = asked
        self._clock = clock
        self._ids = ids
        self._trusted_proxies = trusted_proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request: exactly one answer, exactly one record."""
        assert scope["type"] == "http"
        call, watch = self._call(scope, receive)
        reply: Reply | None = None
        alive = KeepAlive(send, call, self._keep_alive_s, self._clock)
        try:
            with watch:
                reply = await self._handler.handle(call)
                reply.headers += governed_headers(call, self._clock.now_ms())
                await _send_reply(alive, reply, call)
        except ClientDisconnected:
            pass  # nobody is left to answer
        except asyncio.CancelledError:
            # The grace of a drain is over (a client that left is ClientDisconnected). The record
            # is written first: how long the rest takes depends on the client.
            if reply is not None:
                await reply.aclose()
            if not alive.ended:
                await self._say_goodbye(alive, call, reply)
        except Exception as error:
            if reply is not None:
                raise  # the answer has begun: the outermost wrapper logs and cuts it
            if not isinstance(error, DomainError):
                log.exception("inference_failed", request_id=call.request_id)
            await self._refuse(alive, call, error)
        finally:
            await alive.stop()
            if reply is not None:
                await reply.aclose()

    def _call(self, scope: HTTPScope, receive: Receive) -> tuple[InferenceCall, DisconnectWatch]:
        headers = RequestHeaders(scope)
        asked = self._asked(scope)
        state = scope["state"]

        async def body(limit: int) -> bytes:
            content = await read_body(scope, receive, limit, BODY_TIMEOUT_S)
            watch.begin()
            return content

        call = InferenceCall(
            event_id=self._ids.new_id(),
            request_id=state[REQUEST_ID],
            trace_id=state[TRACE_ID],
            session_id=headers.session_id,
            operation=asked.operation,
            codec=asked.codec,
            target=asked.target,
            content_type=headers.content_type,
            dialect_headers=headers.dialect_headers,
            credentials=headers.credentials,
            read_body=body,
            started=self._clock.monotonic(),
            started_at_ms=self._clock.now_ms(),
            client_ip=client_address(scope, self._trusted_proxies),
            client_name=headers.client_name,
            client_version=headers.client_version,
            tags=headers.tags,
        )

        def gone() -> None:
            call.client_gone = True

        watch = DisconnectWatch(receive, gone)
        return call, watch

    async def _say_goodbye(
        self, alive: KeepAlive, call: InferenceCall, reply: Reply | None
    ) -> None:
        """End the answer that a shutdown cuts in words, so that it cannot look complete."""
        if alive.started and not call.committed:
            if reply is None or reply.chunks is None:
                return  # its length is announced: it is cut when the connection closes
            call.committed = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_TIMEOUT_S):
                await self._refuse(alive, call, ServiceUnavailable(_GOODBYE))

    async def _refuse(self, send: Send, call: InferenceCall, error: Exception) -> None:
        public = describe_error(error, call.request_id)
        codec = call.codec
        if call.committed:
            event = codec.stream_error(public)
            await send({"type": "http.response.body", "body": event, "more_body": False})
            return
        own = codec.error_headers(public)
        governed = governed_headers(call, self._clock.now_ms())
        await respond(
            send,
            codec.error_status(public),
            codec.error_body(public),
            [
                (b"content-type", b"application/json"),
                *own,
                *refusal_headers(public),
                *(header for header in governed if header not in own),  # AWS's request id
            ],
        )


@contextlib.asynccontextmanager
async def _patience_with_client(call: InferenceCall) -> AsyncGenerator[None]:
    """Bound a whole stream: a client that stops reading must not hold its buffers for ever."""
    try:
        async with asyncio.timeout(LONGEST_STREAM_S):
            yield
    except TimeoutError:
        call.client_gone = True  # as good as gone, and recorded so
        raise ClientDisconnected from None


async def _send_reply(send: Send, reply: Reply, call: InferenceCall) -> None:
    if reply.chunks is None:
        await respond(send, reply.status, reply.body, reply.headers)
        return
    async with contextlib.aclosing(reply.chunks) as chunks, _patience_with_client(call):
        await send(
            {"type": "http.response.start", "status": reply.status, "headers": reply.headers}
        )
        async for chunk in chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
