"""Abandoned requests: charged at their estimate, recorded with exactly that, and not too early."""

import asyncio

import pytest

from adapters.memory.budget_alerts import MemoryBudgetAlerts
from adapters.memory.event_bus import MemoryEventBus, MemoryStream
from application.gateway.abandonment import abandoned_context, abandoned_record
from application.jobs.budget_alerts import BudgetAlerts
from application.jobs.sweep_reservations import SweepReservations
from domain.limits.amounts import MAX_COUNT, Spend
from domain.limits.reservations import Claim
from domain.records.events import Outcome, RequestRecord
from tests.support.limits import budget_cap, made_ready
from tests.support.manual_clock import EvenRandomness, ManualClock
from tests.support.offpath import CountingTelemetry, MoodyStore
from tests.support.request_records import record_of
from tests.support.sweeping import a_call, a_caller


class Bench:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = MoodyStore(self.clock)
        self.stream = MemoryStream()
        self.telemetry = CountingTelemetry()
        self.alerts = BudgetAlerts(
            MemoryBudgetAlerts(), self.telemetry, clock=self.clock, randomness=EvenRandomness()
        )
        self.sweeper = self.another()
        self.budget = budget_cap(1000, self.clock.now_ms())

    def another(self) -> SweepReservations:
        bus = MemoryEventBus(self.stream, consumer="c", clock=self.clock)
        return SweepReservations(self.store, bus, self.alerts, clock=self.clock)

    async def abandon(self, number: int = 1, context: bytes | None = None) -> None:
        if context is None:
            context = abandoned_context(a_call(f"event-{number}"), a_caller())
        await self.store.take(
            Claim(
                reservation_id=f"r{number}",
                entries=(self.budget,),
                estimate=Spend(tokens=600, nano_usd=77),
                lifetime_ms=60_000,
                started_at_ms=MAX_COUNT,
                context=context,
            )
        )

    def records(self) -> list[RequestRecord]:
        return [
            record_of(line)
            for delivery in self.stream.entries.values()
            for line in delivery.batch.lines
        ]


async def test_an_abandoned_request_is_charged_and_recorded_with_the_same_amounts() -> None:
    bench = Bench()
    await bench.abandon()
    bench.clock.advance(61)
    await bench.sweeper.round()
    (record,) = bench.records()
    assert record.outcome is Outcome.ABANDONED
    assert (record.event_id, record.started_at_ms) == ("event-1", a_call("event-1").started_at_ms)
    assert (record.key_lineage, record.user_id, record.team_ids) == ("l1", "u1", ("t1",))
    assert record.model_requested == "gpt-4o"
    assert record.weighted_tokens == await bench.store.used(bench.budget) == 600
    assert record.cost_nano_usd == 77


async def test_a_living_request_is_left_alone() -> None:
    bench = Bench()
    await bench.abandon()
    bench.clock.advance(59)
    await bench.sweeper.round()
    assert bench.records() == []


async def test_a_further_reservation_of_a_request_brings_no_second_record() -> None:
    bench = Bench()
    await bench.abandon(context=b"")
    bench.clock.advance(61)
    await bench.sweeper.round()
    assert bench.records() == []
    assert await bench.store.used(bench.budget) == 600


async def test_two_sweepers_write_one_record() -> None:
    bench = Bench()
    await bench.abandon()
    other = bench.another()
    bench.clock.advance(61)
    await asyncio.gather(bench.sweeper.round(), other.round())
    assert len(bench.records()) == 1


async def test_after_an_outage_those_who_know_better_go_first() -> None:
    bench = Bench()
    await bench.abandon()
    bench.clock.advance(61)
    bench.store.up = False
    await bench.sweeper.round()
    bench.store.up = True
    await bench.sweeper.round()
    assert bench.records() == [], "heartbeats and adoption have their turn"
    bench.clock.advance(21)
    await bench.sweeper.round()
    assert len(bench.records()) == 1


async def test_the_turn_of_those_who_know_better_begins_when_the_outage_ends() -> None:
    bench = Bench()
    await bench.abandon()
    bench.store.up = False
    for _ in range(9):
        bench.clock.advance(15)
        await bench.sweeper.round()
    bench.store.up = True
    bench.clock.advance(15)
    await bench.sweeper.round()
    assert bench.records() == []


async def test_a_process_that_has_just_started_does_not_sweep_at_once() -> None:
    bench = Bench()
    await bench.abandon()
    bench.clock.advance(61)
    fresh = bench.another()
    await fresh.round()
    assert bench.records() == []


async def test_records_wait_for_a_bus_that_is_full() -> None:
    bench = Bench()
    bench.stream.max_entries = 0
    await bench.abandon()
    bench.clock.advance(61)
    await bench.sweeper.round()
    assert bench.records() == []
    bench.stream.max_entries = 10
    await bench.sweeper.round()
    assert len(bench.records()) == 1
    await bench.sweeper.round()
    assert len(bench.records()) == 1


async def test_sweeping_a_budget_over_a_threshold_alerts() -> None:
    bench = Bench()
    await made_ready(bench.store)
    await bench.abandon()
    bench.clock.advance(61)
    await bench.sweeper.round()
    await bench.alerts.flush()
    assert bench.telemetry.alerts == [("user", "daily", 50)]


async def test_more_than_one_batch_is_swept_in_one_round() -> None:
    bench = Bench()
    for number in range(250):
        await take_small(bench, number)
    bench.clock.advance(61)
    await bench.sweeper.round()
    found = [record.event_id for record in bench.records()]
    assert len(found) == len(set(found)) == 250


async def take_small(bench: Bench, number: int) -> None:
    await bench.store.take(
        Claim(
            reservation_id=f"r{number}",
            entries=(),
            estimate=Spend(),
            lifetime_ms=60_000,
            started_at_ms=MAX_COUNT,
            context=abandoned_context(a_call(f"event-{number}"), a_caller()),
        )
    )


@pytest.mark.parametrize("context", [b"", b"event-1", b"\xff\x00", b"\x93\x01\x02\x03"])
def test_a_context_of_somebody_else_is_no_record(context: bytes) -> None:
    assert abandoned_record(context, Spend()) is None
