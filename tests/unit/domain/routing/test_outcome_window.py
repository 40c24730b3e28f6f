"""The window of outcomes against a list with times."""

from hypothesis import given
from hypothesis import strategies as st

from domain.routing.outcome_window import BUCKETS, OutcomeWindow, Tally
from tests.support.routing import NOW_MS

LENGTH = 10_000
SIZE = LENGTH // BUCKETS


@given(
    st.lists(st.tuples(st.one_of(st.integers(0, SIZE), st.integers(0, 15_000)), st.booleans())),
    st.integers(0, 15_000),
)
def test_it_counts_what_lies_less_than_ten_buckets_back(
    happened: list[tuple[int, bool]], later: int
) -> None:
    window, now, told = OutcomeWindow(LENGTH), NOW_MS, list[tuple[int, bool]]()
    for gap, failed in happened:
        now += gap
        window.add(now, failed=failed)
        told.append((now, failed))
    now += later
    recent = [failed for at, failed in told if now // SIZE - at // SIZE < BUCKETS]
    assert window.tally(now) == Tally(recent.count(False), recent.count(True))


@given(st.lists(st.tuples(st.integers(-30_000, 30_000), st.booleans())))
def test_it_never_holds_more_than_happened_whatever_the_clock_does(
    happened: list[tuple[int, bool]],
) -> None:
    window, now = OutcomeWindow(LENGTH), NOW_MS
    for gap, failed in happened:
        now += gap
        window.add(now, failed=failed)
        assert 1 <= window.tally(now).volume <= len(happened)


@given(
    st.lists(st.tuples(st.integers(0, 5_000), st.booleans())),
    st.integers(0, 5_000),
)
def test_a_success_that_is_taken_back_is_counted_no_more_and_failures_stay(
    happened: list[tuple[int, bool]], later: int
) -> None:
    window, now = OutcomeWindow(LENGTH), NOW_MS
    for gap, failed in happened:
        now += gap
        window.add(now, failed=failed)
    now += later
    before = window.tally(now)
    window.take_back_success(now)
    assert window.tally(now) == Tally(max(0, before.successes - 1), before.failures)
    assert window.tally(now + 2 * LENGTH) == Tally()


def test_another_length_forgets_what_was_counted_by_the_old_one() -> None:
    window = OutcomeWindow(LENGTH)
    window.add(NOW_MS, failed=True)
    window.length_ms = 60_000
    assert window.tally(NOW_MS) == Tally()
    window.add(NOW_MS, failed=False)
    assert window.tally(NOW_MS + 50_000) == Tally(1, 0)


def test_rates_are_shares() -> None:
    assert Tally().failure_rate == 0
    assert (Tally(1, 2) + Tally(0, 1)).failure_rate == 0.75
