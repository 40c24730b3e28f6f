"""What was refused, in the audit trail: bounded, so that nobody can flood it."""

import asyncio

import structlog

from application.ports.clock import Clock
from application.ports.unit_of_work import UnitOfWork
from domain.access.actor import Actor
from domain.access.session import network_of
from domain.errors import Conflict, ServiceUnavailable
from domain.records.audit import AuditOutcome, AuditTarget

MOST_OF_ONE = 30
MOST_OF_ALL = 600
"""Recorded in a minute by each process; the rest is only logged, with its number."""
_WINDOW_MS = 60_000
_TIMEOUT_S = 5.0

log = structlog.get_logger(__name__)


class Denials:
    """Records refusals, each in a transaction of its own."""

    def __init__(self, uow: UnitOfWork, clock: Clock) -> None:
        """Take the ports."""
        self._uow = uow
        self._clock = clock
        self._window = 0
        self._counts: dict[str, int] = {}
        self._total = 0
        self._dropped = 0

    async def record(
        self, by: Actor, action: str, target: AuditTarget, outcome: AuditOutcome, reason: str
    ) -> None:
        """Record what `by` was refused, unless this source or all of them did too much lately.

        The answer is the refusal either way: a store that is away is logged and no more.
        """
        if not self._admits(by):
            return
        try:
            async with asyncio.timeout(_TIMEOUT_S), self._uow.begin() as tx:
                tx.audit.record(by, action, target, outcome=outcome, reason=reason)
                await tx.commit()
        except (ServiceUnavailable, Conflict, TimeoutError) as error:
            log.warning("denial_not_recorded", action=action, error=type(error).__name__)

    def _admits(self, by: Actor) -> bool:
        window = self._clock.now_ms() // _WINDOW_MS
        if window != self._window:
            if self._dropped:
                log.warning("denials_not_recorded", count=self._dropped)
            self._window, self._total, self._dropped = window, 0, 0
            self._counts.clear()
        source = by.id or network_of(by.origin.ip)
        count = self._counts.get(source, 0)
        if count >= MOST_OF_ONE or self._total >= MOST_OF_ALL:
            self._dropped += 1
            return False
        self._counts[source] = count + 1
        self._total += 1
        return True
