"""ChangeFeed: best-effort news between listeners, over every adapter."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable

import pytest

from adapters.memory.change_feed import MemoryChangeFeed
from adapters.redis.change_feed import CHANNEL, RedisChangeFeed
from adapters.redis.connection import connect
from adapters.system.randomness import SystemRandomness
from application.ports.change_feed import Change, ChangeFeed, Section

WITHIN_S = 10


@pytest.fixture
async def in_memory_feed() -> ChangeFeed:
    return MemoryChangeFeed()


@pytest.fixture
async def redis_feed(redis_url: str) -> AsyncIterator[ChangeFeed]:
    client = connect(redis_url)
    yield RedisChangeFeed(client, SystemRandomness(), heartbeat=0.1, patience=1.0)
    await client.aclose()


@pytest.fixture(params=["in_memory_feed", "redis_feed"])
def feed(request: pytest.FixtureRequest) -> ChangeFeed:
    return request.getfixturevalue(request.param)


class Listener:
    """Collects what a feed yields."""

    def __init__(self, feed: ChangeFeed) -> None:
        self.heard: list[Change] = []
        self._news = asyncio.Event()
        self.task = asyncio.ensure_future(self._run(feed))

    async def _run(self, feed: ChangeFeed) -> None:
        async for change in feed.listen():
            self.heard.append(change)
            self._news.set()

    async def until(self, satisfied: Callable[[list[Change]], bool]) -> None:
        async with asyncio.timeout(WITHIN_S):
            while not satisfied(self.heard):
                self._news.clear()
                await self._news.wait()


@contextlib.asynccontextmanager
async def listening(feed: ChangeFeed, count: int = 1) -> AsyncGenerator[list[Listener]]:
    """Yield listeners that are known to hear what is published."""
    listeners = [Listener(feed) for _ in range(count)]
    try:
        probe = Change(Section.SETTINGS, 0)
        async with asyncio.timeout(WITHIN_S):
            while not all(probe in listener.heard for listener in listeners):
                await feed.publish([probe])
                await asyncio.sleep(0.01)  # a subscription has no event that says it is there
        yield listeners
    finally:
        for listener in listeners:
            listener.task.cancel()
        await asyncio.gather(*(each.task for each in listeners), return_exceptions=True)


async def test_every_listener_hears_of_every_section(feed: ChangeFeed) -> None:
    async with listening(feed, count=3) as listeners:
        await feed.publish([Change(Section.KEYS, 4), Change(Section.CATALOG, 7)])
        for listener in listeners:
            await listener.until(
                lambda heard: {Change(Section.KEYS, 4), Change(Section.CATALOG, 7)} <= set(heard)
            )


async def test_the_newest_revision_arrives_after_a_burst(feed: ChangeFeed) -> None:
    async with listening(feed) as (listener,):
        for revision in range(1, 501):
            await feed.publish([Change(Section.KEYS, revision)])
        await listener.until(lambda heard: Change(Section.KEYS, 500) in heard)
        revisions = [change.revision for change in listener.heard if change.section == "keys"]
        assert revisions == sorted(revisions)


async def test_publishing_needs_no_listener(feed: ChangeFeed) -> None:
    await feed.publish([Change(Section.KEYS, 1)])
    await feed.publish([])


async def test_a_listener_that_leaves_disturbs_nobody(feed: ChangeFeed) -> None:
    async with listening(feed, count=2) as (leaving, staying):
        leaving.task.cancel()
        await asyncio.gather(leaving.task, return_exceptions=True)
        await feed.publish([Change(Section.KEYS, 9)])
        await staying.until(lambda heard: Change(Section.KEYS, 9) in heard)
        assert Change(Section.KEYS, 9) not in leaving.heard


async def test_foreign_messages_on_the_channel_are_ignored(
    redis_feed: ChangeFeed, redis_url: str
) -> None:
    foreign = connect(redis_url)
    async with listening(redis_feed) as (listener,):
        for payload in (
            b"not json",
            b"\xff",
            b"{}",
            b'[{"section":"from the future","revision":1}]',
            b'[{"section":"keys"}]',
        ):
            await foreign.execute_command("PUBLISH", CHANNEL, payload)
        await redis_feed.publish([Change(Section.CATALOG, 2)])
        await listener.until(lambda heard: Change(Section.CATALOG, 2) in heard)
        assert {change.section for change in listener.heard} == {
            Section.SETTINGS,
            Section.CATALOG,
        }
    await foreign.aclose()
