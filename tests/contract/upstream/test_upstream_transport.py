"""UpstreamTransport: what goes over the wire and what comes back."""

import asyncio
import gzip
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.errors import (
    InvalidRequest,
    UpstreamFailure,
    UpstreamProtocolError,
    UpstreamUnavailable,
)
from tests.support.exchanges import OpenTransport, collect, fetch, post, read
from tests.support.raw_server import (
    Peer,
    RawServer,
    Received,
    answer,
    chunked,
    sending,
    sending_once,
)


async def test_request_line_headers_and_body_arrive_as_given(open_transport: OpenTransport):
    seen: list[Received] = []

    async def script(peer: Peer) -> None:
        seen.append(await peer.request())
        await peer.send(answer(b"fine", b"X-Twice: a", b"x-twice:  b "))

    async with RawServer(script) as server:
        response = await open_transport().send(
            post(
                server.url("/v1/a%2Fb:generate?x=%20y&z=a+b"),
                b'{"m":"\xc3\xbc"}',
                (b"content-type", b"application/json"),
                (b"authorization", b"Bearer \xe4secret"),
            )
        )
        assert response.status == 200
        assert [value for name, value in response.headers if name == b"x-twice"] == [b"a", b"b"]
        assert await read(response) == b"fine"
    [request] = seen
    assert request.line == b"POST /v1/a%2Fb:generate?x=%20y&z=a+b HTTP/1.1"
    assert sorted(request.headers) == [
        (b"accept-encoding", b"identity"),
        (b"authorization", b"Bearer \xe4secret"),
        (b"content-length", b"10"),
        (b"content-type", b"application/json"),
        (b"host", b"127.0.0.1:%d" % server.port),
    ]
    assert request.body == b'{"m":"\xc3\xbc"}'


async def test_an_empty_post_says_so_and_a_get_has_no_length(open_transport: OpenTransport):
    seen: list[Received] = []

    async def script(peer: Peer) -> None:
        for _ in range(2):
            seen.append(await peer.request())
            await peer.send(answer())

    async with RawServer(script) as server:
        transport = open_transport()
        await fetch(transport, server.url(), b"", "POST")
        await fetch(transport, server.url(), b"", "GET")
    assert [request.header(b"content-length") for request in seen] == [b"0", None]


async def test_a_connection_is_used_again_after_its_response_was_read(
    open_transport: OpenTransport,
):
    async with RawServer(sending(answer(b"one"))) as server:
        transport = open_transport()
        for _ in range(5):
            assert await fetch(transport, server.url()) == (200, b"one")
        assert server.accepted == 1
        await transport.aclose()


@pytest.mark.parametrize(
    "reply",
    [
        answer(b"bye", b"connection: close"),
        answer(b"bye", b"Connection: Foo, CLOSE"),
        b"HTTP/1.0 200 OK\r\ncontent-length: 3\r\n\r\nbye",
        b"HTTP/1.1 200 OK\r\n\r\nbye",
        b"HTTP/1.0 200 OK\r\n\r\nbye",
    ],
)
async def test_a_connection_that_ends_with_its_response_is_not_used_again(
    open_transport: OpenTransport, reply: bytes
):
    async with RawServer(sending_once(reply)) as server:
        transport = open_transport()
        assert await fetch(transport, server.url()) == (200, b"bye")
        assert await fetch(transport, server.url()) == (200, b"bye")
        assert server.accepted == 2


