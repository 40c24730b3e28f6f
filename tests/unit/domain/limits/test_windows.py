"""Sliding windows against an oracle that keeps every timestamp."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.limits.amounts import MAX_COUNT
from domain.limits.windows import BUCKETS, Ring, Window

START = 1_795_428_000_123
BUCKET = Window.MINUTE.bucket_ms
WINDOW = Window.MINUTE.length_ms

gaps = st.one_of(
    st.integers(0, 300),
    st.integers(0, 5_000),
    st.integers(0, 2 * WINDOW),
    st.sampled_from([BUCKET - 1, BUCKET, WINDOW - 1, WINDOW, WINDOW + 1, WINDOW + BUCKET]),
)
arrivals = st.lists(st.tuples(gaps, st.integers(1, 5)), min_size=20, max_size=150)


def taken_within(admitted: Sequence[tuple[int, int]], end: int, length: int) -> int:
    return sum(amount for at, amount in admitted if end - length < at <= end)


@given(arrivals=arrivals, limit=st.integers(1, 20))
def test_no_rolling_window_ever_admits_more_than_the_limit(
    arrivals: list[tuple[int, int]], limit: int
) -> None:
    ring, now, admitted = Ring(BUCKET), START, list[tuple[int, int]]()
    for gap, amount in arrivals:
        now += gap
        if ring.wait_ms(now, amount, limit) == 0:
            ring.add(now, amount)
            admitted.append((now, amount))
    for at, _ in admitted:
        assert taken_within(admitted, at, WINDOW) <= limit


@given(arrivals=arrivals, limit=st.integers(1, 20))
def test_a_rejection_is_at_most_one_bucket_conservative(
    arrivals: list[tuple[int, int]], limit: int
) -> None:
    ring, now, admitted = Ring(BUCKET), START, list[tuple[int, int]]()
    for gap, amount in arrivals:
        now += gap
        if ring.wait_ms(now, amount, limit) == 0:
            ring.add(now, amount)
            admitted.append((now, amount))
        else:
            assert taken_within(admitted, now, WINDOW + BUCKET) + amount > limit


@given(arrivals=arrivals, limit=st.integers(1, 20))
def test_the_wait_is_exact(arrivals: list[tuple[int, int]], limit: int) -> None:
    ring, now = Ring(BUCKET), START
    for gap, amount in arrivals:
        now += gap
        wait = ring.wait_ms(now, amount, limit)
        if wait is None:
            assert amount > limit
        elif wait:
            assert ring.wait_ms(now + wait - 1, amount, limit) == 1
            assert ring.wait_ms(now + wait, amount, limit) == 0
        else:
            ring.add(now, amount)


@given(
    arrivals=st.lists(
        st.tuples(gaps, st.one_of(st.just(0), st.integers(0, 3 * WINDOW))), min_size=10, max_size=80
    ),
    limit=st.integers(1, 10),
)
def test_a_clock_that_steps_back_admits_no_more_and_recovers_within_two_windows(
    arrivals: list[tuple[int, int]], limit: int
) -> None:
    """`true` is real time, `shown` the clock; each arrival may come with a step back."""
    ring, true, shown, admitted = Ring(BUCKET), START, START, list[tuple[int, int]]()
    for gap, step_back in arrivals:
        true += gap
        shown += gap - step_back
        if ring.wait_ms(shown, 1, limit) == 0:
            ring.add(shown, 1)
            admitted.append((true, 1))
    for at, _ in admitted:
        assert taken_within(admitted, at, WINDOW) <= limit
    assert ring.used(shown) <= limit
    assert ring.used(shown + 2 * WINDOW + BUCKET) == 0


@given(arrivals=arrivals)
def test_reset_is_when_nothing_counts_any_more(arrivals: list[tuple[int, int]]) -> None:
    ring, now = Ring(BUCKET), START
    for gap, amount in arrivals:
        now += gap
        ring.add(now, amount)
        reset = ring.reset_ms(now)
        assert ring.used(now + reset) == 0
        assert ring.used(now + reset - 1) > 0


@given(first=st.integers(1, 50), back=st.integers(0, 60), gap=st.integers(0, 2 * WINDOW))
def test_a_refund_never_takes_what_others_used(first: int, back: int, gap: int) -> None:
    ring = Ring(BUCKET)
    ring.add(START, first)
    ring.add(START + gap, 7)
    before = ring.used(START + gap)
    ring.refund(START, back)
    inside = gap // BUCKET + (START % BUCKET + gap % BUCKET) // BUCKET <= BUCKETS
    own_bucket = first + (7 if (START + gap) // BUCKET == START // BUCKET else 0)
    assert ring.used(START + gap) == before - (min(back, own_bucket) if inside else 0)


def test_a_refund_after_the_window_slid_past_changes_nothing() -> None:
    ring = Ring(BUCKET)
    ring.add(START, 5)
    ring.add(START + WINDOW + 2 * BUCKET, 3)
    ring.refund(START, 5)
    assert ring.used(START + WINDOW + 2 * BUCKET) == 3


@pytest.mark.parametrize(
    ("ago", "counts"), [(0, 4), (30_000, 4), (WINDOW, 4), (WINDOW + 2 * BUCKET, 0), (-5_000, 4)]
)
def test_usage_of_the_past_counts_while_its_bucket_is_in_the_window(ago: int, counts: int) -> None:
    ring = Ring(BUCKET)
    ring.add(START, 1)
    ring.backdate(START, START - ago, 4)
    assert ring.used(START) == 1 + counts


def test_a_counter_saturates_where_doubles_end() -> None:
    ring = Ring(BUCKET)
    ring.add(START, MAX_COUNT)
    ring.add(START, MAX_COUNT)
    assert ring.used(START) == MAX_COUNT


@pytest.mark.parametrize("window", Window)
def test_every_window_divides_into_sixty_buckets(window: Window) -> None:
    assert window.bucket_ms * BUCKETS == window.length_ms
