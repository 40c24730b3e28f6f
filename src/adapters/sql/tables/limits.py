"""Window rules, budget caps, concurrency caps and overrides (limits.md).

`subject_id` has no foreign key: it is polymorphic. A limit that hangs on something that is gone
binds nobody.
"""

from sqlalchemy import ARRAY, CheckConstraint, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from adapters.sql.base import Base, Id, Millis, PrimaryId

# Counters live as doubles inside Lua: integers are exact up to 2^53 (limits.md section 3).
_EXACT = "BETWEEN 0 AND 9007199254740991"
_HOLDERS = (
    "subject_kind IN ('api_key', 'user', 'team', 'model', 'provider', 'mcp_server', 'platform',"
    " 'team_members', 'role_members')"
)
_SUBJECTS = (
    "subject_kind IN ('api_key', 'user', 'team', 'model', 'provider', 'mcp_server', 'platform')"
)
_HOLDERS_WITH_COST = (
    "subject_kind IN ('api_key', 'user', 'team', 'model', 'provider', 'platform',"
    " 'team_members', 'role_members')"
)
_SUBJECT_HAS_SURFACE = (
    "CASE subject_kind WHEN 'provider' THEN surface = 'ai_gateway'"
    " WHEN 'model' THEN surface = 'ai_gateway'"
    " WHEN 'mcp_server' THEN surface = 'mcp_gateway' ELSE true END"
)
_SURFACE = "surface IN ('ai_gateway', 'mcp_gateway')"
_MODE = "mode IN ('enforce', 'shadow')"
_ENFORCEMENT = "enforcement IN ('soft', 'strict')"


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
        CheckConstraint(_HOLDERS, name="subject_kind"),
        CheckConstraint(_SURFACE, name="surface"),
        CheckConstraint(_SUBJECT_HAS_SURFACE, name="subject_has_surface"),
        CheckConstraint("metric IN ('requests', 'tokens')", name="metric"),
        CheckConstraint("metric = 'requests' OR surface = 'ai_gateway'", name="tokens_are_ai"),
        CheckConstraint("window_length IN ('1m', '5m', '1h', '5h', '1d', '1w')", name="window"),
        CheckConstraint(f"limit_value {_EXACT}", name="limit_value"),
        CheckConstraint(_ENFORCEMENT, name="enforcement"),
        CheckConstraint("enforcement = 'soft' OR metric = 'tokens'", name="strict_is_for_tokens"),
        CheckConstraint(_MODE, name="mode"),
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
        CheckConstraint(_HOLDERS_WITH_COST, name="subject_kind"),
        CheckConstraint("period IN ('daily', 'weekly', 'monthly')", name="period"),
        CheckConstraint("unit IN ('weighted_tokens', 'usd')", name="unit"),
        CheckConstraint(f"limit_value {_EXACT}", name="limit_value"),
        CheckConstraint("length(timezone) > 0", name="timezone"),
        CheckConstraint(_ENFORCEMENT, name="enforcement"),
        CheckConstraint(_MODE, name="mode"),
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
    channels: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    created_at: Mapped[Millis]
    counts_from: Mapped[Millis]


class ConcurrencyCapRow(Base):
    """At most `limit_value` calls in flight on a surface, for one subject."""

    __tablename__ = "concurrency_caps"
    __table_args__ = (
        UniqueConstraint(
            "subject_kind", "subject_id", "surface", name="uq_concurrency_caps_target"
        ),
        CheckConstraint(_HOLDERS, name="subject_kind"),
        CheckConstraint(_SURFACE, name="surface"),
        CheckConstraint(_SUBJECT_HAS_SURFACE, name="subject_has_surface"),
        CheckConstraint(f"limit_value {_EXACT}", name="limit_value"),
        CheckConstraint(_MODE, name="mode"),
    )

    id: Mapped[PrimaryId]
    subject_kind: Mapped[str]
    subject_id: Mapped[str]
    surface: Mapped[str]
    limit_value: Mapped[int]
    mode: Mapped[str]
    enabled: Mapped[bool]
    created_at: Mapped[Millis]


class LimitOverrideRow(Base):
    """Another value of one limit for one subject. `limit_id` is a row of one of the tables above."""

    __tablename__ = "limit_overrides"
    __table_args__ = (
        CheckConstraint(_SUBJECTS, name="subject_kind"),
        CheckConstraint("action IN ('replace', 'tighten')", name="action"),
        CheckConstraint(f"limit_value {_EXACT}", name="limit_value"),
        CheckConstraint("length(btrim(reason)) > 0", name="reason"),
        CheckConstraint("length(set_by) > 0", name="set_by"),
        CheckConstraint("until_at IS NOT NULL OR action = 'tighten'", name="replace_ends"),
        CheckConstraint(
            "until_at > set_at AND until_at - set_at <= INTERVAL '90 days'", name="ends_in_90_days"
        ),
        Index(None, "limit_id"),
    )

    id: Mapped[PrimaryId]
    limit_id: Mapped[Id]
    subject_kind: Mapped[str]
    subject_id: Mapped[str]
    action: Mapped[str]
    limit_value: Mapped[int]
    set_by: Mapped[str]
    reason: Mapped[str]
    set_at: Mapped[Millis]
    until_at: Mapped[Millis | None]
