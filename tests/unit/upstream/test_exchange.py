"""The parser side of a connection, byte by byte and without a socket."""

import asyncio

import pytest

from adapters.upstream.exchange import HIGH_WATER, MAX_FRAMING_BYTES, Exchange, Link
from adapters.upstream.framing import MAX_HEAD_BYTES
from domain.errors import UpstreamFailure, UpstreamProtocolError, UpstreamUnavailable
from tests.support.exchanges import PATIENT
from tests.support.raw_server import answer, chunked


class RecordingLink(Link):
    """Writes down what the exchange asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def set_deadline(self, moment: float) -> None:
        pass

    def pause(self) -> None:
        self.asked.append("pause")

    def resume(self) -> None:
        self.asked.append("resume")

    def complete(self, *, reusable: bool) -> None:
        self.asked.append("reuse" if reusable else "close")

    def abort(self) -> None:
        self.asked.append("abort")


def start(method: str = "POST") -> tuple[Exchange, RecordingLink]:
    loop, link = asyncio.get_running_loop(), RecordingLink()
    return Exchange(loop, link, method, PATIENT, loop.time() + 20), link


async def rest(exchange: Exchange) -> bytes:
    return b"".join([chunk async for chunk in exchange.chunks()])


async def whole(exchange: Exchange) -> bytes:
    await exchange.head()
    return await rest(exchange)


async def fails(exchange: Exchange) -> UpstreamFailure:
    with pytest.raises(UpstreamFailure) as caught:
        await whole(exchange)
    return caught.value


RESPONSES = {
    "length": answer(b"hello world", b"x-header: value"),
    "chunked": chunked(b"hello ", b"world", headers=(b"x-header: value",)),
    "extensions and trailers": (
        b"HTTP/1.1 200 OK\r\nX-Header:value \r\nTransfer-Encoding: Chunked\r\n\r\n"
        b"6;name=value\r\nhello \r\n005\r\nworld\r\n000;last\r\nTrailer: x\r\n\r\n"
    ),
    "after informational ones": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n"
        + answer(b"hello world", b"x-header: value")
    ),
}


@pytest.mark.parametrize("reply", RESPONSES.values(), ids=RESPONSES)
async def test_every_split_in_two_and_every_single_byte(reply: bytes) -> None:
    splits = [[reply[:at], reply[at:]] for at in range(1, len(reply))]
    splits.append([reply[at : at + 1] for at in range(len(reply))])
    splits.append([reply])
    for parts in splits:
        exchange, link = start()
        for part in parts:
            exchange.feed(part)
        await exchange.head()
        assert exchange.status == 200
        assert (b"x-header", b"value") in exchange.headers
        assert (b"link", b"a") not in exchange.headers
        assert (b"trailer", b"x") not in exchange.headers
        assert await rest(exchange) == b"hello world"
        assert link.asked == ["reuse"]


@pytest.mark.parametrize("reply", RESPONSES.values(), ids=RESPONSES)
async def test_an_end_at_any_byte_is_a_reset(reply: bytes) -> None:
    for end in range(len(reply)):
        exchange, link = start()
        if end:
            exchange.feed(reply[:end])
        exchange.end(clean=True)
        failure = await fails(exchange)
        assert isinstance(failure, UpstreamUnavailable)
        assert failure.error_class == "reset"
        assert link.asked == ["abort"]


@pytest.mark.parametrize(
    "surplus", [b"x", b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", b"\0", b"HTTP/1.1 2"]
)
@pytest.mark.parametrize("reply", [answer(b"hi"), chunked(b"hi"), answer(b"")])
async def test_bytes_after_the_end_spoil_the_connection_not_the_response(
    reply: bytes, surplus: bytes
) -> None:
    exchange, link = start()
    exchange.feed(reply + surplus)
    await exchange.head()
    assert await rest(exchange) in (b"hi", b"")
    assert link.asked == ["close"]


@pytest.mark.parametrize(
    ("method", "reply"),
    [
        ("POST", answer(b"hi", b"connection: close")),
        ("HEAD", answer(b"")),
        ("POST", b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive\r\n\r\nhi"),
        ("POST", b"HTTP/1.1 204 No Content\r\ncontent-length: 2\r\n\r\nhi"),
    ],
)
async def test_connections_that_must_not_serve_again(method: str, reply: bytes) -> None:
    exchange, link = start(method)
    exchange.feed(reply)
    await exchange.head()
    await rest(exchange)
    assert link.asked == ["close"]


@pytest.mark.parametrize(
    ("before", "drip", "most"),
    [
        (b"", b"\r\n", MAX_HEAD_BYTES),
        (b"HTTP/1.1 200 ", b"reason ", MAX_HEAD_BYTES),
        (b"HTTP/1.1 200 OK\r\nx: ", b"value", MAX_HEAD_BYTES),
        (b"HTTP/1.1 200 OK\r\n", b"x: v\r\n", MAX_HEAD_BYTES),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n", 1000),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;", b"e=x;", MAX_FRAMING_BYTES),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"0", MAX_FRAMING_BYTES),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: ",
            b"trailer",
            MAX_FRAMING_BYTES,
        ),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n",
            b"x: y\r\n",
            MAX_FRAMING_BYTES,
        ),
    ],
)
async def test_nothing_without_content_goes_on_for_ever(
    before: bytes, drip: bytes, most: int
) -> None:
    exchange, link = start()
    if before:
        exchange.feed(before)
    fed = 0
    while not link.asked:
        exchange.feed(drip)
        fed += len(drip)
        assert fed <= most + len(drip)
    assert link.asked == ["abort"]
    assert isinstance(await fails(exchange), UpstreamProtocolError)


async def test_an_honest_stream_of_tiny_chunks_is_not_mistaken_for_framing() -> None:
    exchange, link = start()
    exchange.feed(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    await exchange.head()
    for _ in range(3 * MAX_FRAMING_BYTES):
        exchange.feed(b"1;x=yyyy\r\nz\r\n")
        assert await anext(exchange.chunks()) == b"z"
    assert link.asked == []


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/2.0 200 OK\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: a\r\n folded\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length : 0\r\n\r\n",
        b"HTTP/1.1 200 OK\ncontent-length: 0\n\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nhi",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    ],
)
async def test_heads_that_two_parsers_could_read_differently_are_refused(head: bytes) -> None:
    exchange, link = start()
    exchange.feed(head)
    assert isinstance(await fails(exchange), UpstreamProtocolError)
    assert link.asked == ["abort"]


async def test_a_body_until_close_needs_an_announced_end() -> None:
    for clean in (True, False):
        exchange, _ = start()
        exchange.feed(b"HTTP/1.1 200 OK\r\n\r\nall of it?")
        exchange.end(clean=clean)
        await exchange.head()
        if clean:
            assert await rest(exchange) == b"all of it?"
        else:
            assert isinstance(await fails(exchange), UpstreamUnavailable)


async def test_reading_pauses_above_the_mark_and_resumes_when_the_reader_catches_up() -> None:
    exchange, link = start()
    exchange.feed(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
    exchange.feed(b"x" * HIGH_WATER)
    assert link.asked == []
    exchange.feed(b"y")
    assert link.asked == ["pause"]
    chunks = exchange.chunks()
    assert await anext(chunks) == b"x" * HIGH_WATER + b"y"
    assert link.asked == ["pause", "resume"]


async def test_what_arrived_together_is_read_together() -> None:
    exchange, _ = start()
    exchange.feed(chunked(b"a", b"b", b"c"))
    assert [chunk async for chunk in exchange.chunks()] == [b"abc"]