@pytest.mark.parametrize(
    ("method", "reply"),
    [
        ("POST", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("POST", b"HTTP/1.1 204 No Content\r\ncontent-encoding: gzip\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n"),
        ("POST", b"HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n"),
        ("POST", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
    ],
)
async def test_a_response_without_body_ends_at_once(
    open_transport: OpenTransport, method: str, reply: bytes
):
    async with RawServer(sending(reply)) as server:
        transport = open_transport()
        for _ in range(2):
            assert (await fetch(transport, server.url(), b"", method))[1] == b""
        assert server.accepted == 1
        await transport.aclose()


async def test_a_response_to_head_has_no_body_whatever_its_length_says(
    open_transport: OpenTransport,
):
    async with RawServer(sending(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n")) as server:
        transport = open_transport()
        for _ in range(2):
            assert await fetch(transport, server.url(), b"", "HEAD") == (200, b"")
        await transport.aclose()


async def test_informational_responses_are_skipped(open_transport: OpenTransport):
    early = b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
    async with RawServer(sending(*early, answer(b"final", b"x: 1"))) as server:
        transport = open_transport()
        response = await transport.send(post(server.url()))
        assert [name for name, _ in response.headers] == [b"content-length", b"x"]
        assert await read(response) == b"final"
        assert await fetch(transport, server.url()) == (200, b"final")
        assert server.accepted == 1
        await transport.aclose()


async def test_redirects_are_returned_and_not_followed(open_transport: OpenTransport):
    async with RawServer(sending_once(answer(b"", b"location: /b", status=302))) as server:
        assert await fetch(open_transport(), server.url()) == (302, b"")
        assert server.accepted == 1


async def test_cookies_are_not_kept(open_transport: OpenTransport):
    seen: list[Received] = []

    async def script(peer: Peer) -> None:
        for _ in range(2):
            seen.append(await peer.request())
            await peer.send(answer(b"", b"set-cookie: session=1; path=/"))

    async with RawServer(script) as server:
        transport = open_transport()
        await fetch(transport, server.url())
        await fetch(transport, server.url())
    assert [request.header(b"cookie") for request in seen] == [None, None]


async def test_error_statuses_are_responses(open_transport: OpenTransport):
    async with RawServer(sending_once(answer(b'{"error":{}}', status=529))) as server:
        assert await fetch(open_transport(), server.url()) == (529, b'{"error":{}}')


@pytest.mark.parametrize(
    ("headers", "method"),
    [
        (((b"x-a", b"b\r\nx-evil: 1"),), "POST"),
        (((b"x-a", b"b\nc"),), "POST"),
        (((b"x-a", b"b\0c"),), "POST"),
        (((b"x-a\r\nx-evil", b"1"),), "POST"),
        (((b"x a", b"1"),), "POST"),
        (((b"X-Upper", b"1"),), "POST"),
        (((b"", b"1"),), "POST"),
        (((b"host", b"elsewhere"),), "POST"),
        (((b"content-length", b"0"),), "POST"),
        (((b"transfer-encoding", b"chunked"),), "POST"),
        (((b"connection", b"x-secret"),), "POST"),
        ((), "CONNECT"),
        ((), "GET / HTTP/1.1\r\nx: y\r\n\r\nGET"),
    ],
)
async def test_what_could_smuggle_a_second_request_is_refused_before_connecting(
    open_transport: OpenTransport, headers: tuple[tuple[bytes, bytes], ...], method: str
):
    async with RawServer(sending_once(answer())) as server:
        with pytest.raises(InvalidRequest):
            await open_transport().send(post(server.url(), b"", *headers, method=method))
        assert server.accepted == 0


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1/",
        "http://user:pw@127.0.0.1/",
        "http://127.0.0.1/#fragment",
        "http://127.0.0.1:0/",
        "http://127.0.0.1:65536/",
        "http://127.0.0.1/a b",
        "http://127.0.0.1/a\r\nx: y",
        "http:///path",
        "//127.0.0.1/",
        "http://b\u00fccher.example/",
        "http://[::1/",
        "http://[1.2.3.4]/",
        "http://127.0.0.1\\@evil.example/",
    ],
)
async def test_urls_that_are_not_plain_http_are_refused(open_transport: OpenTransport, url: str):
    with pytest.raises(InvalidRequest):
        await open_transport().send(post(url))


# -- bytes in every possible rhythm

STREAM = chunked(b"data: one\n\n", b"data: \xc3\xbc\n\n", b"x", headers=(b"x-h: v",))
STREAM_BODY = b"data: one\n\ndata: \xc3\xbc\n\nx"


async def test_a_chunked_response_may_be_split_anywhere(open_transport: OpenTransport):
    async def script(peer: Peer) -> None:
        for position in range(1, len(STREAM)):
            await peer.request()
            await peer.send(STREAM[:position], STREAM[position:])

    async with RawServer(script) as server:
        transport = open_transport()
        for _ in range(1, len(STREAM)):
            response = await transport.send(post(server.url()))
            assert (b"x-h", b"v") in response.headers
            assert await read(response) == STREAM_BODY
        assert server.accepted == 1


@given(data=st.data())
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_responses_may_be_split_in_many_places(
    open_transport: OpenTransport, data: st.DataObject
):
    body = data.draw(st.binary(min_size=1, max_size=300))
    sizes = data.draw(st.lists(st.integers(1, 40), min_size=1, max_size=20))
    coding = data.draw(st.sampled_from([b"", b"gzip", b"deflate"]))
    encoded = {b"": body, b"gzip": gzip.compress(body), b"deflate": zlib.compress(body)}[coding]
    headers = (b"content-encoding: " + coding,) if coding else ()
    if data.draw(st.booleans()):
        reply = answer(encoded, *headers)
    else:
        pieces = [encoded[at : at + sizes[0]] for at in range(0, len(encoded), sizes[0])]
        reply = chunked(*pieces, headers=headers)
    parts: list[bytes] = []
    position = turn = 0
    while position < len(reply):
        parts.append(reply[position : position + sizes[turn % len(sizes)]])
        position += len(parts[-1])
        turn += 1
    async with RawServer(sending_once(*parts)) as server:
        assert await fetch(open_transport(), server.url()) == (200, body)


@pytest.mark.parametrize("coding", [b"gzip", b"x-gzip", b"deflate", b"raw", b"two members"])
async def test_a_compressed_body_may_be_split_anywhere(
    open_transport: OpenTransport, coding: bytes
):
    body = b"data: " + bytes(range(256)) + b"\n\n"
    raw = zlib.compressobj(wbits=-15)
    encoded = {
        b"gzip": gzip.compress(body),
        b"x-gzip": gzip.compress(body),
        b"deflate": zlib.compress(body),
        b"raw": raw.compress(body) + raw.flush(),
        b"two members": gzip.compress(body[:50]) + gzip.compress(body[50:]),
    }[coding]
    name = {b"raw": b"deflate", b"two members": b"gzip"}.get(coding, coding)
    places = range(1, len(encoded), 7)

    async def script(peer: Peer) -> None:
        for place in places:
            await peer.request()
            head = answer(encoded, b"content-encoding: " + name)[: -len(encoded)]
            await peer.send(head + encoded[:place], encoded[place:])

    async with RawServer(script) as server:
        transport = open_transport()
        for _ in places:
            assert await fetch(transport, server.url()) == (200, body)


async def test_a_compressed_stream_is_not_delayed(open_transport: OpenTransport):
    events = [b"data: %d\n\n" % number for number in range(5)]
    read_so_far = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n")
        coder = zlib.compressobj(wbits=31)
        for event in events:
            await peer.send(coder.compress(event) + coder.flush(zlib.Z_SYNC_FLUSH))
            await read_so_far.wait()  # the next event only after this one was read
            read_so_far.clear()
        await peer.send(coder.flush())

    async with RawServer(script) as server:
        response = await open_transport().send(post(server.url()))
        seen: list[bytes] = []
        async for chunk in response.chunks():
            seen.append(chunk)
            read_so_far.set()
        assert seen == events


async def test_a_compression_bomb_comes_in_small_pieces(open_transport: OpenTransport):
    size = 64 * 1024 * 1024
    coder = zlib.compressobj(wbits=31)
    bomb = b"".join(coder.compress(bytes(1024 * 1024)) for _ in range(64)) + coder.flush()
    async with RawServer(sending_once(answer(bomb, b"content-encoding: gzip"))) as server:
        response = await open_transport().send(post(server.url()))
        total = 0
        async for chunk in response.chunks():
            assert 0 < len(chunk) <= 64 * 1024
            total += len(chunk)
        assert total == size


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        (b"gzip", b"not gzip at all"),
        (b"gzip", gzip.compress(b"cut" * 100, mtime=0)[:-5]),
        (b"gzip", gzip.compress(b"more", mtime=0) + b"rubbish"),
        (b"deflate", zlib.compress(b"more") + b"rubbish"),
        (b"deflate", zlib.compress(b"cut" * 100)[:-3]),
        (b"deflate", b"\x78"),
        (b"br", b"\x0b\x02\x80hello\x03"),
        (b"gzip, gzip", gzip.compress(gzip.compress(b"twice", mtime=0), mtime=0)),
    ],
)
async def test_bodies_that_cannot_be_decoded_are_protocol_errors(
    open_transport: OpenTransport, coding: bytes, body: bytes
):
    async with RawServer(sending_once(answer(body, b"content-encoding: " + coding))) as server:
        with pytest.raises(UpstreamProtocolError):
            await fetch(open_transport(), server.url())


