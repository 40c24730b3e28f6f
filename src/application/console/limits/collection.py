"""Rules and budgets as two collections with the same operations."""

from collections.abc import Callable, Sequence
from typing import Generic, Literal, TypeVar

from msgspec import Struct

from application.console.limits import documents
from application.console.limits.documents import (
    BudgetEntry,
    BudgetPatch,
    BudgetView,
    Rule,
    RuleEntry,
    RulePatch,
    RuleView,
)
from application.console.limits.names import Names
from application.console.limits.reach import LimitReach
from application.console.reach import require_somewhere
from application.ports.clock import Clock, IdGenerator
from application.ports.unit_of_work import Transaction, UnitOfWork
from application.resources import (
    Outcome,
    Page,
    Status,
    Versioned,
    check_page,
    each_on_its_own,
    merged,
    page_of,
    require_version,
    versioned,
)
from domain.access.actor import Actor
from domain.access.permissions import Permission
from domain.errors import Conflict, InvalidRequest, NotFound
from domain.limits.beginning import begun
from domain.limits.rules import BudgetCap, ConcurrencyCap, Limit, WindowRule
from domain.limits.targets import target_of
from domain.records.audit import AuditTarget

L = TypeVar("L", Rule, BudgetCap)
E = TypeVar("E", RuleEntry, BudgetEntry)
P = TypeVar("P", RulePatch, BudgetPatch)
V = TypeVar("V", RuleView, BudgetView)


