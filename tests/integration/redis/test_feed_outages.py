"""The change feed while the server is away or frozen."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncGenerator, Generator

import pytest

from adapters.embedded.valkey import EmbeddedValkey
from adapters.redis.change_feed import RedisChangeFeed
from adapters.redis.connection import connect, ping
from adapters.system.randomness import SystemRandomness
from application.ports.change_feed import Change, Section
from domain.errors import ServiceUnavailable
from tests.support.stores import running_valkey

WITHIN_S = 20


@pytest.fixture(scope="module")
def own_valkey() -> Generator[EmbeddedValkey]:
    """A server that a test may hurt."""
    with running_valkey() as server:
        yield server


@pytest.fixture
async def feed(own_valkey: EmbeddedValkey) -> AsyncGenerator[RedisChangeFeed]:
    client = connect(own_valkey.url, connect_timeout=0.3, operation_timeout=0.3)
    yield RedisChangeFeed(client, SystemRandomness(), heartbeat=0.1, patience=0.3)
    await client.aclose()


@contextlib.contextmanager
def paused(server: EmbeddedValkey) -> Generator[None]:
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


@contextlib.asynccontextmanager
async def listening(feed: RedisChangeFeed) -> AsyncGenerator["asyncio.Queue[Change]"]:
    heard: asyncio.Queue[Change] = asyncio.Queue(1000)

    async def run() -> None:
        async for change in feed.listen():
            await heard.put(change)

    task = asyncio.ensure_future(run())
    try:
        yield heard
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def hears(feed: RedisChangeFeed, heard: "asyncio.Queue[Change]", revision: int) -> None:
    """Publish until the listener has it: nothing else tells that it is connected again."""
    wanted = Change(Section.KEYS, revision)
    async with asyncio.timeout(WITHIN_S):
        while True:
            await feed.publish([wanted])
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    while await heard.get() != wanted:
                        pass
                    return


async def test_a_listener_comes_back_after_a_restart(
    feed: RedisChangeFeed, own_valkey: EmbeddedValkey
) -> None:
    async with listening(feed) as heard:
        await hears(feed, heard, 1)
        own_valkey.stop()
        await feed.publish([Change(Section.KEYS, 2)])
        own_valkey.start()
        await hears(feed, heard, 3)


async def test_a_listener_leaves_a_frozen_connection_behind(
    feed: RedisChangeFeed, own_valkey: EmbeddedValkey
) -> None:
    """A frozen server keeps its sockets open: only the unanswered ping gives it away."""
    async with listening(feed) as heard:
        await hears(feed, heard, 1)
        with paused(own_valkey):
            async with asyncio.timeout(WITHIN_S):
                await feed.publish([Change(Section.KEYS, 2)])
                client = connect(own_valkey.url, connect_timeout=0.2, operation_timeout=0.2)
                with pytest.raises(ServiceUnavailable):
                    await ping(client, within=1.0)
                await client.aclose()
        await hears(feed, heard, 3)


class Link:
    """A TCP link to the server that can die without a word, as behind a NAT that forgot it."""

    def __init__(self, socket_path: str) -> None:
        self._socket_path = socket_path
        self._alive = asyncio.Event()
        self.opened = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        alive = self._alive = asyncio.Event()
        alive.set()
        server_reader, server_writer = await asyncio.open_unix_connection(self._socket_path)
        with contextlib.closing(writer), contextlib.closing(server_writer):
            await asyncio.gather(
                _pump(reader, server_writer, alive), _pump(server_reader, writer, alive)
            )

    def die(self) -> None:
        """Let the newest connection swallow everything from now on; both ends stay open."""
        self._alive.clear()


async def _pump(
    source: asyncio.StreamReader, target: asyncio.StreamWriter, alive: asyncio.Event
) -> None:
    while data := await source.read(65_536):
        if alive.is_set():
            target.write(data)


async def test_a_listener_leaves_a_connection_that_died_without_a_word(
    feed: RedisChangeFeed, own_valkey: EmbeddedValkey
) -> None:
    link = Link(own_valkey.url.removeprefix("unix://").partition("?")[0])
    async with await asyncio.start_server(link.serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        client = connect(f"redis://127.0.0.1:{port}", operation_timeout=0.3)
        far_feed = RedisChangeFeed(client, SystemRandomness(), heartbeat=0.1, patience=0.3)
        async with listening(far_feed) as heard:
            await hears(feed, heard, 1)
            before = link.opened
            link.die()
            await hears(feed, heard, 2)
            assert link.opened > before
        await client.aclose()


async def test_publishing_to_a_frozen_server_holds_nobody_up(
    feed: RedisChangeFeed, own_valkey: EmbeddedValkey
) -> None:
    loop = asyncio.get_running_loop()
    with paused(own_valkey):
        before = loop.time()
        for revision in range(3):
            await feed.publish([Change(Section.KEYS, revision)])
        assert loop.time() - before < 3 * 1.0


async def test_a_listener_of_an_absent_server_can_be_cancelled() -> None:
    client = connect("redis://127.0.0.1:1", connect_timeout=0.1)
    feed = RedisChangeFeed(client, SystemRandomness())
    async with listening(feed) as heard:
        await feed.publish([Change(Section.KEYS, 1)])
        assert heard.empty()
    await client.aclose()
