"""One request and its response on a connection: parsing, buffering, waiting."""

import asyncio
from collections.abc import AsyncIterator
from enum import Enum, auto
from typing import Protocol

from httptools import HttpParserError, HttpResponseParser

from adapters.upstream.decoding import Decoder, decoder_for
from adapters.upstream.framing import MAX_HEAD_BYTES, MAX_HEADERS, Framing, framing_of
from application.ports.upstream import Headers, UpstreamResponse, UpstreamTimeouts
from domain.errors import (
    UpstreamFailure,
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamUnavailable,
)

# Reading stops while this much is unread, so a slow client costs this much memory and one read.
HIGH_WATER = 64 * 1024
# Bytes that may come without any body in them: chunk extensions, trailers, blank lines.
MAX_FRAMING_BYTES = 16 * 1024
MAX_INFORMATIONAL = 8


class Link(Protocol):
    """What an exchange asks of its connection."""

    def set_deadline(self, moment: float) -> None:
        """Call `expire` of the exchange once `moment` (loop time) has passed."""
        ...

    def pause(self) -> None:
        """Stop reading."""
        ...

    def resume(self) -> None:
        """Read again."""
        ...

    def complete(self, *, reusable: bool) -> None:
        """The response is complete; the connection may serve another if `reusable`."""
        ...

    def abort(self) -> None:
        """Close at once."""
        ...


class _Phase(Enum):
    HEAD = auto()
    INFORMATIONAL = auto()
    BODY = auto()
    COMPLETE = auto()


