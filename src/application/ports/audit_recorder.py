"""What a transaction has to say to the audit trail (audit.md section 2)."""

from application.ports.clock import Clock, IdGenerator
from domain.access.actor import Actor
from domain.identifiers import EventId
from domain.records.audit import AuditEntry, AuditOutcome, AuditTarget, entry


class AuditRecorder:
    """Collects the events of one transaction; the store gives them their place in the chain.

    They are committed with the change, or not at all. A transaction that changed something and
    recorded nothing cannot be committed.
    """

    def __init__(self, clock: Clock, ids: IdGenerator) -> None:
        """One for each transaction."""
        self._clock = clock
        self._ids = ids
        self.entries: list[AuditEntry] = []

    def record(
        self,
        by: Actor,
        action: str,
        target: AuditTarget,
        *,
        before: object = None,
        after: object = None,
        reason: str | None = None,
        outcome: AuditOutcome = AuditOutcome.SUCCESS,
    ) -> None:
        """Note an act.

        Args:
            by: who acts.
            action: `kind.verb`, e.g. `key.rotate`.
            target: what is acted on.
            before: the object as it was; None for one that is made. Secrets are masked.
            after: the object as it is now; None for one that is removed.
            reason: in the words of who acts.
            outcome: for what was refused or failed; nothing else may change then.
        """
        self.entries.append(
            entry(
                by,
                action,
                target,
                event_id=EventId(self._ids.new_id()),
                at_ms=self._clock.now_ms(),
                outcome=outcome,
                reason=reason,
                before=before,
                after=after,
            )
        )