# -- answers that are wrong


@pytest.mark.parametrize(
    "reply",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        b"HTTP/9.9 200 OK\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 abc OK\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbad name: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: a\0b\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"a" * 300_000 + b"\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: a\r\n" * 150 + b"content-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5, 6\r\n\r\nhello!",
        b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ncontent-length: 0x5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhelloworld\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffffffff\r\nhello",
    ],
)
async def test_malformed_responses_are_protocol_errors_and_their_connection_is_not_reused(
    open_transport: OpenTransport, reply: bytes
):
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(reply if peer.number == 0 else answer(b"good"))
        await peer.gone()

    async with RawServer(script) as server:
        transport = open_transport(max_connections=1)
        with pytest.raises(UpstreamProtocolError) as caught:
            await fetch(transport, server.url())
        assert caught.value.message == "The model provider sent an invalid answer."
        assert await fetch(transport, server.url()) == (200, b"good")
        assert server.accepted == 2
        await transport.aclose()


@pytest.mark.parametrize(
    "start",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nhello",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    ],
)
async def test_a_body_cut_short_is_never_a_short_answer(
    open_transport: OpenTransport, start: bytes
):
    async with RawServer(sending_once(start)) as server:
        response = await open_transport().send(post(server.url()))
        seen: list[bytes] = []
        with pytest.raises(UpstreamUnavailable) as caught:
            await collect(response, seen)
        assert caught.value.error_class == "reset"
        assert b"".join(seen) == b"hello"
        with pytest.raises(UpstreamUnavailable):
            await anext(response.chunks())
        await response.aclose()


