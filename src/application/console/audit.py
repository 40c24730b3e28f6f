"""The audit trail as the console shows it (audit.md section 4)."""

import asyncio
import re
from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Literal

import msgspec
from msgspec import Struct

from application.console.settings.manage import number_of
from application.instants import instant
from application.ports.audit_log import AuditArchive, AuditFilter
from application.ports.unit_of_work import UnitOfWork
from application.records.export import ExportTrail
from application.records.verification import CopyState, TrailReport, VerifyTrail
from application.resources import MOST_PER_PAGE, Page
from domain.access.actor import Actor
from domain.access.permissions import Permission
from domain.errors import InvalidRequest, NotFound, ServiceUnavailable
from domain.records.audit import AuditTarget, ChainedEvent

VERIFY_TIMEOUT_S = 60.0
_NUMBER = re.compile(r"[0-9]{1,18}")


class AuditActorView(Struct, frozen=True, kw_only=True):
    """Who acted, as he was called then."""

    kind: str
    id: str
    name: str


class AuditTargetView(Struct, frozen=True, kw_only=True):
    """What was acted on, as it was called then."""

    kind: str
    id: str
    name: str


class AuditEventView(Struct, frozen=True, kw_only=True):
    """An event of the trail.

    Attributes:
        outcome: `success`, `denied` or `failed`; `unreadable` when the stored content is no event.
        before, after: the object before and after, with secrets masked; null where there was none.
        hash: of the event and everything before it, hexadecimal.
    """

    sequence: int
    id: str
    at: datetime
    actor: AuditActorView
    action: str
    target: AuditTargetView
    outcome: Literal["success", "denied", "failed", "unreadable"]
    reason: str | None = None
    before: dict[str, object] | None = None
    after: dict[str, object] | None = None
    ip: str | None = None
    user_agent: str | None = None
    request_id: str | None = None
    session_id: str | None = None
    previous_hash: str
    hash: str


class BadEventView(Struct, frozen=True, kw_only=True):
    """The first event that is not what it was, and what is wrong with it."""

    sequence: int
    fault: str


class TrailView(Struct, frozen=True, kw_only=True):
    """The state of the chain.

    Attributes:
        events: how many events in a row are right, from the first one on.
        hash: of the last of them, hexadecimal.
        checkpoints: how many signed checkpoints were checked.
        signed: number of the last event that a checkpoint names; null without any.
        copy: whether the trail was compared with its copy in the log store.
        copied: number of the last event in the copy.
    """

    intact: bool
    events: int
    hash: str
    first_bad: BadEventView | None
    checkpoints: int
    signed: int | None
    signed_at: datetime | None
    copy: CopyState
    copied: int | None


class ShowAudit:
    """Searches, verifies and exports the trail; one verification runs at a time."""

    def __init__(
        self, uow: UnitOfWork, archive: AuditArchive, verification: VerifyTrail, export: ExportTrail
    ) -> None:
        """Take what reads the trail."""
        self._uow = uow
        self._archive = archive
        self._verification = verification
        self._export = export
        self._one_at_a_time = asyncio.Lock()

    async def page(
        self, by: Actor, wanted: AuditFilter, *, limit: int = 50, cursor: str | None = None
    ) -> Page[AuditEventView]:
        """Return events, newest first; a cursor is the number of the last one seen.

        Raises:
            InvalidRequest: a parameter is out of bounds; `param` names it.
        """
        by.require(Permission.AUDIT_READ)
        if not 1 <= limit <= MOST_PER_PAGE:
            raise InvalidRequest(f"'limit' must be between 1 and {MOST_PER_PAGE}.", param="limit")
        found = await self._archive.search(wanted, before=number_of(cursor), limit=limit + 1)
        shown = found[:limit]
        return Page(
            items=tuple(map(event_view, shown)),
            next_cursor=str(shown[-1].sequence) if len(found) > limit else None,
            total=await self._archive.count(wanted),
        )

    async def find(self, by: Actor, sequence: str) -> AuditEventView:
        """Return one event by its number. Raises `NotFound`, also for what is no number."""
        by.require(Permission.AUDIT_READ)
        asked = int(sequence) if _NUMBER.fullmatch(sequence) else 0
        rows = await self._archive.rows(asked - 1, 1)
        if not rows or rows[0].sequence != asked:
            raise NotFound("There is no event with this number.")
        return event_view(rows[0])

    async def verify(self, by: Actor) -> TrailView:
        """Verify the whole trail.

        Raises:
            ServiceUnavailable: it takes too long here; the command has all the time it needs.
        """
        by.require(Permission.AUDIT_READ)
        try:
            async with asyncio.timeout(VERIFY_TIMEOUT_S), self._one_at_a_time:
                return trail_view(await self._verification.run())
        except TimeoutError:
            raise ServiceUnavailable(
                "Verifying the trail takes too long here; use 'thinkwatch audit verify'."
            ) from None

    async def export(self, by: Actor) -> AsyncGenerator[bytes]:
        """Return the lines of an export, this one recorded in it."""
        by.require(Permission.AUDIT_EXPORT)
        async with self._uow.begin() as tx:
            tx.audit.record(by, "audit.export", AuditTarget(kind="audit"))
            await tx.commit()
        return self._export.lines()


def event_view(row: ChainedEvent) -> AuditEventView:
    """Return a row as an event, as far as it can be read."""
    previous_hash, hash_there = row.previous_hash.hex(), row.hash.hex()
    try:
        entry = row.entry()
        at = instant(entry.at_ms)
    except (msgspec.MsgspecError, OverflowError):  # a forged row may say anything
        return AuditEventView(
            sequence=row.sequence,
            id="",
            at=instant(0),
            actor=AuditActorView(kind="", id="", name=""),
            action="",
            target=AuditTargetView(kind="", id="", name=""),
            outcome="unreadable",
            previous_hash=previous_hash,
            hash=hash_there,
        )
    return AuditEventView(
        sequence=row.sequence,
        id=entry.id,
        at=at,
        actor=AuditActorView(kind=entry.actor_kind, id=entry.actor_id, name=entry.actor_name),
        action=entry.action,
        target=AuditTargetView(kind=entry.target.kind, id=entry.target.id, name=entry.target.name),
        outcome=entry.outcome.value,
        reason=entry.reason,
        before=entry.before,
        after=entry.after,
        ip=entry.ip,
        user_agent=entry.user_agent,
        request_id=entry.request_id,
        session_id=entry.session_id,
        previous_hash=previous_hash,
        hash=hash_there,
    )


def trail_view(report: TrailReport) -> TrailView:
    """Return a report as the API shows it."""
    bad, signed = report.first_bad, report.last_checkpoint
    return TrailView(
        intact=report.intact,
        events=report.events,
        hash=report.head.hash.hex(),
        first_bad=BadEventView(sequence=bad.sequence, fault=bad.fault) if bad else None,
        checkpoints=report.checkpoints,
        signed=signed.sequence if signed else None,
        signed_at=instant(signed.at_ms) if signed else None,
        copy=report.copy,
        copied=report.copied,
    )
