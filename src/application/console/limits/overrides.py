"""Exceptions from limits: set with a reason and an end, listed, ended."""

from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from application.console.limits.documents import counted, unit_of, written
from application.console.limits.names import Names
from application.console.limits.reach import LimitReach
from application.console.reach import require_somewhere
from application.instants import instant, instant_or_none, milliseconds
from application.ports.clock import Clock, IdGenerator
from application.ports.unit_of_work import Transaction, UnitOfWork
from application.resources import check_page
from domain.access.actor import Actor
from domain.access.permissions import Permission
from domain.durations import parse_duration
from domain.errors import InvalidRequest, NotFound
from domain.limits.overrides import Override, OverrideAction
from domain.limits.rules import Holder, HolderKind, Limit
from domain.records.audit import AuditTarget
from domain.subjects import Subject, SubjectKind

_DEFAULTS = frozenset({HolderKind.TEAM_MEMBERS, HolderKind.ROLE_MEMBERS})
_LONGEST_REASON = 500
_ABSENT = "There is no override with this id."


class OverrideEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A wish for an override.

    Attributes:
        subject: whom it is for; may be left out where the limit hangs on one subject.
        limit: the other value, in the unit of the limit (USD for USD budgets).
        until, lasts: when it ends, as an instant with a time zone or as a duration such as `7d`;
            at most 90 days away. Only `tighten` may have neither.
    """

    limit_id: str
    action: OverrideAction
    limit: Decimal
    reason: str
    subject: str | None = None
    until: datetime | None = None
    lasts: str | None = None


class OverrideView(Struct, frozen=True, kw_only=True):
    """A stored override; `active` is False once it has ended."""

    id: str
    limit_id: str
    label: str
    subject: str
    subject_kind: SubjectKind
    subject_id: str
    action: OverrideAction
    limit: Decimal
    set_by: str
    reason: str
    set_at: datetime
    until: datetime | None
    active: bool


class OverridePage(Struct, frozen=True):
    """Some overrides, oldest first."""

    items: tuple[OverrideView, ...]
    next_cursor: str | None
    total: int


class ManageOverrides:
    """Overrides are never changed: a new one is set, an old one removed."""

    def __init__(self, uow: UnitOfWork, clock: Clock, ids: IdGenerator) -> None:
        """Take the ports."""
        self._uow = uow
        self._clock = clock
        self._ids = ids

    async def page(
        self,
        by: Actor,
        *,
        limit: int = 50,
        cursor: str | None = None,
        limit_id: str | None = None,
        subject: str | None = None,
    ) -> OverridePage:
        """Return the overrides of subjects within reach, also ended ones; filters narrow the list.

        Raises:
            PermissionDenied: no override at all may be seen.
            InvalidRequest: a parameter is out of bounds; `param` names it.
        """
        require_somewhere(by, Permission.LIMITS_READ)
        check_page(limit, cursor)
        async with self._uow.begin() as tx:
            reach, limits = await LimitReach.read(tx, by), await _limits(tx)
            found = [each for each in await tx.overrides.all() if reach.sees_subject(each.subject)]
        names = reach.shown
        if limit_id is not None:
            found = [each for each in found if each.limit_id == limit_id]
        if subject is not None:
            wanted = reach.names.subject(subject)
            found = [each for each in found if each.subject == wanted]
        rest = [each for each in found if cursor is None or each.id > cursor]
        now_ms = self._clock.now_ms()
        shown = [override_view(each, limits[each.limit_id], names, now_ms) for each in rest[:limit]]
        return OverridePage(
            items=tuple(shown),
            next_cursor=shown[-1].id if len(rest) > limit else None,
            total=len(found),
        )

    async def set(self, by: Actor, entry: OverrideEntry) -> OverrideView:
        """Put an override in force at once.

        Raises:
            NotFound: there is no such limit.
            PermissionDenied: exceptions for this subject are not for the actor to make.
            InvalidRequest: no such subject, or the limit does not bind it; no reason; no end, or
                one too far away. `param` names the member.
        """
        require_somewhere(by, Permission.OVERRIDES_WRITE)
        now_ms = self._clock.now_ms()
        reason = checked_reason(entry.reason)
        async with self._uow.begin(exclusive=True) as tx:
            reach = await LimitReach.read(tx, by)
            limit = await tx.limits.find(entry.limit_id)
            if limit is None or not reach.sees(limit.holder):
                raise NotFound("There is no limit with this id.")
            subject = subject_of(entry.subject, limit, reach.names)
            reach.require_subject(Permission.OVERRIDES_WRITE, subject)
            override = Override(
                id=self._ids.new_id(),
                limit_id=limit.id,
                subject=subject,
                action=entry.action,
                limit=counted(entry.limit, unit_of(limit)),
                set_by=by.name,
                reason=reason,
                set_at_ms=now_ms,
                until_ms=_until(entry, now_ms),
            )
            await tx.overrides.add(override)
            view = override_view(override, limit, reach.shown, now_ms)
            tx.audit.record(by, "override.create", _target(view), after=view, reason=reason)
            await tx.commit()
        return view

    async def find(self, by: Actor, override_id: str) -> OverrideView:
        """Return one override. Raises `NotFound`, `PermissionDenied`."""
        require_somewhere(by, Permission.LIMITS_READ)
        async with self._uow.begin() as tx:
            reach = await LimitReach.read(tx, by)
            found = await _existing(tx, override_id)
            if not reach.sees_subject(found.subject):
                raise NotFound(_ABSENT)
            return await self._view(tx, found, reach)

    async def remove(self, by: Actor, override_id: str, *, dry_run: bool = False) -> OverrideView:
        """End an override now and forget it; return it as it was.

        Raises:
            NotFound, PermissionDenied
        """
        require_somewhere(by, Permission.OVERRIDES_WRITE)
        async with self._uow.begin(exclusive=True) as tx:
            reach = await LimitReach.read(tx, by)
            found = await _existing(tx, override_id)
            reach.require_subject(Permission.OVERRIDES_WRITE, found.subject, missing=_ABSENT)
            view = await self._view(tx, found, reach)
            if not dry_run:
                await tx.overrides.remove(override_id)
                tx.audit.record(by, "override.delete", _target(view), before=view)
                await tx.commit()
        return view

    async def _view(self, tx: Transaction, found: Override, reach: LimitReach) -> OverrideView:
        limits = await _limits(tx)
        return override_view(found, limits[found.limit_id], reach.shown, self._clock.now_ms())


async def _existing(tx: Transaction, override_id: str) -> Override:
    found = next((each for each in await tx.overrides.all() if each.id == override_id), None)
    if found is None:
        raise NotFound(_ABSENT)
    return found


def _target(view: OverrideView) -> AuditTarget:
    return AuditTarget(kind="override", id=view.id, name=view.label)


def override_view(override: Override, limit: Limit, names: Names, now_ms: int) -> OverrideView:
    """Return how an override of `limit` is shown."""
    return OverrideView(
        id=override.id,
        limit_id=override.limit_id,
        label=f"{override.subject.kind}:{limit.slot}",
        subject=names.subject_text(override.subject),
        subject_kind=override.subject.kind,
        subject_id=override.subject.id,
        action=override.action,
        limit=written(override.limit, unit_of(limit)),
        set_by=override.set_by,
        reason=override.reason,
        set_at=instant(override.set_at_ms),
        until=instant_or_none(override.until_ms),
        active=override.in_force(now_ms),
    )


async def _limits(tx: Transaction) -> dict[str, Limit]:
    return {limit.id: limit for limit in await tx.limits.all()}


def subject_of(text: str | None, limit: Limit, names: Names) -> Subject:
    """Return whom an override of `limit` is for.

    Raises:
        InvalidRequest: nobody is named but must be, or somebody whom the limit does not bind.
    """
    holder = limit.holder
    if holder.kind in _DEFAULTS:
        if text is None:
            raise InvalidRequest(
                f"This limit is a default ('{names.text(holder)}'); say for which user.",
                param="subject",
            )
        subject = names.subject(text)
        if subject.kind is not SubjectKind.USER:
            raise InvalidRequest("A default binds users; name one.", param="subject")
        return subject
    own = Subject(SubjectKind(holder.kind), holder.id)
    if text is not None and names.holder(text) != Holder(holder.kind, holder.id):
        raise InvalidRequest(
            f"This limit binds '{names.text(holder)}' and nobody else.", param="subject"
        )
    return own


def _until(entry: OverrideEntry, now_ms: int) -> int | None:
    if entry.until is not None and entry.lasts is not None:
        raise InvalidRequest("Give either 'until' or 'lasts'.", param="lasts")
    if entry.until is not None:
        return milliseconds(entry.until, "until")
    if entry.lasts is None:
        return None
    try:
        return now_ms + parse_duration(entry.lasts)
    except ValueError as error:
        raise InvalidRequest(f"'lasts': {error}.", param="lasts") from error


def checked_reason(reason: str) -> str:
    """Return the reason without surrounding space.

    Raises:
        InvalidRequest: it is too long, or holds NUL, which PostgreSQL cannot.
    """
    if len(reason) > _LONGEST_REASON or "\0" in reason:
        raise InvalidRequest(
            f"The reason must be text of at most {_LONGEST_REASON} characters.", param="reason"
        )
    return reason.strip()
