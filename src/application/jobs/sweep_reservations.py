"""Charges the requests that nobody settled, and writes their records."""

import asyncio
from collections.abc import Sequence

import msgspec
import structlog

from application.gateway.abandonment import abandoned_record
from application.jobs.budget_alerts import BudgetAlerts
from application.jobs.shipment import batch_of
from application.ports.clock import Clock
from application.ports.limits import LimitMaintenance
from application.ports.records import EventBus
from domain.errors import LimitStoreUnavailable, ServiceUnavailable
from domain.limits.reservations import Abandoned

LOOK_EVERY_S = 5.0
AT_ONCE = 100
MOST_UNWRITTEN = 10_000
# After an outage living processes extend their reservations and deliver what waited, and dead
# processes' settlements are adopted; all of that knows better than an estimate, and goes first.
GRACE_S = 20.0

log = structlog.get_logger(__name__)
_encode = msgspec.json.Encoder().encode


class SweepReservations:
    """Runs in every process; the store hands each abandoned reservation to one of them."""

    def __init__(
        self,
        store: LimitMaintenance,
        bus: EventBus,
        alerts: BudgetAlerts,
        *,
        clock: Clock,
        look_every_s: float = LOOK_EVERY_S,
        grace_s: float = GRACE_S,
    ) -> None:
        """Leave the store alone for `grace_s` seconds from now, and after it did not answer."""
        self._store = store
        self._bus = bus
        self._alerts = alerts
        self._clock = clock
        self._look_every_s = look_every_s
        self._grace_s = grace_s
        self._quiet_until = clock.monotonic() + grace_s
        self._unwritten: list[bytes] = []

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            await asyncio.sleep(self._look_every_s)
            await self.round()

    async def round(self) -> None:
        """Sweep everything that has expired, unless it is too early after an outage."""
        try:
            if self._clock.monotonic() < self._quiet_until:
                await self._store.epoch()  # to notice when the outage goes on
            else:
                await self._sweep()
        except LimitStoreUnavailable:
            self._quiet_until = self._clock.monotonic() + self._grace_s
        await self._write()

    async def drain(self, timeout_s: float = 5.0) -> bool:
        """Write the records that are due within `timeout_s` seconds; return whether all are."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._write()
        except TimeoutError:
            pass
        if self._unwritten:
            log.error("abandoned_requests_not_recorded", count=len(self._unwritten))
        return not self._unwritten

    async def _sweep(self) -> None:
        while len(self._unwritten) < MOST_UNWRITTEN:
            swept = await self._store.sweep(AT_ONCE)
            for each in swept:
                self._alerts.fire(each.crossings)
            self._note(swept)
            if len(swept) < AT_ONCE:
                return

    def _note(self, swept: Sequence[Abandoned]) -> None:
        for each in swept:
            record = abandoned_record(each.context, each.reservation.estimate)
            if record is not None:
                self._unwritten.append(_encode(record))
        if swept:
            log.warning("reservations_abandoned", count=len(swept))

    async def _write(self) -> None:
        """Publish the records that are due; those the bus does not take now stay."""
        while self._unwritten:
            lines = self._unwritten[:AT_ONCE]
            try:
                await self._bus.publish(batch_of(lines))
            except ServiceUnavailable:
                return
            del self._unwritten[:AT_ONCE]
