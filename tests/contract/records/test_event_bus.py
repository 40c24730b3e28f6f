"""What every event bus promises to publishers and sinks."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Protocol, cast

import pytest
from msgspec import structs
from redis.asyncio import Redis

from adapters.bus.redis_streams import DEAD_PREFIX, STREAM, RedisStreams
from adapters.memory.event_bus import MemoryEventBus, MemoryStream
from adapters.system.clock import SystemClock
from application.jobs.shipment import batch_of
from application.ports.records import (
    BusBacklog,
    Confirmation,
    Delivery,
    EventBus,
    Receipt,
    RecordBatch,
)
from domain.errors import ServiceUnavailable

MAX_ENTRIES = 20
CLAIM_IDLE_MS = 300


class Bus(Protocol):
    """One stream, seen by several processes."""

    def consumer(self, name: str) -> EventBus: ...

    async def wipe(self) -> None: ...

    async def length(self) -> int: ...

    async def dead_letters(self, group: str) -> list[tuple[RecordBatch, str]]: ...


class MemoryBus:
    def __init__(self) -> None:
        self._stream = MemoryStream(max_entries=MAX_ENTRIES)
        self._clock = SystemClock()

    def consumer(self, name: str) -> EventBus:
        return MemoryEventBus(
            self._stream, consumer=name, clock=self._clock, claim_idle_ms=CLAIM_IDLE_MS
        )

    async def wipe(self) -> None:
        self._stream.wipe()

    async def length(self) -> int:
        return len(self._stream.entries)

    async def dead_letters(self, group: str) -> list[tuple[RecordBatch, str]]:
        return [
            (letter.delivery.batch, letter.reason)
            for letter in self._stream.dead_letters
            if letter.group == group
        ]


class RedisBus:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def consumer(self, name: str) -> EventBus:
        return RedisStreams(
            self._redis,
            consumer=name,
            clock=SystemClock(),
            max_entries=MAX_ENTRIES,
            claim_idle_ms=CLAIM_IDLE_MS,
        )

    async def wipe(self) -> None:
        await self._redis.flushall()

    async def length(self) -> int:
        return int(await self._redis.xlen(STREAM))

    async def dead_letters(self, group: str) -> list[tuple[RecordBatch, str]]:
        entries = cast(
            "list[tuple[bytes, dict[bytes, bytes]]]",
            await self._redis.xrange(DEAD_PREFIX + group),
        )
        return [
            (
                RecordBatch(fields[b"id"].decode(), tuple(fields[b"data"].split(b"\n"))),
                fields[b"reason"].decode(),
            )
            for _, fields in entries
        ]


@pytest.fixture(params=["memory", "redis-resp3", "redis-resp2"])
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[Bus]:
    if request.param == "memory":
        yield MemoryBus()
        return
    url: str = request.getfixturevalue("valkey_server").url
    client = Redis.from_url(url, protocol=int(request.param[-1]))
    await client.flushall()
    yield RedisBus(client)
    await client.aclose()


def batch(number: int) -> RecordBatch:
    return batch_of([b'{"n":%d}' % number, b'{"m":"\xc3\xa9"}'])


async def drain(consumer: EventBus, group: str) -> list[RecordBatch]:
    """Receive and acknowledge until nothing comes any more."""
    found: list[RecordBatch] = []
    idle = 0
    while idle < 2:
        deliveries = await consumer.receive(group, count=10, wait_ms=1)
        await consumer.acknowledge(group, deliveries)
        found += [delivery.batch for delivery in deliveries]
        idle = 0 if deliveries else idle + 1
    return found


async def something(consumer: EventBus) -> Sequence[Delivery]:
    """Receive until something comes."""
    for _ in range(100):
        if deliveries := await consumer.receive("sink", count=5, wait_ms=50):
            return deliveries
    raise AssertionError("nothing came")


async def take_over(consumer: EventBus, group: str) -> list[tuple[RecordBatch, int]]:
    """Receive until a dead consumer's batches come; with the attempts counted so far."""
    for _ in range(200):
        deliveries = await consumer.receive(group, count=10, wait_ms=20)
        if deliveries:
            return [(delivery.batch, delivery.attempts) for delivery in deliveries]
    return []


async def test_batches_arrive_in_the_order_they_were_published(bus: Bus) -> None:
    batches = [batch(number) for number in range(12)]
    for one in batches:
        await bus.consumer("p").publish(one)
    assert await drain(bus.consumer("c"), "sink") == batches


async def test_a_batch_published_before_the_group_existed_is_delivered(bus: Bus) -> None:
    await bus.consumer("p").publish(batch(1))
    assert await drain(bus.consumer("c"), "late") == [batch(1)]


async def test_every_group_gets_every_batch(bus: Bus) -> None:
    for group in ("a", "b"):
        await bus.consumer(group).receive(group, count=1, wait_ms=1)
    await bus.consumer("p").publish(batch(1))
    assert await drain(bus.consumer("c"), "a") == [batch(1)]
    assert await bus.length() == 1
    assert await drain(bus.consumer("d"), "b") == [batch(1)]
    assert await bus.length() == 0


async def test_consumers_of_a_group_share_the_batches(bus: Bus) -> None:
    first, second = bus.consumer("one"), bus.consumer("two")
    await first.receive("sink", count=1, wait_ms=1)
    for number in range(4):
        await bus.consumer("p").publish(batch(number))
    mine = await first.receive("sink", count=2, wait_ms=50)
    theirs = await second.receive("sink", count=10, wait_ms=50)
    assert [one.batch for one in (*mine, *theirs)] == [batch(number) for number in range(4)]
    assert len(mine) == 2
    assert {one.attempts for one in (*mine, *theirs)} == {1}


