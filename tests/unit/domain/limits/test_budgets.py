"""Budget counters and their alerts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.limits.amounts import MAX_COUNT
from domain.limits.budgets import THRESHOLDS, BudgetCounter, threshold_amount

NOW = 1_000


def test_one_settlement_fires_every_threshold_it_passes_in_order() -> None:
    counter = BudgetCounter()
    counter.charge(60, NOW, NOW)
    assert counter.cross(100) == (50,)
    counter.charge(45, NOW, NOW)
    assert counter.cross(100) == (80, 95, 100)
    counter.charge(500, NOW, NOW)
    assert counter.cross(100) == ()


def test_an_edited_limit_does_not_fire_an_alert_again() -> None:
    counter = BudgetCounter()
    counter.charge(85, NOW, NOW)
    assert counter.cross(100) == (50, 80)
    assert counter.cross(1_000) == ()
    counter.charge(800, NOW, NOW)
    assert counter.cross(1_000) == ()
    counter.charge(70, NOW, NOW)
    assert counter.cross(1_000) == (95,)


@given(amounts=st.lists(st.integers(0, 40), max_size=30), limit=st.integers(1, 300))
def test_each_threshold_fires_once_and_exactly_when_it_is_reached(
    amounts: list[int], limit: int
) -> None:
    counter, fired, used = BudgetCounter(), list[int](), 0
    for amount in amounts:
        used += amount
        counter.charge(amount, NOW, NOW)
        fired += counter.cross(limit)
        assert fired == [percent for percent in THRESHOLDS if used * 100 >= limit * percent]


@given(limit=st.integers(1, MAX_COUNT), percent=st.sampled_from(THRESHOLDS))
def test_threshold_amounts_are_exact_for_every_limit(limit: int, percent: int) -> None:
    amount = threshold_amount(limit, percent)
    assert amount * 100 >= limit * percent > (amount - 1) * 100


def test_a_cap_of_zero_fires_no_alerts() -> None:
    counter = BudgetCounter()
    counter.charge(5, NOW, NOW)
    assert counter.cross(0) == ()


def test_reservations_count_until_they_are_settled_and_fire_nothing() -> None:
    counter = BudgetCounter()
    counter.reserve(90)
    assert (counter.taken, counter.used, counter.cross(100)) == (90, 0, ())
    counter.release(90)
    counter.charge(20, NOW, NOW)
    assert (counter.taken, counter.used) == (20, 20)


@pytest.mark.parametrize("repeats", [1, 2])
def test_restoring_adds_the_ledgers_part_once_and_silences_its_alerts(repeats: int) -> None:
    counter = BudgetCounter()
    counter.charge(5, NOW, NOW)
    for _ in range(repeats):
        counter.restore(80, 100, NOW)
    assert counter.used == 85
    counter.charge(12, NOW, NOW)
    assert counter.cross(100) == (95,)


def test_what_ended_before_the_partition_is_left_to_the_ledger() -> None:
    counter = BudgetCounter()
    assert not counter.charge(30, NOW - 1, NOW)
    assert counter.charge(4, NOW, NOW)
    assert counter.used == 4
    counter.restore(30, 100, NOW)
    assert counter.used == 34


def test_a_sum_that_has_grown_replaces_the_smaller_one_in_whatever_order_they_come() -> None:
    counter = BudgetCounter()
    for total, used in ((10, 17), (25, 32), (10, 32), (25, 32)):
        if total == 10 and used == 17:
            counter.charge(7, NOW, NOW)
        counter.restore(total, 100, NOW)
        assert counter.used == used


def test_a_sum_up_to_an_earlier_instant_says_nothing() -> None:
    counter = BudgetCounter()
    counter.charge(5, NOW + 10, NOW + 10)
    counter.restore(80, 100, NOW)
    assert (counter.used, counter.alerted) == (5, 0)


def test_a_later_partition_leaves_all_that_was_counted_to_the_ledgers_sum() -> None:
    counter = BudgetCounter()
    counter.charge(5, NOW, NOW)
    counter.restore(3, 100, NOW)
    counter.restore(20, 100, NOW + 50)
    assert counter.used == 20


def test_forgetting_leaves_what_ends_afterwards() -> None:
    counter = BudgetCounter()
    counter.charge(50, NOW, NOW)
    counter.forget(NOW + 10)
    assert not counter.charge(9, NOW + 9, NOW)
    assert counter.charge(2, NOW + 10, NOW)
    counter.restore(50, 100, NOW)
    assert counter.used == 2


def test_a_counter_saturates_where_doubles_end() -> None:
    counter = BudgetCounter()
    counter.reserve(5)
    counter.charge(MAX_COUNT, NOW, NOW)
    assert counter.taken == MAX_COUNT
