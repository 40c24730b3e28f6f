"""Repositories of window rules, budget caps and concurrency caps, and of their overrides."""

from collections.abc import Sequence
from typing import TypeVar

from sqlalchemy import delete, insert, select, update

from adapters.sql.session import Session, is_id
from adapters.sql.tables import BudgetCapRow, ConcurrencyCapRow, LimitOverrideRow, LimitRuleRow
from application.ports.change_feed import Section
from application.ports.repositories import LimitOverrides, Limits
from domain.errors import NotFound
from domain.inference.dialect import Surface
from domain.limits.budgets import BudgetUnit
from domain.limits.overrides import Override, OverrideAction
from domain.limits.periods import Period
from domain.limits.rules import (
    BudgetCap,
    ConcurrencyCap,
    Enforcement,
    Holder,
    HolderKind,
    Limit,
    Metric,
    Mode,
    WindowRule,
)
from domain.limits.windows import Window
from domain.subjects import Subject, SubjectKind

_Row = LimitRuleRow | BudgetCapRow | ConcurrencyCapRow
_R = TypeVar("_R", LimitRuleRow, BudgetCapRow, ConcurrencyCapRow)
_TABLES: dict[type[Limit], type[_Row]] = {
    WindowRule: LimitRuleRow,
    BudgetCap: BudgetCapRow,
    ConcurrencyCap: ConcurrencyCapRow,
}


async def read_limits(session: Session) -> list[Limit]:
    """Return all limits in the order of their ids, which is that of their creation."""
    found: list[Limit] = [
        *map(_rule, await session.rows(select(LimitRuleRow))),
        *map(_cap, await session.rows(select(BudgetCapRow))),
        *map(_concurrency, await session.rows(select(ConcurrencyCapRow))),
    ]
    return sorted(found, key=lambda limit: limit.id)


async def read_overrides(session: Session) -> list[Override]:
    """Return all overrides in the order of their ids, which is that of their creation."""
    rows = await session.rows(select(LimitOverrideRow).order_by(LimitOverrideRow.id))
    return [
        Override(
            id=row.id,
            limit_id=row.limit_id,
            subject=Subject(SubjectKind(row.subject_kind), row.subject_id),
            action=OverrideAction(row.action),
            limit=row.limit_value,
            set_by=row.set_by,
            reason=row.reason,
            set_at_ms=row.set_at,
            until_ms=row.until_at,
        )
        for row in rows
    ]


class SqlLimits(Limits):
    """Rows of `limit_rules`, `budget_caps` and `concurrency_caps`."""

    def __init__(self, session: Session) -> None:
        """Works inside the transaction of `session`."""
        self._session = session

    async def all(self) -> Sequence[Limit]:
        """Return all limits, oldest first."""
        return await read_limits(self._session)

    async def find(self, limit_id: str) -> Limit | None:
        """Return one limit; None also for an id that cannot be one."""
        if not is_id(limit_id):
            return None
        if (rule := await self._row(LimitRuleRow, limit_id)) is not None:
            return _rule(rule)
        if (cap := await self._row(BudgetCapRow, limit_id)) is not None:
            return _cap(cap)
        concurrency = await self._row(ConcurrencyCapRow, limit_id)
        return _concurrency(concurrency) if concurrency is not None else None

    async def add(self, limit: Limit, *, created_at_ms: int) -> None:
        """Store a limit."""
        await self._session.change(
            insert(_TABLES[type(limit)]).values(
                id=limit.id, created_at=created_at_ms, **_columns(limit)
            ),
            Section.LIMITS,
        )

    async def update(self, limit: Limit) -> None:
        """Replace everything but id and kind."""
        table = _TABLES[type(limit)]
        changed = await self._session.change(
            update(table).where(table.id == limit.id).values(**_columns(limit)), Section.LIMITS
        )
        if changed == 0:
            raise NotFound("There is no such limit.")

    async def remove(self, limit_id: str) -> None:
        """Delete the limit."""
        limit = await self.find(limit_id)
        if limit is None:
            raise NotFound("There is no such limit.")
        table = _TABLES[type(limit)]
        await self._session.change(delete(table).where(table.id == limit_id), Section.LIMITS)
        await self._session.change(
            delete(LimitOverrideRow).where(LimitOverrideRow.limit_id == limit_id)
        )

    async def _row(self, table: type[_R], limit_id: str) -> _R | None:
        return await self._session.first(select(table).where(table.id == limit_id))


