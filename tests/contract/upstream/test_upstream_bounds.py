"""UpstreamTransport: bounds in time, number and volume, and connections gone stale."""

import asyncio
import socket
import threading
from typing import TypeVar

import pytest

from domain.errors import UpstreamTimeout, UpstreamUnavailable
from tests.support.exchanges import OpenTransport, fetch, post, read, within
from tests.support.raw_server import (
    Gate,
    Peer,
    RawServer,
    answer,
    full_backlog,
    sending,
    sending_once,
)

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
CHUNK = b"5\r\nhello\r\n"
END = b"0\r\n\r\n"

T = TypeVar("T")


# -- time


async def test_a_silent_server_runs_into_the_first_byte_bound(open_transport: OpenTransport):
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n" if peer.number else b"HTTP/1.1 2")
        await peer.gone()

    async with RawServer(script) as server:
        transport = open_transport(max_connections=1)
        for _ in range(2):
            with pytest.raises(UpstreamTimeout) as caught:
                await transport.send(post(server.url(), timeouts=within(first_byte=0.05)))
            assert caught.value.phase == "first_byte"


async def test_silence_within_the_body_runs_into_the_idle_bound(open_transport: OpenTransport):
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(HEAD + CHUNK)
        await peer.gone()

    async with RawServer(script) as server:
        response = await open_transport().send(post(server.url(), timeouts=within(idle=0.05)))
        chunks = response.chunks()
        assert await anext(chunks) == b"hello"
        for _ in range(2):
            with pytest.raises(UpstreamTimeout) as caught:
                await anext(chunks)
            assert caught.value.phase == "idle"
        await response.aclose()


async def test_a_trickle_runs_into_the_total_bound(open_transport: OpenTransport):
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(HEAD)
        while True:
            await peer.send(CHUNK)
            await asyncio.sleep(0.01)

    async with RawServer(script) as server:
        response = await open_transport().send(
            post(server.url(), timeouts=within(idle=0.2, total=0.25))
        )
        with pytest.raises(UpstreamTimeout) as caught:
            await read(response)
        assert caught.value.phase == "total"
        await response.aclose()


async def test_the_total_bound_holds_in_every_phase(open_transport: OpenTransport):
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.gone()

    short = within(total=0.5)  # making a TLS context takes a part of it on busy cores
    async with RawServer(script) as server:
        with pytest.raises(UpstreamTimeout) as caught:
            await open_transport().send(post(server.url(), timeouts=short))
        assert caught.value.phase == "total"
        assert server.accepted == 1
    with full_backlog() as port, pytest.raises(UpstreamTimeout) as caught:
        await open_transport().send(post(f"http://127.0.0.1:{port}/", timeouts=short))
    assert caught.value.phase == "total"


async def test_a_slow_reader_is_not_mistaken_for_an_idle_server(open_transport: OpenTransport):
    gate = Gate()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(HEAD, CHUNK)  # apart, so that the reader waits under the idle bound
        await gate.wait()
        await peer.send(CHUNK + END)

    async with RawServer(script) as server:
        response = await open_transport().send(post(server.url(), timeouts=within(idle=0.2)))
        chunks = response.chunks()
        assert await anext(chunks) == b"hello"
        await asyncio.sleep(0.4)  # the caller, not the server, lets time pass
        gate.open.set()
        assert await anext(chunks) == b"hello"
        await response.aclose()


# -- number


async def test_requests_beyond_the_limit_wait_for_their_turn(open_transport: OpenTransport):
    busy = most = 0

    async def script(peer: Peer) -> None:
        nonlocal busy, most
        while True:
            await peer.request()
            busy += 1
            most = max(most, busy)
            await peer.send(HEAD, CHUNK, END)
            busy -= 1

    async with RawServer(script) as server:
        transport = open_transport(max_connections=3)
        replies = await asyncio.gather(*(fetch(transport, server.url()) for _ in range(40)))
        assert replies == [(200, b"hello")] * 40
        assert most <= 3
        assert server.accepted == 3
        await transport.aclose()


async def test_waiting_for_a_connection_counts_as_connecting(open_transport: OpenTransport):
    gate = Gate()

    async def script(peer: Peer) -> None:
        for _ in range(2):
            await peer.request()
            await peer.send(HEAD + CHUNK)
            await gate.wait()
            await peer.send(END)

    async with RawServer(script) as server:
        transport = open_transport(max_connections=1)
        holder = await transport.send(post(server.url()))
        with pytest.raises(UpstreamTimeout) as caught:
            await transport.send(post(server.url(), timeouts=within(connect=0.05)))
        assert caught.value.phase == "connect"
        gate.open.set()
        assert await read(holder) == b"hello"
        assert await fetch(transport, server.url()) == (200, b"hello")
        assert server.accepted == 1


