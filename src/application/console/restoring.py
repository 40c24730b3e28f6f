"""What was removed can come back for 30 days (console.md section 4); then it is purged."""

from application.ports.removed import RemovedKind, RemovedObject
from application.ports.unit_of_work import Transaction
from domain.errors import NotFound

RESTORABLE_MS = 30 * 86_400_000


async def find_restorable(
    tx: Transaction, kind: RemovedKind, object_id: str, now_ms: int, *, missing: str
) -> RemovedObject:
    """Return what was removed within the last 30 days.

    Raises:
        NotFound: there is none of this id; `missing` is its text.
    """
    found = await tx.removed.find(kind, object_id)
    if found is None or found.removed_at_ms <= now_ms - RESTORABLE_MS:
        raise NotFound(missing)
    return found
