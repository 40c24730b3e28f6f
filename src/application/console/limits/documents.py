"""Rules and budgets as documents: what is written, what is shown, and what is stored.

The written form is the same in `apply` documents, in the console's API and on the command line.
Concurrency caps are written among the rules, with the metric `concurrency` and without a window.
"""

from decimal import Decimal
from enum import StrEnum
from typing import TypeVar

from msgspec import UNSET, Struct, UnsetType, structs

from application.console.limits.names import Names
from domain.errors import InvalidRequest
from domain.inference.dialect import Surface
from domain.limits.amounts import MAX_COUNT
from domain.limits.budgets import BudgetUnit
from domain.limits.periods import Period
from domain.limits.rules import (
    BudgetCap,
    ConcurrencyCap,
    Enforcement,
    HolderKind,
    Limit,
    Metric,
    Mode,
    WindowRule,
)
from domain.limits.windows import Window
from domain.money import NANO_PER_USD, usd_from_nano

Rule = WindowRule | ConcurrencyCap
L = TypeVar("L", bound=Limit)


class RuleMetric(StrEnum):
    """What a rule counts: requests or weighted tokens in a window, or calls in flight."""

    REQUESTS = "requests"
    TOKENS = "tokens"
    CONCURRENCY = "concurrency"


class RuleEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule, identified by `subject`, `surface`, `metric` and `window`."""

    subject: str
    metric: RuleMetric
    limit: int
    surface: Surface = Surface.AI_GATEWAY
    window: Window | None = None
    enforcement: Enforcement = Enforcement.SOFT
    mode: Mode = Mode.ENFORCE
    enabled: bool = True


class RulePatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A merge patch of a rule: absent keeps, null goes back to the default."""

    subject: str | UnsetType | None = UNSET
    metric: RuleMetric | UnsetType | None = UNSET
    limit: int | UnsetType | None = UNSET
    surface: Surface | UnsetType | None = UNSET
    window: Window | UnsetType | None = UNSET
    enforcement: Enforcement | UnsetType | None = UNSET
    mode: Mode | UnsetType | None = UNSET
    enabled: bool | UnsetType | None = UNSET


class RuleView(Struct, frozen=True, kw_only=True):
    """A stored rule. `subject_id` is the id behind the name in `subject`."""

    id: str
    subject: str
    subject_kind: HolderKind
    subject_id: str
    surface: Surface
    metric: RuleMetric
    window: Window | None
    limit: int
    enforcement: Enforcement
    mode: Mode
    enabled: bool


class BudgetEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A budget, identified by `subject`, `period` and `unit`. `limit` is in weighted tokens or USD."""

    subject: str
    period: Period
    limit: Decimal
    unit: BudgetUnit = BudgetUnit.WEIGHTED_TOKENS
    timezone: str = "UTC"
    enforcement: Enforcement = Enforcement.SOFT
    mode: Mode = Mode.ENFORCE
    enabled: bool = True


class BudgetPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A merge patch of a budget: absent keeps, null goes back to the default."""

    subject: str | UnsetType | None = UNSET
    period: Period | UnsetType | None = UNSET
    limit: Decimal | UnsetType | None = UNSET
    unit: BudgetUnit | UnsetType | None = UNSET
    timezone: str | UnsetType | None = UNSET
    enforcement: Enforcement | UnsetType | None = UNSET
    mode: Mode | UnsetType | None = UNSET
    enabled: bool | UnsetType | None = UNSET


class BudgetView(Struct, frozen=True, kw_only=True):
    """A stored budget; `limit` is in weighted tokens or, for the unit `usd`, exact USD."""

    id: str
    subject: str
    subject_kind: HolderKind
    subject_id: str
    period: Period
    unit: BudgetUnit
    limit: Decimal
    timezone: str
    enforcement: Enforcement
    mode: Mode
    enabled: bool


def rule_of(entry: RuleEntry, names: Names, limit_id: str) -> Rule:
    """Return the rule `entry` describes.

    Raises:
        InvalidRequest: no such subject, or a combination that has no meaning; `param` names it.
    """
    holder = names.holder(entry.subject)
    if entry.metric is RuleMetric.CONCURRENCY:
        if entry.window is not None:
            raise InvalidRequest("A concurrency cap has no window.", param="window")
        if entry.enforcement is Enforcement.STRICT:
            raise InvalidRequest(
                "Concurrency caps are always exact; 'strict' is for tokens.", param="enforcement"
            )
        return ConcurrencyCap(
            id=limit_id,
            holder=holder,
            surface=entry.surface,
            limit=entry.limit,
            mode=entry.mode,
            enabled=entry.enabled,
        )
    if entry.window is None:
        raise InvalidRequest(f"A window is required: {', '.join(Window)}.", param="window")
    return WindowRule(
        id=limit_id,
        holder=holder,
        surface=entry.surface,
        metric=Metric(entry.metric),
        window=entry.window,
        limit=entry.limit,
        enforcement=entry.enforcement,
        mode=entry.mode,
        enabled=entry.enabled,
    )