async def test_the_queue_is_bounded(open_transport: OpenTransport):
    gate = Gate()

    async def script(peer: Peer) -> None:
        for _ in range(2):
            await peer.request()
            await gate.wait()
            await peer.send(answer(b"ok"))

    async with RawServer(script) as server:
        transport = open_transport(max_connections=1, max_waiting=1)
        first = asyncio.create_task(fetch(transport, server.url()))
        await gate.reached.wait()
        second = asyncio.create_task(fetch(transport, server.url()))
        await asyncio.sleep(0)
        with pytest.raises(UpstreamUnavailable, match="Too many requests"):
            await transport.send(post(server.url()))
        gate.open.set()
        assert await first == await second == (200, b"ok")


async def test_idle_connections_beyond_the_limit_are_closed(open_transport: OpenTransport):
    closed = asyncio.Event()
    everybody = asyncio.Barrier(2)

    async def script(peer: Peer) -> None:
        await peer.request()
        await everybody.wait()
        await peer.send(answer(b"ok"))
        await peer.gone()
        closed.set()

    async with RawServer(script) as server:
        transport = open_transport(max_idle_connections=1)
        await asyncio.gather(*(fetch(transport, server.url()) for _ in range(2)))
        await asyncio.wait_for(closed.wait(), 5)
        assert server.accepted == 2
        await transport.aclose()


async def test_an_idle_connection_makes_room_for_another_origin(open_transport: OpenTransport):
    async with RawServer(sending(answer(b"a"))) as one, RawServer(sending(answer(b"b"))) as other:
        transport = open_transport(max_connections=1)
        for _ in range(2):
            assert await fetch(transport, one.url()) == (200, b"a")
            assert await fetch(transport, other.url()) == (200, b"b")
        assert (one.accepted, other.accepted) == (2, 2)
        await transport.aclose()


# -- stale connections


async def test_a_connection_the_server_closed_while_idle_is_not_used(
    open_transport: OpenTransport,
):
    async with RawServer(sending_once(answer(b"ok"))) as server:
        transport = open_transport()
        for _ in range(3):
            assert await fetch(transport, server.url()) == (200, b"ok")
        assert server.accepted == 3


class BlockingServer:
    """A server in a thread: it can close a connection while the event loop is kept from seeing it."""

    def __init__(self) -> None:
        self.close_now = threading.Event()
        self.closed = threading.Event()
        self.accepted = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        for _ in range(2):
            connection, _ = self._listener.accept()
            with connection:
                self.accepted += 1
                received = b""
                while not received.endswith(b"\r\n\r\n{}"):
                    received += connection.recv(65536)
                connection.sendall(answer(b"%d" % self.accepted))
                self.close_now.wait(10)
            self.closed.set()

    def join(self) -> None:
        self._thread.join(10)
        self._listener.close()


async def test_a_close_the_event_loop_has_not_seen_yet_is_noticed_before_writing(
    open_transport: OpenTransport,
):
    server = BlockingServer()
    url = f"http://127.0.0.1:{server.port}/"
    transport = open_transport()
    assert await fetch(transport, url) == (200, b"1")
    server.close_now.set()
    server.closed.wait(10)  # blocks the loop on purpose
    assert await fetch(transport, url) == (200, b"2")
    assert server.accepted == 2
    server.join()


async def test_a_post_the_server_may_have_read_is_never_repeated(open_transport: OpenTransport):
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer(b"ok"))
        await peer.request()  # read, perhaps acted upon, and then the connection breaks

    async with RawServer(script) as server:
        transport = open_transport()
        assert await fetch(transport, server.url()) == (200, b"ok")
        with pytest.raises(UpstreamUnavailable) as caught:
            await transport.send(post(server.url()))
        assert caught.value.error_class == "reset"
        assert server.accepted == 1


# -- volume


async def test_large_bodies_in_both_directions(open_transport: OpenTransport):
    async def script(peer: Peer) -> None:
        request = await peer.request()
        await peer.send(answer(request.body[::-1]))

    body = bytes(range(256)) * 32768  # 8 MiB
    async with RawServer(script) as server:
        assert await fetch(open_transport(), server.url(), body) == (200, body[::-1])


async def test_a_slow_reader_holds_the_server_back(open_transport: OpenTransport):
    size, piece = 64 * 1024 * 1024, b"x" * 65536
    sent = 0
    blocked = asyncio.Event()

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        peer.writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        while sent < size:
            peer.writer.write(piece)
            sent += len(piece)
            drained = asyncio.ensure_future(peer.writer.drain())
            await asyncio.wait([drained], timeout=0.3)
            if not drained.done():
                blocked.set()
            await drained

    async with RawServer(script) as server:
        response = await open_transport().send(post(server.url()))
        await asyncio.wait_for(blocked.wait(), 10)
        assert sent < size / 2  # socket buffers of the two kernels and 64 KiB of ours
        assert len(await read(response)) == size


async def test_an_answer_before_the_request_was_read_is_delivered(open_transport: OpenTransport):
    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.send(answer(b"too large", b"connection: close", status=413))
        await peer.gone()  # drains the body, as a polite server does

    async with RawServer(script) as server:
        status, body = await fetch(open_transport(), server.url(), bytes(16 * 1024 * 1024))
        assert (status, body) == (413, b"too large")
