"""Rate rules and budget caps (limits.md). `subject_id` has no foreign key: it is polymorphic."""

from sqlalchemy import CheckConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped

from adapters.sql.base import Base, Millis, PrimaryId

# Counters live as doubles inside Lua: integers are exact up to 2^53 (limits.md section 3).
_EXACT = "BETWEEN 0 AND 9007199254740992"


class LimitRuleRow(Base):
    """At most `limit_value` of a metric in any window of this length, for one subject."""

    __tablename__ = "limit_rules"
    __table_args__ = (
        UniqueConstraint(
            "subject_kind",
            "subject_id",
            "surface",
            "metric",
            "window_length",
            name="uq_limit_rules_target",
        ),
        CheckConstraint(
            "subject_kind IN ('api_key', 'user', 'team', 'provider', 'model', 'mcp_server',"
            " 'platform')",
            name="subject_kind",
        ),
        CheckConstraint("surface IN ('ai_gateway', 'mcp_gateway')", name="surface"),
        CheckConstraint(
            "CASE subject_kind WHEN 'provider' THEN surface = 'ai_gateway'"
            " WHEN 'model' THEN surface = 'ai_gateway'"
            " WHEN 'mcp_server' THEN surface = 'mcp_gateway' ELSE true END",
            name="subject_has_surface",
        ),
        CheckConstraint("metric IN ('requests', 'tokens')", name="metric"),
        CheckConstraint("window_length IN ('1m', '5m', '1h', '5h', '1d', '1w')", name="window"),
        CheckConstraint(f"limit_value {_EXACT}", name="limit_value"),
        CheckConstraint("enforcement IN ('soft', 'strict')", name="enforcement"),
        CheckConstraint("enforcement = 'soft' OR metric = 'tokens'", name="strict_is_for_tokens"),
        CheckConstraint("mode IN ('enforce', 'shadow')", name="mode"),
    )

    id: Mapped[PrimaryId]
    subject_kind: Mapped[str]
    subject_id: Mapped[str]
    surface: Mapped[str]
    metric: Mapped[str]
    window_length: Mapped[str]
    limit_value: Mapped[int]
    enforcement: Mapped[str]
    mode: Mapped[str]
    enabled: Mapped[bool]
    created_at: Mapped[Millis]


class BudgetCapRow(Base):
    """At most `limit_value` (weighted tokens or nano-dollars) per calendar period, per subject."""

    __tablename__ = "budget_caps"
    __table_args__ = (
        UniqueConstraint(
            "subject_kind", "subject_id", "period", "unit", name="uq_budget_caps_target"
        ),
        CheckConstraint(
            "subject_kind IN ('api_key', 'user', 'team', 'provider', 'model', 'platform')",
            name="subject_kind",
        ),
        CheckConstraint("period IN ('daily', 'weekly', 'monthly')", name="period"),
        CheckConstraint("unit IN ('weighted_tokens', 'usd')", name="unit"),
        CheckConstraint(f"limit_value {_EXACT}", name="limit_value"),
        CheckConstraint("length(timezone) > 0", name="timezone"),
        CheckConstraint("enforcement IN ('soft', 'strict')", name="enforcement"),
        CheckConstraint("mode IN ('enforce', 'shadow')", name="mode"),
    )

    id: Mapped[PrimaryId]
    subject_kind: Mapped[str]
    subject_id: Mapped[str]
    period: Mapped[str]
    unit: Mapped[str]
    limit_value: Mapped[int]
    timezone: Mapped[str]
    enforcement: Mapped[str]
    mode: Mapped[str]
    enabled: Mapped[bool]
    created_at: Mapped[Millis]
