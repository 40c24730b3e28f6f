"""Acts on stores that are no part of a transaction, with their rows in the audit trail."""

from collections.abc import Awaitable, Callable

from application.ports.unit_of_work import UnitOfWork
from domain.access.actor import Actor
from domain.records.audit import AuditOutcome, AuditTarget


async def carry_out(
    uow: UnitOfWork,
    by: Actor,
    action: str,
    target: AuditTarget,
    work: Callable[[], Awaitable[None]],
    *,
    before: object = None,
    after: object = None,
) -> None:
    """Record an act and then do it; of one that failed the trail says so in a second row.

    In the other order, a crash in between would leave an act that nobody can find.

    Raises:
        ServiceUnavailable: it could not be recorded, and nothing was done.
        DomainError: whatever `work` raises.
    """
    await _record(uow, by, action, target, AuditOutcome.SUCCESS, before=before, after=after)
    try:
        await work()
    except Exception:
        await _record(uow, by, action, target, AuditOutcome.FAILED)
        raise


async def _record(
    uow: UnitOfWork,
    by: Actor,
    action: str,
    target: AuditTarget,
    outcome: AuditOutcome,
    *,
    before: object = None,
    after: object = None,
) -> None:
    async with uow.begin() as tx:
        tx.audit.record(by, action, target, before=before, after=after, outcome=outcome)
        await tx.commit()
