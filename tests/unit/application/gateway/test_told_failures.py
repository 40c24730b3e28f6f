"""Of all that went wrong, the client is told what tells him most."""

import pytest

from application.gateway.told_failures import ToldFailures, without_route
from domain.errors import (
    DomainError,
    LimitExceeded,
    NoRouteAvailable,
    UnsupportedField,
    UpstreamCredentialRejected,
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamUnavailable,
)
from domain.identifiers import ProviderId, RouteId
from domain.routing.capabilities import RequestNeeds
from domain.routing.exclusion import Exclusion, ExclusionReason
from domain.routing.failures import understand
from domain.routing.plan import RoutePlan, plan_routes
from domain.routing.retry import Stop, StopReason
from domain.routing.standing import CircuitState, RouteStanding
from tests.support.routing import NOW_MS, catalog, model, route

DOWN = UpstreamUnavailable(status=500)
GARBAGE = UpstreamProtocolError("garbage")
CREDENTIAL = UpstreamCredentialRejected()
FULL = LimitExceeded("provider:requests/1m", retry_after_ms=9_000)
SOON = LimitExceeded("route:requests/1m", retry_after_ms=4_000)
NO_PLACE = UnsupportedField("no place")


def plan_of(standing: RouteStanding | None = None) -> RoutePlan:
    subject = model("m", route("a"))
    return plan_routes(
        catalog(subject),
        subject,
        RequestNeeds(),
        lambda _: standing or RouteStanding(),
        now_ms=NOW_MS,
        roll=0.5,
    )


def told(*errors: DomainError, plan: RoutePlan | None = None, wait: int | None = None) -> object:
    failures = ToldFailures(plan or plan_of())
    for error in errors:
        failures.add(error, understand(error))
    return failures.told(Stop(reason=StopReason.NO_ROUTES, retry_after_ms=wait))


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ((DOWN, GARBAGE), DOWN),
        ((GARBAGE, DOWN), DOWN),
        ((GARBAGE, CREDENTIAL), CREDENTIAL),
        ((CREDENTIAL, FULL), CREDENTIAL),
        ((FULL, NO_PLACE), FULL),
        ((NO_PLACE,), NO_PLACE),
        ((FULL, SOON), SOON),
        ((SOON, FULL), SOON),
    ],
)
def test_what_passes_is_told_first_and_what_a_format_lacks_last(
    errors: tuple[DomainError, ...], expected: DomainError
) -> None:
    assert told(*errors) is expected


def test_the_client_is_told_when_the_first_route_may_be_asked_again() -> None:
    error = told(UpstreamRateLimited(30_000), wait=2_000)
    assert isinstance(error, UpstreamRateLimited)
    assert error.retry_after_ms == 2_000


def test_after_a_last_resort_the_client_is_told_to_come_back_and_by_a_busy_one_to_slow_down() -> (
    None
):
    out = plan_of(RouteStanding(circuit=CircuitState.OPEN, open_until_ms=NOW_MS + 3_000))
    error = told(UpstreamUnavailable(status=500), plan=out)
    assert isinstance(error, NoRouteAvailable)
    assert error.retry_after_ms == 3_000
    assert isinstance(told(UpstreamRateLimited(), plan=out), UpstreamRateLimited)


def test_when_no_leave_was_given_there_is_no_route() -> None:
    error = told()
    assert isinstance(error, NoRouteAvailable)
    assert error.retry_after_ms == 1_000


def test_what_a_well_route_did_wrong_is_told_although_a_last_resort_failed_too() -> None:
    subject = model("m", route("a"), route("b"))
    out = RouteStanding(circuit=CircuitState.OPEN, open_until_ms=NOW_MS + 3_000)
    mixed = plan_routes(
        catalog(subject),
        subject,
        RequestNeeds(),
        lambda name: out if name == "a" else RouteStanding(),
        now_ms=NOW_MS,
        roll=0.5,
    )
    assert told(DOWN, GARBAGE, plan=mixed) is DOWN


def left_out(*reasons: ExclusionReason) -> RoutePlan:
    return RoutePlan(
        requested="m",
        exclusions=tuple(
            Exclusion(
                route_id=RouteId(str(number)),
                provider_id=ProviderId("p"),
                model="m",
                reason=reason,
                detail="images" if reason is ExclusionReason.CAPABILITY_MISSING else "",
            )
            for number, reason in enumerate(reasons)
        ),
    )


@pytest.mark.parametrize(
    ("reasons", "kind"),
    [
        ((ExclusionReason.OPERATION_NOT_SERVED,), UnsupportedField),
        ((ExclusionReason.CAPABILITY_MISSING,), UnsupportedField),
        ((ExclusionReason.CAPABILITY_MISSING, ExclusionReason.DRAINED), NoRouteAvailable),
        ((ExclusionReason.OPERATION_NOT_SERVED, ExclusionReason.ROUTE_DISABLED), NoRouteAvailable),
        ((), NoRouteAvailable),
    ],
)
def test_what_waiting_never_mends_is_the_requests_fault(
    reasons: tuple[ExclusionReason, ...], kind: type[DomainError]
) -> None:
    assert isinstance(without_route(left_out(*reasons)), kind)


def test_routes_that_all_cool_down_as_they_were_asked_to_are_a_429() -> None:
    asked = plan_of(RouteStanding(cool_down_until_ms=NOW_MS + 8_000, cool_down_asked=True))
    error = without_route(asked)
    assert isinstance(error, UpstreamRateLimited)
    assert error.retry_after_ms == 8_000
