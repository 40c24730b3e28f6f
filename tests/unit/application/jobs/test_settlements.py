"""Settlements on their way: at once, after an outage, over more than fits into memory, kept alive."""

import asyncio
from collections.abc import Awaitable, Callable

from adapters.memory.budget_alerts import MemoryBudgetAlerts
from adapters.memory.settlement_log import MemorySettlementLog
from application.gateway.limit_settlements import LimitSettlements
from application.jobs.budget_alerts import BudgetAlerts
from application.jobs.deliver_settlements import IN_FLIGHT, DeliverSettlements
from application.jobs.keep_reservations import KeepReservations
from application.ports.backlog import Mark
from application.ports.budget_alerts import BudgetAlert
from application.ports.settlement_log import PendingSettlement
from domain.errors import LimitStoreUnavailable, ServiceUnavailable
from domain.limits.amounts import Spend
from domain.limits.reservations import KEEP_MS, Reservation
from tests.support.limits import budget_cap, claim, concurrency_cap, made_ready, tokens_rule
from tests.support.manual_clock import EvenRandomness, ManualClock
from tests.support.offpath import CountingTelemetry, MoodyStore


class Bench:
    """One gateway process's way of settlements."""

    def __init__(
        self, *, most_in_memory: int = 4096, archive: MemoryBudgetAlerts | None = None
    ) -> None:
        self.clock = ManualClock()
        self.store = MoodyStore(self.clock)
        self.log = MemorySettlementLog()
        self.settlements = LimitSettlements(
            self.log, self.clock, lifetime_ms=60_000, most_in_memory=most_in_memory
        )
        self.telemetry = CountingTelemetry()
        self.archive = archive or MemoryBudgetAlerts()
        self.alerts = BudgetAlerts(
            self.archive,
            self.telemetry,
            clock=self.clock,
            randomness=EvenRandomness(),
            first_pause_s=0.001,
            longest_pause_s=0.001,
        )
        self.failures: list[LimitStoreUnavailable] = []
        self.deliver = DeliverSettlements(
            self.settlements,
            self.store,
            self.alerts,
            clock=self.clock,
            randomness=EvenRandomness(),
            note_failure=self.failures.append,
            save_every_s=0.001,
            longest_pause_s=0.005,
        )
        self.keep = KeepReservations(
            self.settlements, self.store, note_failure=self.failures.append
        )
        self.budget = budget_cap(100_000, self.clock.now_ms())

    async def admitted(self, count: int) -> list[Reservation]:
        return [await self.store.take(claim(self.budget)) for _ in range(count)]

    def settle(self, reservation: Reservation, tokens: int = 1) -> None:
        self.settlements.settle(
            reservation, Spend(tokens=tokens), occurred_at_ms=self.clock.now_ms()
        )


