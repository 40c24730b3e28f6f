"""Deletes what was removed 30 days ago, for good."""

import asyncio

import structlog

from application.console.restoring import RESTORABLE_MS
from application.ports.clock import Clock, Randomness
from application.ports.leases import LeaderLease
from application.ports.unit_of_work import UnitOfWork
from domain.access.actor import system_actor
from domain.errors import DomainError
from domain.records.audit import AuditTarget

LEASE = "purge-removed"
EVERY_S = 3600.0
AT_ONCE = 100
MOST_BATCHES = 100
BY_JOB = system_actor("purge-removed")

log = structlog.get_logger(__name__)


class PurgeRemoved:
    """Runs in every worker; the holder of the lease works.

    Request records and the audit trail keep the names of what is gone.
    """

    def __init__(
        self, uow: UnitOfWork, lease: LeaderLease, *, clock: Clock, randomness: Randomness
    ) -> None:
        """Take the ports."""
        self._uow = uow
        self._lease = lease
        self._clock = clock
        self._randomness = randomness

    async def run(self) -> None:
        """Purge once an hour until cancelled, soon after the start for the first time."""
        pause_s = EVERY_S / 60
        while True:
            await asyncio.sleep(pause_s * (0.75 + self._randomness.roll() / 2))
            pause_s = EVERY_S
            try:
                await self.round()
            except DomainError as error:
                log.warning("purge_waits", error=error.message)

    async def round(self) -> int:
        """Purge what is due, unless somebody else does; return how many objects went.

        Raises:
            Conflict, ServiceUnavailable: what was purged before stays purged.
        """
        count = 0
        async with self._lease.hold(LEASE) as holds:
            if not holds:
                return 0
            for _ in range(MOST_BATCHES):
                gone = await self._batch()
                count += gone
                if gone < AT_ONCE:
                    break
        if count:
            log.info("removed_objects_purged", count=count)
        return count

    async def _batch(self) -> int:
        async with self._uow.begin() as tx:
            gone = await tx.removed.purge(self._clock.now_ms() - RESTORABLE_MS, limit=AT_ONCE)
            for each in gone:
                tx.audit.record(
                    BY_JOB,
                    f"{each.kind.value}.purge",
                    AuditTarget(kind=each.kind.value, id=each.id, name=each.name),
                )
            await tx.commit()
        return len(gone)
