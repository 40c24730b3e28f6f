"""Settlements on a real store: killed processes, a paused and a wiped store, several adopters."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from adapters.embedded.valkey import EmbeddedValkey
from adapters.journal.settlement_log import FileDeadSettlementLogs, FileSettlementLog
from adapters.memory.budget_alerts import MemoryBudgetAlerts
from adapters.memory.event_bus import MemoryEventBus, MemoryStream
from adapters.redis.limits import RedisLimitStore
from adapters.redis.pipelined import PipelinedCommands
from adapters.system.clock import SystemClock
from adapters.system.randomness import SystemRandomness
from application.gateway.limit_settlements import LimitSettlements
from application.jobs.adopt_settlements import AdoptSettlements
from application.jobs.budget_alerts import BudgetAlerts
from application.jobs.deliver_settlements import DeliverSettlements
from application.jobs.keep_reservations import KeepReservations
from application.jobs.sweep_reservations import SweepReservations
from domain.errors import LimitStoreUnavailable
from domain.limits.amounts import MAX_COUNT, Spend
from domain.limits.entries import Entry
from domain.limits.reservations import Admitted, Claim, Reservation
from tests.support.limits import budget_cap, claim, concurrency_cap, made_ready
from tests.support.offpath import CountingTelemetry
from tests.support.processes import python_environment
from tests.support.request_records import record_of
from tests.support.settling_process import ESTIMATED_TOKENS, SETTLED_TOKENS, shared_budget


class Bench:
    """One process that shares a real store with others."""

    def __init__(self, url: str, root: Path) -> None:
        self.clock = SystemClock()
        self.randomness = SystemRandomness()
        self.store = RedisLimitStore(PipelinedCommands.from_url(url))
        self.root = root
        self.telemetry = CountingTelemetry()
        self.stream = MemoryStream()
        self.alerts = BudgetAlerts(
            MemoryBudgetAlerts(), self.telemetry, clock=self.clock, randomness=self.randomness
        )

    def adopter(self) -> AdoptSettlements:
        return AdoptSettlements(
            FileDeadSettlementLogs(self.root),
            self.store,
            self.alerts,
            clock=self.clock,
            randomness=self.randomness,
            look_every_s=0.02,
        )

    def sweeper(self) -> SweepReservations:
        bus = MemoryEventBus(self.stream, consumer="sweeper", clock=self.clock)
        return SweepReservations(self.store, bus, self.alerts, clock=self.clock, grace_s=0)

    async def used(self, entry: Entry) -> int:
        return (await self.store.usage((entry,), Spend())).readings[0].used


@pytest.fixture
async def bench(redis_url: str, tmp_path: Path) -> AsyncIterator[Bench]:
    found = Bench(redis_url, tmp_path / "settlements")
    await made_ready(found.store)
    yield found
    await found.store.aclose()


@contextlib.asynccontextmanager
async def running(*jobs: Callable[[], Awaitable[None]]) -> AsyncGenerator[None]:
    tasks = [asyncio.ensure_future(job()) for job in jobs]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await condition():  # noqa: ASYNC110 - stores and processes have no event
            await asyncio.sleep(0.01)


async def killed_process(bench: Bench, url: str, requests: int, settled: int, life_ms: int) -> None:
    """Run a process that owes settlements, and kill it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.support.settling_process", str(bench.root), url),
        *(str(requests), str(settled), str(life_ms)),
        env=python_environment(),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(30):
        assert await process.stdout.readline() == b"ready\n"
    process.kill()
    await process.wait()


async def test_what_a_killed_process_had_settled_is_charged_once_and_as_it_was(
    bench: Bench, redis_url: str
) -> None:
    await killed_process(bench, redis_url, requests=200, settled=200, life_ms=60_000)
    budget, lease = shared_budget(), concurrency_cap(100_000)
    assert (await bench.used(budget), await bench.used(lease)) == (0, 200)
    rivals = [bench.adopter() for _ in range(3)]
    async with running(bench.alerts.run, *(rival.run for rival in rivals)):

        async def all_adopted() -> bool:
            return not any(bench.root.iterdir())

        await until(all_adopted)
    assert await bench.used(budget) == 200 * SETTLED_TOKENS
    assert await bench.used(lease) == 0
    assert await bench.store.sweep(10) == []


