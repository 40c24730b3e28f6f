"""ConnectionPool: moments that the transport meets too rarely to test there."""

import asyncio
import contextlib
import gc
import weakref

from adapters.upstream.connection import Connection
from adapters.upstream.options import TransportOptions
from adapters.upstream.pool import ConnectionPool
from adapters.upstream.target import Origin
from adapters.upstream.tls import client_context
from tests.support.exchanges import LOOPBACK
from tests.support.raw_server import Peer, RawServer


async def waits(peer: Peer) -> None:
    await peer.gone()


def small_pool(places: int = 1) -> ConnectionPool:
    options = TransportOptions(address_policy=LOOPBACK, max_connections=places)
    return ConnectionPool(options, client_context())


async def obtain(pool: ConnectionPool, origin: Origin, *, fresh: bool = False) -> Connection:
    async with asyncio.timeout(5):
        return await pool.obtain(origin, asyncio.get_running_loop().time() + 5, fresh=fresh)


async def in_queue(pool: ConnectionPool, origin: Origin) -> "asyncio.Task[Connection]":
    task = asyncio.ensure_future(obtain(pool, origin))
    await asyncio.sleep(0)
    return task


async def cancel(task: "asyncio.Task[Connection]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_a_connection_granted_to_a_cancelled_request_goes_to_the_next():
    async with RawServer(waits) as server:
        pool, origin = small_pool(), Origin("127.0.0.1", server.port, secure=False)
        connection = await obtain(pool, origin)
        first, second = await in_queue(pool, origin), await in_queue(pool, origin)
        pool.released(connection)  # granted to the first, which has not run yet
        await cancel(first)
        assert await second is connection
        third = await in_queue(pool, origin)
        pool.released(connection)
        await cancel(third)
        assert pool.take(origin) is connection
        connection.close()


async def test_a_place_granted_to_a_cancelled_request_goes_to_the_next():
    async with RawServer(waits) as server:
        pool, origin = small_pool(), Origin("127.0.0.1", server.port, secure=False)
        connection = await obtain(pool, origin)
        first, second = await in_queue(pool, origin), await in_queue(pool, origin)
        connection.abort()
        await cancel(first)
        other = await second
        assert other is not connection
        third = await in_queue(pool, origin)
        other.abort()
        await cancel(third)
        (await obtain(pool, origin)).close()
        assert server.accepted == 3


async def test_a_granted_connection_that_broke_meanwhile_is_replaced():
    async with RawServer(waits) as server:
        pool, origin = small_pool(), Origin("127.0.0.1", server.port, secure=False)
        connection = await obtain(pool, origin)
        waiting = await in_queue(pool, origin)
        pool.released(connection)
        connection.abort()
        other = await waiting
        assert other is not connection
        assert other.usable
        other.close()


async def test_a_granted_connection_that_broke_does_not_count_for_a_cancelled_request():
    async with RawServer(waits) as server:
        pool, origin = small_pool(), Origin("127.0.0.1", server.port, secure=False)
        connection = await obtain(pool, origin)
        waiting = await in_queue(pool, origin)
        pool.released(connection)
        connection.abort()
        await cancel(waiting)
        (await obtain(pool, origin)).close()


async def test_a_cancelled_request_no_longer_counts_as_waiting():
    async with RawServer(waits) as server:
        options = TransportOptions(address_policy=LOOPBACK, max_connections=1, max_waiting=1)
        pool, origin = (
            ConnectionPool(options, client_context()),
            Origin("127.0.0.1", server.port, secure=False),
        )
        connection = await obtain(pool, origin)
        for _ in range(3):
            await cancel(await in_queue(pool, origin))
        connection.close()


async def test_a_closed_connection_is_forgotten_before_its_deadline():
    """Deadlines may be minutes away; until then a timer would keep every buffer alive."""
    async with RawServer(waits) as server:
        pool, origin = small_pool(), Origin("127.0.0.1", server.port, secure=False)
        connection = await obtain(pool, origin)
        pool.released(connection)
        gone = weakref.ref(connection)
        pool.close()
        del connection
        async with asyncio.timeout(5):
            while gone() is not None:
                await asyncio.sleep(0)
                gc.collect()


async def test_a_fresh_connection_displaces_an_idle_one():
    async with RawServer(waits) as server:
        pool, origin = small_pool(), Origin("127.0.0.1", server.port, secure=False)
        used = await obtain(pool, origin)
        pool.released(used)
        other = await obtain(pool, origin, fresh=True)
        assert other is not used
        assert not used.usable
        other.close()


async def test_a_waiting_request_for_another_origin_gets_the_place_not_the_connection():
    async with RawServer(waits) as one, RawServer(waits) as another:
        pool = small_pool()
        connection = await obtain(pool, Origin("127.0.0.1", one.port, secure=False))
        waiting = await in_queue(pool, Origin("127.0.0.1", another.port, secure=False))
        pool.released(connection)
        other = await waiting
        assert not connection.usable
        assert other.origin.port == another.port
        other.close()


async def test_requests_in_the_queue_are_served_after_the_pool_was_closed():
    async with RawServer(waits) as server:
        pool, origin = small_pool(), Origin("127.0.0.1", server.port, secure=False)
        connection = await obtain(pool, origin)
        waiting = await in_queue(pool, origin)
        pool.close()
        pool.released(connection)
        assert await waiting is connection
        pool.released(connection)
        assert not connection.usable
