"""From the bus into one sink."""

import asyncio
import logging
from collections.abc import Sequence

from msgspec import structs

from application.jobs.backoff import Backoff
from application.jobs.shipment import batch_of
from application.ports.clock import Clock, Randomness
from application.ports.records import Delivery, EventBus, Sink
from domain.errors import InvalidRequest, ServiceUnavailable

DAY_MS = 24 * 3600 * 1000
ACKNOWLEDGE_TRIES = 5
# How long the bus has to be empty before a drain is done: publishers drain at the same time.
QUIET_ROUNDS = 3
QUIET_WAIT_MS = 100

_log = logging.getLogger(__name__)


class StoreRecords:
    """Delivers batches to a sink until it has them; sets aside only what it will never take.

    An unreachable sink is retried for `give_up_after_ms`. A batch that is delivered again and again
    to consumers that die over it is first tried alone and, after `max_attempts`, set aside.
    """

    def __init__(
        self,
        bus: EventBus,
        sink: Sink,
        *,
        group: str,
        clock: Clock,
        randomness: Randomness,
        batches: int = 50,
        wait_ms: int = 500,
        pause_s: float = 0.5,
        longest_pause_s: float = 15.0,
        give_up_after_ms: int = DAY_MS,
        max_attempts: int = 25,
        alone_after: int = 3,
    ) -> None:
        """Read as `group`, up to `batches` batches for one delivery.

        `wait_ms` must be shorter than the bus's own bound for a reply. Deliveries that are not full
        begin `pause_s` apart: what a sink does for each of them, such as writing and merging a
        part, costs more than their records. A record that comes alone is stored at once.
        `longest_pause_s` must be shorter than the time after which the bus takes a consumer for
        dead: between two tries the batches are claimed anew.
        """
        self._bus = bus
        self._sink = sink
        self._group = group
        self._clock = clock
        self._randomness = randomness
        self._batches = batches
        self._wait_ms = wait_ms
        self._pause_s = pause_s
        self._give_up_after_ms = give_up_after_ms
        self._max_attempts = max_attempts
        self._alone_after = alone_after
        self._bus_backoff = Backoff(first_s=0.1, longest_s=5.0)
        self._sink_backoff = Backoff(first_s=0.2, longest_s=longest_pause_s)
        self._in_hand: Sequence[Delivery] = ()

    async def run(self) -> None:
        """Store until cancelled."""
        while True:
            received = await self._next(self._wait_ms)
            if 0 < received < self._batches:
                await asyncio.sleep(self._pause_s)

    async def drain(self, timeout_s: float = 5.0) -> bool:
        """Store what is on the bus, for at most `timeout_s` seconds. Call after `run` has ended.

        Returns whether the bus stayed empty for a moment; what is left or comes later is delivered
        to the next consumer.
        """
        try:
            async with asyncio.timeout(timeout_s):
                if self._in_hand:
                    await self._store(self._in_hand)
                empty = 0
                while empty < QUIET_ROUNDS:
                    empty = 0 if await self._next(QUIET_WAIT_MS) else empty + 1
        except TimeoutError:
            return False
        return not self._bus_backoff.failing

    async def _next(self, wait_ms: int) -> int:
        """Receive and store once; return how many batches, none when the bus is down."""
        try:
            received = await self._bus.receive(self._group, count=self._batches, wait_ms=wait_ms)
        except ServiceUnavailable as error:
            if not self._bus_backoff.failing:
                _log.warning("no records can be received: %s", error.message)
            await asyncio.sleep(self._bus_backoff.next_delay(self._randomness.roll()))
            return 0
        self._bus_backoff.reset()
        if not received:
            return 0
        self._in_hand = received
        together = [one for one in received if one.attempts <= self._alone_after]
        if together:
            await self._store(together)
        for one in self._suspects(received):
            await self._store([one])
        self._in_hand = ()
        return len(received)

    def _suspects(self, received: Sequence[Delivery]) -> list[Delivery]:
        """Return what has to be tried alone, in an order that changes from try to try.

        One of them may kill this process: those behind it must come before it next time.
        """
        alone = [one for one in received if one.attempts > self._alone_after]
        return alone[::-1] if alone and alone[0].attempts % 2 else alone

    async def _store(self, deliveries: Sequence[Delivery]) -> None:
        """Deliver until it is done or given up, and acknowledge."""
        waiting = await self._without_hopeless(deliveries)
        while waiting:
            try:
                await self._sink.deliver([one.batch for one in waiting])
            except InvalidRequest:
                if await self._store_one_by_one(waiting):
                    return
            except ServiceUnavailable as error:
                self._report_outage(error)
            else:
                self._sink_backoff.reset()
                await self._acknowledge(waiting)
                return
            await asyncio.sleep(self._sink_backoff.next_delay(self._randomness.roll()))
            await self._keep(waiting)
            waiting = await self._without_hopeless(waiting)

    async def _store_one_by_one(self, deliveries: Sequence[Delivery]) -> bool:
        """Find the lines the sink refuses and set just those aside; False if the sink went away."""
        try:
            for one in deliveries:
                refused, reason = await self._deliver_lines(one.batch.lines)
                if refused:
                    await self._set_aside(
                        structs.replace(one, batch=batch_of(refused)), f"refused: {reason}"
                    )
                else:
                    await self._acknowledge([one])
        except ServiceUnavailable as error:
            self._report_outage(error)
            return False
        return True

    async def _deliver_lines(self, lines: Sequence[bytes]) -> tuple[list[bytes], str]:
        """Deliver what can be delivered; return the refused lines and why the last was."""
        try:
            await self._sink.deliver([batch_of(lines)])
        except InvalidRequest as error:
            if len(lines) == 1:
                return list(lines), error.message
            middle = len(lines) // 2
            first, reason = await self._deliver_lines(lines[:middle])
            second, later = await self._deliver_lines(lines[middle:])
            return first + second, later or reason
        return [], ""

    async def _without_hopeless(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        hopeful: list[Delivery] = []
        for one in deliveries:
            if one.attempts > self._max_attempts:
                reason = f"delivered {one.attempts} times without an end"
            elif self._clock.now_ms() - one.published_ms > self._give_up_after_ms:
                reason = f"not stored within {self._give_up_after_ms // 1000} s"
            else:
                hopeful.append(one)
                continue
            try:
                await self._set_aside(one, reason)
            except ServiceUnavailable:
                hopeful.append(one)
        return hopeful

    async def _set_aside(self, delivery: Delivery, reason: str) -> None:
        await self._bus.dead_letter(self._group, delivery, reason)
        _log.error(
            "%d records for %s are set aside: %s", len(delivery.batch.lines), self._group, reason
        )

    async def _acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Acknowledge; if the bus stays away, the batches come again and are stored once anyway."""
        for _ in range(ACKNOWLEDGE_TRIES):
            try:
                await self._bus.acknowledge(self._group, deliveries)
            except ServiceUnavailable:
                await asyncio.sleep(self._bus_backoff.next_delay(self._randomness.roll()))
            else:
                self._bus_backoff.reset()
                return

    async def _keep(self, deliveries: Sequence[Delivery]) -> None:
        try:
            await self._bus.keep(self._group, deliveries)
        except ServiceUnavailable:
            _log.info("the bus cannot be told that %d batches are in work", len(deliveries))

    def _report_outage(self, error: ServiceUnavailable) -> None:
        if not self._sink_backoff.failing:
            _log.warning("records for %s wait: %s", self._group, error.message)
