"""Budget counters and their alerts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.limits.amounts import MAX_COUNT
from domain.limits.budgets import THRESHOLDS, BudgetCounter, threshold_amount


def test_one_settlement_fires_every_threshold_it_passes_in_order() -> None:
    counter = BudgetCounter()
    counter.settle(0, 60)
    assert counter.cross(100) == (50,)
    counter.settle(0, 45)
    assert counter.cross(100) == (80, 95, 100)
    counter.settle(0, 500)
    assert counter.cross(100) == ()


def test_an_edited_limit_does_not_fire_an_alert_again() -> None:
    counter = BudgetCounter()
    counter.settle(0, 85)
    assert counter.cross(100) == (50, 80)
    assert counter.cross(1_000) == ()
    counter.settle(0, 800)
    assert counter.cross(1_000) == ()
    counter.settle(0, 70)
    assert counter.cross(1_000) == (95,)


@given(amounts=st.lists(st.integers(0, 40), max_size=30), limit=st.integers(1, 300))
def test_each_threshold_fires_once_and_exactly_when_it_is_reached(
    amounts: list[int], limit: int
) -> None:
    counter, fired, used = BudgetCounter(), list[int](), 0
    for amount in amounts:
        used += amount
        counter.settle(0, amount)
        fired += counter.cross(limit)
        assert fired == [percent for percent in THRESHOLDS if used * 100 >= limit * percent]


@given(limit=st.integers(1, MAX_COUNT), percent=st.sampled_from(THRESHOLDS))
def test_threshold_amounts_are_exact_for_every_limit(limit: int, percent: int) -> None:
    amount = threshold_amount(limit, percent)
    assert amount * 100 >= limit * percent > (amount - 1) * 100


def test_a_cap_of_zero_fires_no_alerts() -> None:
    counter = BudgetCounter()
    counter.settle(0, 5)
    assert counter.cross(0) == ()


def test_reservations_count_until_they_are_settled_and_fire_nothing() -> None:
    counter = BudgetCounter()
    counter.reserve(90)
    assert (counter.taken, counter.used, counter.cross(100)) == (90, 0, ())
    counter.settle(90, 20)
    assert (counter.taken, counter.used) == (20, 20)


@pytest.mark.parametrize("repeats", [1, 2])
def test_restoring_raises_the_counter_once_and_silences_its_alerts(repeats: int) -> None:
    counter = BudgetCounter()
    counter.settle(0, 10)
    for _ in range(repeats):
        counter.restore(85, 100)
    assert counter.used == 85
    counter.settle(0, 12)
    assert counter.cross(100) == (95,)


def test_restoring_never_takes_away_what_was_charged_meanwhile() -> None:
    counter = BudgetCounter()
    counter.settle(0, 30)
    counter.restore(20, 100)
    assert counter.used == 30


def test_a_counter_saturates_where_doubles_end() -> None:
    counter = BudgetCounter()
    counter.reserve(5)
    counter.settle(0, MAX_COUNT)
    assert counter.taken == MAX_COUNT
