"""The copy of the audit trail in process memory."""

from collections.abc import Sequence

from application.ports.audit_copy import AuditCopy
from domain.records.audit import ChainedEvent, ChainHead


class MemoryAuditCopy(AuditCopy):
    """Rows by number."""

    def __init__(self) -> None:
        """Empty."""
        self._rows: dict[int, ChainedEvent] = {}

    async def head(self) -> ChainHead:
        """Return the highest number and its hash."""
        if not self._rows:
            return ChainHead()
        last = self._rows[max(self._rows)]
        return ChainHead(sequence=last.sequence, hash=last.hash)

    async def hashes(self, after: int, limit: int) -> Sequence[ChainHead]:
        """Return numbers and hashes in order."""
        numbers = sorted(number for number in self._rows if number > after)[:limit]
        return [ChainHead(sequence=number, hash=self._rows[number].hash) for number in numbers]

    async def add(self, rows: Sequence[ChainedEvent]) -> None:
        """Add rows; the first of each number stays."""
        for row in rows:
            self._rows.setdefault(row.sequence, row)
