"""Closed-loop load on keep-alive connections: each sends its next request when it has its answer.

`python -m bench.load PORT SECONDS CONNECTIONS MOST HEADER_FILE BODY_FILE` prints what it saw as JSON.
It stops by time or by number of requests, whichever comes first, and talks to 127.0.0.1 only.
"""

import asyncio
import json
import sys
import time
from array import array
from pathlib import Path
from typing import cast

import httptools
import uvloop

CONNECT_TIMEOUT_S = 10.0
GRACE_S = 30.0


class Tally:
    """What all connections saw together; times in seconds."""

    def __init__(self, until: float, most: int) -> None:
        """Requests start only before `until` (perf_counter) and at most `most` of them."""
        self.until = until
        self.left = most
        self.first_byte = array("d")
        self.complete = array("d")
        self.statuses: dict[int, int] = {}
        self.body_bytes = 0


class Connection(asyncio.Protocol):
    """One client connection."""

    def __init__(self, request: bytes, tally: Tally) -> None:
        """`request` is sent again and again."""
        self._request = request
        self._tally = tally
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._parser = httptools.HttpResponseParser(self)
        self._next()

    def _next(self) -> None:
        if self._tally.left <= 0 or time.perf_counter() >= self._tally.until:
            self._end()
            return
        self._tally.left -= 1
        self._first: float | None = None
        self._sent = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Feed the parser."""
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        """Note when the first byte of the body came."""
        if self._first is None:
            self._first = time.perf_counter()
        self._tally.body_bytes += len(body)

    def on_message_complete(self) -> None:
        """Note the whole answer and go on."""
        now = time.perf_counter()
        status = self._parser.get_status_code()
        self._tally.statuses[status] = self._tally.statuses.get(status, 0) + 1
        self._tally.complete.append(now - self._sent)
        self._tally.first_byte.append((self._first or now) - self._sent)
        if self._parser.should_keep_alive():
            self._parser = httptools.HttpResponseParser(self)
            self._next()
        else:
            self._end(RuntimeError("the server closed a keep-alive connection"))

    def connection_lost(self, exc: Exception | None) -> None:
        """A connection that ends before its time is an error of the run."""
        self._end(exc or RuntimeError("the server closed the connection"))

    def _end(self, error: Exception | None = None) -> None:
        if not self.ended.done():
            if error is None:
                self.ended.set_result(None)
            else:
                self.ended.set_exception(error)
        self._transport.close()


async def run(port: int, seconds: float, connections: int, most: int, request: bytes) -> Tally:
    """Load `port` and return what was seen. Raises when a connection breaks."""
    loop = asyncio.get_running_loop()
    start = time.perf_counter()
    tally = Tally(start + seconds, most)
    clients: list[Connection] = []
    async with asyncio.timeout(CONNECT_TIMEOUT_S):
        for _ in range(connections):
            _, client = await loop.create_connection(
                lambda: Connection(request, tally), "127.0.0.1", port
            )
            clients.append(client)
    async with asyncio.timeout(seconds + GRACE_S):
        await asyncio.gather(*(client.ended for client in clients))
    return tally


def main() -> None:
    """Read the command line, load, print."""
    port, seconds, connections, most = (float(text) for text in sys.argv[1:5])
    head, body = (Path(name).read_bytes() for name in sys.argv[5:7])
    request = head.rstrip() + b"\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    started = time.perf_counter()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        tally = runner.run(run(int(port), seconds, int(connections), int(most), request))
    json.dump(
        {
            "seconds": time.perf_counter() - started,
            "statuses": tally.statuses,
            "body_bytes": tally.body_bytes,
            "complete_ms": [round(value * 1000, 4) for value in tally.complete],
            "first_byte_ms": [round(value * 1000, 4) for value in tally.first_byte],
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
