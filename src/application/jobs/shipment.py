"""One backlog on its way over the bus, kept until every sink has it."""

import hashlib
from collections import deque
from collections.abc import Sequence

from application.ports.backlog import Backlog, Mark, Progress
from application.ports.records import EventBus, Receipt, RecordBatch

MAX_RECORDS = 200
MAX_BYTES = 1024 * 1024


def batch_of(lines: Sequence[bytes]) -> RecordBatch:
    """Return the batch of these lines; equal lines give an equal id."""
    digest = hashlib.blake2b(digest_size=16)
    for line in lines:
        digest.update(line)
        digest.update(b"\n")
    return RecordBatch(batch_id=digest.hexdigest(), lines=tuple(lines))


class Shipment:
    """Moves records from a backlog to the bus and learns when they have arrived.

    What was shipped stays in the backlog until the bus confirms that all sinks stored it. When the
    bus begins a new epoch (restart, failover, wipe) everything unconfirmed is shipped again: sinks
    store a record once however often it comes.
    """

    def __init__(
        self,
        backlog: Backlog,
        bus: EventBus,
        *,
        max_records: int = MAX_RECORDS,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        """Go on from the progress saved in `backlog`; a batch has at most the given size."""
        self._backlog = backlog
        self._bus = bus
        self._max_records = max_records
        self._max_bytes = max_bytes
        saved = backlog.progress
        self._confirmed = saved.confirmed
        self._shipped = saved.confirmed
        self._in_transit: deque[tuple[Receipt, Mark]] = deque()
        self._exhausted = False
        if saved.receipt is not None:
            self._shipped = saved.shipped
            self._in_transit.append((saved.receipt, saved.shipped))

    @property
    def all_confirmed(self) -> bool:
        """Whether the last `ship_next` found nothing more and everything before has arrived."""
        return self._exhausted and not self._in_transit

    def expect_more(self) -> None:
        """Note that records may have come since the last `ship_next`."""
        self._exhausted = False

    async def ship_next(self) -> bool:
        """Ship one batch; False when there was nothing to ship.

        Raises:
            ServiceUnavailable: the bus does not take it now; nothing was skipped.
        """
        reading = await self._backlog.read(
            self._shipped, max_records=self._max_records, max_bytes=self._max_bytes
        )
        self._exhausted = not reading.lines
        if reading.lines:
            receipt = await self._bus.publish(batch_of(reading.lines))
            self._in_transit.append((receipt, reading.mark))
        self._shipped = reading.mark
        return bool(reading.lines)

    async def confirm(self) -> None:
        """Ask the bus what has arrived, and let the backlog forget it.

        Raises:
            ServiceUnavailable: the bus cannot be asked now.
        """
        if self._in_transit:
            arrived = await self._bus.confirmed()
            while self._in_transit:
                receipt, mark = self._in_transit[0]
                if receipt.epoch != arrived.epoch:
                    self._ship_again()
                    break
                if receipt.place >= arrived.before:
                    break
                self._confirmed = mark
                self._in_transit.popleft()
        elif self._exhausted:
            self._confirmed = self._shipped
        await self.save()

    async def save(self) -> None:
        """Let the backlog remember how far it is, if that has changed."""
        last = self._in_transit[-1] if self._in_transit else None
        progress = Progress(
            confirmed=self._confirmed,
            shipped=last[1] if last else self._confirmed,
            receipt=last[0] if last else None,
        )
        if progress != self._backlog.progress:
            await self._backlog.save(progress)

    def _ship_again(self) -> None:
        self._in_transit.clear()
        self._shipped = self._confirmed
        self._exhausted = False
