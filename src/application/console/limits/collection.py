"""Rules and budgets as two collections with the same operations."""

import re
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Generic, Literal, TypeVar

import msgspec
from msgspec import UNSET, Struct

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
from application.ports.clock import Clock, IdGenerator
from application.ports.unit_of_work import Transaction, UnitOfWork
from domain.access.actor import Actor
from domain.errors import Conflict, DomainError, InvalidRequest, NotFound, PreconditionFailed
from domain.limits.beginning import begun
from domain.limits.rules import BudgetCap, ConcurrencyCap, Limit, WindowRule
from domain.limits.targets import target_of
from domain.records.audit import AuditTarget

MOST_PER_PAGE = 500
MOST_ROWS = 500
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

L = TypeVar("L", Rule, BudgetCap)
E = TypeVar("E", RuleEntry, BudgetEntry)
P = TypeVar("P", RulePatch, BudgetPatch)
V = TypeVar("V", RuleView, BudgetView)


class Versioned(Struct, Generic[V], frozen=True):
    """A view with the entity tag (RFC 9110 section 8.8.3) that `If-Match` is compared with."""

    view: V
    etag: str


class Page(Struct, Generic[V], frozen=True):
    """Some views, oldest first; `next_cursor` is None on the last page."""

    items: tuple[V, ...]
    next_cursor: str | None
    total: int


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


