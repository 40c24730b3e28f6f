"""What every limit store promises, whatever it is made of. Time is the store's own."""

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

import pytest
from redis.asyncio import Redis

from adapters.memory.limits import MemoryLimitStore
from adapters.redis.limit_wire import YOUNG_KEY
from adapters.redis.limits import RedisLimitStore
from adapters.redis.pipelined import PipelinedCommands
from adapters.system.clock import SystemClock
from application.ports.limits import LimitMaintenance, LimitStore
from domain.errors import Conflict
from domain.limits.amounts import NOTHING, Spend
from domain.limits.book import LimitBook
from domain.limits.budgets import BudgetUnit
from domain.limits.entries import BudgetEntry, Entry
from domain.limits.periods import Period
from domain.limits.reservations import (
    IN_FLIGHT_RETRY_MS,
    Admitted,
    Claim,
    Epoch,
    Rejected,
    Reservation,
)
from domain.limits.windows import Window
from tests.support.limits import (
    budget_cap,
    claim,
    concurrency_cap,
    made_ready,
    requests_rule,
    tokens_rule,
)


class Store(LimitStore, LimitMaintenance, Protocol):
    """Adapters implement both ports over the same counters."""


@pytest.fixture(params=["memory", "redis"])
async def empty_store(
    request: pytest.FixtureRequest, redis_client: Redis, redis_url: str
) -> AsyncIterator[Store]:
    """A store nobody has used."""
    if request.param == "memory":
        yield MemoryLimitStore(SystemClock())
        return
    store = RedisLimitStore(PipelinedCommands.from_url(redis_url, timeout_s=5.0))
    yield store
    await store.aclose()


@pytest.fixture
async def store(empty_store: Store) -> Store:
    """A store whose budgets are restored."""
    await made_ready(empty_store)
    return empty_store


def now_ms() -> int:
    return SystemClock().now_ms()


def budget(limit: int, *, rule: str = "b1", strict: bool = False, period: Period = Period.MONTHLY,
           unit: BudgetUnit = BudgetUnit.WEIGHTED_TOKENS) -> BudgetEntry:  # fmt: skip
    return budget_cap(limit, now_ms(), period, rule=rule, strict=strict, unit=unit)


async def admitted(store: Store, asked: Claim) -> Reservation:
    verdict = await store.admit(asked)
    assert isinstance(verdict, Admitted)
    return verdict.reservation


async def used(store: Store, *entries: Entry) -> list[int]:
    return [reading.used for reading in (await store.usage(entries, NOTHING)).readings]


async def test_everything_is_counted_or_nothing(store: Store) -> None:
    free, full = requests_rule(10, rule="free"), requests_rule(1, rule="full")
    cap, places = budget(100, strict=True), concurrency_cap(5)
    everything = (free, cap, places, full)
    await admitted(store, claim(*everything, tokens=10))
    verdict = await store.admit(claim(*everything, tokens=10))
    assert isinstance(verdict, Rejected)
    assert verdict.entry == full
    assert verdict.offending == 3
    assert [r.exceeded for r in verdict.readings] == [False, False, False, True]
    assert await used(store, *everything) == [1, 10, 1, 1]


async def test_readings_show_use_limit_and_reset(store: Store) -> None:
    entries = (requests_rule(10), tokens_rule(500, Window.HOUR), budget(100), concurrency_cap(2))
    verdict = await store.admit(claim(*entries))
    assert isinstance(verdict, Admitted)
    window, tokens, cap, lease = verdict.readings
    assert (window.used, window.limit, window.remaining) == (1, 10, 9)
    assert 60_000 < window.reset_ms <= 61_000
    assert (tokens.used, tokens.limit, tokens.reset_ms) == (0, 500, 0)
    assert 0 < cap.reset_ms <= 31 * 86_400_000
    assert (lease.used, lease.limit, lease.reset_ms) == (1, 2, 0)


async def test_concurrent_claims_admit_exactly_the_limit(store: Store) -> None:
    rule = requests_rule(37, Window.HOUR)
    verdicts = await asyncio.gather(*(store.admit(claim(rule)) for _ in range(200)))
    assert sum(isinstance(verdict, Admitted) for verdict in verdicts) == 37
    assert await used(store, rule) == [37]