async def until(condition: Callable[[], bool]) -> None:
    """Let the jobs work until `condition` holds; a test that waits for ever fails."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.001)


async def with_jobs(bench: Bench, work: Callable[[], Awaitable[None]]) -> None:
    """Run `work` while the jobs run, then stop them like a shutdown does."""
    jobs = [asyncio.ensure_future(job.run()) for job in (bench.deliver, bench.alerts)]
    try:
        await work()
    finally:
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)


async def test_a_settlement_arrives_and_is_forgotten() -> None:
    bench = Bench()
    (reservation,) = await bench.admitted(1)

    async def work() -> None:
        bench.settle(reservation, 42)
        await until(lambda: bench.settlements.nothing_owed)
        await until(lambda: bench.log.delivered == bench.log.end)

    await with_jobs(bench, work)
    assert await bench.store.used(bench.budget) == 42
    assert bench.store.settled == [reservation.id]


async def test_while_the_store_is_away_one_is_tried_and_all_arrive_once_afterwards() -> None:
    bench = Bench()
    reservations = await bench.admitted(500)
    bench.store.up = False

    async def work() -> None:
        for reservation in reservations:
            bench.settle(reservation)
        await until(lambda: bench.store.refused > IN_FLIGHT + 3)
        # The first of each worker, and after that one at a time.
        assert bench.store.refused < IN_FLIGHT + 100
        assert bench.log.delivered < bench.log.end
        bench.store.up = True
        await until(lambda: bench.settlements.nothing_owed)

    await with_jobs(bench, work)
    assert len(bench.failures) == bench.store.refused
    assert await bench.store.used(bench.budget) == 500
    assert sorted(bench.store.settled) == sorted(each.id for each in reservations)


async def test_more_than_memory_may_hold_waits_in_the_log_and_arrives_too() -> None:
    bench = Bench(most_in_memory=10)
    reservations = await bench.admitted(300)
    bench.store.up = False

    async def work() -> None:
        for reservation in reservations[:250]:
            bench.settle(reservation)
        assert bench.settlements.waiting == 10
        bench.store.up = True
        for reservation in reservations[250:]:  # they come while the log is being read
            await asyncio.sleep(0)
            bench.settle(reservation)
        await until(lambda: bench.settlements.nothing_owed)
        await until(lambda: bench.log.delivered == bench.log.end)

    await with_jobs(bench, work)
    assert await bench.store.used(bench.budget) == 300
    assert len(set(bench.store.settled)) == 300


async def test_progress_never_passes_a_settlement_that_has_not_arrived() -> None:
    bench = Bench()
    first, second = await bench.admitted(2)
    bench.settle(first)
    bench.settle(second)
    one = await bench.settlements.take()
    other = await bench.settlements.take()
    bench.settlements.delivered(other)
    await bench.settlements.save()
    owed = (await bench.log.read(bench.log.delivered, max_count=9)).settlements
    assert [each.reservation.id for each in owed] == [first.id, second.id]
    bench.settlements.delivered(one)
    await bench.settlements.save()
    assert bench.log.delivered == bench.log.end


async def test_progress_stays_behind_what_was_only_read_back_from_the_log() -> None:
    bench = Bench(most_in_memory=4)
    reservations = await bench.admitted(6)
    for reservation in reservations:
        bench.settle(reservation)
    for _ in range(4):
        bench.settlements.delivered(await bench.settlements.take())
    await bench.settlements.read_ahead()
    first, second = await bench.settlements.take(), await bench.settlements.take()
    bench.settlements.delivered(first)
    await bench.settlements.save()
    owed = (await bench.log.read(bench.log.delivered, max_count=9)).settlements
    assert second.settlement in owed
    bench.settlements.delivered(second)
    await bench.settlements.save()
    assert bench.log.delivered == bench.log.end


async def test_stopping_in_an_outage_loses_nothing_from_the_log() -> None:
    bench = Bench()
    reservations = await bench.admitted(5)
    bench.store.up = False

    async def work() -> None:
        for reservation in reservations:
            bench.settle(reservation)
        await until(lambda: bench.store.refused > 0)

    await with_jobs(bench, work)
    assert not await bench.deliver.drain(0.05)
    owed = (await bench.log.read(bench.log.delivered, max_count=9)).settlements
    assert [each.reservation.id for each in owed] == [each.id for each in reservations]


async def test_draining_delivers_what_was_taken_but_not_delivered() -> None:
    bench = Bench()
    reservations = await bench.admitted(5)
    bench.store.up = False

    async def work() -> None:
        for reservation in reservations:
            bench.settle(reservation)
        await until(lambda: bench.store.refused > 0)

    await with_jobs(bench, work)
    bench.store.up = True
    assert await bench.deliver.drain(5)
    assert await bench.store.used(bench.budget) == 5
    assert bench.log.delivered == bench.log.end


class FullLog(MemorySettlementLog):
    """Has no room from the beginning."""

    def append(self, settlement: PendingSettlement) -> Mark:
        raise ServiceUnavailable("no space")


async def test_a_full_log_still_delivers_from_memory() -> None:
    bench = Bench()
    settlements = LimitSettlements(FullLog(), bench.clock)
    (reservation,) = await bench.admitted(1)
    settlements.settle(reservation, Spend(tokens=3), occurred_at_ms=0)
    assert (await settlements.take()).settlement.reservation == reservation


async def test_a_settlement_older_than_the_stores_memory_is_not_repeated() -> None:
    bench = Bench()
    (reservation,) = await bench.admitted(1)
    bench.store.up = False

    async def work() -> None:
        bench.settle(reservation)
        await until(lambda: bench.store.refused > 0)
        bench.clock.advance(KEEP_MS / 1000 + 1)
        bench.store.up = True
        await until(lambda: bench.settlements.nothing_owed)

    await with_jobs(bench, work)
    assert bench.store.settled == []


async def test_short_requests_cost_no_heartbeat() -> None:
    bench = Bench()
    (reservation,) = await bench.admitted(1)
    bench.settlements.hold(reservation)
    bench.clock.advance(19)
    await bench.keep.beat()
    assert bench.store.extended == []


async def test_a_long_request_is_kept_alive_with_its_leases() -> None:
    bench = Bench()
    lease = concurrency_cap(1)
    reservation = await bench.store.take(claim(lease))
    bench.settlements.hold(reservation)
    for _ in range(30):
        bench.clock.advance(10)
        await bench.keep.beat()
    assert await bench.store.sweep(9) == []
    assert await bench.store.used(lease) == 1
    assert len(bench.store.extended) == 15, "once per third of a lifetime"


async def test_a_settled_request_is_no_longer_kept_alive() -> None:
    bench = Bench()
    (reservation,) = await bench.admitted(1)
    bench.settlements.hold(reservation)
    bench.settle(reservation)
    assert await bench.deliver.drain(5)
    bench.clock.advance(30)
    await bench.keep.beat()
    assert bench.store.extended == []


async def test_what_waits_for_delivery_is_kept_from_the_sweeper() -> None:
    bench = Bench()
    await made_ready(bench.store)
    reservation = await bench.store.take(claim(tokens_rule(500, strict=True), tokens=400))
    bench.settlements.hold(reservation)
    bench.settle(reservation, 7)
    bench.clock.advance(50)
    await bench.keep.beat()
    bench.clock.advance(50)
    assert await bench.store.sweep(9) == []


async def test_after_an_outage_heartbeats_go_on_at_once() -> None:
    bench = Bench()
    reservations = await bench.admitted(200)
    for reservation in reservations:
        bench.settlements.hold(reservation)
    bench.clock.advance(25)
    bench.store.up = False
    await bench.keep.beat()
    assert bench.store.refused == 64, "the others did not wait for a store that is away"
    bench.store.up = True
    await bench.keep.beat()
    assert sorted(bench.store.extended) == sorted(each.id for each in reservations)
    await bench.keep.beat()
    assert len(bench.store.extended) == 200


async def test_a_reservation_the_store_lost_is_not_asked_for_again() -> None:
    bench = Bench()
    await made_ready(bench.store)
    (reservation,) = await bench.admitted(1)
    bench.settlements.hold(reservation)
    bench.clock.advance(61)
    assert len(await bench.store.sweep(9)) == 1
    await bench.keep.beat()
    assert not bench.settlements.holds(reservation)


async def crossing_settlement(bench: Bench) -> Reservation:
    await made_ready(bench.store)
    (reservation,) = await bench.admitted(1)
    bench.settle(reservation, 96_000)
    return reservation


async def test_a_crossing_is_announced_in_order_and_stored() -> None:
    bench = Bench()
    await crossing_settlement(bench)
    assert await bench.deliver.drain(5)
    await bench.alerts.flush()
    assert bench.telemetry.alerts == [
        ("user", "daily", 50),
        ("user", "daily", 80),
        ("user", "daily", 95),
    ]
    stored = await bench.archive.newest(9)
    assert {each.percent for each in stored} == {50, 80, 95}
    assert {each.used for each in stored} == {96_000}


async def test_a_crossing_whose_answer_got_lost_is_announced_all_the_same_once() -> None:
    bench = Bench()
    await crossing_settlement(bench)
    bench.store.deaf = True

    async def work() -> None:
        await until(lambda: bench.settlements.nothing_owed)

    await with_jobs(bench, work)
    assert len(bench.store.settled) == 2, "repeated because nobody knew"
    assert await bench.store.used(bench.budget) == 96_000
    assert [percent for _, _, percent in bench.telemetry.alerts] == [50, 80, 95]


class SlowArchive(MemoryBudgetAlerts):
    """Tells when it is asked to store, and waits for leave."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()
        self.leave = asyncio.Event()

    async def add(self, alert: BudgetAlert) -> bool:
        self.asked.set()
        await self.leave.wait()
        return await super().add(alert)


