"""The limit store in process: tests, single processes, and the failure mode `local`."""

from collections.abc import Sequence

from application.ports.clock import Clock
from application.ports.limits import LimitMaintenance, LimitStore
from domain.limits.amounts import NOTHING, Spend
from domain.limits.book import LimitBook
from domain.limits.entries import BudgetEntry, Entry
from domain.limits.periods import PeriodSpan
from domain.limits.reservations import (
    Abandoned,
    Admitted,
    Claim,
    Epoch,
    Rejected,
    Reservation,
    Settled,
    Usage,
)

# How many admissions pass between two prunings.
PRUNE_EVERY = 4096


class MemoryLimitStore(LimitStore, LimitMaintenance):
    """A `LimitBook` with a clock. Nothing waits, so every step is atomic."""

    def __init__(self, clock: Clock, book: LimitBook | None = None) -> None:
        """Start with `book`, or with an empty store."""
        self._clock = clock
        self._book = book or LimitBook()
        self._admissions = 0

    async def admit(self, claim: Claim) -> Admitted | Rejected:
        """See `LimitStore`."""
        now_ms = self._clock.now_ms()
        self._admissions += 1
        if self._admissions % PRUNE_EVERY == 0:
            self._book.prune(now_ms)
        return self._book.admit(claim, now_ms)

    async def settle(
        self, reservation: Reservation, actual: Spend, *, occurred_at_ms: int
    ) -> Settled:
        """See `LimitStore`."""
        return self._book.settle(reservation, actual, occurred_at_ms, self._clock.now_ms())

    async def extend(self, reservation: Reservation, lifetime_ms: int) -> bool:
        """See `LimitStore`."""
        return self._book.extend(reservation, lifetime_ms, self._clock.now_ms())

    async def usage(self, entries: tuple[Entry, ...], estimate: Spend) -> Usage:
        """See `LimitStore`."""
        return self._book.usage(entries, estimate, self._clock.now_ms())

    async def check(self) -> None:
        """See `LimitStore`."""
        await self.usage((), NOTHING)

    async def sweep(self, count: int) -> Sequence[Abandoned]:
        """See `LimitMaintenance`."""
        return self._book.sweep(count, self._clock.now_ms())

    async def epoch(self) -> Epoch:
        """See `LimitMaintenance`."""
        return self._book.epoch(self._clock.now_ms())

    async def begin(self) -> Epoch:
        """See `LimitMaintenance`."""
        return self._book.begin(self._clock.now_ms())

    async def mark_restored(self, epoch_ms: int) -> bool:
        """See `LimitMaintenance`."""
        return self._book.mark_restored(epoch_ms, self._clock.now_ms())

    async def claim_look(self, every_ms: int) -> bool:
        """See `LimitMaintenance`."""
        return self._book.claim_look(every_ms, self._clock.now_ms())

    async def restore_budget(
        self, entry: BudgetEntry, period: PeriodSpan, total: int, *, until_ms: int
    ) -> int:
        """See `LimitMaintenance`."""
        return self._book.restore_budget(entry, period, total, until_ms, self._clock.now_ms())

    async def reset(self, entries: Sequence[Entry], *, at_ms: int) -> None:
        """See `LimitMaintenance`."""
        self._book.reset(tuple(entries), at_ms, self._clock.now_ms())