@pytest.mark.parametrize("kind", ["window", "tokens", "usd"])
async def test_strict_limits_are_not_passed_by_concurrent_requests(store: Store, kind: str) -> None:
    entries = {
        "window": tokens_rule(1_000, Window.HOUR, strict=True),
        "tokens": budget(1_000, strict=True),
        "usd": budget(1_000, strict=True, unit=BudgetUnit.USD),
    }

    async def call() -> bool:
        verdict = await store.admit(claim(entries[kind], tokens=90, nano_usd=90))
        if isinstance(verdict, Rejected):
            return False
        assert (await used(store, entries[kind]))[0] <= 1_000
        spend = Spend(tokens=85, nano_usd=85)
        await store.settle(verdict.reservation, spend, occurred_at_ms=now_ms())
        return True

    done = sum(await asyncio.gather(*(call() for _ in range(200))))
    (total,) = await used(store, entries[kind])
    assert total == done * 85
    assert 1_000 - 90 < total <= 1_000


async def test_soft_limits_reject_once_they_are_reached(store: Store) -> None:
    rule, cap = tokens_rule(100, Window.DAY), budget(100)
    first = await admitted(store, claim(rule, cap))
    second = await admitted(store, claim(rule, cap))
    await store.settle(first, Spend(tokens=250), occurred_at_ms=now_ms())
    verdict = await store.admit(claim(rule, cap))
    assert isinstance(verdict, Rejected)
    assert verdict.offending == 0
    await store.settle(second, Spend(tokens=5), occurred_at_ms=now_ms())
    assert await used(store, rule, cap) == [255, 255]


async def test_settlement_works_once(store: Store) -> None:
    entries = (requests_rule(5), tokens_rule(100, strict=True), budget(100), concurrency_cap(1))
    reservation = await admitted(store, claim(*entries, tokens=60))
    results = await asyncio.gather(
        *(store.settle(reservation, Spend(tokens=30), occurred_at_ms=now_ms()) for _ in range(10))
    )
    assert [result.applied for result in results].count(True) == 1
    assert await used(store, *entries) == [1, 30, 30, 0]


async def test_a_release_gives_everything_back(store: Store) -> None:
    entries = (
        requests_rule(5),
        tokens_rule(100, strict=True),
        budget(100, strict=True),
        concurrency_cap(1),
    )
    reservation = await admitted(store, claim(*entries, tokens=60))
    assert await used(store, *entries) == [1, 60, 60, 1]
    await store.settle(reservation, NOTHING, occurred_at_ms=now_ms())
    assert await used(store, *entries) == [0, 0, 0, 0]


async def test_each_threshold_is_reported_once_over_all_callers(store: Store) -> None:
    cap = budget(1_000)
    reservations = [await admitted(store, claim(cap)) for _ in range(50)]
    settled = await asyncio.gather(
        *(store.settle(each, Spend(tokens=25), occurred_at_ms=now_ms()) for each in reservations)
    )
    crossings = [crossing for result in settled for crossing in result.crossings]
    assert sorted(crossing.percent for crossing in crossings) == [50, 80, 95, 100]
    assert [c.used for c in sorted(crossings, key=lambda c: c.percent)] == [500, 800, 950, 1_000]
    assert {crossing.entry for crossing in crossings} == {cap}


async def test_one_jump_reports_every_threshold_in_order(store: Store) -> None:
    cap = budget(1_000)
    for tokens, expected in ((600, [50]), (500, [80, 95, 100]), (900, [])):
        reservation = Reservation.unconfirmed(claim(cap), now_ms())
        settled = await store.settle(reservation, Spend(tokens=tokens), occurred_at_ms=now_ms())
        assert [crossing.percent for crossing in settled.crossings] == expected


async def test_amounts_are_exact_up_to_nine_million_dollars(store: Store) -> None:
    cap = budget(2**53 - 1, unit=BudgetUnit.USD)
    for nano_usd in (9_007_199_254_740_000, 983):
        reservation = await admitted(store, claim(cap))
        await store.settle(reservation, Spend(nano_usd=nano_usd), occurred_at_ms=now_ms())
    assert await used(store, cap) == [9_007_199_254_740_983]


async def test_an_expired_reservation_is_swept_once_at_its_estimate(store: Store) -> None:
    entries = (requests_rule(5), budget(1_000), concurrency_cap(1))
    reservation = await admitted(store, claim(*entries, tokens=70, lifetime_ms=1))
    alive = await admitted(store, claim(requests_rule(5), tokens=70))
    while (await used(store, *entries))[2]:
        pass
    swept = [
        each for found in await asyncio.gather(store.sweep(10), store.sweep(10)) for each in found
    ]
    assert [each.reservation.id for each in swept] == [reservation.id]
    assert swept[0].context == b"\x00context"
    assert swept[0].reservation.entries == entries
    assert swept[0].reservation.estimate == Spend(tokens=70)
    late = await store.settle(reservation, Spend(tokens=900), occurred_at_ms=now_ms())
    assert not late.applied
    assert await used(store, *entries) == [2, 70, 0]
    assert (await store.settle(alive, NOTHING, occurred_at_ms=now_ms())).applied


