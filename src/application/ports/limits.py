"""Counters of limits, shared by every process."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Protocol

from domain.limits.amounts import Spend
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


class LimitStore(Protocol):
    """Admission and settlement, each one atomic step by the store's own clock.

    Every method is bounded in time and raises `LimitStoreUnavailable` when the store did not answer
    within it; whether the step was carried out is then unknown. None is repeated by the store.
    """

    @abstractmethod
    async def admit(self, claim: Claim) -> Admitted | Rejected:
        """Count every entry of `claim`, or nothing.

        After `LimitStoreUnavailable` a caller that lets the request through settles
        `Reservation.unconfirmed(...)`, which is right whether or not the claim arrived; one that
        refuses it settles the same with `NOTHING`.

        Raises:
            Conflict: the reservation id was used before.
            LimitStoreUnavailable
        """
        ...

    @abstractmethod
    async def settle(
        self, reservation: Reservation, actual: Spend, *, occurred_at_ms: int
    ) -> Settled:
        """Replace `reservation` by what was used. Never rejects; works at most once.

        Give `requests=0` for a call that is not to count at all (refused before it went upstream),
        `requests=1` with no tokens for one that failed upstream. Settling again, also after
        `LimitStoreUnavailable` or from a journal, is safe and changes nothing.

        `occurred_at_ms` is when the request ended by the caller's clock: the same integer as
        `RequestRecord.ended_at_ms`, for it decides who counts the request. Budgets are charged from
        the store's epoch on; what ended before comes from the ledger. Windows of a reservation that
        the store does not know count then.

        Raises:
            LimitStoreUnavailable
        """
        ...

    @abstractmethod
    async def extend(self, reservation: Reservation, lifetime_ms: int) -> bool:
        """Heartbeat: live `lifetime_ms` from now. False when the reservation is settled or lost.

        Raises:
            LimitStoreUnavailable
        """
        ...

    @abstractmethod
    async def usage(self, entries: tuple[Entry, ...], estimate: Spend) -> Usage:
        """Return what `admit` would say, without counting anything.

        Raises:
            LimitStoreUnavailable
        """
        ...

    @abstractmethod
    async def check(self) -> None:
        """Return when the store counts: it answers, and takes changes.

        One that is full, a replica, or cannot save answers questions and counts nothing.

        Raises:
            LimitStoreUnavailable
        """
        ...


class LimitMaintenance(Protocol):
    """What jobs and operators do to the same counters. Raises like `LimitStore`."""

    @abstractmethod
    async def sweep(self, count: int) -> Sequence[Abandoned]:
        """Settle up to `count` expired reservations at their estimates and return them.

        Each is returned to one sweeper only, whichever process runs it. Should some fail, those
        that were settled are returned all the same; it raises only when none was.
        """
        ...

    @abstractmethod
    async def epoch(self) -> Epoch:
        """Return how much the store knows."""
        ...

    @abstractmethod
    async def begin(self) -> Epoch:
        """Begin an epoch unless there is one; return it.

        So does whatever the store counts first. Whoever finds one that is not restored goes on with
        it.
        """
        ...

    @abstractmethod
    async def mark_restored(self, epoch_ms: int) -> bool:
        """End the rebuilding of this epoch: strict budgets admit again, and it is young.

        False when that was done before, or the store was wiped meanwhile.
        """
        ...

    @abstractmethod
    async def claim_look(self, every_ms: int) -> bool:
        """Return True to one caller of all processes in every `every_ms` milliseconds."""
        ...

    @abstractmethod
    async def restore_budget(
        self, entry: BudgetEntry, period: PeriodSpan, total: int, *, until_ms: int
    ) -> int:
        """Take over the ledger's sum of what ended before `until_ms`; return what counts then.

        `until_ms` is the later one of the epoch and the entry's `counts_from_ms`. The sum replaces
        what the counter already has of it: repeating is right, and a smaller sum changes nothing.
        Thresholds up to what is returned count as having fired.
        """
        ...

    @abstractmethod
    async def reset(self, entries: Sequence[Entry], *, at_ms: int) -> None:
        """Forget what windows and current budgets counted; leases and fired alerts stay.

        Of budgets, what ended before `at_ms`: a later `settle` of such a request is not charged.
        """
        ...
