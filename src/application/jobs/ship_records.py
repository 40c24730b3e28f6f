"""Shipping of this process's journal."""

import asyncio
import contextlib
import logging

from application.jobs.backoff import Backoff
from application.jobs.shipment import MAX_BYTES, MAX_RECORDS, Shipment
from application.ports.backlog import Backlog
from application.ports.clock import Clock, Randomness
from application.ports.records import EventBus
from domain.errors import ServiceUnavailable

_log = logging.getLogger(__name__)


class ShipRecords:
    """Takes final records from the journal to the bus, in order, at least once.

    A batch goes out when `linger_s` has passed since the last round; while the bus is down the
    journal keeps everything and the job tries again with growing pauses.
    """

    def __init__(
        self,
        journal: Backlog,
        bus: EventBus,
        *,
        clock: Clock,
        randomness: Randomness,
        max_records: int = MAX_RECORDS,
        max_bytes: int = MAX_BYTES,
        linger_s: float = 0.1,
        confirm_every_s: float = 1.0,
        longest_pause_s: float = 5.0,
    ) -> None:
        """Batches have up to `max_records` records and `max_bytes` bytes."""
        self._shipment = Shipment(journal, bus, max_records=max_records, max_bytes=max_bytes)
        self._clock = clock
        self._randomness = randomness
        self._linger_s = linger_s
        self._confirm_every_s = confirm_every_s
        self._backoff = Backoff(first_s=linger_s, longest_s=longest_pause_s)
        self._confirmed_at = clock.monotonic()

    async def run(self) -> None:
        """Ship until cancelled."""
        while True:
            pause = await self._round()
            await asyncio.sleep(pause)

    async def drain(self, timeout_s: float = 5.0) -> bool:
        """Ship the rest and wait until it has arrived, for at most `timeout_s` seconds.

        Call after `run` has ended and requests no longer close. Returns whether all is stored;
        if not, the journal stays and the next process adopts it.
        """
        # What the last round found says nothing about the requests that have ended since.
        self._shipment.expect_more()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not self._shipment.all_confirmed:
                    pause = await self._round(confirm=True)
                    if not self._shipment.all_confirmed:
                        await asyncio.sleep(pause)
                await self._shipment.confirm()
        await self._shipment.save()
        if not self._shipment.all_confirmed:
            _log.warning("records are left in the journal for the next process to ship")
        return self._shipment.all_confirmed

    async def _round(self, *, confirm: bool = False) -> float:
        """Ship what there is; return the seconds to wait before the next round."""
        try:
            due = self._clock.monotonic() - self._confirmed_at >= self._confirm_every_s
            if confirm or due:
                self._confirmed_at = self._clock.monotonic()
                await self._shipment.confirm()
            while await self._shipment.ship_next():
                pass
        except ServiceUnavailable as error:
            if not self._backoff.failing:
                _log.warning("records stay in the journal: %s", error.message)
            return self._backoff.next_delay(self._randomness.roll())
        if self._backoff.failing:
            _log.info("records are shipped again")
        self._backoff.reset()
        return self._linger_s
