"""From the journal to the sink, over stores in memory that fail on command."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from adapters.memory.event_bus import MemoryEventBus, MemoryStream
from adapters.memory.journal import MemoryJournal
from adapters.memory.request_log import MemoryRequestLog
from adapters.system.clock import SystemClock
from application.jobs.adopt_journals import AdoptJournals
from application.jobs.ship_records import ShipRecords
from application.jobs.shipment import Shipment, batch_of
from application.jobs.store_records import StoreRecords
from application.ports.backlog import DeadBacklog, DeadJournals, Mark, Progress, Reading
from application.ports.records import Confirmation, EventBus, Receipt, RecordBatch
from application.ports.request_log import RequestFilter
from domain.errors import ServiceUnavailable
from domain.records.events import RequestRecord
from tests.support.manual_clock import EvenRandomness
from tests.support.request_records import make_record, record_of

DICE = EvenRandomness()


class FlakyBus(MemoryEventBus):
    """Refuses while `down`; counts what it took."""

    down = False
    published: list[RecordBatch]

    async def publish(self, batch: RecordBatch) -> Receipt:
        self._check()
        self.published.append(batch)
        return await super().publish(batch)

    async def confirmed(self) -> Confirmation:
        self._check()
        return await super().confirmed()

    def _check(self) -> None:
        if self.down:
            raise ServiceUnavailable("down")


class World:
    """One gateway, one bus, one worker."""

    def __init__(self) -> None:
        self.clock = SystemClock()
        self.journal = MemoryJournal()
        self.stream = MemoryStream()
        self.bus = FlakyBus(self.stream, consumer="gateway", clock=self.clock)
        self.bus.published = []
        self.log = MemoryRequestLog(clock=self.clock)

    def ship(self, **options: float) -> ShipRecords:
        return ShipRecords(
            self.journal,
            self.bus,
            clock=self.clock,
            randomness=DICE,
            **{"linger_s": 0.005, "confirm_every_s": 0.01, "longest_pause_s": 0.02, **options},  # pyright: ignore[reportArgumentType]
        )

    def store(self) -> StoreRecords:
        return StoreRecords(
            MemoryEventBus(self.stream, consumer="worker", clock=self.clock),
            self.log,
            group="sink",
            clock=self.clock,
            randomness=DICE,
            wait_ms=5,
        )

    def close(self, count: int) -> list[RequestRecord]:
        records = [make_record() for _ in range(count)]
        for record in records:
            self.journal.open(record)
            self.journal.close(record)
        return records

    async def stored(self) -> Sequence[RequestRecord]:
        return (await self.log.newest(RequestFilter(), limit=100_000))[::-1]


@pytest.fixture
def world() -> World:
    return World()


async def while_running(*jobs: Callable[[], Awaitable[None]], until: Callable[[], bool]) -> None:
    tasks = [asyncio.ensure_future(job()) for job in jobs]
    try:
        async with asyncio.timeout(10):
            while not until():
                await asyncio.sleep(0.001)
                for task in tasks:
                    assert not task.done(), task
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_records_go_from_the_journal_into_the_sink_and_leave_the_journal(
    world: World,
) -> None:
    records = world.close(500)
    await while_running(
        world.ship().run, world.store().run, until=lambda: not world.journal.records
    )
    assert list(await world.stored()) == records
    assert max(len(batch.lines) for batch in world.bus.published) == 200
    assert not world.stream.entries


async def test_a_bus_that_is_down_delays_and_keeps_the_order(world: World) -> None:
    world.bus.down = True
    records = world.close(3)
    ship = world.ship()
    task = asyncio.ensure_future(ship.run())
    await asyncio.sleep(0.05)
    assert world.journal.records == tuple(records)
    records += world.close(3)
    world.bus.down = False
    await while_running(world.store().run, until=lambda: not world.journal.records)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    lines = [line for batch in world.bus.published for line in batch.lines]
    assert [record_of(line) for line in lines] == records


async def test_records_stay_in_the_journal_until_the_sink_has_them(world: World) -> None:
    records = world.close(3)
    shipment = Shipment(world.journal, world.bus)
    while await shipment.ship_next():
        pass
    await shipment.confirm()
    assert world.journal.records == tuple(records)
    assert not shipment.all_confirmed
    await world.store().drain(1)
    await shipment.confirm()
    assert shipment.all_confirmed
    assert world.journal.records == ()


@pytest.mark.parametrize("received_before", [True, False])
async def test_a_wiped_bus_gets_everything_unconfirmed_again(
    world: World, received_before: bool
) -> None:
    records = world.close(450)
    shipment = Shipment(world.journal, world.bus)
    await shipment.ship_next()
    if received_before:
        await world.store().drain(1)
        await shipment.confirm()
    await shipment.ship_next()
    world.stream.wipe()
    await shipment.confirm()
    while await shipment.ship_next():
        pass
    await world.store().drain(1)
    await shipment.confirm()
    assert shipment.all_confirmed
    assert list(await world.stored()) == records
    again = sum(len(batch.lines) for batch in world.bus.published)
    assert again == (650 if received_before else 850)


async def test_a_restarted_shipment_goes_on_without_shipping_twice(world: World) -> None:
    world.close(450)
    first = Shipment(world.journal, world.bus)
    await first.ship_next()
    await first.ship_next()
    await first.save()
    second = Shipment(world.journal, world.bus)
    while await second.ship_next():
        pass
    assert [len(batch.lines) for batch in world.bus.published] == [200, 200, 50]
    await world.store().drain(1)
    await second.confirm()
    assert second.all_confirmed


def test_equal_lines_have_equal_batch_ids_and_others_do_not() -> None:
    assert batch_of([b"a", b"b"]) == batch_of([b"a", b"b"])
    ids = [
        batch_of(lines).batch_id for lines in ([b"a", b"b"], [b"ab"], [b"b", b"a"], [b"a\n", b"b"])
    ]
    assert len(set(ids)) == 4


async def test_draining_ships_and_waits_for_storage(world: World) -> None:
    records = world.close(300)
    shipped, stored = await asyncio.gather(world.ship().drain(5), world.store().drain(5))
    assert shipped
    assert stored
    assert list(await world.stored()) == records
    assert world.journal.records == ()


async def test_draining_ships_what_was_closed_after_the_last_round(world: World) -> None:
    early = world.close(1)
    job = world.ship()
    await while_running(job.run, world.store().run, until=lambda: world.journal.records == ())
    late = world.close(2)  # streams that the shutdown has cut
    shipped, _ = await asyncio.gather(job.drain(5), world.store().drain(5))
    assert shipped
    assert list(await world.stored()) == early + late


async def test_draining_tells_of_late_records_that_the_bus_did_not_take(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.close(1)
    job = world.ship()
    await while_running(job.run, world.store().run, until=lambda: world.journal.records == ())
    world.close(1)
    world.bus.down = True
    assert not await job.drain(0.05)
    assert "left in the journal" in caplog.text


async def test_draining_ends_in_time_when_nobody_stores(world: World) -> None:
    world.close(3)
    started = world.clock.monotonic()
    assert not await world.ship().drain(0.1)
    assert world.clock.monotonic() - started < 2
    assert len(world.stream.entries) == 1
    assert world.journal.progress.receipt is not None


class Dead(DeadBacklog):
    """A dead process's journal in memory."""

    def __init__(self, journal: MemoryJournal) -> None:
        self._journal = journal
        self.removed = False
        self.released = False

    @property
    def progress(self) -> Progress:
        return self._journal.progress

    async def read(self, after: Mark, *, max_records: int, max_bytes: int) -> Reading:
        return await self._journal.read(after, max_records=max_records, max_bytes=max_bytes)

    async def save(self, progress: Progress) -> None:
        await self._journal.save(progress)

    async def remove(self) -> None:
        self.removed = True

    def release(self) -> None:
        self.released = True


