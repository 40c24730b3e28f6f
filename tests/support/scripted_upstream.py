"""A stand-in for a model provider: a little HTTP/1.1 server that does exactly what a test says.

It is written on bare asyncio, shares no code with the program, and so is a second opinion on what
is on the wire. A test queues one `Answer` per expected request, or sets one for all of them::

    async with ScriptedUpstream() as upstream:
        upstream.enqueue(answer(200, body=completion(content="Hello")))
        ...
        request = await upstream.next_request()
        assert request.json()["model"] == "gpt-4o"

An answer is a list of steps, so a test can stop anywhere: wait for an `asyncio.Event` between two
bytes, stall, close (FIN), reset (RST), or write nonsense. Nothing in here measures time.
"""

import asyncio
import contextlib
import json
import socket
import ssl
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, Self, TypeVar, cast

from tests.support.answers import Answer, Drop, Pause, Reset, Send, Stall, Step, Tell, Wait, answer

PATIENCE_S = 30.0
"""Longest wait of any step or accessor: a broken test fails instead of hanging."""


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """One request, exactly as it came. `connection` counts connections from 1."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    connection: int

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    def header(self, name: str) -> str | None:
        """Return the value of a header given once, None if absent; twice is an error."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) <= 1, f"{name} was sent {len(values)} times"
        return values[0] if values else None

    def json(self) -> Any:
        """Return the body, parsed."""
        return json.loads(self.body)


_Item = TypeVar("_Item")


@dataclass(slots=True)
class _Mailbox(Generic[_Item]):
    """Items in order of arrival, with a bounded wait for the next one."""

    items: list[_Item] = field(default_factory=list[_Item])
    unread: deque[_Item] = field(default_factory=deque[_Item])
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, item: _Item) -> None:
        self.items.append(item)
        self.unread.append(item)
        self.arrived.set()

    async def next(self, within_s: float) -> _Item:
        async with asyncio.timeout(within_s):
            while not self.unread:
                self.arrived.clear()
                await self.arrived.wait()
        return self.unread.popleft()


Responder = Callable[[ReceivedRequest], Answer]


