"""CPU per exchange of the upstream transports against one fast local server.

Run: `python bench/upstream_transport.py [--seconds 2] [--rounds 3]`. The server is another
process, so `process_time` counts the client only. The variants take turns, so that a slow moment
of the machine hits all of them; read the ratios, not the microseconds.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import cast

import httptools
import httpx
import uvloop

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from adapters.upstream.http11 import Http11Transport
from adapters.upstream.httpx_transport import HttpxTransport
from adapters.upstream.options import TransportOptions
from application.ports.upstream import UpstreamRequest, UpstreamTimeouts, UpstreamTransport
from domain.routing.address_policy import AddressPolicy

BODY = b'{"model":"m","messages":[{"role":"user","content":"' + b"x" * 950 + b'"}]}'
HEADERS = (
    (b"content-type", b"application/json"),
    (b"authorization", b"Bearer sk-0123456789012345678901234567890123456789"),
    (b"x-request-id", b"0199a2c0-0000-7000-8000-000000000000"),
)
REPLY_HEAD = (
    b"HTTP/1.1 200 OK\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\nserver: bench\r\n"
    b"content-type: application/json\r\nx-request-id: req_0123456789\r\n"
)
ANSWER = REPLY_HEAD + b"content-length: 1024\r\n\r\n" + b"y" * 1024
CHUNKS = 50
EVENT = b'data: {"choices":[{"delta":{"content":"' + b"z" * 120 + b'"}}]}\n\n'
STREAM_HEAD = REPLY_HEAD + b"transfer-encoding: chunked\r\n\r\n"
STREAM_CHUNK = b"%x\r\n%s\r\n" % (len(EVENT), EVENT)
TIMEOUTS = UpstreamTimeouts(connect=5, first_byte=60, idle=60, total=300)
CONCURRENCY = 16


class Server(asyncio.Protocol):
    """Answers every complete request; `/stream` with chunks, one write each."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is not a subclass
        self.received = b""

    def data_received(self, data: bytes) -> None:
        self.received += data
        while True:
            end = self.received.find(b"\r\n\r\n")
            if end < 0 or len(self.received) < end + 4 + len(BODY):
                return
            stream = b"/stream" in self.received[:100]
            self.received = self.received[end + 4 + len(BODY) :]
            if not stream:
                self.transport.write(ANSWER)
                continue
            self.transport.write(STREAM_HEAD)
            self.send_chunk(CHUNKS)

    def send_chunk(self, left: int) -> None:
        if left:
            self.transport.write(STREAM_CHUNK)
            asyncio.get_running_loop().call_soon(self.send_chunk, left - 1)
        else:
            self.transport.write(b"0\r\n\r\n")


def serve(pipe: Pipe) -> None:
    """Run the server until the parent goes away."""

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await asyncio.get_running_loop().run_in_executor(None, pipe.poll, None)

    uvloop.run(main())


class BareClient(asyncio.Protocol):
    """The floor: a protocol that parses and waits, without limits, timeouts or a pool."""

    transport: asyncio.Transport
    parser: httptools.HttpResponseParser

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is not a subclass

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_body(self, data: bytes) -> None:
        self.body.append(data)

    def on_message_complete(self) -> None:
        self.done.set_result(None)

    async def post(self, path: bytes) -> bytes:
        self.headers: list[tuple[bytes, bytes]] = []
        self.body: list[bytes] = []
        self.done = asyncio.get_running_loop().create_future()
        self.parser = httptools.HttpResponseParser(self)
        lines = b"".join(b"%s: %s\r\n" % header for header in HEADERS)
        head = b"POST %s HTTP/1.1\r\nhost: x\r\n%scontent-length: %d\r\n\r\n"
        self.transport.write(head % (path, lines, len(BODY)) + BODY)
        await self.done
        return b"".join(self.body)


Exchange = Callable[[str], Awaitable[int]]


