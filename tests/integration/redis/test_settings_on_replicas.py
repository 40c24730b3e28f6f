"""A setting that is applied on one replica is in force on every other within a second."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from adapters.crypto.cipher import AesGcmCipher
from adapters.providers.factory import ProvidersByKind
from adapters.redis.change_feed import RedisChangeFeed
from adapters.redis.connection import connect
from adapters.sql.configuration import SqlConfigurationSource
from adapters.sql.engine import create_engine
from adapters.sql.unit_of_work import SqlUnitOfWork
from adapters.system.clock import SystemClock
from adapters.system.identifiers import UuidGenerator
from adapters.system.randomness import SystemRandomness
from adapters.upstream.http11 import Http11Transport
from adapters.upstream.options import TransportOptions
from application.console.settings.manage import ManageSettings
from application.ports.change_feed import Change, Section
from application.runtime.provider_pool import ProviderPool
from application.runtime.refresh import SnapshotRefresher
from application.runtime.snapshot import CurrentSnapshot
from application.runtime.supervisor import TaskSupervisor
from tests.support.acting import OPERATOR

DEPTH = "gateway.max_json_depth"


class Replica:
    """A process of its own: connections, feed, snapshot, and an environment."""

    def __init__(self, postgres_url: str, redis_url: str, environment: dict[str, int]) -> None:
        self.engine = create_engine(postgres_url)
        self.redis = connect(redis_url)
        self.feed = RedisChangeFeed(self.redis, SystemRandomness())
        self.current = CurrentSnapshot()
        factory = ProvidersByKind(
            AesGcmCipher((b"k" * 32,), SystemRandomness()),
            lambda _spec, _proxy: Http11Transport(TransportOptions()),
            SystemClock(),
        )
        self.pool = ProviderPool(factory, TaskSupervisor())
        self.refresher = SnapshotRefresher(
            SqlConfigurationSource(self.engine, environment),
            self.feed,
            self.pool,
            self.current,
            on_keys_changed=lambda: None,
            on_revisions_confirmed=lambda: None,
            poll_interval_s=60.0,  # what comes in time comes by the feed
        )
        self.settings = ManageSettings(
            SqlUnitOfWork(self.engine, self.feed, SystemClock(), UuidGenerator()),
            environment,
            SystemClock(),
        )

    @property
    def depth(self) -> int:
        return self.current.get().settings.integer(DEPTH)

    async def until(self, depth: int) -> None:
        """Return when the value is in force here."""
        arrived = asyncio.Event()
        self.current.follow(
            lambda now: arrived.set() if now.settings.integer(DEPTH) == depth else None
        )
        await arrived.wait()


@contextlib.asynccontextmanager
async def running(
    postgres_url: str, redis_url: str, environment: dict[str, int]
) -> AsyncGenerator[Replica]:
    replica = Replica(postgres_url, redis_url, environment)
    await replica.refresher.load()
    tasks = [
        asyncio.create_task(replica.refresher.follow_feed()),
        asyncio.create_task(replica.refresher.poll()),
    ]
    try:
        await _listens(replica)
        yield replica
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await replica.pool.aclose()
        await replica.redis.aclose()
        await replica.engine.dispose()


async def _listens(replica: Replica) -> None:
    """Return when messages arrive: one is sent until one is heard."""
    heard = asyncio.Event()

    async def listen() -> None:
        async for _ in replica.feed.listen():
            heard.set()

    task = asyncio.create_task(listen())
    async with asyncio.timeout(20):
        while not heard.is_set():
            await replica.feed.publish([Change(Section.KEYS, 0)])
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.05):
                    await heard.wait()
    task.cancel()


async def test_a_change_is_in_force_everywhere_within_a_second(
    postgres_url: str, redis_url: str
) -> None:
    async with (
        running(postgres_url, redis_url, {}) as one,
        running(postgres_url, redis_url, {DEPTH: 40}) as other,
    ):
        assert (one.depth, other.depth) == (64, 40)
        await one.settings.stage(OPERATOR, {DEPTH: 32})
        await one.settings.apply(OPERATOR, reason="hardening")
        async with asyncio.timeout(1.0):
            await asyncio.gather(one.until(32), other.until(32))
        await other.settings.roll_back(OPERATOR, 0, reason="back to the start")
        async with asyncio.timeout(1.0):
            await asyncio.gather(one.until(64), other.until(40))
