"""How the settings tune routing: policies made from them, defaults for everything else."""

from domain.routing.circuit import BreakerPolicy
from domain.routing.retry import RetryPolicy
from domain.routing.tracker import HealthPolicy
from domain.settings.catalog import Settings

LEAST_PROBE_INTERVAL_MS = 1_000
"""A provider that is not well is not asked more often, whatever the setting says."""


def retry_policy(settings: Settings) -> RetryPolicy:
    """Return the bounds on the attempts of one request."""
    return RetryPolicy(
        max_attempts=settings.integer("routing.max_attempts"),
        deadline_ms=settings.integer("routing.deadline_ms"),
    )


def breaker_policy(settings: Settings) -> BreakerPolicy:
    """Return when circuits open and for how long."""
    open_ms = settings.integer("routing.breaker_open_ms")
    return BreakerPolicy(
        failure_rate=settings.integer("routing.breaker_failure_rate_pct") / 100,
        minimum_volume=settings.integer("routing.breaker_min_requests"),
        consecutive_failures=settings.integer("routing.breaker_consecutive_failures"),
        open_ms=open_ms,
        # Who wants a first opening longer than the longest wants no growth, not a refusal.
        longest_open_ms=max(open_ms, BreakerPolicy().longest_open_ms),
    )


def health_policy(settings: Settings) -> HealthPolicy:
    """Return how the health of routes is judged."""
    return HealthPolicy(breaker=breaker_policy(settings))


def probe_interval_ms(settings: Settings) -> int | None:
    """Return how often routes that are not well are probed; None for never."""
    interval_ms = settings.integer("routing.probe_interval_ms")
    return max(interval_ms, LEAST_PROBE_INTERVAL_MS) if interval_ms else None