def over_port(transport: UpstreamTransport, base: str) -> Exchange:
    """One exchange through the port, read to its end."""

    async def exchange(path: str) -> int:
        response = await transport.send(
            UpstreamRequest(
                method="POST", url=base + path, headers=HEADERS, body=BODY, timeouts=TIMEOUTS
            )
        )
        size = 0
        async for chunk in response.chunks():
            size += len(chunk)
        await response.aclose()
        return size

    return exchange


def over_httpx(client: httpx.AsyncClient, base: str) -> Exchange:
    """What a program that simply uses httpx would write."""

    async def exchange(path: str) -> int:
        async with client.stream("POST", base + path, headers=HEADERS, content=BODY) as response:
            return sum([len(chunk) async for chunk in response.aiter_bytes()])

    return exchange


def over_bare(idle: list[BareClient], port: int) -> Exchange:
    """The floor, with the smallest possible pool."""

    async def exchange(path: str) -> int:
        if idle:
            client = idle.pop()
        else:
            loop = asyncio.get_running_loop()
            _, client = await loop.create_connection(BareClient, "127.0.0.1", port)
        body = await client.post(path.encode())
        idle.append(client)
        return len(body)

    return exchange


async def measure(exchange: Exchange, path: str, seconds: float) -> float:
    """Return microseconds of CPU per exchange."""
    expected = 1024 if path == "/answer" else CHUNKS * len(EVENT)
    count = 0

    async def worker(until: float) -> None:
        nonlocal count
        while time.monotonic() < until:
            assert await exchange(path) == expected
            count += 1

    await asyncio.gather(*(worker(time.monotonic() + 0.2) for _ in range(CONCURRENCY)))
    count, started = 0, time.process_time()
    await asyncio.gather(*(worker(time.monotonic() + seconds) for _ in range(CONCURRENCY)))
    return (time.process_time() - started) / count * 1e6


async def run(port: int, seconds: float, rounds: int) -> dict[tuple[str, str], list[float]]:
    """Measure every variant `rounds` times, taking turns."""
    base = f"http://127.0.0.1:{port}"
    options = TransportOptions(address_policy=AddressPolicy.allowing(["127.0.0.0/8"]))
    http11, reference = Http11Transport(options), HttpxTransport(options)
    idle: list[BareClient] = []
    async with httpx.AsyncClient(trust_env=False) as plain:
        variants = {
            "bare asyncio + httptools": over_bare(idle, port),
            "Http11Transport": over_port(http11, base),
            "HttpxTransport": over_port(reference, base),
            "httpx.AsyncClient": over_httpx(plain, base),
        }
        results: dict[tuple[str, str], list[float]] = {}
        for _ in range(rounds):
            for path in ("/answer", "/stream"):
                for name, exchange in variants.items():
                    cost = await measure(exchange, path, seconds)
                    results.setdefault((path, name), []).append(cost)
    await http11.aclose()
    await reference.aclose()
    for client in idle:
        client.transport.close()
    return results


def report(loop_name: str, results: dict[tuple[str, str], list[float]]) -> None:
    """Print medians and ratios to the floor."""
    print(f"\n{loop_name}: client CPU per exchange, {CONCURRENCY} at once")
    for path in ("/answer", "/stream"):
        print("  POST 1 KB, answer 1 KB" if path == "/answer" else f"  stream of {CHUNKS} chunks")
        floor = statistics.median(results[path, "bare asyncio + httptools"])
        for (of, name), costs in results.items():
            if of == path:
                cost = statistics.median(costs)
                print(f"    {name:<26}{cost:>9.1f} us   x{cost / floor:.2f}")


def main() -> None:
    """Start the server, measure on both event loops, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    port = ours.recv()
    for name, runner in (("uvloop", uvloop.run), ("asyncio", asyncio.run)):
        report(name, runner(run(port, arguments.seconds, arguments.rounds)))
    ours.send(None)
    server.join(5)


if __name__ == "__main__":
    main()
