"""Alerts of budgets. The primary key is what an alert is at most once for."""

from sqlalchemy import BigInteger, Index, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from adapters.sql.base import Base, Millis


class BudgetAlertRow(Base):
    """A budget that reached a threshold. No foreign keys: alerts outlive limits and subjects."""

    __tablename__ = "budget_alerts"
    __table_args__ = (Index("ix_budget_alerts_occurred_at", "occurred_at"),)

    limit_id: Mapped[str] = mapped_column(primary_key=True)
    subject_kind: Mapped[str] = mapped_column(primary_key=True)
    subject_id: Mapped[str] = mapped_column(primary_key=True)
    period_id: Mapped[str] = mapped_column(primary_key=True)
    percent: Mapped[int] = mapped_column(SmallInteger(), primary_key=True)
    period: Mapped[str]
    unit: Mapped[str]
    used: Mapped[int] = mapped_column(BigInteger())
    limit_value: Mapped[int] = mapped_column(BigInteger())
    shadow: Mapped[bool]
    occurred_at: Mapped[Millis]