async def test_progress_waits_until_an_alert_is_stored() -> None:
    archive = SlowArchive()
    bench = Bench(archive=archive)
    await crossing_settlement(bench)

    async def work() -> None:
        async with asyncio.timeout(10):
            await archive.asked.wait()
        assert bench.store.settled
        assert not bench.settlements.nothing_owed
        archive.leave.set()
        await until(lambda: bench.settlements.nothing_owed)

    await with_jobs(bench, work)
    assert len(await archive.newest(9)) == 3


class MoodyArchive(MemoryBudgetAlerts):
    """Takes alerts while it is up."""

    up = False

    async def add(self, alert: BudgetAlert) -> bool:
        if not self.up:
            raise ServiceUnavailable("away")
        return await super().add(alert)


async def test_a_crossing_the_archive_knows_is_not_announced_again_after_a_wipe() -> None:
    archive = MemoryBudgetAlerts()
    before = Bench(archive=archive)
    await crossing_settlement(before)
    assert await before.deliver.drain(5)
    await before.alerts.flush()
    assert [percent for _, _, percent in before.telemetry.alerts] == [50, 80, 95]
    after = Bench(archive=archive)  # another store that reports them all once more
    await crossing_settlement(after)
    assert await after.deliver.drain(5)
    await after.alerts.flush()
    assert after.telemetry.alerts == []


