"""The storing job against a sink and a bus that fail in every way they can."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence

import pytest

from adapters.memory.event_bus import MemoryEventBus, MemoryStream
from adapters.memory.request_log import MemoryRequestLog
from application.jobs.backoff import Backoff
from application.jobs.shipment import batch_of
from application.jobs.store_records import StoreRecords
from application.ports.records import Delivery, RecordBatch
from application.ports.request_log import RequestFilter
from domain.errors import ServiceUnavailable
from domain.records.events import RequestRecord
from tests.support.manual_clock import EvenRandomness, ManualClock
from tests.support.request_records import batch_of_records, make_record

GROUP = "sink"
BAD = b'{"event_id": 5}'


class FlakySink(MemoryRequestLog):
    """Runs `before` ahead of every delivery; it may raise."""

    before: Callable[[Sequence[RecordBatch]], None]
    deliveries: list[int]

    async def deliver(self, batches: Sequence[RecordBatch]) -> None:
        self.deliveries.append(sum(len(batch.lines) for batch in batches))
        self.before(batches)
        await super().deliver(batches)


class World:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.stream = MemoryStream()
        self.sink = FlakySink(clock=self.clock)
        self.sink.deliveries = []
        self.sink.before = lambda _: None

    def bus(self, consumer: str = "worker") -> MemoryEventBus:
        return MemoryEventBus(self.stream, consumer=consumer, clock=self.clock)

    def job(
        self,
        consumer: str = "worker",
        *,
        give_up_after_ms: int = 3_600_000,
        pause_s: float = 0.0,
    ) -> StoreRecords:
        return StoreRecords(
            self.bus(consumer),
            self.sink,
            group=GROUP,
            clock=self.clock,
            randomness=EvenRandomness(),
            wait_ms=1,
            pause_s=pause_s,
            longest_pause_s=0.001,
            give_up_after_ms=give_up_after_ms,
            max_attempts=6,
        )

    async def publish(self, *batches: RecordBatch) -> None:
        for batch in batches:
            await self.bus("gateway").publish(batch)

    async def stored(self) -> list[RequestRecord]:
        return list(await self.sink.newest(RequestFilter(), limit=1000))[::-1]

    @property
    def dead(self) -> list[tuple[tuple[bytes, ...], str]]:
        return [(one.delivery.batch.lines, one.reason) for one in self.stream.dead_letters]


@pytest.fixture
def world() -> World:
    return World()


async def test_waiting_batches_are_delivered_together(world: World) -> None:
    records = [make_record() for _ in range(5)]
    await world.publish(*[batch_of_records(record) for record in records])
    assert await world.job().drain(5)
    assert await world.stored() == records
    assert world.sink.deliveries == [5]
    assert not world.stream.entries


async def test_what_comes_soon_after_a_delivery_is_delivered_together(world: World) -> None:
    first, *later = [make_record() for _ in range(4)]
    delivered = asyncio.Event()
    world.sink.before = lambda _: delivered.set()
    running = asyncio.ensure_future(world.job(pause_s=0.2).run())
    await world.publish(batch_of_records(first))
    await delivered.wait()
    for record in later:
        await world.publish(batch_of_records(record))
        await asyncio.sleep(0.01)  # long enough to be received alone
    async with asyncio.timeout(5):
        while len(await world.stored()) < 4:  # noqa: ASYNC110 - the sink has no event
            await asyncio.sleep(0.01)
    running.cancel()
    assert world.sink.deliveries == [1, 3]


async def test_an_unreachable_sink_is_asked_until_it_answers(world: World) -> None:
    outages = iter([True] * 5)

    def fail(_: Sequence[RecordBatch]) -> None:
        if next(outages, False):
            raise ServiceUnavailable("down")

    world.sink.before = fail
    record = make_record()
    await world.publish(batch_of_records(record))
    assert await world.job().drain(5)
    assert await world.stored() == [record]
    assert world.dead == []


async def test_a_sink_that_stays_away_for_too_long_costs_no_record_but_sets_it_aside(
    world: World,
) -> None:
    def fail(_: Sequence[RecordBatch]) -> None:
        world.clock.advance(20)
        raise ServiceUnavailable("down")

    world.sink.before = fail
    batch = batch_of_records(make_record())
    await world.publish(batch)
    assert await world.job(give_up_after_ms=60_000).drain(5)
    ((lines, reason),) = world.dead
    assert lines == batch.lines
    assert "60 s" in reason


@pytest.mark.parametrize("position", [0, 1, 7, 15])
async def test_a_bad_row_is_set_aside_alone(world: World, position: int) -> None:
    records = [make_record() for _ in range(15)]
    lines = [*batch_of_records(*records).lines]
    lines.insert(position, BAD)
    others = [make_record(), make_record()]
    await world.publish(batch_of(lines), batch_of_records(*others))
    assert await world.job().drain(5)
    assert await world.stored() == records + others
    ((dead, reason),) = world.dead
    assert dead == (BAD,)
    assert reason.startswith("refused")
    assert not world.stream.entries
    assert len(world.sink.deliveries) < 16, "found by halving, not one by one"


async def test_all_bad_rows_of_a_batch_are_one_dead_letter(world: World) -> None:
    lines = (BAD, b"garbage", BAD + b" ")
    await world.publish(batch_of(lines))
    assert await world.job().drain(5)
    assert [dead for dead, _ in world.dead] == [lines]


async def test_a_sink_that_leaves_during_the_search_for_a_bad_row_is_waited_for(
    world: World,
) -> None:
    record = make_record()

    def fail_once(_: Sequence[RecordBatch]) -> None:
        if len(world.sink.deliveries) == 3:
            raise ServiceUnavailable("down")

    world.sink.before = fail_once
    await world.publish(batch_of([BAD, *batch_of_records(record).lines]))
    assert await world.job().drain(5)
    assert await world.stored() == [record]
    assert [dead for dead, _ in world.dead] == [(BAD,)]


async def test_a_batch_that_kills_its_consumers_is_tried_alone_then_set_aside(
    world: World,
) -> None:
    poison, innocent = batch_of_records(make_record()), batch_of_records(make_record())

    def die(batches: Sequence[RecordBatch]) -> None:
        if poison in batches:
            raise SystemError

    world.sink.before = die
    await world.publish(poison, innocent)
    lives = 0
    while world.stream.entries:
        lives += 1
        assert lives < 20
        with contextlib.suppress(SystemError):
            await world.job(f"worker-{lives}").drain(5)
        world.clock.advance(61)
    assert [dead for dead, _ in world.dead] == [poison.lines]
    assert "delivered 7 times" in world.dead[0][1]
    assert len(await world.stored()) == 1


async def test_what_was_in_hand_when_the_job_was_cancelled_is_stored_by_drain(
    world: World,
) -> None:
    reached = asyncio.Event()

    def hang(_: Sequence[RecordBatch]) -> None:
        reached.set()
        raise ServiceUnavailable("down")

    world.sink.before = hang
    record = make_record()
    await world.publish(batch_of_records(record))
    job = world.job()
    task = asyncio.ensure_future(job.run())
    await asyncio.wait_for(reached.wait(), 5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    world.sink.before = lambda _: None
    assert await job.drain(5)
    assert await world.stored() == [record]
    assert not world.stream.entries


async def test_drain_ends_in_time_with_a_dead_sink(world: World) -> None:
    def fail(_: Sequence[RecordBatch]) -> None:
        raise ServiceUnavailable("down")

    world.sink.before = fail
    await world.publish(batch_of_records(make_record()))
    assert not await world.job().drain(0.05)
    assert len(world.stream.entries) == 1


async def test_an_acknowledgement_that_fails_is_repeated(world: World) -> None:
    class Bus(MemoryEventBus):
        failures = 2

        async def acknowledge(self, group: str, deliveries: Sequence[Delivery]) -> None:
            if self.failures:
                self.failures -= 1
                raise ServiceUnavailable("down")
            await super().acknowledge(group, deliveries)

    await world.publish(batch_of_records(make_record()))
    job = StoreRecords(
        Bus(world.stream, consumer="worker", clock=world.clock),
        world.sink,
        group=GROUP,
        clock=world.clock,
        randomness=EvenRandomness(),
    )
    assert await job.drain(5)
    assert not world.stream.entries


def test_pauses_double_stay_bounded_and_start_over() -> None:
    backoff = Backoff(first_s=1, longest_s=5)
    assert [backoff.next_delay(1.0) for _ in range(4)] == [1, 2, 4, 5]
    assert backoff.failing
    backoff.reset()
    assert not backoff.failing
    assert backoff.next_delay(0.0) == 0.5
    assert [backoff.next_delay(0.5) for _ in range(5000)][-1] == 3.75