async def test_a_heartbeat_keeps_a_reservation_from_the_sweeper(store: Store) -> None:
    reservation = await admitted(store, claim(concurrency_cap(1), lifetime_ms=1))
    assert await store.extend(reservation, 60_000)
    assert await store.sweep(10) == []
    assert await used(store, concurrency_cap(1)) == [1]
    await store.settle(reservation, NOTHING, occurred_at_ms=now_ms())
    assert not await store.extend(reservation, 60_000)
    assert await used(store, concurrency_cap(1)) == [0]


async def test_a_sweep_takes_no_more_than_it_was_asked_for(store: Store) -> None:
    for _ in range(5):
        await admitted(store, claim(concurrency_cap(9), lifetime_ms=1))
    while await used(store, concurrency_cap(9)) != [0]:
        pass
    assert [len(await store.sweep(3)) for _ in range(3)] == [3, 2, 0]


async def test_a_reservation_id_is_used_once(store: Store) -> None:
    once = claim(requests_rule(5))
    await admitted(store, once)
    with pytest.raises(Conflict):
        await store.admit(once)
    assert await used(store, requests_rule(5)) == [1]


async def test_usage_counts_nothing_and_tells_the_verdict(store: Store) -> None:
    rule, cap = requests_rule(1, Window.HOUR), budget(50, strict=True)
    before = await store.usage((rule, cap), Spend(tokens=50))
    assert (before.offending, before.retry_after_ms) == (None, 0)
    assert await used(store, rule, cap) == [0, 0]
    await admitted(store, claim(rule, cap, tokens=1))
    after = await store.usage((cap, rule), Spend(tokens=49))
    assert after.offending == 1
    assert after.retry_after_ms is not None
    assert 3_540_000 < after.retry_after_ms <= 3_660_000
    too_much = await store.usage((cap,), Spend(tokens=51))
    assert (too_much.offending, too_much.retry_after_ms) == (0, None)


async def test_an_empty_store_says_so_until_it_is_restored(empty_store: Store) -> None:
    store, cap = empty_store, budget(1_000, strict=True)
    assert await store.epoch() == Epoch()
    rejected = await store.admit(claim(cap, tokens=1))
    assert isinstance(rejected, Rejected)
    assert rejected.rebuilding
    epoch = await store.begin()
    assert (epoch.at_ms > 0, epoch.restored, epoch.young) == (True, False, False)
    assert epoch == await store.begin() == await store.epoch()
    span = cap.periods.at(now_ms())
    for _ in range(2):
        assert await store.restore_budget(cap, span, 900, until_ms=epoch.at_ms) == 900
    assert not await store.mark_restored(epoch.at_ms - 1), "that store is gone"
    assert [await store.mark_restored(epoch.at_ms) for _ in range(2)] == [True, False]
    assert await store.epoch() == Epoch(at_ms=epoch.at_ms, restored=True, young=True)
    reservation = await admitted(store, claim(cap, tokens=60))
    settled = await store.settle(reservation, Spend(tokens=55), occurred_at_ms=now_ms())
    assert [crossing.percent for crossing in settled.crossings] == [95]
    assert await used(store, cap) == [955]


async def test_what_counts_first_begins_the_epoch_of_an_empty_store(empty_store: Store) -> None:
    store, cap = empty_store, budget(1_000)
    verdict = await store.admit(claim(cap))
    assert isinstance(verdict, Admitted)
    assert verdict.rebuilding
    assert verdict.reservation.epoch == (await store.epoch()).at_ms > 0
    ended_at_ms = verdict.reservation.epoch
    settled = await store.settle(verdict.reservation, Spend(tokens=600), occurred_at_ms=ended_at_ms)
    assert (settled.applied, settled.crossings) == (True, ())
    assert await used(store, cap) == [600]


async def test_one_caller_in_each_while_is_given_the_look(store: Store) -> None:
    assert [await store.claim_look(60_000) for _ in range(3)] == [True, False, False]


async def test_a_budget_counts_its_own_part_beside_the_ledgers(store: Store) -> None:
    now = now_ms()
    cap = budget_cap(1_000, now, Period.MONTHLY, counts_from_ms=now)
    span = cap.periods.at(now)
    for ended_at_ms, expected in ((now - 1, 0), (now, 7)):
        owed = Reservation.unconfirmed(claim(cap), now)
        assert (await store.settle(owed, Spend(tokens=7), occurred_at_ms=ended_at_ms)).applied
        assert await used(store, cap) == [expected]
    assert await store.restore_budget(cap, span, 500, until_ms=now) == 507
    assert await store.restore_budget(cap, span, 400, until_ms=now) == 507
    assert await store.restore_budget(cap, span, 900, until_ms=now - 1) == 507, "of an older cap"
    assert await store.restore_budget(cap, span, 510, until_ms=now) == 517


