"""Settlements on their way to the limit store: a local log that outlives the process."""

from abc import abstractmethod
from typing import Protocol

from msgspec import Struct

from application.ports.backlog import Mark
from domain.limits.amounts import Spend
from domain.limits.reservations import Reservation


class PendingSettlement(Struct, frozen=True):
    """One call of `LimitStore.settle` that is owed. Making it twice has the effect of once."""

    reservation: Reservation
    actual: Spend
    occurred_at_ms: int


class SettlementReading(Struct, frozen=True):
    """Settlements in the order they were appended, and the place after the last of them."""

    settlements: tuple[PendingSettlement, ...]
    mark: Mark


class OwedSettlements(Protocol):
    """The settlements of one log, readable again until they are known to be delivered."""

    @property
    @abstractmethod
    def delivered(self) -> Mark:
        """Everything before it was delivered; saved last, possibly by a process that died since."""
        ...

    @abstractmethod
    async def read(self, after: Mark, *, max_count: int) -> SettlementReading:
        """Return settlements after a mark; none when there are no more at present."""
        ...

    @abstractmethod
    async def save(self, delivered: Mark) -> None:
        """Remember across a crash what was delivered, and free it. Never raises for a full disk."""
        ...


class SettlementLog(OwedSettlements, Protocol):
    """The log of this process. `append` is one write to the page cache, which survives `kill -9`."""

    @property
    @abstractmethod
    def end(self) -> Mark:
        """The place after the last settlement."""
        ...

    @abstractmethod
    def append(self, settlement: PendingSettlement) -> Mark:
        """Write a settlement and return the place after it.

        Raises:
            ServiceUnavailable: the disk is full, or the log is at its bound.
        """
        ...


class DeadSettlementLog(OwedSettlements, Protocol):
    """The log of a dead process, held exclusively by this one."""

    @abstractmethod
    async def remove(self) -> None:
        """Delete the log: everything in it is delivered."""
        ...

    @abstractmethod
    def release(self) -> None:
        """Let go of the log, so that another process can adopt it. Safe to call twice."""
        ...


class DeadSettlementLogs(Protocol):
    """The logs of processes that are no longer alive."""

    @abstractmethod
    async def adopt(self) -> DeadSettlementLog | None:
        """Take the next dead log that nobody else holds, or None if there is none."""
        ...