async def test_an_alert_is_announced_although_the_archive_is_away_and_then_not_again() -> None:
    archive = MoodyArchive()
    bench = Bench(archive=archive)
    await crossing_settlement(bench)
    assert await bench.deliver.drain(5)
    await bench.alerts.flush()
    assert [percent for _, _, percent in bench.telemetry.alerts] == [50, 80, 95]
    archive.up = True
    await bench.alerts.flush()
    assert [percent for _, _, percent in bench.telemetry.alerts] == [50, 80, 95]
    assert len(await archive.newest(9)) == 3


async def test_a_threshold_that_is_only_reserved_is_not_announced() -> None:
    bench = Bench()
    await made_ready(bench.store)
    strict = budget_cap(100_000, bench.clock.now_ms(), strict=True)
    reservation = await bench.store.take(claim(strict, tokens=10))
    await bench.store.take(claim(strict, tokens=97_000))
    bench.settle(reservation, 10)
    bench.store.deaf = True

    async def work() -> None:
        await until(lambda: bench.settlements.nothing_owed)

    await with_jobs(bench, work)
    assert len(bench.store.settled) == 2, "repeated because nobody knew"
    await bench.alerts.flush()
    assert bench.telemetry.alerts == []


async def test_an_archive_that_is_away_keeps_no_settlement_waiting() -> None:
    archive = MoodyArchive()
    bench = Bench(archive=archive)
    await crossing_settlement(bench)

    async def work() -> None:
        await until(lambda: bench.settlements.nothing_owed)
        archive.up = True
        async with asyncio.timeout(10):
            while len(await archive.newest(9)) < 3:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0.001)

    await with_jobs(bench, work)
    assert [percent for _, _, percent in bench.telemetry.alerts] == [50, 80, 95]
