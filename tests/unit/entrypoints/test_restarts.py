"""Deaths are followed by slower and slower restarts, and at last by none."""

from entrypoints.child_process import PATIENT_DELAY_S, ChildProcess
from entrypoints.process_plan import ProcessPlan
from entrypoints.restarts import RestartBudget


def no_plan(_: int) -> ProcessPlan:
    raise AssertionError("nothing is started here")


def test_whoever_waits_for_a_store_is_started_again_however_often_it_ends() -> None:
    child = ChildProcess("gateway-0", no_plan, {})
    for number in range(100):
        assert child.schedule_restart(float(number), patient=True)
        assert child.restart_at == number + PATIENT_DELAY_S
    assert [child.schedule_restart(1.0) for _ in range(7)] == [True] * 6 + [False]


def test_the_delay_doubles_up_to_its_bound_and_then_the_budget_is_spent() -> None:
    budget = RestartBudget(limit=6, window_seconds=60, first_delay=0.1, longest_delay=2.0)
    delays = [budget.delay_after_death(float(second)) for second in range(7)]
    assert delays == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, None]


def test_deaths_long_ago_are_forgiven() -> None:
    budget = RestartBudget(limit=2, window_seconds=60, first_delay=0.1)
    assert [budget.delay_after_death(t) for t in (0.0, 1.0, 61.5)] == [0.1, 0.2, 0.1]
    assert budget.delay_after_death(61.6) == 0.2
    assert budget.delay_after_death(61.7) is None
