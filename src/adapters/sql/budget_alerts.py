"""Alerts of budgets in PostgreSQL."""

from collections.abc import Mapping, Sequence

from msgspec import structs
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Text,
    and_,
    any_,
    false,
    literal,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from adapters.sql.errors import database_errors
from adapters.sql.tables.budget_alerts import BudgetAlertRow
from application.ports.budget_alerts import BudgetAlert, BudgetAlertArchive


class SqlBudgetAlerts(BudgetAlertArchive):
    """Rows of `budget_alerts`; its primary key decides who was first."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Each call is a transaction of its own."""
        self._engine = engine

    async def add(self, alert: BudgetAlert) -> bool:
        """See `BudgetAlertArchive`."""
        values = structs.asdict(alert)
        values["limit_value"] = values.pop("limit")
        values["occurred_at"] = values.pop("occurred_at_ms")
        statement = (
            insert(BudgetAlertRow)
            .values(values)
            .on_conflict_do_nothing()
            .returning(BudgetAlertRow.limit_id)
        )
        async with database_errors(), self._engine.begin() as connection:
            return await connection.scalar(statement) is not None

    async def newest(
        self, limit: int, *, among: Mapping[str, frozenset[str]] | None = None
    ) -> Sequence[BudgetAlert]:
        """See `BudgetAlertArchive`."""
        query = (
            select(BudgetAlertRow)
            .where(true() if among is None else or_(false(), *map(_of, among.items())))
            .order_by(BudgetAlertRow.occurred_at.desc(), BudgetAlertRow.percent.desc())
            .limit(limit)
        )
        async with database_errors(), AsyncSession(self._engine) as session:
            return [_alert(row) for row in await session.scalars(query)]


def _of(subjects: tuple[str, frozenset[str]]) -> ColumnElement[bool]:
    kind, ids = subjects
    # One array instead of a parameter each: there may be more of them than a statement can have.
    known = any_(literal(sorted(ids), ARRAY(Text)))
    return and_(BudgetAlertRow.subject_kind == kind, BudgetAlertRow.subject_id == known)


def _alert(row: BudgetAlertRow) -> BudgetAlert:
    return BudgetAlert(
        limit_id=row.limit_id,
        subject_kind=row.subject_kind,
        subject_id=row.subject_id,
        period=row.period,
        period_id=row.period_id,
        percent=row.percent,
        unit=row.unit,
        used=row.used,
        limit=row.limit_value,
        shadow=row.shadow,
        occurred_at_ms=row.occurred_at,
    )