async def test_thresholds_that_both_parts_reach_together_count_as_fired(store: Store) -> None:
    now = now_ms()
    cap = budget_cap(1_000, now, Period.MONTHLY, counts_from_ms=now)
    owed = Reservation.unconfirmed(claim(cap), now)
    await store.settle(owed, Spend(tokens=400), occurred_at_ms=now)
    assert await store.restore_budget(cap, cap.periods.at(now), 450, until_ms=now) == 850
    reservation = await admitted(store, claim(cap))
    settled = await store.settle(reservation, Spend(tokens=110), occurred_at_ms=now_ms())
    assert [crossing.percent for crossing in settled.crossings] == [95]


async def test_reset_forgets_windows_and_budgets_but_holds_leases(store: Store) -> None:
    entries = (requests_rule(5), budget(1_000), concurrency_cap(2))
    reservation = await admitted(store, claim(*entries))
    await store.settle(reservation, Spend(tokens=40), occurred_at_ms=now_ms())
    await admitted(store, claim(*entries))
    assert await used(store, *entries) == [2, 40, 1]
    await store.reset(entries, at_ms=now_ms() + 1)
    assert await used(store, *entries) == [0, 0, 1]


async def test_a_claim_without_entries_is_admitted_and_settled(store: Store) -> None:
    reservation = await admitted(store, claim())
    assert (await store.settle(reservation, Spend(tokens=5), occurred_at_ms=now_ms())).applied


@pytest.mark.parametrize("confirmed", [True, False])
async def test_what_was_over_before_the_epoch_leaves_budgets_to_the_ledger(
    empty_store: Store, confirmed: bool
) -> None:
    store, rule, cap = empty_store, tokens_rule(1_000, Window.HOUR), budget(1_000)
    epoch_ms = await made_ready(store)
    for at_ms, in_window, in_budget in ((epoch_ms - 1, 7, 0), (epoch_ms, 14, 7)):
        wish = claim(rule, cap)
        owed = await admitted(store, wish) if confirmed else Reservation.unconfirmed(wish, at_ms)
        assert (await store.settle(owed, Spend(tokens=7), occurred_at_ms=at_ms)).applied
        assert await used(store, rule, cap) == [in_window, in_budget]
        assert not (await store.settle(owed, Spend(tokens=7), occurred_at_ms=at_ms)).applied


async def test_what_is_left_to_the_ledger_makes_the_store_young_again(
    empty_store: Store, redis_client: Redis
) -> None:
    store, cap = empty_store, budget(1_000)
    epoch_ms = await made_ready(store)
    await redis_client.delete(YOUNG_KEY)
    if isinstance(store, MemoryLimitStore):
        store = MemoryLimitStore(SystemClock(), LimitBook(epoch_ms=epoch_ms, restored=True))
    for ended_at_ms, young in ((epoch_ms, False), (epoch_ms - 1, True)):
        owed = Reservation.unconfirmed(claim(cap), epoch_ms)
        await store.settle(owed, Spend(tokens=7), occurred_at_ms=ended_at_ms)
        assert (await store.epoch()).young is young


async def test_an_abandoned_request_is_charged_as_of_its_beginning(store: Store) -> None:
    cap, epoch_ms = budget(1_000), (await store.epoch()).at_ms
    for started_at_ms in (epoch_ms - 1, epoch_ms):
        await admitted(store, claim(cap, tokens=9, lifetime_ms=1, started_at_ms=started_at_ms))
    swept = 0
    while swept < 2:
        swept += len(await store.sweep(10))
    assert await used(store, cap) == [9]


async def test_readings_tell_what_of_a_budget_is_only_reserved(store: Store) -> None:
    cap = budget(1_000, strict=True)
    reservation = await admitted(store, claim(cap, tokens=400))
    await store.settle(reservation, Spend(tokens=300), occurred_at_ms=now_ms())
    verdict = await store.admit(claim(cap, tokens=600))
    assert isinstance(verdict, Admitted)
    assert [(r.used, r.reserved) for r in verdict.readings] == [(900, 600)]
    refused = await store.admit(claim(cap, tokens=200))
    assert isinstance(refused, Rejected)
    assert refused.retry_after_ms == IN_FLIGHT_RETRY_MS
    assert [(r.used, r.reserved) for r in refused.readings] == [(900, 600)]