class Row(Struct, Generic[E, P], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One change of many.

    Attributes:
        op: `create` and `set` take `entry`, `update` takes `id` and `changes`, `delete` takes `id`.
            `set` creates the limit or, where its target has one, replaces that.
    """

    op: Literal["create", "set", "update", "delete"]
    id: str | None = None
    entry: E | None = None
    changes: P | None = None


class Family(Struct, Generic[L, E, P, V], frozen=True, kw_only=True):
    """What tells rules from budgets."""

    name: str
    entry: type[E]
    classes: tuple[type[Limit], ...]
    parse: Callable[[E, Names, str], L]
    write: Callable[[L, Names], E]
    view: Callable[[L, Names], V]


_VERBS = {"created": "create", "updated": "update", "deleted": "delete"}
RULES = Family[Rule, RuleEntry, RulePatch, RuleView](
    name="rule",
    entry=RuleEntry,
    classes=(WindowRule, ConcurrencyCap),
    parse=documents.rule_of,
    write=documents.rule_entry,
    view=documents.rule_view,
)
BUDGETS = Family[BudgetCap, BudgetEntry, BudgetPatch, BudgetView](
    name="budget",
    entry=BudgetEntry,
    classes=(BudgetCap,),
    parse=documents.budget_of,
    write=documents.budget_entry,
    view=documents.budget_view,
)


class LimitCollection(Generic[L, E, P, V]):
    """Every change is a transaction of its own, one after the other on all replicas."""

    def __init__(
        self, family: Family[L, E, P, V], uow: UnitOfWork, clock: Clock, ids: IdGenerator
    ) -> None:
        """Take the ports."""
        self._family = family
        self._uow = uow
        self._clock = clock
        self._ids = ids

    async def page(
        self,
        by: Actor,
        *,
        limit: int = 50,
        cursor: str | None = None,
        subject: str | None = None,
    ) -> Page[V]:
        """Return the limits within reach, oldest first; with `subject`, those that hang on it.

        Raises:
            PermissionDenied: no limit at all may be seen.
            InvalidRequest: a parameter is out of bounds; `param` names it.
        """
        require_somewhere(by, Permission.LIMITS_READ)
        check_page(limit, cursor)
        async with self._uow.begin() as tx:
            reach = await LimitReach.read(tx, by)
            found = [each for each in await self._all(tx) if reach.sees(each.holder)]
        if subject is not None:
            holder = reach.names.holder(subject)
            found = [each for each in found if each.holder == holder]
        return page_of(
            found,
            limit=limit,
            cursor=cursor,
            key=lambda each: each.id,
            view=lambda each: self._family.view(each, reach.shown),
        )

    async def find(self, by: Actor, limit_id: str) -> Versioned[V]:
        """Return one limit. Raises `NotFound`, `PermissionDenied`."""
        require_somewhere(by, Permission.LIMITS_READ)
        async with self._uow.begin() as tx:
            reach = await LimitReach.read(tx, by)
            found = await self._existing(tx, limit_id)
            if not reach.sees(found.holder):
                raise NotFound(self._missing)
            return self._versioned(found, reach.shown)

    async def create(self, by: Actor, entry: E) -> Versioned[V]:
        """Store a new limit.

        Raises:
            InvalidRequest: the entry has no meaning; `param` names the member.
            Conflict: its target has a limit already.
            PermissionDenied: limits on this subject are not for the actor to set.
        """
        return (await self._changed(by, Row(op="create", entry=entry)))[1]

    async def update(
        self, by: Actor, limit_id: str, changes: P, *, if_match: str | None = None
    ) -> Versioned[V]:
        """Merge `changes` into a limit (RFC 7396).

        Raises:
            NotFound: there is none of this id.
            PreconditionFailed: it is not the version of `if_match`.
            InvalidRequest, Conflict, PermissionDenied: as for `create`.
        """
        row = Row[E, P](op="update", id=limit_id, changes=changes)
        return (await self._changed(by, row, if_match=if_match))[1]

    async def delete(
        self, by: Actor, limit_id: str, *, if_match: str | None = None, dry_run: bool = False
    ) -> Versioned[V]:
        """Remove a limit with its overrides and return it as it was; with `dry_run`, only that.

        Raises:
            NotFound: there is none of this id.
            PreconditionFailed: it is not the version of `if_match`.
            PermissionDenied: as for `create`.
        """
        row = Row[E, P](op="delete", id=limit_id)
        return (await self._changed(by, row, if_match=if_match, dry_run=dry_run))[1]

    async def bulk(
        self, by: Actor, rows: Sequence[Row[E, P]], *, dry_run: bool = False
    ) -> list[Outcome[V]]:
        """Carry out each row on its own; one that fails does not stop the others.

        With `dry_run` every row is tried against what is stored now, and nothing is kept.

        Raises:
            InvalidRequest: too many rows.
            ServiceUnavailable: the store does not answer; the rows before were carried out.
        """

        async def work(row: Row[E, P]) -> tuple[Status, V]:
            status, done = await self._changed(by, row, dry_run=dry_run)
            return status, done.view

        return await each_on_its_own(rows, work)

    async def _changed(
        self, by: Actor, row: Row[E, P], *, if_match: str | None = None, dry_run: bool = False
    ) -> tuple[Literal["created", "updated", "unchanged", "deleted"], Versioned[V]]:
        require_somewhere(by, Permission.LIMITS_WRITE)
        now_ms = self._clock.now_ms()
        async with self._uow.begin(exclusive=True) as tx:
            reach = await LimitReach.read(tx, by)
            names = reach.shown
            present, wanted = await self._intended(tx, reach, row)
            reach.require(Permission.LIMITS_WRITE, wanted.holder)
            wanted = begun(wanted, present, now_ms)
            shown = self._versioned(present, names) if present is not None else None
            require_version(shown, if_match, self._family.name)
            if row.op == "delete":
                await tx.limits.remove(wanted.id)
                status = "deleted"
            elif present is None:
                await tx.limits.add(wanted, created_at_ms=now_ms)
                status = "created"
            elif wanted == present:
                return "unchanged", self._versioned(wanted, names)
            else:
                await tx.limits.update(wanted)
                status = "updated"
            if not dry_run:
                tx.audit.record(
                    by,
                    f"{self._family.name}.{_VERBS[status]}",
                    AuditTarget(
                        kind=self._family.name, id=wanted.id, name=names.text(wanted.holder)
                    ),
                    before=self._family.view(present, names) if present is not None else None,
                    after=self._family.view(wanted, names) if status != "deleted" else None,
                )
                await tx.commit()
        return status, self._versioned(wanted, names)

    async def _intended(
        self, tx: Transaction, reach: LimitReach, row: Row[E, P]
    ) -> tuple[L | None, L]:
        """Return the limit as it is, if it is there, and as it is to be."""
        if row.op in ("create", "set"):
            if row.entry is None:
                raise InvalidRequest(f"'{row.op}' needs 'entry'.", param="entry")
            wanted = self._family.parse(row.entry, reach.names, self._ids.new_id())
            present = await self._with_target(tx, wanted) if row.op == "set" else None
            if present is None:
                return None, wanted
            return present, documents.in_place_of(present, wanted)
        present = await self._existing(tx, row.id or "")
        reach.require(Permission.LIMITS_WRITE, present.holder, missing=self._missing)
        return present, present if row.op == "delete" else self._merged(present, row.changes, reach)

    def _merged(self, present: L, changes: P | None, reach: LimitReach) -> L:
        if changes is None:
            raise InvalidRequest("'update' needs 'changes'.", param="changes")
        names = reach.shown
        wanted = merged(self._family.write(present, names), changes)
        stays = wanted.subject == names.text(present.holder)
        if stays and not names.knows(present.holder):
            raise Conflict("What this limit hangs on is gone; it can only be deleted.")
        parsed = self._family.parse(wanted, names if stays else reach.names, present.id)
        if type(parsed) is not type(present):
            raise InvalidRequest(
                "A rule cannot become a concurrency cap, nor the other way round.", param="metric"
            )
        return documents.in_place_of(present, parsed)

    async def _with_target(self, tx: Transaction, wanted: L) -> L | None:
        return next(
            (each for each in await self._all(tx) if target_of(each) == target_of(wanted)), None
        )

    @property
    def _missing(self) -> str:
        return f"There is no {self._family.name} with this id."

    async def _existing(self, tx: Transaction, limit_id: str) -> L:
        found = await tx.limits.find(limit_id)
        if found is None or not isinstance(found, self._family.classes):
            raise NotFound(self._missing)
        return found  # pyright: ignore[reportReturnType] - one of the family's classes

    async def _all(self, tx: Transaction) -> list[L]:
        return [each for each in await tx.limits.all() if isinstance(each, self._family.classes)]  # pyright: ignore[reportReturnType]

    def _versioned(self, limit: L, names: Names) -> Versioned[V]:
        return versioned(self._family.view(limit, names))


class RuleCollection(LimitCollection[Rule, RuleEntry, RulePatch, RuleView]):
    """Window rules and concurrency caps."""

    def __init__(self, uow: UnitOfWork, clock: Clock, ids: IdGenerator) -> None:
        """Take the ports."""
        super().__init__(RULES, uow, clock, ids)


class BudgetCollection(LimitCollection[BudgetCap, BudgetEntry, BudgetPatch, BudgetView]):
    """Calendar budgets."""

    def __init__(self, uow: UnitOfWork, clock: Clock, ids: IdGenerator) -> None:
        """Take the ports."""
        super().__init__(BUDGETS, uow, clock, ids)
