"""Deaths are followed by slower and slower restarts, and at last by none."""

from entrypoints.restarts import RestartBudget


def test_the_delay_doubles_up_to_its_bound_and_then_the_budget_is_spent() -> None:
    budget = RestartBudget(limit=6, window_seconds=60, first_delay=0.1, longest_delay=2.0)
    delays = [budget.delay_after_death(float(second)) for second in range(7)]
    assert delays == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, None]


def test_deaths_long_ago_are_forgiven() -> None:
    budget = RestartBudget(limit=2, window_seconds=60, first_delay=0.1)
    assert [budget.delay_after_death(t) for t in (0.0, 1.0, 61.5)] == [0.1, 0.2, 0.1]
    assert budget.delay_after_death(61.6) == 0.2
    assert budget.delay_after_death(61.7) is None
