"""The event bus on a Redis Stream."""

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from typing import TypeVar, cast

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.exceptions import RedisError, ResponseError

from adapters.bus import scripts
from application.ports.clock import Clock
from application.ports.records import (
    BusBacklog,
    Confirmation,
    Delivery,
    EventBus,
    GroupBacklog,
    Receipt,
    RecordBatch,
)
from domain.errors import ServiceUnavailable

STREAM = "{tw}:records:requests"
DEAD_PREFIX = "{tw}:dead:"
FORGET_CONSUMERS_AFTER_MS = 3600 * 1000

T = TypeVar("T")
Fields = dict[bytes, bytes] | list[bytes]

_log = logging.getLogger(__name__)


class RedisStreams(EventBus):
    """One stream entry per batch; an entry goes when every group has acknowledged it."""

    def __init__(
        self,
        redis: Redis | RedisCluster,
        *,
        consumer: str,
        clock: Clock,
        stream: str = STREAM,
        max_entries: int = 100_000,
        max_bytes: int = 512 * 1024 * 1024,
        max_dead_letters: int = 10_000,
        claim_idle_ms: int = 60_000,
        timeout_s: float = 5.0,
    ) -> None:
        """Use `redis` (its replies as bytes), which stays the caller's to close.

        `consumer` must be unique per process start. Batches of a consumer that was silent for
        `claim_idle_ms` are handed to others. Over `max_entries` or `max_bytes` of unacknowledged
        batches nothing is published: the journals keep them.
        """
        self._redis = redis
        self._consumer = consumer
        self._clock = clock
        self._keys = [stream, f"{stream}:epoch", f"{stream}:bytes"]
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._max_dead_letters = max_dead_letters
        self._claim_idle_ms = claim_idle_ms
        self._timeout_s = timeout_s
        self._publish = redis.register_script(scripts.PUBLISH)
        self._confirmed = redis.register_script(scripts.CONFIRMED)
        self._create_group = redis.register_script(scripts.CREATE_GROUP)
        self._claim = redis.register_script(scripts.CLAIM)
        self._keep = redis.register_script(scripts.KEEP)
        self._acknowledge = redis.register_script(scripts.ACKNOWLEDGE)
        self._backlog = redis.register_script(scripts.BACKLOG)
        self._dead_letter = redis.register_script(scripts.DEAD_LETTER)
        self._forget_consumers = redis.register_script(scripts.FORGET_CONSUMERS)
        self._claim_cursor = "0-0"
        self._claim_due_at = 0.0
        self._forget_due_at = 0.0

    async def publish(self, batch: RecordBatch) -> Receipt:
        """Implement `EventBus.publish`."""
        data = b"\n".join(batch.lines)
        arguments = [batch.batch_id, len(batch.lines), data, self._max_entries, self._max_bytes]
        epoch, entry = cast(
            "tuple[bytes, bytes]", await self._ask(self._publish(self._keys, arguments))
        )
        if not entry:
            raise ServiceUnavailable("The event bus is full: its sinks are behind.")
        return Receipt(epoch=epoch.decode(), place=_place(entry))

    async def confirmed(self) -> Confirmation:
        """Implement `EventBus.confirmed`."""
        epoch, entry, is_last = cast(
            "tuple[bytes, bytes, int]", await self._ask(self._confirmed(self._keys))
        )
        milliseconds, sequence = _place(entry)
        return Confirmation(epoch=epoch.decode(), before=(milliseconds, sequence + is_last))

    async def receive(self, group: str, *, count: int, wait_ms: int) -> Sequence[Delivery]:
        """Implement `EventBus.receive`. Waits at most `wait_ms`, if nothing is there."""
        try:
            await self._forget_dead_consumers(group)
            claimed = await self._take_over(group, count)
            if claimed:
                return claimed
            return await self._read_new(group, count, wait_ms)
        except ResponseError as error:
            if "NOGROUP" not in str(error):
                raise _unavailable(error) from error
            await self._ask(self._create_group(self._keys, [group]))
            return ()

    async def keep(self, group: str, deliveries: Sequence[Delivery]) -> None:
        """Implement `EventBus.keep`."""
        ids = [delivery.entry_id for delivery in deliveries]
        await self._ask_of_group(self._keep(self._keys, [group, self._consumer, *ids]))

    async def acknowledge(self, group: str, deliveries: Sequence[Delivery]) -> None:
        """Implement `EventBus.acknowledge`."""
        ids = [delivery.entry_id for delivery in deliveries]
        await self._ask_of_group(self._acknowledge(self._keys, [group, *ids]))

    async def backlog(self) -> BusBacklog:
        """Implement `EventBus.backlog`, by the clock of the server that dated the batches."""
        batches, size, flat = cast(
            "tuple[int, int, list[bytes | int]]", await self._ask(self._backlog(self._keys))
        )
        groups: dict[str, GroupBacklog] = {}
        for name, lag_ms in zip(flat[::2], flat[1::2], strict=True):
            group = cast("bytes", name).decode()
            dead = await self._ask(
                cast("Awaitable[int]", self._redis.execute_command("XLEN", DEAD_PREFIX + group))
            )
            groups[group] = GroupBacklog(lag_s=int(lag_ms) / 1000, dead_letters=dead)
        return BusBacklog(batches=batches, size=size, groups=groups)

    async def dead_letter(self, group: str, delivery: Delivery, reason: str) -> None:
        """Implement `EventBus.dead_letter`: a stream per group, never trimmed by itself."""
        batch = delivery.batch
        taken = await self._ask_of_group(
            self._dead_letter(
                [*self._keys, DEAD_PREFIX + group],
                [
                    group,
                    delivery.entry_id,
                    batch.batch_id,
                    len(batch.lines),
                    b"\n".join(batch.lines),
                    delivery.attempts,
                    reason,
                    self._max_dead_letters,
                ],
            )
        )
        if not taken:
            raise ServiceUnavailable(f"The dead-letter stream of {group} is full.")

    async def _take_over(self, group: str, count: int) -> list[Delivery]:
        now = self._clock.monotonic()
        if now < self._claim_due_at:
            return []
        arguments = [group, self._consumer, self._claim_idle_ms, self._claim_cursor, count]
        reply = await self._ask(self._claim(self._keys, arguments), errors_of_group=True)
        cursor, entries = cast("tuple[bytes, list[tuple[bytes, Fields, int]]]", reply)
        self._claim_cursor = cursor.decode()
        if self._claim_cursor == "0-0":
            self._claim_due_at = now + min(5.0, self._claim_idle_ms / 2000)
        return [_delivery(entry, fields, attempts) for entry, fields, attempts in entries]

    async def _read_new(self, group: str, count: int, wait_ms: int) -> list[Delivery]:
        command = cast(
            "Awaitable[object]",
            self._redis.execute_command(
                "XREADGROUP", "GROUP", group, self._consumer, "COUNT", count,
                "BLOCK", max(1, wait_ms), "STREAMS", self._keys[0], ">",
            ),
        )  # fmt: skip
        reply = await self._ask(command, wait_s=wait_ms / 1000, errors_of_group=True)
        # RESP3 answers a map, RESP2 a list of pairs; of one stream in both cases.
        streams = cast("dict[bytes, list[object]] | list[list[object]] | None", reply)
        if not streams:
            return []
        if isinstance(streams, dict):
            (batches,) = streams.values()
            entries = cast("list[tuple[bytes, Fields]]", batches[0])
        else:
            entries = cast("list[tuple[bytes, Fields]]", streams[0][1])
        return [_delivery(entry, fields, 1) for entry, fields in entries]

    async def _forget_dead_consumers(self, group: str) -> None:
        now = self._clock.monotonic()
        if now < self._forget_due_at:
            return
        arguments = [group, self._consumer, FORGET_CONSUMERS_AFTER_MS]
        await self._ask(self._forget_consumers(self._keys, arguments), errors_of_group=True)
        self._forget_due_at = now + FORGET_CONSUMERS_AFTER_MS / 6000

    async def _ask_of_group(self, command: Awaitable[T]) -> T | None:
        """Ask; a group that is gone (the stream was wiped) has nothing pending."""
        try:
            return await self._ask(command, errors_of_group=True)
        except ResponseError as error:
            if "NOGROUP" not in str(error):
                raise _unavailable(error) from error
            return None

    async def _ask(
        self, command: Awaitable[T], *, wait_s: float = 0.0, errors_of_group: bool = False
    ) -> T:
        # redis-py sends through `asyncio.wait_for`, which before Python 3.12 swallows a cancellation
        # that comes in the moment the command is sent: the caller would never stop.
        task = asyncio.current_task()
        cancellations = task.cancelling() if task else 0
        try:
            async with asyncio.timeout(self._timeout_s + wait_s):
                reply = await command
                if task and task.cancelling() > cancellations:
                    raise asyncio.CancelledError
                return reply
        except ResponseError as error:
            if errors_of_group:
                raise
            raise _unavailable(error) from error
        except (RedisError, OSError, TimeoutError) as error:
            raise _unavailable(error) from error


def _unavailable(error: Exception) -> ServiceUnavailable:
    _log.debug("event bus: %s: %s", type(error).__name__, error)
    return ServiceUnavailable("The event bus cannot be reached.")


def _place(entry: bytes) -> tuple[int, int]:
    milliseconds, _, sequence = entry.partition(b"-")
    return int(milliseconds), int(sequence)


def _delivery(entry: bytes, fields: Fields, attempts: int) -> Delivery:
    named = (
        fields if isinstance(fields, dict) else dict(zip(fields[::2], fields[1::2], strict=True))
    )
    return Delivery(
        entry_id=entry.decode(),
        batch=RecordBatch(batch_id=named[b"id"].decode(), lines=tuple(named[b"data"].split(b"\n"))),
        attempts=attempts,
        published_ms=_place(entry)[0],
    )