async def test_an_unacknowledged_batch_goes_to_another_consumer_and_is_counted(bus: Bus) -> None:
    await bus.consumer("p").publish(batch(1))
    dead = bus.consumer("dead")
    await something(dead)
    assert await take_over(bus.consumer("heir"), "sink") == [(batch(1), 2)]
    assert await take_over(bus.consumer("heir of the heir"), "sink") == [(batch(1), 3)]


async def test_a_batch_that_is_kept_stays_with_its_consumer(bus: Bus) -> None:
    await bus.consumer("p").publish(batch(1))
    slow, other = bus.consumer("slow"), bus.consumer("other")
    deliveries = await something(slow)
    for _ in range(15):
        assert list(await other.receive("sink", count=5, wait_ms=50)) == []
        await slow.keep("sink", deliveries)


async def test_a_full_bus_refuses_and_takes_again_after_acknowledgement(bus: Bus) -> None:
    publisher, consumer = bus.consumer("p"), bus.consumer("c")
    for number in range(MAX_ENTRIES):
        await publisher.publish(batch(number))
    with pytest.raises(ServiceUnavailable):
        await publisher.publish(batch(99))
    assert len(await drain(consumer, "sink")) == MAX_ENTRIES
    await publisher.publish(batch(99))
    assert await drain(consumer, "sink") == [batch(99)]


async def test_confirmation_covers_what_all_groups_acknowledged(bus: Bus) -> None:
    publisher = bus.consumer("p")
    consumer = bus.consumer("c")
    await consumer.receive("a", count=1, wait_ms=1)
    await consumer.receive("b", count=1, wait_ms=1)
    first, second = await publisher.publish(batch(1)), await publisher.publish(batch(2))
    assert not covers(await publisher.confirmed(), first)
    await drain(consumer, "a")
    assert not covers(await publisher.confirmed(), first)
    (delivery,) = await consumer.receive("b", count=1, wait_ms=50)
    await consumer.acknowledge("b", [delivery])
    confirmed = await publisher.confirmed()
    assert covers(confirmed, first)
    assert not covers(confirmed, second)
    await drain(consumer, "b")
    assert covers(await publisher.confirmed(), second)


def covers(confirmation: Confirmation, receipt: Receipt) -> bool:
    return confirmation.epoch == receipt.epoch and receipt.place < confirmation.before


async def test_the_lag_of_a_group_is_the_age_of_what_it_has_not_acknowledged(bus: Bus) -> None:
    publisher, reader = bus.consumer("p"), bus.consumer("c")

    async def lag(group: str) -> float:
        return (await publisher.backlog()).groups[group].lag_s

    await drain(reader, "sink")
    assert await lag("sink") == 0.0
    await publisher.publish(batch(1))
    await asyncio.sleep(0.05)
    assert 0.05 <= await lag("sink") < 10, "not received"
    deliveries = await something(reader)
    await publisher.publish(batch(2))
    assert 0.05 <= await lag("sink") < 10, "received, not acknowledged"
    await reader.acknowledge("sink", deliveries)
    assert await lag("sink") < 0.05
    await drain(reader, "other")
    assert await lag("other") == 0.0
    await drain(reader, "sink")
    assert await lag("sink") == 0.0


async def test_what_waits_is_counted(bus: Bus) -> None:
    publisher, reader = bus.consumer("p"), bus.consumer("c")
    assert await publisher.backlog() == BusBacklog(batches=0, size=0, groups={})
    await publisher.publish(batch(1))
    await publisher.publish(batch(2))
    backlog = await publisher.backlog()
    assert backlog.batches == 2
    assert backlog.size == sum(len(b"\n".join(batch(n).lines)) for n in (1, 2))
    first, *_ = await something(reader)
    await reader.dead_letter("sink", first, "refused")
    backlog = await publisher.backlog()
    assert backlog.batches == 1
    assert backlog.groups["sink"].dead_letters == 1


async def test_a_wiped_bus_begins_a_new_epoch_whoever_comes_first(bus: Bus) -> None:
    publisher, consumer = bus.consumer("p"), bus.consumer("c")
    lost = await publisher.publish(batch(1))
    await bus.wipe()
    assert not covers(await publisher.confirmed(), lost)
    await drain(consumer, "sink")
    assert not covers(await publisher.confirmed(), lost)
    again = await publisher.publish(batch(1))
    assert again.epoch != lost.epoch
    assert await drain(consumer, "sink") == [batch(1)]
    assert covers(await publisher.confirmed(), again)
    assert not covers(await publisher.confirmed(), lost)


async def test_acknowledging_on_a_wiped_bus_is_harmless(bus: Bus) -> None:
    consumer = bus.consumer("c")
    await bus.consumer("p").publish(batch(1))
    deliveries = await something(consumer)
    await bus.wipe()
    await consumer.keep("sink", deliveries)
    await consumer.acknowledge("sink", deliveries)


async def test_a_dead_letter_is_kept_apart_with_its_reason(bus: Bus) -> None:
    consumer = bus.consumer("c")
    await bus.consumer("p").publish(batch(1))
    deliveries = await something(consumer)
    bad = batch_of(deliveries[0].batch.lines[:1])
    await consumer.dead_letter("sink", structs.replace(deliveries[0], batch=bad), "refused")
    assert await bus.dead_letters("sink") == [(bad, "refused")]
    assert await bus.length() == 0
    assert await drain(consumer, "sink") == []
