"""Delivery of settlements that dead processes left behind."""

import asyncio

import structlog

from application.jobs.backoff import Backoff
from application.jobs.budget_alerts import BudgetAlerts
from application.jobs.settling import Settler
from application.ports.clock import Clock, Randomness
from application.ports.limits import LimitStore
from application.ports.settlement_log import (
    DeadSettlementLog,
    DeadSettlementLogs,
    PendingSettlement,
)
from domain.errors import LimitStoreUnavailable

AT_ONCE = 64

log = structlog.get_logger(__name__)


class AdoptSettlements:
    """Charges what killed processes had used, before their reservations expire."""

    def __init__(
        self,
        dead: DeadSettlementLogs,
        store: LimitStore,
        alerts: BudgetAlerts,
        *,
        clock: Clock,
        randomness: Randomness,
        look_every_s: float = 2.0,
        longest_pause_s: float = 2.0,
    ) -> None:
        """Look for dead logs every `look_every_s` seconds."""
        self._dead = dead
        self._settler = Settler(store, alerts, clock)
        self._randomness = randomness
        self._look_every_s = look_every_s
        self._backoff = Backoff(first_s=0.1, longest_s=longest_pause_s)
        self._in_hand: DeadSettlementLog | None = None

    async def run(self) -> None:
        """Adopt and deliver until cancelled."""
        while True:
            try:
                await self.round()
                self._backoff.reset()
                pause = self._look_every_s
            except LimitStoreUnavailable as error:
                if not self._backoff.failing:
                    log.warning("adopted_settlements_wait", error=error.detail)
                pause = self._backoff.next_delay(self._randomness.roll())
            await asyncio.sleep(pause)

    async def round(self) -> None:
        """Deliver everything in every dead log there is, and delete the logs.

        Raises:
            LimitStoreUnavailable: the log in hand is kept and continued.
        """
        while adopted := self._in_hand or await self._dead.adopt():
            self._in_hand = adopted
            count = await self._deliver(adopted)
            await adopted.remove()
            self._in_hand = None
            log.info("settlements_adopted", count=count)

    async def drain(self, _timeout_s: float = 5.0) -> None:
        """Let go of the log in hand, for another process to continue. Call after `run` has ended."""
        if self._in_hand is not None:
            self._in_hand.release()
            self._in_hand = None

    async def _deliver(self, adopted: DeadSettlementLog) -> int:
        count = 0
        while True:
            reading = await adopted.read(adopted.delivered, max_count=AT_ONCE)
            if reading.mark == adopted.delivered:
                return count
            due = [each for each in reading.settlements if not self._settler.too_late(each)]
            if len(due) < len(reading.settlements):
                log.error("settlements_too_late", count=len(reading.settlements) - len(due))
            results = await asyncio.gather(*map(self._settle, due), return_exceptions=True)
            for result in results:
                if result is not None:
                    raise result
            count += len(due)
            await adopted.save(reading.mark)

    async def _settle(self, settlement: PendingSettlement) -> None:
        recorded = asyncio.Event()
        await self._settler.settle(settlement, repeated=True, then=recorded.set)
        await recorded.wait()