class Exchange(UpstreamResponse):
    """Parser callbacks on one side, an UpstreamResponse on the other.

    The connection is given back as soon as the last byte has arrived; what is unread by then is
    kept here. Bytes that arrived before a failure are still handed out before it is raised.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        link: Link,
        method: str,
        timeouts: UpstreamTimeouts,
        total_deadline: float,
    ) -> None:
        """`total_deadline` is in loop time. The request is written by the connection."""
        self._loop = loop
        self._link: Link | None = link
        self._method = method
        self._timeouts = timeouts
        self._total_deadline = total_deadline
        self._parser: HttpResponseParser | None = HttpResponseParser(self)
        self._phase = _Phase.HEAD
        self._status = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._head_bytes = 0
        self._framing = Framing.NONE
        self._framing_bytes = 0
        self._informational = 0
        self._decoder: Decoder | None = None
        self._pieces: list[bytes] = []
        self._buffered = 0
        self._paused = False
        self._reusable = False
        self._surplus = False
        self._failure: UpstreamFailure | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._expects = "total"
        self.answered = False

    # -- what the caller sees

    @property
    def status(self) -> int:
        """See UpstreamResponse."""
        return self._status

    @property
    def headers(self) -> Headers:
        """See UpstreamResponse."""
        return self._headers

    def chunks(self) -> AsyncIterator[bytes]:
        """See UpstreamResponse. A second iterator continues where the first one stopped."""
        return self

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Return itself."""
        return self

    async def __anext__(self) -> bytes:
        """Return all that has arrived since the last call, waiting for the first byte of it."""
        while True:
            if self._decoder is not None:
                data = await self._decoded(self._decoder)
            else:
                data = self._take()
            if data:
                return data
            if self._failure is not None:
                raise self._failure
            if self._phase is _Phase.COMPLETE:
                if self._decoder is not None:
                    self._decoder.finish()
                raise StopAsyncIteration
            await self._wait(self._timeouts.idle, "idle")

    async def head(self) -> None:
        """Wait for the response head.

        Raises:
            UpstreamFailure: there will be none.
        """
        while self._status == 0:
            if self._failure is not None:
                raise self._failure
            await self._wait(self._timeouts.first_byte, "first_byte")

    async def aclose(self) -> None:
        """See UpstreamResponse."""
        unread = self._link is not None or self._pieces or (self._decoder and self._decoder.pending)
        if unread and self._failure is None:
            self.fail(
                UpstreamUnavailable(
                    "The answer was closed before it was read.", error_class="reset"
                )
            )
        self._pieces.clear()

    # -- what the connection reports

    def feed(self, data: bytes) -> None:
        """Take bytes from the wire."""
        parser = self._parser
        assert parser is not None, "a finished exchange has no connection to feed it"
        self.answered = True
        buffered = self._buffered
        try:
            parser.feed_data(data)
        except HttpParserError as error:
            cause = error.__context__
            if self._phase is _Phase.COMPLETE:
                self._surplus = True
            elif isinstance(cause, UpstreamProtocolError):
                self.fail(cause)
            else:
                self.fail(UpstreamProtocolError(str(error)))
        link = self._link
        if link is None:
            return
        if self._phase is _Phase.COMPLETE:
            self._link = self._parser = None
            link.complete(reusable=self._reusable and not self._surplus)
        elif self._phase is _Phase.BODY:
            if self._buffered > buffered:
                self._framing_bytes = 0
                if self._buffered > HIGH_WATER and not self._paused:
                    self._paused = True
                    link.pause()
            else:
                self._count_framing(len(data), MAX_FRAMING_BYTES)
        else:
            self._count_framing(len(data), MAX_HEAD_BYTES)
            if self._failure is None:
                return
        self._wake()

    def end(self, *, clean: bool) -> None:
        """Take the end of the connection: `clean` if the server announced it."""
        if self._phase is _Phase.BODY and self._framing is Framing.UNTIL_CLOSE and clean:
            self._phase = _Phase.COMPLETE
            self._link = self._parser = None
            self._wake()
        else:
            self.fail(
                UpstreamUnavailable(
                    "The model provider closed the connection before its answer was complete.",
                    error_class="reset",
                )
            )

    def expire(self) -> None:
        """Take the news that the deadline has passed."""
        self.fail(UpstreamTimeout(self._expects))

    def fail(self, failure: UpstreamFailure) -> None:
        """End the exchange; the connection is closed. Later failures are consequences: ignored."""
        link, self._link = self._link, None
        self._parser = None  # it refers back to this object
        if self._failure is None:
            self._failure = failure
        if link is not None:
            link.abort()
        self._wake()

    # -- what the parser finds

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header or a trailer; trailers are counted and dropped."""
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes > MAX_HEAD_BYTES:
            raise UpstreamProtocolError("the response head is too large")
        if self._status == 0:
            if len(self._headers) == MAX_HEADERS:
                raise UpstreamProtocolError("the response has too many headers")
            self._headers.append((name.lower(), value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        """Judge the head."""
        parser = self._parser
        assert parser is not None
        status = parser.get_status_code()
        version = parser.get_http_version()
        if version not in ("1.1", "1.0"):
            raise UpstreamProtocolError("not HTTP/1.1")
        if status < 200:
            self._informational += 1
            if status == 101 or status < 100 or self._informational > MAX_INFORMATIONAL:
                raise UpstreamProtocolError("unexpected informational response")
            self._phase = _Phase.INFORMATIONAL
            return
        self._framing = framing_of(self._method, status, self._headers)
        if self._framing is Framing.CHUNKED and version == "1.0":
            raise UpstreamProtocolError("transfer-encoding in HTTP/1.0")
        if self._framing is not Framing.NONE:
            self._decoder = decoder_for(self._headers)
        self._status = status
        self._head_bytes = self._framing_bytes = 0
        self._phase = _Phase.BODY
        # A response to HEAD ends here, which httptools cannot be told: do not reuse it.
        if self._method == "HEAD":
            self._phase = _Phase.COMPLETE
        elif version == "1.1" and parser.should_keep_alive():
            self._reusable = True

    def on_body(self, data: bytes) -> None:
        """Keep a piece of the body."""
        if self._phase is _Phase.BODY:
            self._pieces.append(data)
            self._buffered += len(data)
        else:
            self._surplus = True

    def on_message_complete(self) -> None:
        """End an informational response or the final one."""
        if self._phase is _Phase.INFORMATIONAL:
            self._phase = _Phase.HEAD
            self._headers.clear()
        else:
            self._phase = _Phase.COMPLETE

    def on_message_begin(self) -> None:
        """Refuse a second response that nobody asked for."""
        if self._phase is _Phase.COMPLETE:
            raise UpstreamProtocolError("bytes after the end of the response")

    # -- within

    def _count_framing(self, count: int, limit: int) -> None:
        self._framing_bytes += count
        if self._framing_bytes > limit:
            self.fail(UpstreamProtocolError("too many bytes without content"))

    def _take(self) -> bytes:
        pieces = self._pieces
        if not pieces:
            return b""
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._buffered = 0
        if self._paused:
            self._paused = False
            if self._link is not None:
                self._link.resume()
        return data

    async def _decoded(self, decoder: Decoder) -> bytes:
        """Return the next bounded step, letting others run between steps over one input."""
        try:
            if decoder.pending:
                await asyncio.sleep(0)
                if out := decoder.step():
                    return out
            decoder.feed(self._take())
            return decoder.step()
        except UpstreamProtocolError as error:
            self.fail(error)
            raise

    async def _wait(self, bound: float, name: str) -> None:
        """Wait for news, at most `bound` seconds and not beyond the total deadline."""
        moment = self._loop.time() + bound
        if moment < self._total_deadline:
            self._expects = name
        else:
            moment = self._total_deadline
        link = self._link
        assert link is not None, "an exchange without a connection is complete or has failed"
        link.set_deadline(moment)
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        except asyncio.CancelledError:
            await self.aclose()
            raise
        finally:
            self._waiter = None
            self._expects = "total"
            if self._link is not None:
                self._link.set_deadline(self._total_deadline)

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
