"""Http11Transport on real sockets: what only this implementation promises."""

import asyncio
import contextlib
import gc
import random
import socket
import ssl
from collections.abc import AsyncIterator

import pytest
import trustme

from adapters.upstream.connecting import connect
from adapters.upstream.connection import Connection
from adapters.upstream.exchange import Exchange
from adapters.upstream.http11 import Http11Transport
from adapters.upstream.options import TransportOptions
from adapters.upstream.target import Origin
from adapters.upstream.tls import client_context
from domain.errors import UpstreamFailure, UpstreamUnavailable
from tests.support.authority import pem, server_context
from tests.support.exchanges import LOOPBACK, fetch, post, read, within
from tests.support.raw_server import Peer, RawServer, answer, chunked, sending


@pytest.fixture
async def transport() -> AsyncIterator[Http11Transport]:
    transport = Http11Transport(TransportOptions(address_policy=LOOPBACK, idle_seconds=5))
    yield transport
    await transport.aclose()


def of(**options: int | float | str) -> Http11Transport:
    return Http11Transport(TransportOptions(address_policy=LOOPBACK, **options))  # pyright: ignore[reportArgumentType]


async def breaks_on_second_request(peer: Peer) -> None:
    """Answer the first request of the first connection; break all that follows."""
    await peer.request()
    if peer.number == 0:
        await peer.send(answer(b"ok"))
        await peer.request()


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_safe_requests_are_repeated_once_when_a_used_connection_breaks(
    transport: Http11Transport, method: str
):
    seen: list[int] = []

    async def script(peer: Peer) -> None:
        await peer.request()
        seen.append(peer.number)
        await peer.send(answer())
        if peer.number == 0:
            await peer.request()
            seen.append(peer.number)

    async with RawServer(script) as server:
        await fetch(transport, server.url(), b"", "GET")
        assert (await fetch(transport, server.url(), b"", method))[0] == 200
        assert seen == [0, 0, 1]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_requests_that_may_have_changed_something_are_not(
    transport: Http11Transport, method: str
):
    async with RawServer(breaks_on_second_request) as server:
        await fetch(transport, server.url(), b"", "GET")
        with pytest.raises(UpstreamUnavailable):
            await transport.send(post(server.url(), b"", method=method))
        assert server.accepted == 1


async def test_they_are_repeated_only_once(transport: Http11Transport):
    async with RawServer(breaks_on_second_request) as server:
        await fetch(transport, server.url(), b"", "GET")
        with pytest.raises(UpstreamUnavailable):
            await transport.send(post(server.url(), b"", method="GET"))
        assert server.accepted == 2


async def test_they_are_not_repeated_on_a_new_connection_or_after_a_byte_of_the_answer(
    transport: Http11Transport,
):
    async def script(peer: Peer) -> None:
        if peer.number == 0:
            await peer.request()
            await peer.send(answer(b"ok"))
        await peer.request()
        if peer.number == 0:
            await peer.send(b"H")

    async with RawServer(script) as server:
        await fetch(transport, server.url(), b"", "GET")
        for attempt in (1, 2):
            with pytest.raises(UpstreamUnavailable):
                await transport.send(post(server.url(), b"", method="GET"))
            assert server.accepted == attempt


async def test_bytes_on_an_idle_connection_close_it(transport: Http11Transport):
    closed = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        if peer.number == 0:
            await peer.send(answer(b"first"), b"HTTP/1.1 408 Request Timeout\r\n\r\n")
            await peer.gone()
            closed.set()
        else:
            await peer.send(answer(b"second"))

    async with RawServer(script) as server:
        assert await fetch(transport, server.url()) == (200, b"first")
        await asyncio.wait_for(closed.wait(), 5)
        assert await fetch(transport, server.url()) == (200, b"second")


async def test_an_unused_connection_is_closed_after_its_idle_time():
    closed = asyncio.Event()

    async def script(peer: Peer) -> None:
        for _ in range(2):
            await peer.request()
            await peer.send(answer(b"ok"))
        await peer.gone()
        closed.set()

    async with RawServer(script) as server:
        transport = of(idle_seconds=0.05)
        for _ in range(2):
            await fetch(transport, server.url())
        await asyncio.wait_for(closed.wait(), 5)
        await transport.aclose()


async def test_the_connection_used_last_is_used_first(transport: Http11Transport):
    used: list[int] = []
    together = asyncio.Barrier(3)

    async def script(peer: Peer) -> None:
        await peer.request()
        await together.wait()
        await peer.send(answer())
        while True:
            await peer.request()
            used.append(peer.number)
            await peer.send(answer())

    async with RawServer(script) as server:
        await asyncio.gather(*(fetch(transport, server.url()) for _ in range(3)))
        for _ in range(5):
            await fetch(transport, server.url())
        assert len(set(used)) == 1
        await transport.aclose()


