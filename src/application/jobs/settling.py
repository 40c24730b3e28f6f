"""One settlement made in the store, with the alerts that follow from it."""

from collections.abc import Callable, Iterator

from application.jobs.budget_alerts import BudgetAlerts
from application.ports.clock import Clock
from application.ports.limits import LimitStore
from application.ports.settlement_log import PendingSettlement
from domain.limits.amounts import NOTHING
from domain.limits.budgets import THRESHOLDS, threshold_amount
from domain.limits.entries import BudgetEntry
from domain.limits.periods import PeriodSpan
from domain.limits.reservations import KEEP_MS, Crossing


class Settler:
    """Makes settlements that may have been made before."""

    def __init__(self, store: LimitStore, alerts: BudgetAlerts, clock: Clock) -> None:
        """Report crossings to `alerts`."""
        self._store = store
        self._alerts = alerts
        self._clock = clock

    def too_late(self, settlement: PendingSettlement) -> bool:
        """Tell whether the store may have forgotten that it was made already."""
        return self._clock.now_ms() - settlement.occurred_at_ms > KEEP_MS

    async def settle(
        self, settlement: PendingSettlement, *, repeated: bool, then: Callable[[], None]
    ) -> None:
        """Settle; `then` is called once nothing of it can be lost any more.

        A repeated settlement that was made before may have had crossings in an answer that nobody
        read, so its budgets are looked at again.

        Raises:
            LimitStoreUnavailable: to be repeated later; `then` is not called.
        """
        reservation = settlement.reservation
        settled = await self._store.settle(
            reservation, settlement.actual, occurred_at_ms=settlement.occurred_at_ms
        )
        crossings = settled.crossings
        suspected = repeated and not settled.applied
        if suspected:
            crossings = await self._reached(settlement)
        self._alerts.fire(crossings, suspected=suspected, then=then)

    async def _reached(self, settlement: PendingSettlement) -> tuple[Crossing, ...]:
        reservation = settlement.reservation
        present = self._clock.now_ms()
        budgets = tuple(
            entry
            for entry in reservation.entries
            if isinstance(entry, BudgetEntry)
            and entry.periods.at(present) == entry.periods.at(reservation.admitted_at_ms)
        )
        if not budgets:
            return ()
        usage = await self._store.usage(budgets, NOTHING)
        return tuple(
            crossing
            for entry, reading in zip(budgets, usage.readings, strict=True)
            for crossing in reached(
                entry, entry.periods.at(present), reading.used - reading.reserved
            )
        )


def reached(entry: BudgetEntry, period: PeriodSpan, used: int) -> Iterator[Crossing]:
    """Yield the thresholds, rising, that a counter has reached."""
    for percent in THRESHOLDS:
        if entry.limit and used >= threshold_amount(entry.limit, percent):
            yield Crossing(entry=entry, period=period, percent=percent, used=used)
