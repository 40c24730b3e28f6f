"""The average of the time to first token."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.routing.latency import COLD_AFTER_MS, LEAST_WEIGHT, LatencyAverage
from tests.support.routing import NOW_MS

samples = st.lists(st.tuples(st.integers(0, 60_000), st.floats(0, 60_000)), min_size=1, max_size=40)


@given(samples)
def test_it_lies_among_its_samples(taken: list[tuple[int, float]]) -> None:
    average, now = LatencyAverage(), NOW_MS
    for gap, ttft in taken:
        now += gap
        average.add(ttft, now)
    values = [ttft for _, ttft in taken]
    found = average.at(now)
    assert found is not None
    assert min(values) - 1e-6 <= found <= max(values) + 1e-6


def test_it_is_cold_before_the_first_sample_and_long_after_the_last() -> None:
    average = LatencyAverage()
    assert average.at(NOW_MS) is None
    average.add(100, NOW_MS)
    assert average.at(NOW_MS + COLD_AFTER_MS) == 100
    assert average.at(NOW_MS + COLD_AFTER_MS + 1) is None
    average.add(900, NOW_MS + COLD_AFTER_MS + 1)
    assert average.at(NOW_MS + COLD_AFTER_MS + 1) == 900, "what was forgotten does not count"


def test_a_burst_counts_for_a_little_each_and_a_lone_sample_for_much() -> None:
    burst, lone = LatencyAverage(), LatencyAverage()
    for average in (burst, lone):
        average.add(100, NOW_MS)
    burst.add(200, NOW_MS)
    lone.add(200, NOW_MS + 60_000)
    assert burst.at(NOW_MS) == pytest.approx(100 + LEAST_WEIGHT * 100)
    assert lone.at(NOW_MS + 60_000) == pytest.approx(200 - 100 * math.exp(-2))


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -1.0])
def test_what_is_no_time_is_ignored(wrong: float) -> None:
    average = LatencyAverage()
    average.add(wrong, NOW_MS)
    assert average.at(NOW_MS) is None


def test_a_clock_that_steps_back_does_no_harm() -> None:
    average = LatencyAverage()
    average.add(100, NOW_MS)
    average.add(200, NOW_MS - 1_000)
    assert average.at(NOW_MS) == pytest.approx(110)
    average.add(300, NOW_MS - 2 * COLD_AFTER_MS)
    assert average.at(NOW_MS - 2 * COLD_AFTER_MS) == 300
