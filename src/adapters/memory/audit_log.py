"""The audit trail in process memory."""

from collections.abc import Sequence

from msgspec import Struct, field

from application.ports.audit_log import AuditArchive, AuditFilter, Checkpoint
from domain.records.audit import (
    AuditEntry,
    ChainedEvent,
    ChainHead,
    chained,
)


class AuditTrail(Struct):
    """The stored rows; share one between the unit of work and the archive."""

    head: ChainHead = field(default_factory=ChainHead)
    rows: list[ChainedEvent] = field(default_factory=list[ChainedEvent])
    checkpoints: dict[int, Checkpoint] = field(default_factory=dict[int, Checkpoint])

    def append(self, entries: Sequence[AuditEntry]) -> None:
        """Put events at the end of the chain."""
        if entries:
            added = chained(self.head, entries)
            self.rows.extend(added)
            self.head = ChainHead(sequence=added[-1].sequence, hash=added[-1].hash)


class MemoryAuditArchive(AuditArchive):
    """Reads a trail."""

    def __init__(self, trail: AuditTrail) -> None:
        """`trail` is the one that transactions write."""
        self._trail = trail

    async def head(self) -> ChainHead:
        """Return where the chain ends."""
        return self._trail.head

    async def rows(self, after: int, limit: int) -> Sequence[ChainedEvent]:
        """Return rows in order."""
        return [row for row in self._trail.rows if row.sequence > after][:limit]

    async def search(
        self, wanted: AuditFilter, *, before: int | None, limit: int
    ) -> Sequence[ChainedEvent]:
        """Return the newest rows first."""
        found = [
            row
            for row in reversed(self._trail.rows)
            if (before is None or row.sequence < before) and _matches(row.entry(), wanted)
        ]
        return found[:limit]

    async def count(self, wanted: AuditFilter) -> int:
        """Return how many events there are."""
        return sum(_matches(row.entry(), wanted) for row in self._trail.rows)

    async def checkpoints(
        self, *, after: int | None = None, until: int | None = None
    ) -> Sequence[Checkpoint]:
        """Return checkpoints in order."""
        return [
            each
            for _, each in sorted(self._trail.checkpoints.items())
            if (after is None or each.sequence > after)
            and (until is None or each.sequence <= until)
        ]

    async def last_checkpoint(self) -> Checkpoint | None:
        """Return the checkpoint of the highest number."""
        found = self._trail.checkpoints
        return max(found.values(), key=lambda each: each.sequence, default=None)

    async def add_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Store a checkpoint, unless there is one for the event."""
        self._trail.checkpoints.setdefault(checkpoint.sequence, checkpoint)


def _matches(found: AuditEntry, wanted: AuditFilter) -> bool:
    exact = (
        (wanted.actor_id, found.actor_id),
        (wanted.target_kind, found.target.kind),
        (wanted.target_id, found.target.id),
        (wanted.outcome, found.outcome),
        (wanted.ip, found.ip),
        (wanted.request_id, found.request_id),
    )
    action = wanted.action
    text = (wanted.text or "").lower()
    return (
        all(value is None or value == is_there for value, is_there in exact)
        and (
            action is None
            or found.action == action
            or (action.endswith(".") and found.action.startswith(action))
        )
        and (wanted.since_ms is None or found.at_ms >= wanted.since_ms)
        and (wanted.until_ms is None or found.at_ms < wanted.until_ms)
        and (text in found.actor_name.lower() or text in found.target.name.lower())
    )