def rule_entry(rule: Rule, names: Names) -> RuleEntry:
    """Return how `rule` is written."""
    if isinstance(rule, ConcurrencyCap):
        metric, window, enforcement = RuleMetric.CONCURRENCY, None, Enforcement.SOFT
    else:
        metric, window, enforcement = RuleMetric(rule.metric), rule.window, rule.enforcement
    return RuleEntry(
        subject=names.text(rule.holder),
        metric=metric,
        limit=rule.limit,
        surface=rule.surface,
        window=window,
        enforcement=enforcement,
        mode=rule.mode,
        enabled=rule.enabled,
    )


def rule_view(rule: Rule, names: Names) -> RuleView:
    """Return how `rule` is shown."""
    entry = rule_entry(rule, names)
    return RuleView(
        id=rule.id,
        subject=entry.subject,
        subject_kind=rule.holder.kind,
        subject_id=rule.holder.id,
        surface=entry.surface,
        metric=entry.metric,
        window=entry.window,
        limit=entry.limit,
        enforcement=entry.enforcement,
        mode=entry.mode,
        enabled=entry.enabled,
    )


def budget_of(entry: BudgetEntry, names: Names, limit_id: str) -> BudgetCap:
    """Return the budget `entry` describes. Raises like `rule_of`."""
    return BudgetCap(
        id=limit_id,
        holder=names.holder(entry.subject),
        period=entry.period,
        limit=counted(entry.limit, entry.unit),
        unit=entry.unit,
        timezone=entry.timezone,
        enforcement=entry.enforcement,
        mode=entry.mode,
        enabled=entry.enabled,
    )


def budget_entry(cap: BudgetCap, names: Names) -> BudgetEntry:
    """Return how `cap` is written."""
    return BudgetEntry(
        subject=names.text(cap.holder),
        period=cap.period,
        limit=written(cap.limit, cap.unit),
        unit=cap.unit,
        timezone=cap.timezone,
        enforcement=cap.enforcement,
        mode=cap.mode,
        enabled=cap.enabled,
    )


def budget_view(cap: BudgetCap, names: Names) -> BudgetView:
    """Return how `cap` is shown."""
    entry = budget_entry(cap, names)
    return BudgetView(
        id=cap.id,
        subject=entry.subject,
        subject_kind=cap.holder.kind,
        subject_id=cap.holder.id,
        period=entry.period,
        unit=entry.unit,
        limit=entry.limit,
        timezone=entry.timezone,
        enforcement=entry.enforcement,
        mode=entry.mode,
        enabled=entry.enabled,
    )


def in_place_of(stored: L, limit: L) -> L:
    """Return `limit` with what its written form cannot say: its id, and whom alerts go to."""
    if isinstance(limit, BudgetCap) and isinstance(stored, BudgetCap):
        return structs.replace(limit, id=stored.id, channels=stored.channels)
    return structs.replace(limit, id=stored.id)


def counted(amount: Decimal, unit: BudgetUnit | None) -> int:
    """Return the counter's integer for an amount: nano-dollars of USD, whole tokens or requests.

    Raises:
        InvalidRequest: negative, too large, or more exact than the counter is.
    """
    factor = NANO_PER_USD if unit is BudgetUnit.USD else 1
    if not amount.is_finite() or not 0 <= amount <= Decimal(MAX_COUNT) / factor:
        most = Decimal(MAX_COUNT // factor)
        raise InvalidRequest(f"A limit must be between 0 and {most}.", param="limit")
    scaled = amount * factor
    if scaled != int(scaled):
        what = "USD with at most 9 decimal places" if unit is BudgetUnit.USD else "a whole number"
        raise InvalidRequest(f"This limit must be {what}.", param="limit")
    return int(scaled)


def written(count: int, unit: BudgetUnit | None) -> Decimal:
    """Return the amount a counter's integer stands for, without padding zeros."""
    amount = usd_from_nano(count) if unit is BudgetUnit.USD else Decimal(count)
    return Decimal(f"{amount.normalize():f}")


def unit_of(limit: Limit) -> BudgetUnit | None:
    """Return the unit of a budget; None for rules, whose limits are plain counts."""
    return limit.unit if isinstance(limit, BudgetCap) else None
