"""A settlement log that lives and dies with the process."""

from application.ports.backlog import Mark
from application.ports.settlement_log import PendingSettlement, SettlementLog, SettlementReading
from domain.errors import ServiceUnavailable


class MemorySettlementLog(SettlementLog):
    """A list; marks count settlements."""

    def __init__(self, *, most: int = 100_000) -> None:
        """Refuse to hold more than `most` undelivered settlements."""
        self._most = most
        self._first = 0
        self._held: list[PendingSettlement] = []
        self._delivered = Mark(0, 0)

    @property
    def delivered(self) -> Mark:
        """Implement `OwedSettlements.delivered`."""
        return self._delivered

    @property
    def end(self) -> Mark:
        """Implement `SettlementLog.end`."""
        return Mark(0, self._first + len(self._held))

    def append(self, settlement: PendingSettlement) -> Mark:
        """Implement `SettlementLog.append`."""
        if len(self._held) >= self._most:
            raise ServiceUnavailable("The log of settlements is full.")
        self._held.append(settlement)
        return self.end

    async def read(self, after: Mark, *, max_count: int) -> SettlementReading:
        """Implement `OwedSettlements.read`."""
        start = max(0, after.offset - self._first)
        found = tuple(self._held[start : start + max_count])
        return SettlementReading(found, Mark(0, self._first + start + len(found)))

    async def save(self, delivered: Mark) -> None:
        """Implement `OwedSettlements.save`."""
        self._delivered = delivered
        del self._held[: max(0, delivered.offset - self._first)]
        self._first = max(self._first, delivered.offset)
