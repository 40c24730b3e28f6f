"""From when on a budget is charged as requests are settled."""

from typing import TypeVar

from msgspec import structs

from domain.limits.rules import BudgetCap, Limit

L = TypeVar("L", bound=Limit)


def begun(limit: L, before: Limit | None, now_ms: int) -> L:
    """Return `limit` as it is to be stored in place of `before`, or as a new one.

    A budget that is new, enabled again, or counts something else than before begins now: what its
    subject used earlier in the period was charged to nobody, and comes from the ledger.
    """
    if not isinstance(limit, BudgetCap):
        return limit
    if isinstance(before, BudgetCap) and _goes_on(before, limit):
        return structs.replace(limit, counts_from_ms=before.counts_from_ms)
    return structs.replace(limit, counts_from_ms=now_ms)


def _goes_on(before: BudgetCap, limit: BudgetCap) -> bool:
    return _what(before) == _what(limit) and (before.enabled or not limit.enabled)


def _what(cap: BudgetCap) -> tuple[object, ...]:
    return cap.holder, cap.period, cap.unit, cap.timezone