async def test_a_complete_response_frees_its_connection_before_it_is_read():
    async with RawServer(sending(answer(b"ok"))) as server:
        transport = of(max_connections=1)
        responses = [await transport.send(post(server.url())) for _ in range(5)]
        assert [await read(response) for response in responses] == [b"ok"] * 5
        assert server.accepted == 1
        await transport.aclose()


async def test_nagle_is_off():
    """Otherwise a request body that does not fit into one write waits for an acknowledgement."""
    loop = asyncio.get_running_loop()
    async with RawServer(sending(answer(b"ok"))) as server:
        origin = Origin("127.0.0.1", server.port, secure=False)
        made: list[asyncio.BaseTransport] = []

        class Noting(Connection):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                made.append(transport)
                super().connection_made(transport)

        connection = await connect(
            origin, LOOPBACK, client_context(), lambda: Noting(loop, origin), loop.time() + 5
        )
        raw = made[0].get_extra_info("socket")
        assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        connection.close()


@pytest.mark.parametrize("polite", [True, False])
async def test_over_tls_a_body_until_close_must_end_with_close_notify(polite: bool):
    """Otherwise anybody on the path could cut an answer short unnoticed (RFC 9112, 9.8)."""
    authority = trustme.CA()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\nall of it")
        if not polite:
            # A FIN without a TLS goodbye.
            raw: socket.socket = peer.writer.get_extra_info("socket")
            with socket.socket(fileno=socket.dup(raw.fileno())) as same:
                same.shutdown(socket.SHUT_WR)
            await peer.gone()

    async with RawServer(script, context=server_context(authority, "127.0.0.1")) as server:
        transport = of(ca_pem=pem(authority))
        response = await transport.send(post(server.url()))
        if polite:
            assert await read(response) == b"all of it"
        else:
            with pytest.raises(UpstreamUnavailable):
                await read(response)
        await transport.aclose()


async def test_a_request_without_reader_does_not_keep_its_connection(transport: Http11Transport):
    """The total bound is a timer: it closes the connection even while nobody reads."""
    closed = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello")
        await peer.gone()
        closed.set()

    async with RawServer(script) as server:
        response = await transport.send(post(server.url(), timeouts=within(total=0.1)))
        await asyncio.wait_for(closed.wait(), 5)
        await response.aclose()


async def test_an_answer_before_the_request_was_written_ends_the_connection():
    """The rest of the body would run into the next request."""

    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.send(answer(b"early", status=413))
        await peer.gone()

    async with RawServer(script) as server:
        transport = of(max_connections=1)
        for _ in range(2):
            status, body = await fetch(transport, server.url(), bytes(32 * 1024 * 1024))
            assert (status, body) == (413, b"early")
        assert server.accepted == 2
        await transport.aclose()


async def test_finished_exchanges_are_freed_without_the_garbage_collector(
    transport: Http11Transport,
):
    async with RawServer(sending(chunked(b"hello"))) as server:
        await fetch(transport, server.url())
        gc.collect()
        gc.disable()
        try:
            for _ in range(50):
                await fetch(transport, server.url())
            left = sum(isinstance(each, Exchange) for each in gc.get_objects())
        finally:
            gc.enable()
        assert left <= 2
        await transport.aclose()


@pytest.mark.parametrize("seed", range(5))
async def test_no_place_is_lost_whatever_is_cancelled_or_broken(seed: int):  # noqa: C901
    """Requests are cancelled at random moments while the server misbehaves at random."""
    roll = random.Random(seed)

    behave = False

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            match 6 if behave else roll.randrange(6):
                case 0:
                    return
                case 1:
                    peer.reset()
                    return
                case 2:
                    await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", b"part")
                    return
                case 3:
                    await peer.send(answer(b"bye", b"connection: close"))
                    return
                case _:
                    await peer.send(*[bytes([byte]) for byte in chunked(b"hello", b"world")])

    async def one(transport: Http11Transport, url: str) -> None:
        with contextlib.suppress(UpstreamFailure):
            await fetch(transport, url, b"", roll.choice(["GET", "POST"]))

    async with RawServer(script) as server:
        transport = of(max_connections=4, max_waiting=1000)
        tasks = [asyncio.ensure_future(one(transport, server.url())) for _ in range(150)]
        while not all(task.done() for task in tasks):
            for task in tasks:
                if not task.done() and roll.random() < 0.02:
                    task.cancel()
            await asyncio.sleep(0)
        await asyncio.gather(*tasks, return_exceptions=True)
        behave = True
        opened = server.accepted
        replies = await asyncio.gather(*(fetch(transport, server.url()) for _ in range(8)))
        assert replies == [(200, b"helloworld")] * 8
        assert server.accepted <= opened + 4
        await transport.aclose()


def test_a_proxy_needs_the_other_transport():
    with pytest.raises(ValueError, match="httpx"):
        of(proxy="http://proxy:3128")


def test_unusable_ca_certificates_are_refused_at_once():
    with pytest.raises(ValueError, match="ca_pem"):
        of(ca_pem="not a certificate")


def test_only_current_tls_is_spoken():
    context = client_context()
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