async def test_adoption_knows_what_was_used_and_the_sweeper_takes_the_rest(
    bench: Bench, redis_url: str
) -> None:
    await killed_process(bench, redis_url, requests=30, settled=20, life_ms=2_000)
    await bench.adopter().round()
    sweeper = bench.sweeper()

    async def all_swept() -> bool:
        await sweeper.round()
        return await bench.used(concurrency_cap(100_000)) == 0 and len(records()) == 10

    def records() -> list[str]:
        return [
            record_of(line).event_id
            for delivery in bench.stream.entries.values()
            for line in delivery.batch.lines
        ]

    await until(all_swept)
    assert len(set(records())) == 10, "one record for each that was cut"
    charged = 20 * SETTLED_TOKENS + 10 * ESTIMATED_TOKENS
    assert await bench.used(shared_budget()) == charged


async def test_an_adopter_that_stops_half_way_leaves_the_rest_to_the_next(
    bench: Bench, redis_url: str, valkey_server: EmbeddedValkey
) -> None:
    await killed_process(bench, redis_url, requests=150, settled=150, life_ms=60_000)
    assert valkey_server.pid is not None
    os.kill(valkey_server.pid, signal.SIGSTOP)
    first = bench.adopter()
    try:
        with pytest.raises(LimitStoreUnavailable):
            await first.round()
    finally:
        os.kill(valkey_server.pid, signal.SIGCONT)
    await first.drain()

    async def charged() -> bool:
        with contextlib.suppress(LimitStoreUnavailable):  # a busy machine takes its time to go on
            return await bench.used(shared_budget()) == 150 * SETTLED_TOKENS
        return False

    async with running(bench.adopter().run):
        await until(charged)


async def test_what_is_settled_while_the_store_is_paused_is_charged_once_afterwards(
    bench: Bench, valkey_server: EmbeddedValkey
) -> None:
    clock = bench.clock
    settlements = LimitSettlements(
        FileSettlementLog.create(bench.root, "gateway-1"), clock, most_in_memory=100
    )
    failures: list[LimitStoreUnavailable] = []
    deliver = DeliverSettlements(
        settlements,
        bench.store,
        bench.alerts,
        clock=clock,
        randomness=bench.randomness,
        note_failure=failures.append,
    )
    keep = KeepReservations(settlements, bench.store, note_failure=failures.append)
    budget = budget_cap(1_000, clock.now_ms())
    before: list[Reservation] = []
    for _ in range(150):
        verdict = await bench.store.admit(claim(budget))
        assert isinstance(verdict, Admitted)
        before.append(verdict.reservation)
    assert valkey_server.pid is not None
    async with running(deliver.run, keep.run, bench.alerts.run):
        os.kill(valkey_server.pid, signal.SIGSTOP)
        try:
            unanswered = claim(budget)
            with pytest.raises(LimitStoreUnavailable):
                await bench.store.admit(unanswered)
            doubtful = [Reservation.unconfirmed(unanswered, clock.now_ms())]
            doubtful += [Reservation.unconfirmed(claim(budget), clock.now_ms()) for _ in range(149)]
            for reservation in (*before, *doubtful):
                settlements.hold(reservation)
                settlements.settle(reservation, Spend(tokens=2), occurred_at_ms=clock.now_ms())
            assert settlements.waiting == 100

            async def gave_up() -> bool:
                return len(failures) > 3

            await until(gave_up)
        finally:
            os.kill(valkey_server.pid, signal.SIGCONT)

        async def delivered() -> bool:
            return settlements.nothing_owed

        await until(delivered)
    assert await bench.used(budget) == 600
    assert [percent for _, _, percent in bench.telemetry.alerts] == [50], "once, answer lost or not"


async def test_a_settlement_takes_milliseconds_in_normal_times(bench: Bench) -> None:
    settlements = LimitSettlements(FileSettlementLog.create(bench.root, "gateway-1"), bench.clock)
    deliver = DeliverSettlements(
        settlements,
        bench.store,
        bench.alerts,
        clock=bench.clock,
        randomness=bench.randomness,
        note_failure=lambda _: None,
    )
    budget = budget_cap(1_000, bench.clock.now_ms())
    async with running(deliver.run):
        waits: list[float] = []
        for _ in range(20):
            verdict = await bench.store.admit(
                Claim(
                    reservation_id=f"r{len(waits)}",
                    entries=(budget,),
                    estimate=Spend(),
                    lifetime_ms=60_000,
                    started_at_ms=MAX_COUNT,
                )
            )
            assert isinstance(verdict, Admitted)
            began = bench.clock.monotonic()
            ended_at_ms = bench.clock.now_ms()
            settlements.settle(verdict.reservation, Spend(tokens=1), occurred_at_ms=ended_at_ms)
            while settlements.waiting:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0)
            waits.append(bench.clock.monotonic() - began)
    assert sorted(waits)[10] < 0.02
    assert await bench.used(budget) == 20
