"""UpstreamTransport: cancellation and closing, at every point of an exchange."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import TypeVar

import pytest
import trustme

from application.ports.upstream import UpstreamTimeouts
from domain.errors import UpstreamTimeout, UpstreamUnavailable
from domain.routing.address_policy import AddressPolicy
from tests.support.authority import pem
from tests.support.exchanges import LOOPBACK, OpenTransport, fetch, post, read, within
from tests.support.raw_server import (
    Gate,
    Peer,
    RawServer,
    answer,
    sending,
)

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
CHUNK = b"5\r\nhello\r\n"
END = b"0\r\n\r\n"

T = TypeVar("T")


# -- cancellation and closing


@contextlib.asynccontextmanager
async def cancelled(work: "asyncio.Future[T]") -> AsyncGenerator[None]:
    """Run the block, then cancel `work` and see it end cancelled."""
    yield
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work


async def test_cancelling_while_waiting_for_the_head_closes_the_connection(
    open_transport: OpenTransport,
):
    gate = Gate()

    async def script(peer: Peer) -> None:
        await peer.request()
        if peer.number == 0:
            gate.reached.set()
            await peer.gone()
        else:
            await peer.send(answer(b"next"))

    async with RawServer(script) as server:
        transport = open_transport(max_connections=1)
        async with cancelled(asyncio.ensure_future(transport.send(post(server.url())))):
            await gate.reached.wait()
        assert await fetch(transport, server.url()) == (200, b"next")
        await transport.aclose()


async def test_cancelling_while_reading_the_body_closes_the_connection(
    open_transport: OpenTransport,
):
    async def script(peer: Peer) -> None:
        await peer.request()
        if peer.number == 0:
            await peer.send(HEAD + CHUNK)
            await peer.gone()
        else:
            await peer.send(answer(b"next"))

    async with RawServer(script) as server:
        transport = open_transport(max_connections=1)
        response = await transport.send(post(server.url()))
        chunks = response.chunks()
        assert await anext(chunks) == b"hello"
        async with cancelled(asyncio.ensure_future(anext(chunks))):
            await asyncio.sleep(0)
        await response.aclose()
        assert await fetch(transport, server.url()) == (200, b"next")
        await transport.aclose()


async def test_cancelling_in_the_queue_leaves_the_queue_in_order(open_transport: OpenTransport):
    gate = Gate()

    async def script(peer: Peer) -> None:
        while True:
            request = await peer.request()
            await gate.wait()
            await peer.send(answer(request.body))

    async with RawServer(script) as server:
        transport = open_transport(max_connections=1)
        first = asyncio.ensure_future(fetch(transport, server.url(), b"1"))
        await gate.reached.wait()
        second = asyncio.ensure_future(fetch(transport, server.url(), b"2"))
        third = asyncio.ensure_future(fetch(transport, server.url(), b"3"))
        async with cancelled(second):
            await asyncio.sleep(0)
        gate.open.set()
        assert (await first)[1] == b"1"
        assert (await third)[1] == b"3"
        assert server.accepted == 1
        await transport.aclose()


async def test_cancelling_a_request_that_was_just_given_its_turn_loses_nothing(
    open_transport: OpenTransport,
):
    """The turn and the cancellation meet in one iteration of the event loop."""

    async with RawServer(sending(HEAD + CHUNK + END)) as server:
        transport = open_transport(max_connections=1)
        for _ in range(20):
            holder = await transport.send(post(server.url()))
            waiting = asyncio.ensure_future(transport.send(post(server.url())))
            await asyncio.sleep(0)
            async with cancelled(waiting):
                await read(holder)
            assert await fetch(transport, server.url()) == (200, b"hello")
        await transport.aclose()


@pytest.mark.parametrize("timeouts", [within(), within(connect=0.05)])
async def test_giving_up_while_connecting_closes_the_socket(
    open_transport: OpenTransport, authority: trustme.CA, timeouts: UpstreamTimeouts
):
    gone = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.reader.read(1)  # the handshake begins and is never answered
        await peer.gone()
        gone.set()

    async with RawServer(script) as server:
        transport = open_transport(ca_pem=pem(authority), max_connections=1)
        url = f"https://127.0.0.1:{server.port}/"
        for _ in range(2):
            sending = asyncio.ensure_future(transport.send(post(url, timeouts=timeouts)))
            await asyncio.wait([sending], timeout=0.1)
            sending.cancel()
            with pytest.raises((asyncio.CancelledError, UpstreamTimeout)):
                await sending
            await asyncio.wait_for(gone.wait(), 5)
            gone.clear()
        assert server.accepted == 2


async def test_closing_a_response_early_closes_its_connection(open_transport: OpenTransport):
    async def script(peer: Peer) -> None:
        await peer.request()
        if peer.number == 0:
            await peer.send(HEAD + CHUNK)
            await peer.gone()
        else:
            await peer.send(answer(b"next"))

    async with RawServer(script) as server:
        transport = open_transport(max_connections=1)
        response = await transport.send(post(server.url()))
        await response.aclose()
        await response.aclose()
        with pytest.raises(UpstreamUnavailable):
            await anext(response.chunks())
        assert await fetch(transport, server.url()) == (200, b"next")
        await transport.aclose()


async def test_closing_a_read_response_twice_does_no_harm(open_transport: OpenTransport):
    async with RawServer(sending(answer(b"ok"))) as server:
        transport = open_transport()
        first = await transport.send(post(server.url()))
        assert await read(first) == b"ok"
        second = await transport.send(post(server.url()))
        await first.aclose()
        assert await read(second) == b"ok"
        assert server.accepted == 1
        await transport.aclose()


async def test_closing_the_transport_lets_busy_exchanges_finish(open_transport: OpenTransport):
    gate = Gate()
    ended: list[int] = []
    all_ended = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        if peer.number == 0:
            await peer.send(HEAD + CHUNK)
            await gate.wait()
            await peer.send(CHUNK + END)
        else:
            await peer.send(answer(b"idle afterwards"))
            gate.reached.set()
        await peer.gone()
        ended.append(peer.number)
        if len(ended) == 2:
            all_ended.set()

    async with RawServer(script) as server:
        transport = open_transport()
        busy = await transport.send(post(server.url()))
        await fetch(transport, server.url())
        await transport.aclose()
        with pytest.raises(UpstreamUnavailable):
            await transport.send(post(server.url()))
        gate.open.set()
        assert await read(busy) == b"hellohello"
        await asyncio.wait_for(all_ended.wait(), 5)
        assert ended == [1, 0]
        assert server.accepted == 2


async def test_two_policies_do_not_share_connections(open_transport: OpenTransport):
    async with RawServer(sending(answer(b"ok"))) as server:
        trusting, careful = (
            open_transport(address_policy=LOOPBACK),
            open_transport(address_policy=AddressPolicy()),
        )
        assert await fetch(trusting, server.url()) == (200, b"ok")
        with pytest.raises(UpstreamUnavailable):
            await careful.send(post(server.url()))
        await trusting.aclose()
