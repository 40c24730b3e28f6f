"""FLUSHALL under load: budgets are exact again while traffic goes on, and nobody is alerted twice."""

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, AsyncIterator

import pytest
from redis.asyncio import Redis

from adapters.clickhouse.client import ClickHouse
from adapters.clickhouse.ledger import ClickHouseLedger
from adapters.clickhouse.migrations import migrate
from adapters.clickhouse.writer import ClickHouseRequests
from adapters.memory.budget_alerts import MemoryBudgetAlerts
from adapters.memory.configuration import MemoryConfigurationSource
from adapters.memory.leases import MemoryLeaderLease
from adapters.memory.store import MemoryStore
from adapters.redis.limit_wire import YOUNG_KEY
from adapters.redis.limits import RedisLimitStore
from adapters.redis.pipelined import PipelinedCommands
from adapters.sql.migrations import scripts_directory
from adapters.system.clock import SystemClock
from adapters.system.randomness import SystemRandomness
from application.jobs.budget_alerts import BudgetAlerts
from application.jobs.rebuild_budgets import RebuildBudgets
from application.ports.configuration import LimitSet
from domain.inference.dialect import Surface
from domain.limits.amounts import Spend
from domain.limits.entries import BudgetEntry, Entry
from domain.limits.periods import Period
from domain.limits.policy import LimitPolicy
from domain.limits.reservations import Admitted
from domain.limits.rules import BudgetCap, Holder, HolderKind
from domain.records.events import RequestRecord
from domain.subjects import Subject, SubjectChain, SubjectKind
from tests.support.limits import claim, made_ready
from tests.support.offpath import CountingTelemetry
from tests.support.request_records import batch_of_records, make_record
from tests.support.stores import ClickHouseDatabase


class Caps(MemoryConfigurationSource):
    """An empty configuration but for some caps."""

    def __init__(self, *caps: BudgetCap) -> None:
        super().__init__(MemoryStore())
        self._caps = caps

    async def limits(self) -> LimitSet:
        return LimitSet(limits=self._caps)


def cap(limit: int, counts_from_ms: int = 0) -> BudgetCap:
    return BudgetCap(
        id="cap-1",
        holder=Holder(HolderKind.USER, "user-1"),
        period=Period.MONTHLY,
        limit=limit,
        counts_from_ms=counts_from_ms,
    )


def entry_of(budget: BudgetCap) -> BudgetEntry:
    chain = SubjectChain((Subject(SubjectKind.USER, "user-1"),))
    now_ms = SystemClock().now_ms()
    (entry,) = LimitPolicy([budget]).bind(chain, Surface.AI_GATEWAY, now_ms).entries
    assert isinstance(entry, BudgetEntry)
    return entry


class Bench:
    """The real stores, with a job that is in a hurry."""

    def __init__(self, redis_url: str, engine: ClickHouse) -> None:
        self.clock = SystemClock()
        self.store = RedisLimitStore(PipelinedCommands.from_url(redis_url, timeout_s=5.0))
        self.ledger = ClickHouseLedger(engine)
        self.sink = ClickHouseRequests(engine)
        self.telemetry = CountingTelemetry()
        self.alerts = BudgetAlerts(
            MemoryBudgetAlerts(), self.telemetry, clock=self.clock, randomness=SystemRandomness()
        )

    def rebuild(self, *caps: BudgetCap) -> RebuildBudgets:
        return RebuildBudgets(
            self.store,
            self.ledger,
            Caps(*caps),
            MemoryLeaderLease(),
            self.alerts,
            clock=self.clock,
            randomness=SystemRandomness(),
            look_every_s=0.02,
            linger_s=0.05,
            again_every_s=0.1,
        )

    async def spend(self, entry: Entry, tokens: int, takes_s: float = 0) -> RequestRecord:
        """Be a request, and return its record, which nobody has stored yet."""
        started_at_ms, started = self.clock.now_ms(), self.clock.monotonic()
        verdict = await self.store.admit(claim(entry))
        assert isinstance(verdict, Admitted)
        await asyncio.sleep(takes_s)
        record = make_record(
            weighted_tokens=tokens,
            started_at_ms=started_at_ms,
            duration_ms=(self.clock.monotonic() - started) * 1000,
        )
        settled = await self.store.settle(
            verdict.reservation, Spend(tokens=tokens), occurred_at_ms=record.ended_at_ms
        )
        self.alerts.fire(settled.crossings)
        return record

    async def deliver(self, *records: RequestRecord) -> None:
        if records:
            await self.sink.deliver([batch_of_records(*records)])

    async def used(self, entry: Entry) -> int:
        return (await self.store.usage((entry,), Spend())).readings[0].used

    async def until_used(self, entry: Entry, expected: int) -> None:
        async with asyncio.timeout(20):
            while await self.used(entry) != expected:  # noqa: ASYNC110 - stores have no event
                await asyncio.sleep(0.01)

    async def until_restored(self) -> None:
        async with asyncio.timeout(20):
            while not (await self.store.epoch()).restored:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)

    def percents(self) -> list[int]:
        return [percent for _, _, percent in self.telemetry.alerts]


