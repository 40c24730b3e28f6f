"""An event bus in memory, with the groups, bounds and epochs of the real one."""

import asyncio
import contextlib
from collections.abc import Sequence

from msgspec import Struct, structs

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


class Pending(Struct):
    """A delivery that was not acknowledged yet: by whom, how often, and since when."""

    consumer: str
    attempts: int
    at: float


class DeadLetter(Struct, frozen=True):
    """A batch that was set aside."""

    group: str
    delivery: Delivery
    reason: str


class Group(Struct):
    """How far one sink has read, and what it has not acknowledged."""

    last: int = 0
    pending: dict[int, Pending] = {}


class MemoryStream:
    """What several `MemoryEventBus` of one test or process share."""

    def __init__(self, *, max_entries: int = 10_000) -> None:
        """Take at most `max_entries` unacknowledged batches."""
        self.max_entries = max_entries
        self.dead_letters: list[DeadLetter] = []
        self.epoch = 1
        self.next_place = 1
        self.entries: dict[int, Delivery] = {}
        self.groups: dict[str, Group] = {}
        self.grown = asyncio.Event()

    def wipe(self) -> None:
        """Lose everything, as a store without persistence does when it restarts."""
        self.epoch += 1
        self.next_place = 1
        self.entries.clear()
        self.groups.clear()


class MemoryEventBus(EventBus):
    """One consumer of a `MemoryStream`."""

    def __init__(
        self, stream: MemoryStream, *, consumer: str, clock: Clock, claim_idle_ms: int = 60_000
    ) -> None:
        """Take over what another consumer has held for `claim_idle_ms` without a sign."""
        self._stream = stream
        self._consumer = consumer
        self._clock = clock
        self._claim_idle_s = claim_idle_ms / 1000

    async def publish(self, batch: RecordBatch) -> Receipt:
        """Implement `EventBus.publish`."""
        stream = self._stream
        if len(stream.entries) >= stream.max_entries:
            raise ServiceUnavailable("The event bus is full: its sinks are behind.")
        place = stream.next_place
        stream.next_place += 1
        stream.entries[place] = Delivery(str(place), batch, 0, self._clock.now_ms())
        stream.grown.set()
        return Receipt(epoch=str(stream.epoch), place=(place, 0))

    async def confirmed(self) -> Confirmation:
        """Implement `EventBus.confirmed`."""
        before = min(self._stream.entries, default=self._stream.next_place)
        return Confirmation(epoch=str(self._stream.epoch), before=(before, 0))

    async def receive(self, group: str, *, count: int, wait_ms: int) -> Sequence[Delivery]:
        """Implement `EventBus.receive`."""
        reader = self._stream.groups.setdefault(group, Group())
        taken = self._take_over(reader, count) or self._take_new(reader, count)
        if not taken:
            self._stream.grown.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_ms / 1000):
                    await self._stream.grown.wait()
            taken = self._take_new(reader, count)
        return taken

    async def keep(self, group: str, deliveries: Sequence[Delivery]) -> None:
        """Implement `EventBus.keep`."""
        for held in self._held(group, deliveries):
            if held.consumer == self._consumer:
                held.at = self._clock.monotonic()

    async def acknowledge(self, group: str, deliveries: Sequence[Delivery]) -> None:
        """Implement `EventBus.acknowledge`."""
        stream = self._stream
        for delivery in deliveries:
            place = int(delivery.entry_id)
            if group in stream.groups:
                stream.groups[group].pending.pop(place, None)
            done = all(
                place <= reader.last and place not in reader.pending
                for reader in stream.groups.values()
            )
            if done:
                stream.entries.pop(place, None)

    async def backlog(self) -> BusBacklog:
        """Implement `EventBus.backlog`."""
        entries, now_ms = self._stream.entries, self._clock.now_ms()
        groups: dict[str, GroupBacklog] = {}
        for name, reader in self._stream.groups.items():
            open_places = [p for p in entries if p > reader.last or p in reader.pending]
            oldest = entries[min(open_places)].published_ms if open_places else now_ms
            groups[name] = GroupBacklog(
                lag_s=max(0, now_ms - oldest) / 1000,
                dead_letters=sum(one.group == name for one in self._stream.dead_letters),
            )
        size = sum(len(b"\n".join(entry.batch.lines)) for entry in entries.values())
        return BusBacklog(batches=len(entries), size=size, groups=groups)

    async def dead_letter(self, group: str, delivery: Delivery, reason: str) -> None:
        """Implement `EventBus.dead_letter`."""
        self._stream.dead_letters.append(DeadLetter(group, delivery, reason))
        await self.acknowledge(group, [delivery])

    def _take_over(self, reader: Group, count: int) -> list[Delivery]:
        now = self._clock.monotonic()
        taken: list[Delivery] = []
        for place, held in list(reader.pending.items()):
            if len(taken) == count or now - held.at < self._claim_idle_s:
                continue
            reader.pending[place] = Pending(self._consumer, held.attempts + 1, now)
            taken.append(self._delivery(place, held.attempts + 1))
        return taken

    def _take_new(self, reader: Group, count: int) -> list[Delivery]:
        fresh = [place for place in self._stream.entries if place > reader.last][:count]
        for place in fresh:
            reader.pending[place] = Pending(self._consumer, 1, self._clock.monotonic())
            reader.last = place
        return [self._delivery(place, 1) for place in fresh]

    def _delivery(self, place: int, attempts: int) -> Delivery:
        return structs.replace(self._stream.entries[place], attempts=attempts)

    def _held(self, group: str, deliveries: Sequence[Delivery]) -> list[Pending]:
        if group not in self._stream.groups:
            return []
        pending = self._stream.groups[group].pending
        return [pending[int(one.entry_id)] for one in deliveries if int(one.entry_id) in pending]
