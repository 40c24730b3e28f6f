"""What a client is told when no attempt brought an answer."""

from domain.errors import (
    DomainError,
    LimitExceeded,
    NoRouteAvailable,
    UnsupportedField,
    UpstreamRateLimited,
    UpstreamUnavailable,
)
from domain.routing.exclusion import ExclusionReason
from domain.routing.failures import Failure, FailureClass
from domain.routing.plan import LEAST_RETRY_AFTER_MS, RoutePlan
from domain.routing.retry import Stop

# What waiting never mends: another request would fare no better, so it is the request's fault.
_NEVER = frozenset({ExclusionReason.OPERATION_NOT_SERVED, ExclusionReason.CAPABILITY_MISSING})
# The higher tells more. What passes is told before what an operator has to mend, a provider's
# failure before a limit of ours, and a field that one format lacks only if nothing else went wrong.
_RANKS = {
    FailureClass.UNSUPPORTED: 0,
    FailureClass.LIMITED: 1,
    FailureClass.BAD_CREDENTIAL: 2,
    FailureClass.PROTOCOL: 2,
}
_PASSING_RANK = 3
_SLOW_DOWN = frozenset({FailureClass.RATE_LIMITED, FailureClass.OVERLOADED})


def without_route(plan: RoutePlan) -> DomainError:
    """Return what to raise for a plan without attempts: it says why every route was left out."""
    model = plan.requested
    if plan.throttled:
        return UpstreamRateLimited(plan.retry_after_ms)
    reasons = {excluded.reason for excluded in plan.exclusions}
    if reasons == {ExclusionReason.OPERATION_NOT_SERVED}:
        return UnsupportedField(
            f"The provider of the model '{model}' does not offer this operation."
        )
    if reasons and reasons <= _NEVER:
        lacking = sorted({each.detail for each in plan.exclusions if each.detail})
        return UnsupportedField(f"The model '{model}' does not offer: {', '.join(lacking)}.")
    return NoRouteAvailable(model, retry_after_ms=plan.retry_after_ms)


class ToldFailures:
    """Collects the failures of one request's attempts."""

    def __init__(self, plan: RoutePlan) -> None:
        """`plan` says when its routes may be asked again."""
        self._plan = plan
        self._told: tuple[int, DomainError, Failure] | None = None

    def add(self, error: DomainError, failure: Failure) -> None:
        """Take the failure of an attempt; of equally telling ones the last is told."""
        rank = _RANKS.get(failure.kind, _PASSING_RANK)
        known = self._told
        if known is not None and known[0] > rank:
            return
        if (
            known is not None
            and isinstance(error, LimitExceeded)
            and isinstance(known[1], LimitExceeded)
        ):
            error = min(known[1], error, key=_wait_ms)  # the first that has room again
        self._told = (rank, error, failure)

    def told(self, stop: Stop) -> DomainError:
        """Return what to raise when nothing more is tried."""
        plan = self._plan
        # A plan whose routes were well has no time of its own, and yet none of them was to be had.
        come_back_ms = plan.retry_after_ms or LEAST_RETRY_AFTER_MS
        if self._told is None:
            return NoRouteAvailable(plan.requested, retry_after_ms=come_back_ms)
        _, error, failure = self._told
        last_resort = all(attempt.last_resort for attempt in plan.attempts)
        if last_resort and failure.kind not in _SLOW_DOWN:
            return NoRouteAvailable(plan.requested, retry_after_ms=come_back_ms)
        if isinstance(error, UpstreamRateLimited | UpstreamUnavailable):
            # Of all routes, the one that may be asked first says when to come back.
            error.retry_after_ms = stop.retry_after_ms or error.retry_after_ms
        return error


def _wait_ms(error: LimitExceeded) -> float:
    return float("inf") if error.retry_after_ms is None else error.retry_after_ms