@pytest.mark.parametrize("start", [b"", b"HT", b"HTTP/1.1 200 OK\r\ncontent-le"])
@pytest.mark.parametrize("brutal", [False, True])
async def test_a_connection_that_breaks_before_the_head_is_complete_is_a_reset(
    open_transport: OpenTransport, start: bytes, brutal: bool
):
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(start)
        if brutal:
            peer.reset()

    async with RawServer(script) as server:
        with pytest.raises(UpstreamUnavailable) as caught:
            await open_transport().send(post(server.url()))
        assert caught.value.error_class == "reset"
        assert server.accepted == 1


async def test_bytes_after_a_response_never_become_the_next_response(
    open_transport: OpenTransport,
):
    """Response splitting: the second caller must not be handed what follows the first answer."""

    async def script(peer: Peer) -> None:
        await peer.request()
        if peer.number == 0:
            await peer.send(answer(b"first") + answer(b"stolen"))
            await peer.gone()
        else:
            await peer.send(answer(b"second"))

    async with RawServer(script) as server:
        transport = open_transport()
        assert await fetch(transport, server.url()) == (200, b"first")
        try:
            body = (await fetch(transport, server.url()))[1]
        except UpstreamFailure:
            body = b"refused"
        assert body in (b"second", b"refused")
        await transport.aclose()
