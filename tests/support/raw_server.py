"""A server that sends exactly the bytes a test wants, and tells what happened to it.

`scripted_upstream` speaks proper HTTP; this one exists to break it: torn heads, wrong lengths,
stalls, sudden ends.
"""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Generator
from types import TracebackType
from typing import Self

from msgspec import Struct

PATIENCE = 10.0


class Received(Struct):
    """A request as it came."""

    line: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def header(self, name: bytes) -> bytes | None:
        """Return the first value under a lower-case name."""
        return next((value for key, value in self.headers if key == name), None)


class Peer:
    """One accepted connection."""

    def __init__(
        self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.number = number
        self.reader = reader
        self.writer = writer

    async def request(self) -> Received:
        """Read one request, framed by content-length."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        line, *lines = head[:-4].split(b"\r\n")
        headers = [
            (name.lower(), value.strip())
            for name, _, value in (text.partition(b":") for text in lines)
        ]
        received = Received(line, headers, b"")
        received.body = await self.reader.readexactly(int(received.header(b"content-length") or 0))
        return received

    async def send(self, *parts: bytes) -> None:
        """Send each part on its own, giving the other side a turn to read it."""
        for part in parts:
            if self.writer.is_closing():
                raise ConnectionResetError  # uvloop would raise RuntimeError
            self.writer.write(part)
            await self.writer.drain()
            for _ in range(3 if len(parts) > 1 else 0):
                await asyncio.sleep(0)

    async def gone(self) -> None:
        """Wait until the client has closed the connection."""
        try:
            async with asyncio.timeout(PATIENCE):
                while await self.reader.read(65536):
                    pass
        except (ConnectionError, ssl.SSLError):
            pass

    def reset(self) -> None:
        """Close with a TCP reset."""
        raw: socket.socket = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Script = Callable[[Peer], Awaitable[None]]


class RawServer:
    """Runs `script` for every connection and closes it when the script returns.

    A failing script fails the test when the server is left.
    """

    def __init__(
        self, script: Script, *, context: ssl.SSLContext | None = None, host: str = "127.0.0.1"
    ) -> None:
        self.accepted = 0
        self._script = script
        self._context = context
        self._host = host
        self._tasks: set[asyncio.Task[None]] = set()
        self._faults: list[BaseException] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._serve, self._host, 0, ssl=self._context, limit=2**20
        )
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        try:
            async with asyncio.timeout(PATIENCE):
                while self._tasks:
                    await asyncio.wait(self._tasks)
        except TimeoutError:
            for task in self._tasks:
                task.cancel()
            self._faults.append(AssertionError("a script of the server did not come to its end"))
        if error is None and self._faults:
            raise self._faults[0]

    def url(self, path: str = "/", host: str | None = None) -> str:
        """Return a URL of this server."""
        scheme = "http" if self._context is None else "https"
        return f"{scheme}://{host or self._host}:{self.port}{path}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        peer = Peer(self.accepted, reader, writer)
        self.accepted += 1
        try:
            await self._script(peer)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass  # the client went away: for the test to judge
        except Exception as fault:  # noqa: BLE001 - raised again in __aexit__
            self._faults.append(fault)
        finally:
            writer.close()
            self._tasks.discard(task)


def answer(body: bytes = b"", *headers: bytes, status: int = 200) -> bytes:
    """Return a response framed by content-length."""
    lines = [b"HTTP/1.1 %d Something" % status, b"content-length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def chunked(*chunks: bytes, headers: tuple[bytes, ...] = ()) -> bytes:
    """Return a complete chunked response."""
    lines = [b"HTTP/1.1 200 OK", b"transfer-encoding: chunked", *headers]
    parts = [b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks]
    return b"\r\n".join(lines) + b"\r\n\r\n" + b"".join(parts) + b"0\r\n\r\n"


def sending(*parts: bytes) -> Script:
    """Return a script that answers every request of a connection with the same parts."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(*parts)

    return script


def sending_once(*parts: bytes) -> Script:
    """Return a script that answers one request with `parts` and closes."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(*parts)

    return script


class Gate:
    """Lets a script tell that it got somewhere, and hold there."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.open = asyncio.Event()

    async def wait(self) -> None:
        self.reached.set()
        await self.open.wait()


@contextlib.contextmanager
def full_backlog() -> Generator[int]:
    """Yield the port of a listener that never accepts and whose backlog is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
