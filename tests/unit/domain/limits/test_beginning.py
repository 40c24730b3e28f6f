"""When a budget begins to be charged, and when it goes on as before."""

from typing import Any

import pytest
from msgspec import structs

from domain.inference.dialect import Surface
from domain.limits.beginning import begun
from domain.limits.budgets import BudgetUnit
from domain.limits.periods import Period
from domain.limits.rules import BudgetCap, ConcurrencyCap, Enforcement, Holder, HolderKind, Mode

CAP = BudgetCap(
    id="b1",
    holder=Holder(HolderKind.USER, "u1"),
    period=Period.MONTHLY,
    limit=100,
    counts_from_ms=1_000,
)


def changed(**fields: Any) -> BudgetCap:
    """Return the cap as a document describes it, which never says from when it counts."""
    return structs.replace(CAP, counts_from_ms=0, **fields)


def test_a_new_budget_begins_now() -> None:
    assert begun(changed(), None, 2_000).counts_from_ms == 2_000


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"limit": 7},
        {"mode": Mode.SHADOW},
        {"enforcement": Enforcement.STRICT},
        {"channels": ("pager",)},
        {"enabled": False},
    ],
)
def test_a_budget_that_counts_the_same_goes_on(fields: dict[str, Any]) -> None:
    assert begun(changed(**fields), CAP, 2_000).counts_from_ms == 1_000


@pytest.mark.parametrize(
    "fields",
    [
        {"holder": Holder(HolderKind.USER, "u2")},
        {"period": Period.DAILY},
        {"unit": BudgetUnit.USD},
        {"timezone": "Europe/Zurich"},
    ],
)
def test_a_budget_that_counts_something_else_begins_anew(fields: dict[str, Any]) -> None:
    assert begun(changed(**fields), CAP, 2_000).counts_from_ms == 2_000


def test_a_budget_that_is_enabled_again_begins_anew_for_nobody_was_charged_meanwhile() -> None:
    disabled = structs.replace(CAP, enabled=False)
    assert begun(changed(enabled=False), disabled, 2_000).counts_from_ms == 1_000
    assert begun(changed(), disabled, 2_000).counts_from_ms == 2_000


def test_other_limits_stay_as_they_are() -> None:
    cap = ConcurrencyCap(id="c1", holder=CAP.holder, surface=Surface.AI_GATEWAY, limit=3)
    assert begun(cap, None, 2_000) == cap