@pytest.fixture
async def bench(
    redis_client: Redis, redis_url: str, clickhouse: ClickHouseDatabase
) -> AsyncIterator[Bench]:
    engine = ClickHouse(clickhouse.url, database=clickhouse.name)
    await migrate(engine, scripts_directory() / "clickhouse")
    found = Bench(redis_url, engine)
    yield found
    await found.store.aclose()
    await engine.aclose()


@contextlib.asynccontextmanager
async def running(*jobs: RebuildBudgets | BudgetAlerts) -> AsyncGenerator[None]:
    tasks = [asyncio.ensure_future(job.run()) for job in jobs]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_wiped_store_gets_its_budgets_back_and_nobody_is_alerted_twice(
    bench: Bench, redis_client: Redis
) -> None:
    budget = cap(1_000)
    entry = entry_of(budget)
    async with running(bench.rebuild(budget), bench.alerts):
        await bench.until_restored()
        await bench.deliver(await bench.spend(entry, 600), await bench.spend(entry, 250))
        await bench.alerts.flush()
        assert bench.percents() == [50, 80]
        await redis_client.flushall()
        await bench.until_used(entry, 850)
        await bench.until_restored()
        await bench.spend(entry, 110)
    await bench.alerts.flush()
    assert await bench.used(entry) == 960
    assert bench.percents() == [50, 80, 95]


async def test_a_threshold_reached_by_what_was_before_the_wipe_and_after_together_is_announced(
    bench: Bench, redis_client: Redis
) -> None:
    budget = cap(1_000)
    entry = entry_of(budget)
    await made_ready(bench.store)
    await bench.deliver(await bench.spend(entry, 450))
    await redis_client.flushall()
    await bench.store.begin()
    await bench.spend(entry, 400)
    async with running(bench.rebuild(budget), bench.alerts):
        await bench.until_restored()
        await bench.until_used(entry, 850)
    await bench.alerts.flush()
    assert bench.percents() == [50, 80]


async def test_a_store_that_is_wiped_under_load_is_exact_although_traffic_never_pauses(
    bench: Bench, redis_client: Redis
) -> None:
    """Records arrive late, and those of the last half second never do while it is looked."""
    budget = cap(10**12)
    entry, stop = entry_of(budget), asyncio.Event()
    dice = random.Random(7)
    records: list[RequestRecord] = []
    stored = 0

    async def client() -> None:
        while not stop.is_set():
            records.append(await bench.spend(entry, dice.randrange(1, 100), dice.random() / 30))

    async def ship() -> None:
        nonlocal stored
        while not stop.is_set():
            await asyncio.sleep(0.05)
            before_ms = bench.clock.now_ms() - 500
            due = [each for each in records[stored:] if each.ended_at_ms < before_ms]
            await bench.deliver(*records[stored : stored + len(due)])
            stored += len(due)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(16):
            tasks.create_task(client())
        tasks.create_task(ship())
        async with running(bench.rebuild(budget), bench.rebuild(budget)):
            await bench.until_restored()
            for _ in range(2):
                await asyncio.sleep(0.7)
                await redis_client.flushall()
                await bench.until_restored()
            await asyncio.sleep(1.5)
        stop.set()
    assert stored < len(records), "some records never arrived"
    assert await bench.used(entry) == sum(record.weighted_tokens for record in records)


async def test_what_settles_late_is_made_up_for_long_after_the_store_was_restored(
    bench: Bench, redis_client: Redis
) -> None:
    budget = cap(10**12)
    entry = entry_of(budget)
    ended_at_ms = bench.clock.now_ms() - 5_000
    await made_ready(bench.store)
    async with running(bench.rebuild(budget)):
        verdict = await bench.store.admit(claim(entry))
        assert isinstance(verdict, Admitted)
        await redis_client.delete(YOUNG_KEY)  # time goes by
        await bench.deliver(
            make_record(weighted_tokens=70, started_at_ms=ended_at_ms, duration_ms=0)
        )
        await bench.store.settle(verdict.reservation, Spend(tokens=70), occurred_at_ms=ended_at_ms)
        await bench.until_used(entry, 70)


async def test_a_budget_that_is_made_within_its_period_counts_the_whole_of_it(
    bench: Bench, redis_client: Redis
) -> None:
    now_ms = bench.clock.now_ms()
    await made_ready(bench.store)
    await redis_client.delete(YOUNG_KEY)
    budget = cap(1_000, counts_from_ms=now_ms)
    entry = entry_of(budget)
    await bench.deliver(
        make_record(weighted_tokens=700, started_at_ms=now_ms - 1, duration_ms=0.5),
    )
    async with running(bench.rebuild(budget), bench.alerts):
        record = await bench.spend(entry, 40)
        await bench.until_used(entry, 740)
        await bench.deliver(record)
        await asyncio.sleep(0.3)
        assert await bench.used(entry) == 740
    await bench.alerts.flush()
    assert bench.percents() == [50]
