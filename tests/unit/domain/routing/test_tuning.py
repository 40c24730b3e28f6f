"""Routing as the settings tune it."""

import itertools

import pytest

from domain.routing.circuit import BreakerPolicy
from domain.routing.retry import RetryPolicy
from domain.routing.tracker import HealthPolicy
from domain.routing.tuning import (
    LEAST_PROBE_INTERVAL_MS,
    breaker_policy,
    health_policy,
    probe_interval_ms,
    retry_policy,
)
from domain.settings.catalog import CATALOG, Settings

DEFAULTS = Settings()


def test_untouched_settings_make_the_policies_that_routing_was_built_with() -> None:
    assert retry_policy(DEFAULTS) == RetryPolicy()
    assert breaker_policy(DEFAULTS) == BreakerPolicy()
    assert health_policy(DEFAULTS) == HealthPolicy()
    assert probe_interval_ms(DEFAULTS) is None
    assert not DEFAULTS.flag("routing.guess_model_by_prefix")


def test_every_setting_reaches_its_policy() -> None:
    retry = retry_policy(Settings({"routing.max_attempts": 2, "routing.deadline_ms": 7_000}))
    assert (retry.max_attempts, retry.deadline_ms) == (2, 7_000)
    breaker = breaker_policy(
        Settings(
            {
                "routing.breaker_failure_rate_pct": 25,
                "routing.breaker_min_requests": 8,
                "routing.breaker_consecutive_failures": 3,
                "routing.breaker_open_ms": 1_500,
            }
        )
    )
    assert breaker == BreakerPolicy(
        failure_rate=0.25, minimum_volume=8, consecutive_failures=3, open_ms=1_500
    )


def test_a_first_opening_longer_than_the_longest_is_no_fault() -> None:
    policy = breaker_policy(Settings({"routing.breaker_open_ms": 600_000}))
    assert (policy.opening_ms(1), policy.opening_ms(5)) == (600_000, 600_000)


@pytest.mark.parametrize(("given", "meant"), [(0, None), (1, 1_000), (30_000, 30_000)])
def test_probes_are_off_or_at_a_bearable_distance(given: int, meant: int | None) -> None:
    assert LEAST_PROBE_INTERVAL_MS == 1_000
    assert probe_interval_ms(Settings({"routing.probe_interval_ms": given})) == meant


def test_every_value_a_setting_allows_makes_a_policy() -> None:
    keys = [key for key in CATALOG if key.startswith("routing.") and CATALOG[key].maximum]
    bounds = [(CATALOG[key].minimum or 0, CATALOG[key].maximum or 0) for key in keys]
    for values in itertools.product(*bounds):
        settings = Settings(dict(zip(keys, values, strict=True)))
        retry_policy(settings)
        health_policy(settings)
        probe_interval_ms(settings)
