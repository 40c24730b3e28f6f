"""What a port takes from anybody before a key is looked at, on real connections."""

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator
from typing import Any

import msgspec
import pytest
from litestar.types import ASGIApp, Receive, Scope, Send

from adapters.system.identifiers import UuidGenerator
from adapters.wire.openai_chat.dialect import OpenAIChatCodec
from entrypoints.console.refusals import console_refusals
from entrypoints.gateway.refusals import gateway_refusals
from entrypoints.http_protocol import MAX_HEAD_BYTES, MAX_HEADERS, DescribeRefusal
from entrypoints.listeners import listen
from entrypoints.port_server import PortServer, port_server, started

IDS = UuidGenerator()
OPENAI = gateway_refusals(OpenAIChatCodec(), IDS)
PROBLEM = console_refusals(IDS)
ENDLESS = 5 * MAX_HEAD_BYTES
"""More than one read of the server takes."""
GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the names of the headers, without reading the body."""
    if str(scope["type"]) == "lifespan":
        for reply in ("lifespan.startup.complete", "lifespan.shutdown.complete"):
            await receive()
            message: Any = {"type": reply}
            await send(message)
        return
    assert scope["type"] == "http"
    if scope["path"] == "/body":
        while (message := await receive())["type"] == "http.request" and message["more_body"]:
            pass
    body = b" ".join(name for name, _ in scope["headers"])
    length = str(len(body)).encode()
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-length", length)],
        }
    )
    await send({"type": "http.response.body", "body": body, "more_body": False})


@contextlib.asynccontextmanager
async def serving(
    *,
    refusals: DescribeRefusal = OPENAI,
    connections: int = 100,
    head_timeout_s: float = 15.0,
    served: ASGIApp = app,
) -> AsyncGenerator[tuple[PortServer, int]]:
    """Serve `served` as a process does; yield server and port."""
    (listener,) = listen("gateway", "127.0.0.1", 0, count=1)
    port: int = listener.getsockname()[1]
    server = port_server(
        served,
        grace_seconds=1,
        refusals=refusals,
        max_connections=connections,
        head_timeout_s=head_timeout_s,
    )
    task = asyncio.get_running_loop().create_task(server.serve([listener]))
    await started([server], [task])
    try:
        yield server, port
    finally:
        server.should_exit = True
        await task


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Read one answer."""
        async with asyncio.timeout(10):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            headers = dict(re.findall(r"(?m)^([^:\s]+): (.*?)\r$", head))
            body = await self.reader.readexactly(int(headers["content-length"]))
        return int(head.split()[1]), headers, body

    async def closed(self) -> bytes:
        """Read until the server closes."""
        async with asyncio.timeout(10):
            return await self.reader.read()


@contextlib.asynccontextmanager
async def connected(port: int, *parts: bytes) -> AsyncGenerator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        yield Client(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nbad header: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
async def test_what_is_not_http_is_refused_in_the_shape_of_the_port(head: bytes) -> None:
    async with serving() as (_, port), connected(port, head) as client:
        status, headers, body = await client.answer()
        assert await client.closed() == b""
    assert status == 400
    assert headers["content-type"] == "application/json"
    error = msgspec.json.decode(body)["error"]
    assert error["type"] == "invalid_request_error"
    assert error["code"] == "malformed_request"
    assert error["request_id"] == headers["x-request-id"]


async def test_the_console_says_it_with_a_problem_document() -> None:
    async with (
        serving(refusals=PROBLEM) as (_, port),
        connected(port, b"GET / HTTP/1.1\r\nbad header: x\r\n\r\n") as client,
    ):
        status, headers, body = await client.answer()
    assert (status, headers["content-type"]) == (400, "application/problem+json")
    problem = msgspec.json.decode(body)
    assert problem["status"] == 400
    assert problem["type"] == "urn:thinkwatch:problem:malformed_request"
    assert problem["request_id"] == headers["x-request-id"]


def _headers(count: int, size: int) -> bytes:
    return b"".join(b"h%d: %b\r\n" % (number, b"v" * size) for number in range(count))


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(_headers(MAX_HEADERS + 1, 1) + b"x", id="too many headers"),
        pytest.param(_headers(17, 4096), id="too many bytes in headers"),
        pytest.param(b"h: " + b"v" * ENDLESS, id="one header without an end"),
    ],
)
async def test_a_head_that_is_too_large_is_431(head: bytes) -> None:
    async with serving() as (_, port), connected(port, b"GET / HTTP/1.1\r\n", head) as client:
        status, _, body = await client.answer()
    assert status == 431
    assert msgspec.json.decode(body)["error"]["code"] == "headers_too_large"