class ScriptedUpstream:
    """The server. Use it as an async context manager in the test's own loop."""

    def __init__(
        self, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        """`port` 0 takes a free one; `tls` is a server-side context."""
        self._host = host
        self._port = port
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._queue: deque[Answer | Responder] = deque()
        self._default: Answer | Responder | None = None
        self._requests: _Mailbox[ReceivedRequest] = _Mailbox()
        self._disconnects: _Mailbox[ReceivedRequest] = _Mailbox()
        self.live: set[_Connection] = set()
        self.connections = 0
        self.errors: list[str] = []

    async def __aenter__(self) -> Self:
        """Start listening."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self), self._host, self._port, ssl=self._tls, backlog=512
        )
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop, dropping whatever is open."""
        assert self._server is not None
        self._server.close()
        for connection in list(self.live):
            connection.abort()
        await asyncio.gather(
            *(connection.ended for connection in list(self.live)), return_exceptions=True
        )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                await self._server.wait_closed()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._port

    @property
    def url(self) -> str:
        """Scheme, host and port, without a slash at the end."""
        return f"{'https' if self._tls else 'http'}://{self._host}:{self._port}"

    @property
    def base_url(self) -> str:
        """What an OpenAI client takes as its base URL."""
        return f"{self.url}/v1"

    @property
    def requests(self) -> list[ReceivedRequest]:
        """Every request so far, oldest first."""
        return self._requests.items

    @property
    def disconnects(self) -> list[ReceivedRequest]:
        """Requests whose client left before the answer was out, in the order they left."""
        return self._disconnects.items

    @property
    def open_connections(self) -> int:
        """Connections that are open now."""
        return len(self.live)

    def enqueue(self, *answers: Answer | Responder) -> None:
        """Answer the next requests with these, in order of arrival, once each."""
        self._queue.extend(answers)

    def always(self, reply: Answer | Responder) -> None:
        """Answer every request for which nothing is queued."""
        self._default = reply

    async def next_request(self, within_s: float = PATIENCE_S) -> ReceivedRequest:
        """Return the oldest request not yet asked for; raises TimeoutError."""
        return await self._requests.next(within_s)

    async def next_disconnect(self, within_s: float = PATIENCE_S) -> ReceivedRequest:
        """Return the oldest request, not yet asked for, whose client left in mid-answer."""
        return await self._disconnects.next(within_s)

    def note_disconnect(self, request: ReceivedRequest) -> None:
        """Called by a connection whose client left in mid-answer."""
        self._disconnects.put(request)

    def take_up(self, request: ReceivedRequest) -> Answer:
        """Called by a connection: note the request and say how to answer it."""
        self._requests.put(request)
        reply = self._queue.popleft() if self._queue else self._default
        if reply is None:
            self.errors.append(f"no answer was scripted for {request.method} {request.target}")
            return answer(599, body=self.errors[-1], keep_alive=False)
        return reply if isinstance(reply, Answer) else reply(request)


class _Connection(asyncio.Protocol):
    """One client connection: reads requests one after another and plays their answers."""

    def __init__(self, upstream: ScriptedUpstream) -> None:
        self._upstream = upstream
        self._buffer = bytearray()
        self._arrived = asyncio.Event()
        self._gone = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._transport.set_write_buffer_limits(high=0)
        plain: socket.socket = transport.get_extra_info("socket")
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._upstream.connections += 1
        self._number = self._upstream.connections
        self._upstream.live.add(self)
        self._task = asyncio.get_running_loop().create_task(self._serve())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._arrived.set()

    def eof_received(self) -> bool:
        self._gone.set()
        self._arrived.set()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone.set()
        self._arrived.set()
        self._writable.set()
        self._upstream.live.discard(self)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def abort(self) -> None:
        self._task.cancel()
        self._transport.abort()

    async def _serve(self) -> None:
        try:
            while (request := await self._read_request()) is not None:
                reply = self._upstream.take_up(request)
                if not await self._play(reply):
                    if self._gone.is_set():
                        self._upstream.note_disconnect(request)
                    break
                if not reply.keep_alive:
                    break
        except ValueError as error:
            self._upstream.errors.append(f"bad request: {error}")
        except TimeoutError:
            self._upstream.errors.append("a scripted step waited too long")
        finally:
            self._transport.close()
            if not self.ended.done():
                self.ended.set_result(None)

    async def _read_request(self) -> ReceivedRequest | None:
        """Return the next request, None when the client closes between requests."""
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if not await self._more():
                return None
        lines = self._take(end + 4)[:-4].decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ", 2)
        headers = tuple(_header(line) for line in lines[1:])
        sizes = {name.lower(): value for name, value in headers}
        if sizes.get("expect", "").lower() == "100-continue":
            await self._write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if "chunked" in sizes.get("transfer-encoding", "").lower():
            body = await self._read_chunked()
        else:
            body = await self._exactly(int(sizes.get("content-length", "0")))
        if body is None:
            return None
        return ReceivedRequest(method, target, headers, body, self._number)

    async def _read_chunked(self) -> bytes | None:
        body = b""
        while True:
            while (end := self._buffer.find(b"\r\n")) < 0:
                if not await self._more():
                    return None
            size = int(self._take(end + 2).split(b";")[0], 16)
            data = await self._exactly(size + 2)
            if data is None:
                return None
            if size == 0:
                return body
            body += data[:-2]

    async def _exactly(self, count: int) -> bytes | None:
        while len(self._buffer) < count:
            if not await self._more():
                return None
        return self._take(count)

    async def _more(self) -> bool:
        """Wait for bytes; False when none will come."""
        if self._gone.is_set():
            return False
        self._arrived.clear()
        await self._arrived.wait()
        return bool(self._buffer) or not self._gone.is_set()

    def _take(self, count: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    async def _play(self, reply: Answer) -> bool:
        """Do the steps; False when the connection is of no more use."""
        for step in reply.steps:
            if not await self._do(step):
                return False
        return True

    async def _do(self, step: Step) -> bool:
        match step:
            case Send(data, piece_size):
                return await self._send(data, piece_size or len(data) or 1)
            case Wait(event):
                return await self._until(event)
            case Tell(event):
                event.set()
                return True
            case Pause(seconds):
                return not await self._gone_within(seconds)
            case Stall():
                await self._gone_within(PATIENCE_S)
            case Drop():
                pass
            case Reset():
                self._reset()
        return False

    async def _gone_within(self, seconds: float) -> bool:
        """Tell whether the client leaves within this time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._gone.wait()
        return self._gone.is_set()

    async def _send(self, data: bytes, size: int) -> bool:
        for start in range(0, len(data), size):
            if not await self._write(data[start : start + size]):
                return False
        return True

    async def _write(self, data: bytes) -> bool:
        if self._gone.is_set():
            return False
        self._transport.write(data)
        async with asyncio.timeout(PATIENCE_S):
            await self._writable.wait()
        # A reader in the same loop gets to see this piece on its own: one turn for its selector to
        # notice, one for its callback to run.
        for _ in range(3):
            await asyncio.sleep(0)
        return True

    async def _until(self, event: asyncio.Event) -> bool:
        """Wait for the event; False when the client leaves first."""
        loop = asyncio.get_running_loop()
        waits = [loop.create_task(event.wait()), loop.create_task(self._gone.wait())]
        try:
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return event.is_set() and not self._gone.is_set()

    def _reset(self) -> None:
        plain: socket.socket = self._transport.get_extra_info("socket")
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or name != name.strip():
        raise ValueError(f"malformed header line {line!r}")
    return name, value.strip()