class Outcome(Struct, Generic[V], frozen=True, kw_only=True):
    """What became of a row: `created`, `updated`, `unchanged`, `deleted` or `failed`."""

    index: int
    status: Literal["created", "updated", "unchanged", "deleted", "failed"]
    item: V | None = None
    code: str | None = None
    message: str | None = None
    field: str | None = None


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
        self, *, limit: int = 50, cursor: str | None = None, subject: str | None = None
    ) -> Page[V]:
        """Return limits, oldest first; with `subject`, those that hang on it.

        Raises:
            InvalidRequest: a parameter is out of bounds; `param` names it.
        """
        check_page(limit, cursor)
        async with self._uow.begin() as tx:
            names = await Names.read(tx)
            found = await self._all(tx)
        if subject is not None:
            holder = names.holder(subject)
            found = [each for each in found if each.holder == holder]
        rest = [each for each in found if cursor is None or each.id > cursor]
        shown = rest[:limit]
        return Page(
            items=tuple(self._family.view(each, names) for each in shown),
            next_cursor=shown[-1].id if len(rest) > limit else None,
            total=len(found),
        )

    async def find(self, limit_id: str) -> Versioned[V]:
        """Return one limit. Raises `NotFound`."""
        async with self._uow.begin() as tx:
            names = await Names.read(tx)
            return self._versioned(await self._existing(tx, limit_id), names)

    async def create(self, by: Actor, entry: E) -> Versioned[V]:
        """Store a new limit.

        Raises:
            InvalidRequest: the entry has no meaning; `param` names the member.
            Conflict: its target has a limit already.
        """
        return (await self._changed(by, Row(op="create", entry=entry)))[1]

    async def update(
        self, by: Actor, limit_id: str, changes: P, *, if_match: str | None = None
    ) -> Versioned[V]:
        """Merge `changes` into a limit (RFC 7396).

        Raises:
            NotFound: there is none of this id.
            PreconditionFailed: it is not the version of `if_match`.
            InvalidRequest, Conflict: as for `create`.
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
        if not 1 <= len(rows) <= MOST_ROWS:
            raise InvalidRequest(f"Between 1 and {MOST_ROWS} items are taken.", param="items")
        outcomes: list[Outcome[V]] = []
        for index, row in enumerate(rows):
            try:
                status, done = await self._changed(by, row, dry_run=dry_run)
            except (InvalidRequest, NotFound, Conflict) as error:
                outcomes.append(_failed(index, error))
            else:
                outcomes.append(Outcome(index=index, status=status, item=done.view))
        return outcomes

    async def _changed(
        self, by: Actor, row: Row[E, P], *, if_match: str | None = None, dry_run: bool = False
    ) -> tuple[Literal["created", "updated", "unchanged", "deleted"], Versioned[V]]:
        now_ms = self._clock.now_ms()
        async with self._uow.begin(exclusive=True) as tx:
            names = await Names.read(tx)
            present, wanted = await self._intended(tx, names, row)
            wanted = begun(wanted, present, now_ms)
            if if_match is not None and (
                present is None or if_match != self._versioned(present, names).etag
            ):
                raise PreconditionFailed(
                    f"The {self._family.name} was changed meanwhile; read it again."
                )
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

    async def _intended(self, tx: Transaction, names: Names, row: Row[E, P]) -> tuple[L | None, L]:
        """Return the limit as it is, if it is there, and as it is to be."""
        if row.op in ("create", "set"):
            if row.entry is None:
                raise InvalidRequest(f"'{row.op}' needs 'entry'.", param="entry")
            wanted = self._family.parse(row.entry, names, self._ids.new_id())
            present = await self._with_target(tx, wanted) if row.op == "set" else None
            if present is None:
                return None, wanted
            return present, documents.in_place_of(present, wanted)
        present = await self._existing(tx, row.id or "")
        return present, present if row.op == "delete" else self._merged(present, row.changes, names)

    def _merged(self, present: L, changes: P | None, names: Names) -> L:
        if changes is None:
            raise InvalidRequest("'update' needs 'changes'.", param="changes")
        given = msgspec.structs.asdict(self._family.write(present, names))
        for name in changes.__struct_fields__:
            value = getattr(changes, name)
            if value is None:
                del given[name]
            elif value is not UNSET:
                given[name] = value
        for field in msgspec.structs.fields(self._family.entry):
            if field.required and field.name not in given:
                raise InvalidRequest(f"'{field.name}' cannot be cleared.", param=field.name)
        if not names.knows(present.holder) and given["subject"] == names.text(present.holder):
            raise Conflict("What this limit hangs on is gone; it can only be deleted.")
        merged = self._family.parse(self._family.entry(**given), names, present.id)
        if type(merged) is not type(present):
            raise InvalidRequest(
                "A rule cannot become a concurrency cap, nor the other way round.", param="metric"
            )
        return documents.in_place_of(present, merged)

    async def _with_target(self, tx: Transaction, wanted: L) -> L | None:
        return next(
            (each for each in await self._all(tx) if target_of(each) == target_of(wanted)), None
        )

    async def _existing(self, tx: Transaction, limit_id: str) -> L:
        found = await tx.limits.find(limit_id)
        if found is None or not isinstance(found, self._family.classes):
            raise NotFound(f"There is no {self._family.name} with this id.")
        return found  # pyright: ignore[reportReturnType] - one of the family's classes

    async def _all(self, tx: Transaction) -> list[L]:
        return [each for each in await tx.limits.all() if isinstance(each, self._family.classes)]  # pyright: ignore[reportReturnType]

    def _versioned(self, limit: L, names: Names) -> Versioned[V]:
        view = self._family.view(limit, names)
        return Versioned(view, f'"{sha256(msgspec.json.encode(view)).hexdigest()[:24]}"')


def check_page(limit: int, cursor: str | None) -> None:
    """Check the parameters of a page; a cursor is the id of the last item seen.

    Raises:
        InvalidRequest: one is out of bounds; `param` names it.
    """
    if not 1 <= limit <= MOST_PER_PAGE:
        raise InvalidRequest(f"'limit' must be between 1 and {MOST_PER_PAGE}.", param="limit")
    if cursor is not None and not _ID.fullmatch(cursor):
        raise InvalidRequest("'cursor' was not made by this API.", param="cursor")


def _failed(index: int, error: DomainError) -> Outcome[V]:
    return Outcome(
        index=index,
        status="failed",
        code=error.code,
        message=error.message,
        field=error.param if isinstance(error, InvalidRequest) else None,
    )


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
