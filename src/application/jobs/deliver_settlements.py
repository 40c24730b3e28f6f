"""Takes settlements from this process to the limit store."""

import asyncio
from collections.abc import Callable
from functools import partial

import structlog

from application.gateway.limit_settlements import LimitSettlements, Waiting
from application.jobs.backoff import Backoff
from application.jobs.budget_alerts import BudgetAlerts
from application.jobs.settling import Settler
from application.ports.clock import Clock, Randomness
from application.ports.limits import LimitStore
from domain.errors import LimitStoreUnavailable

IN_FLIGHT = 64

log = structlog.get_logger(__name__)


class DeliverSettlements:
    """Delivers as they come, up to `IN_FLIGHT` at a time, at least once.

    While the store is down one settlement at a time is tried again, with growing pauses; all others
    wait.
    """

    def __init__(
        self,
        settlements: LimitSettlements,
        store: LimitStore,
        alerts: BudgetAlerts,
        *,
        clock: Clock,
        randomness: Randomness,
        note_failure: Callable[[LimitStoreUnavailable], None],
        save_every_s: float = 0.25,
        longest_pause_s: float = 1.0,
    ) -> None:
        """`note_failure` hears of every call that the store did not answer."""
        self._settlements = settlements
        self._alerts = alerts
        self._settler = Settler(store, alerts, clock)
        self._randomness = randomness
        self._note_failure = note_failure
        self._save_every_s = save_every_s
        self._backoff = Backoff(first_s=0.05, longest_s=longest_pause_s)
        self._one_at_a_time = asyncio.Lock()

    async def run(self) -> None:
        """Deliver until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(IN_FLIGHT):
                tasks.create_task(self._deliver_all())
            while True:
                await asyncio.sleep(self._save_every_s)
                await self._settlements.read_ahead()
                await self._settlements.save()

    async def drain(self, timeout_s: float = 5.0) -> bool:
        """Deliver the rest within `timeout_s` seconds; return whether all is delivered.

        Call after `run` and that of the alerts have ended and requests no longer settle. What is left stays in the log,
        which another process adopts.
        """
        try:
            async with asyncio.timeout(timeout_s), asyncio.TaskGroup() as tasks:
                workers = [tasks.create_task(self._deliver_all()) for _ in range(IN_FLIGHT)]
                while not self._settlements.nothing_owed:
                    await self._settlements.read_ahead()
                    await self._alerts.flush()
                    await asyncio.sleep(0.005)
                for worker in workers:
                    worker.cancel()
        except TimeoutError:
            log.warning("settlements_wait_for_adoption", count=self._settlements.waiting)
        await self._settlements.save()
        return self._settlements.nothing_owed

    async def _deliver_all(self) -> None:
        while True:
            waiting = await self._settlements.take()
            try:
                await self._deliver(waiting)
            except BaseException:
                self._settlements.give_back(waiting)
                raise

    async def _deliver(self, waiting: Waiting) -> None:
        if await self._try(waiting):
            return
        async with self._one_at_a_time:
            while True:
                if await self._try(waiting):
                    self._backoff.reset()
                    return
                await asyncio.sleep(self._backoff.next_delay(self._randomness.roll()))

    async def _try(self, waiting: Waiting) -> bool:
        settlement = waiting.settlement
        if waiting.tries and self._settler.too_late(settlement):
            log.error("settlement_given_up", reservation=settlement.reservation.id)
            self._settlements.delivered(waiting)
            return True
        repeated = waiting.tries > 0
        waiting.tries += 1
        try:
            await self._settler.settle(
                settlement,
                repeated=repeated,
                then=partial(self._settlements.delivered, waiting),
            )
        except LimitStoreUnavailable as error:
            self._note_failure(error)
            return False
        return True