class Cemetery(DeadJournals):
    """Gives out the dead one by one."""

    def __init__(self, *dead: Dead) -> None:
        self._dead = list(dead)

    async def adopt(self) -> DeadBacklog | None:
        return self._dead.pop(0) if self._dead else None


def adopt(world: World, bus: EventBus, *dead: Dead) -> AdoptJournals:
    return AdoptJournals(
        Cemetery(*dead),
        bus,
        clock=world.clock,
        randomness=DICE,
        look_every_s=0.01,
        confirm_every_s=0.005,
    )


async def test_adopted_journals_are_removed_once_stored(world: World) -> None:
    records = world.close(250)
    dead, empty = Dead(world.journal), Dead(MemoryJournal())
    job = adopt(world, world.bus, dead, empty)
    await job.round()
    assert (dead.removed, empty.removed, job.in_hand) == (False, True, 1)
    await while_running(job.run, world.store().run, until=lambda: dead.removed)
    assert list(await world.stored()) == records
    assert job.in_hand == 0


async def test_an_adopter_that_stops_lets_go(world: World) -> None:
    world.close(1)
    dead = Dead(world.journal)
    job = adopt(world, world.bus, dead)
    await job.round()
    assert not await job.drain(0.1)
    assert (dead.removed, dead.released) == (False, True)


async def test_an_adopter_waits_for_a_bus_that_is_down(world: World) -> None:
    world.close(1)
    dead = Dead(world.journal)
    world.bus.down = True
    job = adopt(world, world.bus, dead)
    task = asyncio.ensure_future(job.run())
    await asyncio.sleep(0.02)
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    world.bus.down = False
    await while_running(job.run, world.store().run, until=lambda: dead.removed)
