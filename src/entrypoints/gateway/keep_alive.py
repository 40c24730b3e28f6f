"""Signs of life in a silent stream, so that nobody between client and gateway gives it up.

Reasoning models think for minutes before the first token, and balancers cut connections after one
minute of silence. Once a streamed request has gone upstream and ten seconds pass without a byte,
the answer is committed to 200 and the dialect's sign of life is written (a comment, a `ping`), and
again after every further ten seconds of silence. Where a dialect has none, the stream stays silent. What fails afterwards is told by the dialect's error event.
"""

import asyncio

from litestar.types import Message, Send

from application.gateway.call import InferenceCall
from application.ports.clock import Clock
from entrypoints.gateway.governed_headers import governed_headers

KEEP_ALIVE_S = 10.0


class KeepAlive:
    """An ASGI `send` for one answer that breaks long silences. Call `stop` when all is sent."""

    def __init__(self, send: Send, call: InferenceCall, silence_s: float, clock: Clock) -> None:
        """Arm the timer; nothing is written before `call` is dispatched, and only into streams."""
        self._send = send
        self._call = call
        self._silence_s = silence_s
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._wrote_at = self._loop.time()
        self._started = False
        self._ended = False
        self._beat: asyncio.Future[None] | None = None
        self._timer = self._loop.call_later(silence_s, self._look)

    async def __call__(self, message: Message) -> None:
        """Pass a message on; a second response start (after a comment) is left out."""
        self._wrote_at = self._loop.time()
        if message["type"] == "http.response.start":
            if self._started:
                return
            self._started = True
        elif message["type"] == "http.response.body" and not message["more_body"]:
            self._ended = True
        await self._send(message)

    @property
    def started(self) -> bool:
        """Whether the response has begun."""
        return self._started

    @property
    def ended(self) -> bool:
        """Whether the last message was passed on."""
        return self._ended

    async def stop(self) -> None:
        """End the comments; waits for one that is being written."""
        self._ended = True
        self._timer.cancel()
        if self._beat is not None and not self._beat.done():
            self._beat.cancel()
            await asyncio.wait([self._beat])

    def _look(self) -> None:
        if self._ended:
            return
        silent_s = self._loop.time() - self._wrote_at
        if silent_s < self._silence_s:
            self._timer = self._loop.call_later(self._silence_s - silent_s, self._look)
            return
        self._timer = self._loop.call_later(self._silence_s, self._look)
        head = self._call.head
        is_stream = (
            self._call.dispatched
            and head is not None
            and head.stream
            and bool(self._call.codec.keep_alive)
        )
        if is_stream and (self._beat is None or self._beat.done()):
            self._beat = asyncio.ensure_future(self._write_comment())

    async def _write_comment(self) -> None:
        self._wrote_at = self._loop.time()
        if not self._started:
            self._started = True
            self._call.committed = True
            headers = [
                (b"content-type", self._call.codec.stream_content_type),
                *governed_headers(self._call, self._clock.now_ms()),
            ]
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        await self._send(
            {
                "type": "http.response.body",
                "body": self._call.codec.keep_alive,
                "more_body": True,
            }
        )