class SqlLimitOverrides(LimitOverrides):
    """Rows of `limit_overrides`."""

    def __init__(self, session: Session) -> None:
        """Works inside the transaction of `session`."""
        self._session = session
        self._limits = SqlLimits(session)

    async def all(self) -> Sequence[Override]:
        """Return all overrides, oldest first."""
        return await read_overrides(self._session)

    async def add(self, override: Override) -> None:
        """Store an override of a limit that is there."""
        if await self._limits.find(override.limit_id) is None:
            raise NotFound("There is no such limit.")
        await self._session.change(
            insert(LimitOverrideRow).values(
                id=override.id,
                limit_id=override.limit_id,
                subject_kind=override.subject.kind.value,
                subject_id=override.subject.id,
                action=override.action.value,
                limit_value=override.limit,
                set_by=override.set_by,
                reason=override.reason,
                set_at=override.set_at_ms,
                until_at=override.until_ms,
            ),
            Section.LIMITS,
        )

    async def remove(self, override_id: str) -> None:
        """Delete the override."""
        gone = delete(LimitOverrideRow).where(LimitOverrideRow.id == override_id)
        if not is_id(override_id) or await self._session.change(gone, Section.LIMITS) == 0:
            raise NotFound("There is no such override.")


def _columns(limit: Limit) -> dict[str, object]:
    """Return what may change, by column."""
    columns: dict[str, object] = {
        "subject_kind": limit.holder.kind.value,
        "subject_id": limit.holder.id,
        "limit_value": limit.limit,
        "mode": limit.mode.value,
        "enabled": limit.enabled,
    }
    match limit:
        case WindowRule():
            columns["surface"] = limit.surface.value
            columns["metric"] = limit.metric.value
            columns["window_length"] = limit.window.value
            columns["enforcement"] = limit.enforcement.value
        case BudgetCap():
            columns["period"] = limit.period.value
            columns["unit"] = limit.unit.value
            columns["timezone"] = limit.timezone
            columns["enforcement"] = limit.enforcement.value
            columns["channels"] = list(limit.channels)
            columns["counts_from"] = limit.counts_from_ms
        case ConcurrencyCap():
            columns["surface"] = limit.surface.value
    return columns


def _holder(row: _Row) -> Holder:
    return Holder(HolderKind(row.subject_kind), row.subject_id)


def _rule(row: LimitRuleRow) -> WindowRule:
    return WindowRule(
        id=row.id,
        holder=_holder(row),
        surface=Surface(row.surface),
        metric=Metric(row.metric),
        window=Window(row.window_length),
        limit=row.limit_value,
        enforcement=Enforcement(row.enforcement),
        mode=Mode(row.mode),
        enabled=row.enabled,
    )


def _cap(row: BudgetCapRow) -> BudgetCap:
    return BudgetCap(
        id=row.id,
        holder=_holder(row),
        period=Period(row.period),
        limit=row.limit_value,
        unit=BudgetUnit(row.unit),
        timezone=row.timezone,
        enforcement=Enforcement(row.enforcement),
        mode=Mode(row.mode),
        enabled=row.enabled,
        channels=tuple(row.channels),
        counts_from_ms=row.counts_from,
    )


def _concurrency(row: ConcurrencyCapRow) -> ConcurrencyCap:
    return ConcurrencyCap(
        id=row.id,
        holder=_holder(row),
        surface=Surface(row.surface),
        limit=row.limit_value,
        mode=Mode(row.mode),
        enabled=row.enabled,
    )
