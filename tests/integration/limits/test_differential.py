"""The Lua scripts and the domain agree on every answer, integer for integer."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct, structs
from redis.asyncio import Redis

from adapters.memory.limits import MemoryLimitStore
from adapters.redis.limits import RedisLimitStore
from adapters.redis.pipelined import PipelinedCommands
from domain.limits.amounts import Spend
from domain.limits.budgets import BudgetUnit
from domain.limits.entries import BudgetEntry, Entry
from domain.limits.periods import Period
from domain.limits.reservations import Admitted, Claim, Reservation
from domain.limits.windows import Window
from tests.support.limits import (
    MONDAY_MS,
    NOW_KEY,
    SetClock,
    budget_cap,
    concurrency_cap,
    requests_rule,
    scripts_on_test_clock,
    tokens_rule,
)
from tests.support.redis_servers import LimitServer

HUGE = 2**53 - 1


def all_entries(now_ms: int) -> list[Entry]:
    return [
        requests_rule(3, Window.MINUTE, rule="r1"),
        requests_rule(5, Window.FIVE_MINUTES, rule="r2"),
        requests_rule(1, Window.MINUTE, rule="r3", shadow=True),
        requests_rule(0, Window.MINUTE, rule="r4", shadow=True),
        tokens_rule(100, Window.MINUTE, rule="t1"),
        tokens_rule(150, Window.FIVE_MINUTES, rule="t2", strict=True),
        tokens_rule(HUGE, Window.MINUTE, rule="t3", strict=True),
        tokens_rule(90, Window.HOUR, rule="t4", strict=True, shadow=True),
        budget_cap(200, now_ms, Period.DAILY, rule="b1", counts_from_ms=MONDAY_MS + 40_000),
        budget_cap(300, now_ms, Period.DAILY, rule="b2", strict=True, timezone="Asia/Kathmandu"),
        budget_cap(HUGE, now_ms, Period.WEEKLY, rule="b3", unit=BudgetUnit.USD),
        budget_cap(7, now_ms, Period.MONTHLY, rule="b4", unit=BudgetUnit.USD, shadow=True),
        budget_cap(0, now_ms, Period.MONTHLY, rule="b5", shadow=True),
        concurrency_cap(2, rule="c1"),
        concurrency_cap(1, rule="c2", shadow=True),
    ]


ENTRY_COUNT = len(all_entries(MONDAY_MS))

tokens = st.one_of(st.integers(0, 120), st.sampled_from([0, 1, 50, 100, 151, 10**9, HUGE]))
spends = st.builds(
    Spend,
    requests=st.integers(0, 1),
    tokens=tokens,
    nano_usd=st.one_of(st.integers(0, 10), st.sampled_from([10**15, HUGE])),
)
lifetimes = st.sampled_from([1, 1_000, 30_000, 600_000])
steps_ms = st.one_of(
    st.integers(0, 3_000),
    st.integers(0, 30_000),
    st.integers(0, 30_000).map(lambda ms: ms * 10),
    st.sampled_from([999, 1_000, 1_001, 5_000, 59_999, 60_000, 60_999, 61_000, 61_001, 305_000]),
    st.integers(0, 3 * 86_400_000),
    st.integers(-3_000, 0),
    st.integers(-700_000, 0),
    st.sampled_from([-60_000, -61_000, -86_400_000]),
)


class Wait(Struct, frozen=True):
    ms: int


class WaitForMidnight(Struct, frozen=True):
    """To the boundary of the UTC day, or a millisecond beside it."""

    beside_ms: int


class Admit(Struct, frozen=True):
    chosen: frozenset[int]
    estimate: Spend
    lifetime_ms: int


class Settle(Struct, frozen=True):
    which: int
    actual: Spend
    ago_ms: int = 0


class Unconfirmed(Struct, frozen=True):
    """A claim that never got an answer; whether it arrived is `arrives`."""

    chosen: frozenset[int]
    estimate: Spend
    arrives: bool


class Extend(Struct, frozen=True):
    which: int
    lifetime_ms: int


class Sweep(Struct, frozen=True):
    count: int


class Restore(Struct, frozen=True):
    """With the ledger's sum up to the epoch, or to an instant of the counter's own."""

    which: int
    total: int
    until_ms: int


class Reset(Struct, frozen=True):
    chosen: frozenset[int]
    beside_ms: int


class Wipe(Struct, frozen=True):
    pass


class MarkRestored(Struct, frozen=True):
    pass


class Explain(Struct, frozen=True):
    chosen: frozenset[int]
    estimate: Spend


chosen = st.one_of(
    st.frozensets(st.integers(0, ENTRY_COUNT - 1), min_size=1, max_size=4),
    st.frozensets(st.integers(0, ENTRY_COUNT - 1), min_size=8, max_size=ENTRY_COUNT),
)
admits = st.builds(Admit, chosen, spends, lifetimes)
settles = st.builds(Settle, st.integers(0, 50), spends, st.integers(0, 90_000))
waits = st.one_of(
    *[st.builds(Wait, steps_ms)] * 9,
    st.builds(WaitForMidnight, st.sampled_from([-1, 0, 1])),
)
rare = st.one_of(
    st.builds(Unconfirmed, chosen, spends, st.booleans()),
    st.builds(Extend, st.integers(0, 50), lifetimes),
    st.builds(Sweep, st.integers(1, 3)),
    *[
        st.builds(
            Restore,
            st.integers(8, 12),
            st.one_of(st.integers(0, 400), st.just(HUGE)),
            st.sampled_from([0, 0, 0, MONDAY_MS + 40_000, MONDAY_MS + 90_000]),
        )
    ]
    * 2,
    st.builds(Reset, chosen, st.sampled_from([0, 0, -5_000, 5_000])),
    st.just(Wipe()),
    st.just(MarkRestored()),
    st.builds(Explain, chosen, spends),
)
steps = st.lists(
    st.one_of(admits, admits, settles, settles, waits, waits, rare), min_size=30, max_size=80
)


@dataclass
class Pair:
    """Both stores at the same time of the same clock."""

    client: Redis
    redis: RedisLimitStore
    memory: MemoryLimitStore
    clock: SetClock
    reservations: list[Reservation] = field(default_factory=list[Reservation])
    admissions: int = 0

    async def wipe(self) -> None:
        await self.client.flushdb()
        self.memory = MemoryLimitStore(self.clock)
        await self.move(0)

    async def move(self, ms: int) -> None:
        self.clock.ms += ms
        await self.client.set(NOW_KEY, self.clock.ms)

    def entries(self, wanted: frozenset[int]) -> tuple[Entry, ...]:
        return tuple(e for i, e in enumerate(all_entries(self.clock.ms)) if i in wanted)

    async def admit(self, claim: Claim) -> None:
        ours, theirs = await self.memory.admit(claim), await self.redis.admit(claim)
        assert theirs == ours
        if isinstance(ours, Admitted):
            self.reservations.append(ours.reservation)

    def claim(self, wanted: frozenset[int], estimate: Spend, lifetime_ms: int) -> Claim:
        self.admissions += 1
        return Claim(
            reservation_id=f"r{self.admissions}",
            entries=self.entries(wanted),
            estimate=estimate,
            lifetime_ms=lifetime_ms,
            started_at_ms=self.clock.ms - self.admissions % 3 * 20_000,
            context=b"c%d" % self.admissions,
        )

    async def settle(self, reservation: Reservation, actual: Spend, ago_ms: int) -> None:
        at = self.clock.ms - ago_ms
        ours = await self.memory.settle(reservation, actual, occurred_at_ms=at)
        theirs = await self.redis.settle(reservation, actual, occurred_at_ms=at)
        assert theirs == ours

    async def take(self, step: Struct) -> None:
        match step:
            case Wait(ms):
                await self.move(ms)
            case WaitForMidnight(beside_ms):
                await self.move(86_400_000 - self.clock.ms % 86_400_000 + beside_ms)
            case Admit(wanted, estimate, lifetime_ms):
                await self.admit(self.claim(wanted, estimate, lifetime_ms))
            case Settle(which, actual, ago_ms) if self.reservations:
                reservation = self.reservations[which % len(self.reservations)]
                await self.settle(reservation, actual, ago_ms)
            case Unconfirmed(wanted, estimate, arrives):
                claim = self.claim(wanted, estimate, 1_000)
                self.reservations.append(Reservation.unconfirmed(claim, self.clock.ms))
                if arrives:
                    ours, theirs = await self.memory.admit(claim), await self.redis.admit(claim)
                    assert theirs == ours
            case Extend(which, lifetime_ms) if self.reservations:
                reservation = self.reservations[which % len(self.reservations)]
                ours = await self.memory.extend(reservation, lifetime_ms)
                assert await self.redis.extend(reservation, lifetime_ms) == ours
            case _:
                await self.maintain(step)

    async def maintain(self, step: Struct) -> None:
        match step:
            case Sweep(count):
                ours = list(await self.memory.sweep(count))
                theirs = list(await self.redis.sweep(count))
                assert [
                    structs.replace(a, reservation=b.reservation)
                    for a, b in zip(theirs, ours, strict=True)
                ] == ours
                assert [a.reservation.id for a in theirs] == [b.reservation.id for b in ours]
            case Restore(which, total, until_ms):
                entry = all_entries(self.clock.ms)[which]
                if isinstance(entry, BudgetEntry):
                    span = entry.periods.at(self.clock.ms)
                    epoch = await self.memory.begin()
                    assert (await self.redis.begin()).at_ms == epoch.at_ms
                    until = until_ms or epoch.at_ms
                    ours = await self.memory.restore_budget(entry, span, total, until_ms=until)
                    theirs = await self.redis.restore_budget(entry, span, total, until_ms=until)
                    assert theirs == ours
            case Reset(wanted, beside_ms):
                entries, at_ms = self.entries(wanted), self.clock.ms + beside_ms
                await self.memory.reset(entries, at_ms=at_ms)
                await self.redis.reset(entries, at_ms=at_ms)
            case Wipe():
                await self.wipe()
            case MarkRestored():
                epoch_ms = (await self.memory.begin()).at_ms
                assert (await self.redis.begin()).at_ms == epoch_ms
                ours = await self.memory.mark_restored(epoch_ms)
                assert await self.redis.mark_restored(epoch_ms) == ours
            case Explain(wanted, estimate):
                await self.compare(wanted, estimate)
            case _:
                pass

    async def compare(self, wanted: frozenset[int], estimate: Spend) -> None:
        entries = self.entries(wanted)
        ours = await self.memory.usage(entries, estimate)
        assert await self.redis.usage(entries, estimate) == ours
        known, theirs = await self.memory.epoch(), await self.redis.epoch()
        assert (theirs.at_ms, theirs.restored) == (known.at_ms, known.restored)


@pytest.fixture
async def redis_store(limit_server: LimitServer) -> AsyncIterator[RedisLimitStore]:
    store = RedisLimitStore(
        PipelinedCommands.from_url(limit_server.url, timeout_s=5.0, connect_timeout_s=5.0),
        scripts_on_test_clock(),
    )
    yield store
    await store.aclose()


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=steps, restored=st.booleans())
async def test_redis_answers_every_step_like_the_domain(
    limit_server: LimitServer, redis_store: RedisLimitStore, steps: list[Struct], restored: bool
) -> None:
    clock = SetClock()
    pair = Pair(limit_server.client, redis_store, MemoryLimitStore(clock), clock)
    await pair.wipe()
    if restored:
        await pair.take(MarkRestored())
    everything = frozenset(range(ENTRY_COUNT))
    for step in steps:
        await pair.take(step)
    await pair.compare(everything, Spend(tokens=1, nano_usd=1))
    await pair.move(600_000)
    await pair.take(Sweep(1_000))
    await pair.compare(everything, Spend())


@pytest.mark.parametrize("limit_server", ["valkey"], indirect=True)
@pytest.mark.parametrize("age", [0, 1, 59, 60, 61, 62])
@pytest.mark.parametrize("head", [-62, -61, -60, -59, -1, 0, 1, 59, 60, 61, 62])
async def test_the_edges_of_the_ring_are_the_same_for_refunds_and_late_usage(
    limit_server: LimitServer, redis_store: RedisLimitStore, age: int, head: int
) -> None:
    """`head` is where the newest bucket is seen from now, `age` how old what is changed is."""
    clock = SetClock()
    pair = Pair(limit_server.client, redis_store, MemoryLimitStore(clock), clock)
    await pair.wipe()
    await pair.take(MarkRestored())
    bucket, wanted = Window.MINUTE.bucket_ms, frozenset({4, 6})
    await pair.admit(pair.claim(wanted, Spend(tokens=40), 1_000))
    await pair.move((age + head) * bucket)
    await pair.admit(pair.claim(wanted, Spend(tokens=3), 1_000))
    await pair.move(-head * bucket)
    await pair.take(Settle(0, Spend(tokens=10)))
    lost = Reservation.unconfirmed(pair.claim(wanted, Spend(tokens=5), 1_000), clock.ms)
    await pair.settle(lost, Spend(tokens=5), age * bucket)
    for _ in range(130):
        await pair.compare(wanted, Spend(tokens=HUGE))
        await pair.move(bucket)