async def test_a_target_counts_and_large_heads_within_the_bound_pass() -> None:
    async with serving() as (_, port):
        url = b"u" * (MAX_HEAD_BYTES - 20)
        async with connected(port, b"GET /%b HTTP/1.1\r\nhost: x\r\n\r\n" % url) as client:
            assert (await client.answer())[0] == 200
        async with connected(port, b"GET /%b HTTP/1.1\r\n%b" % (url, _headers(3, 10))) as client:
            assert (await client.answer())[0] == 431
        async with connected(
            port, b"GET / HTTP/1.1\r\n" + _headers(MAX_HEADERS, 600) + b"\r\n"
        ) as client:
            for _ in range(2):  # the count begins anew with each request
                assert (await client.answer())[0] == 200
                client.writer.write(b"GET / HTTP/1.1\r\n" + _headers(MAX_HEADERS, 600) + b"\r\n")
            assert (await client.answer())[0] == 200


async def test_a_large_body_does_not_count_as_a_head_and_its_trailers_are_no_headers() -> None:
    chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    head = b"POST /body HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    end = b"0\r\nx-api-key: smuggled\r\n\r\n"
    async with serving() as (_, port), connected(port, head, *[chunk] * 8, end) as client:
        assert (await client.answer())[2] == b"host transfer-encoding"
        client.writer.write(head + end)  # all of it before the app runs
        assert (await client.answer())[2] == b"host transfer-encoding"


async def test_an_endless_trailer_is_refused() -> None:
    head = b"POST /body HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    trailer = b"0\r\nx: " + b"v" * ENDLESS
    async with serving() as (_, port), connected(port, head, trailer) as client:
        assert (await client.answer())[0] == 431


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nhost:", b"\r\n"])
async def test_a_connection_without_a_head_is_closed(sent: bytes) -> None:
    async with serving(head_timeout_s=0.1) as (_, port), connected(port, sent) as client:
        assert await client.closed() == b""


async def test_the_next_head_on_a_connection_has_to_come_as_fast_once_it_has_begun() -> None:
    async with serving(head_timeout_s=0.1) as (_, port), connected(port, GET) as client:
        assert (await client.answer())[0] == 200
        client.writer.write(b"GET / HTTP/1.1\r\n")
        assert await client.closed() == b""


async def test_a_body_nobody_reads_does_not_hold_a_connection() -> None:
    head = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    async with serving(head_timeout_s=0.2) as (_, port), connected(port, head) as client:
        assert (await client.answer())[0] == 200

        async def drip() -> None:
            with contextlib.suppress(ConnectionError):
                while True:
                    client.writer.write(b"1\r\nx\r\n")
                    await client.writer.drain()
                    await asyncio.sleep(0.01)

        dripping = asyncio.ensure_future(drip())
        with contextlib.suppress(ConnectionError):
            assert await client.closed() == b""
        dripping.cancel()


async def test_a_request_that_is_being_answered_has_no_clock_of_ours() -> None:
    gate = asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await gate.wait()
        await app(scope, receive, send)

    async with serving(head_timeout_s=0.05, served=slow) as (_, port), connected(port, GET) as c:
        asyncio.get_running_loop().call_later(0.2, gate.set)
        assert (await c.answer())[0] == 200


async def test_one_connection_too_many_is_refused_and_room_is_given_back() -> None:
    async with serving(connections=2) as (server, port):
        async with connected(port, GET) as first, connected(port, GET) as second:
            assert (await first.answer())[0] == (await second.answer())[0] == 200
            async with connected(port) as third:
                status, _, body = await third.answer()
                assert await third.closed() == b""
            assert status == 503
            assert msgspec.json.decode(body)["error"]["code"] == "too_many_connections"
        async with asyncio.timeout(10):
            while server.server_state.connections:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0)
        async with connected(port, GET) as again:
            assert (await again.answer())[0] == 200
