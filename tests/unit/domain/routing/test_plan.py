"""The whole decision: where a request would go, where not, and why."""

from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import UpstreamUnavailable
from domain.identifiers import RouteId
from domain.inference.dialect import Dialect, Operation
from domain.routing.affinity import AffinityKey, KeySource
from domain.routing.capabilities import Capabilities, Capability, RequestNeeds
from domain.routing.catalog import Affinity, Catalog, Model, ProviderKind, Strategy
from domain.routing.exclusion import ExclusionReason
from domain.routing.failures import understand
from domain.routing.plan import RoutePlan, plan_routes
from domain.routing.retry import RetryPolicy, Stop, Try
from domain.routing.standing import UNKNOWN, CircuitState, RouteStanding
from tests.support.routing import NOW_MS, catalog, model, provider, route
from tests.unit.domain.routing.test_strategy import costing

OPEN = RouteStanding(circuit=CircuitState.OPEN, open_until_ms=NOW_MS + 4_000)
OPEN_SHORTER = RouteStanding(circuit=CircuitState.OPEN, open_until_ms=NOW_MS + 3_000)
HALF_OPEN = RouteStanding(circuit=CircuitState.HALF_OPEN, open_until_ms=NOW_MS - 1)
PROBED = RouteStanding(circuit=CircuitState.HALF_OPEN, open_until_ms=NOW_MS - 1, probe_free=False)
COOLING = RouteStanding(cool_down_until_ms=NOW_MS + 2_000)
ASKED = RouteStanding(cool_down_until_ms=NOW_MS + 2_000, cool_down_asked=True)
DRAINED = RouteStanding(drained=True)
DOWN = understand(UpstreamUnavailable(status=500))
SESSION = AffinityKey(source=KeySource.SESSION, text="conversation 7")


def plan(
    known: Catalog,
    subject: Model,
    health: dict[str, RouteStanding] | None = None,
    *,
    needs: RequestNeeds | None = None,
    roll: float = 0.0,
    affinity: AffinityKey | None = None,
) -> RoutePlan:
    return plan_routes(
        known,
        subject,
        needs or RequestNeeds(),
        lambda name: (health or {}).get(name, UNKNOWN),
        now_ms=NOW_MS,
        roll=roll,
        affinity=affinity,
    )


def order(found: RoutePlan) -> list[str]:
    return [attempt.route.id for attempt in found.attempts]


def reasons(found: RoutePlan) -> dict[str, ExclusionReason]:
    return {excluded.route_id: excluded.reason for excluded in found.exclusions}


THREE = model("m", route("a"), route("b"), route("spare", tier=1))
KNOWN = catalog(THREE)

standings = st.sampled_from(
    [UNKNOWN, OPEN, OPEN_SHORTER, HALF_OPEN, PROBED, COOLING, ASKED, DRAINED]
)


@given(
    health=st.lists(standings, min_size=4, max_size=4),
    tiers=st.lists(st.integers(0, 2), min_size=4, max_size=4),
    strategy=st.sampled_from(Strategy),
    roll=st.floats(0, 1, exclude_max=True),
    key=st.one_of(st.none(), st.just(SESSION)),
)
def test_every_route_is_tried_or_excluded_and_tiers_keep_their_order(
    health: list[RouteStanding],
    tiers: list[int],
    strategy: Strategy,
    roll: float,
    key: AffinityKey | None,
) -> None:
    routes = [route(name, tier=tier) for name, tier in zip("abcd", tiers, strict=True)]
    subject = model("m", *routes, strategy=strategy)
    by_name = dict(zip("abcd", health, strict=True))
    found = plan(catalog(subject), subject, by_name, roll=roll, affinity=key)
    tried, excluded = order(found), [each.route_id for each in found.exclusions]
    resort = [attempt for attempt in found.attempts if attempt.last_resort]
    assert sorted({*tried, *excluded}) == list("abcd")
    assert len(tried) == len(set(tried))
    assert len(excluded) == len(set(excluded))
    assert tuple(resort) == found.attempts[-1:] or not resort
    assert set(tried) & set(excluded) == {attempt.route.id for attempt in resort}
    of_tier = [attempt.route.tier for attempt in found.attempts if not attempt.last_resort]
    assert of_tier == sorted(of_tier)
    for attempt in found.attempts:
        assert attempt.standing not in (DRAINED, ASKED)
        assert attempt.probe == (attempt.standing is HALF_OPEN)
    usable = any(each in (UNKNOWN, HALF_OPEN) for each in health)
    assert usable == (len(tried) > len(resort))
    passing = [each for each in health if each in (OPEN, OPEN_SHORTER, PROBED, COOLING)]
    assert bool(resort) == bool(passing)
    for attempt in resort:
        assert attempt.standing in passing
    assert not usable or found.retry_after_ms is None


def test_lower_tiers_go_first_and_the_next_is_for_failing_over() -> None:
    found = plan(KNOWN, THREE, roll=0.9)
    assert order(found) == ["b", "a", "spare"]
    assert found.exclusions == ()
    assert found.requested == "m"


def test_weights_hold_within_two_percent_over_ten_thousand_plans() -> None:
    subject = model("m", route("a", weight=60), route("b", weight=30), route("c", weight=10))
    known = catalog(subject)
    counted = Counter(
        order(plan(known, subject, roll=(number + 0.5) / 10_000))[0] for number in range(10_000)
    )
    for name, share in (("a", 0.6), ("b", 0.3), ("c", 0.1)):
        assert abs(counted[name] / 10_000 - share) < 0.02


@pytest.mark.parametrize(
    ("standing", "reason", "until_ms"),
    [
        (OPEN, ExclusionReason.CIRCUIT_OPEN, NOW_MS + 4_000),
        (PROBED, ExclusionReason.PROBES_TAKEN, NOW_MS),
        (COOLING, ExclusionReason.COOLING_DOWN, NOW_MS + 2_000),
        (ASKED, ExclusionReason.COOLING_DOWN, NOW_MS + 2_000),
        (DRAINED, ExclusionReason.DRAINED, None),
    ],
)
def test_a_route_that_is_not_well_is_passed_over_for_a_reason(
    standing: RouteStanding, reason: ExclusionReason, until_ms: int | None
) -> None:
    found = plan(KNOWN, THREE, {"a": standing})
    assert [each.route.id for each in found.attempts if not each.last_resort] == ["b", "spare"]
    assert order(found)[2:] == (["a"] if standing not in (ASKED, DRAINED) else [])
    (excluded,) = found.exclusions
    assert (excluded.route_id, excluded.reason, excluded.until_ms) == ("a", reason, until_ms)


def test_a_half_open_route_is_tried_as_a_probe() -> None:
    found = plan(KNOWN, THREE, {"a": HALF_OPEN}, roll=0.0)
    assert order(found) == ["a", "b", "spare"]
    assert [attempt.probe for attempt in found.attempts] == [True, False, False]


def test_when_all_are_open_the_one_that_is_back_first_is_asked_once() -> None:
    found = plan(KNOWN, THREE, {"a": OPEN, "b": OPEN_SHORTER, "spare": OPEN})
    (attempt,) = found.attempts
    assert (attempt.route.id, attempt.last_resort) == ("b", True)
    assert (found.retry_after_ms, found.throttled) == (3_000, False)
    assert set(reasons(found).values()) == {ExclusionReason.CIRCUIT_OPEN}
    retries = found.retries(RetryPolicy(max_attempts=9, max_attempts_per_route=9), NOW_MS)
    assert isinstance(retries.next(NOW_MS, 0.5), Try)
    retries.failed(RouteId("b"), DOWN, NOW_MS)
    assert isinstance(retries.next(NOW_MS, 0.5), Stop)


def test_the_last_resort_follows_all_that_are_well_and_is_asked_once() -> None:
    found = plan(KNOWN, THREE, {"a": OPEN, "b": OPEN_SHORTER})
    assert [(each.route.id, each.last_resort) for each in found.attempts] == [
        ("spare", False),
        ("b", True),
    ]
    assert (found.retry_after_ms, found.throttled) == (None, False)
    retries, asked, now = found.retries(RetryPolicy(), NOW_MS), list[str](), NOW_MS
    while isinstance(step := retries.next(now, 0.5), Try):
        asked.append(step.route_id)
        now += step.wait_ms
        retries.failed(step.route_id, DOWN, now)
    assert asked == ["spare", "b", "spare"]


def test_what_the_provider_asked_for_is_no_case_for_a_last_resort() -> None:
    found = plan(KNOWN, THREE, {"a": ASKED, "b": ASKED, "spare": ASKED})
    assert found.attempts == ()
    assert (found.retry_after_ms, found.throttled) == (2_000, True)


def test_a_client_is_never_told_to_come_back_at_once() -> None:
    found = plan(KNOWN, THREE, {"a": PROBED, "b": PROBED, "spare": OPEN})
    assert found.attempts[0].last_resort
    assert found.retry_after_ms == 1_000


def test_what_is_drained_is_never_asked() -> None:
    found = plan(KNOWN, THREE, {"a": DRAINED, "b": DRAINED, "spare": DRAINED})
    assert found.attempts == ()
    assert (found.retry_after_ms, found.throttled) == (None, False)


def test_an_open_route_is_preferred_to_one_that_asked_for_quiet() -> None:
    found = plan(KNOWN, THREE, {"a": ASKED, "b": OPEN, "spare": DRAINED})
    assert order(found) == ["b"]


def test_a_conversation_stays_and_moves_only_while_its_route_is_not_available() -> None:
    home = order(plan(KNOWN, THREE, affinity=SESSION))[0]
    for number in range(20):
        found = plan(KNOWN, THREE, roll=number / 20, affinity=SESSION)
        assert order(found)[0] == home
        assert found.affinity is KeySource.SESSION
    away = plan(KNOWN, THREE, {home: OPEN}, affinity=SESSION)
    assert order(away)[0] == ({"a", "b"} - {home}).pop()
    assert order(plan(KNOWN, THREE, affinity=SESSION))[0] == home


@pytest.mark.parametrize("strategy", [Strategy.WEIGHTED, Strategy.LATENCY, Strategy.LEAST_BUSY])
def test_affinity_goes_before_the_strategy(strategy: Strategy) -> None:
    subject = model("m", route("a"), route("b"), strategy=strategy)
    health = [
        {"a": RouteStanding(ttft_ms=1, in_flight=9), "b": RouteStanding(ttft_ms=900)},
        {"a": RouteStanding(ttft_ms=900), "b": RouteStanding(ttft_ms=1, in_flight=9)},
    ]
    known = catalog(subject)
    homes = {order(plan(known, subject, each, affinity=SESSION))[0] for each in health}
    assert len(homes) == 1


def test_a_conversation_stays_among_the_cheapest() -> None:
    cheap, dear = costing("1", "1"), costing("9", "9")
    subject = model(
        "m",
        route("a", prices=cheap),
        route("b", prices=cheap),
        route("c", prices=dear, weight=10_000),
        route("spare", prices=cheap, weight=0),
        strategy=Strategy.COST,
    )
    known = catalog(subject)
    homes = Counter[str]()
    for number in range(200):
        key = AffinityKey(source=KeySource.SESSION, text=str(number))
        placed = {tuple(order(plan(known, subject, roll=r, affinity=key))) for r in (0.1, 0.9)}
        (found,) = placed
        assert found[2:] == ("c", "spare")
        homes[found[0]] += 1
    assert set(homes) == {"a", "b"}


def test_a_model_without_affinity_does_not_care_for_conversations() -> None:
    subject = model("m", route("a"), route("b"), affinity=Affinity.OFF)
    known = catalog(subject)
    rolls = (0.1, 0.9)
    found = [plan(known, subject, roll=roll, affinity=SESSION) for roll in rolls]
    assert {order(each)[0] for each in found} == {"a", "b"}
    assert {each.affinity for each in found} == {None}


def test_fallback_models_follow_with_strategies_of_their_own() -> None:
    first = model("first", route("a"), fallbacks=("second",))
    second = model(
        "second",
        route("dear", prices=costing("9", "9")),
        route("cheap", prices=costing("1", "1")),
        strategy=Strategy.COST,
    )
    found = plan(catalog(first, second), first)
    assert order(found) == ["a", "cheap", "dear"]
    assert [(each.model.name, each.fallback) for each in found.attempts] == [
        ("first", 0),
        ("second", 1),
        ("second", 1),
    ]
    assert found.providers == {"a", "cheap", "dear"}


def test_a_fallback_goes_before_a_last_resort() -> None:
    first = model("first", route("a"), fallbacks=("second",))
    second = model("second", route("b"))
    found = plan(catalog(first, second), first, {"a": OPEN})
    assert [(each.route.id, each.last_resort) for each in found.attempts] == [
        ("b", False),
        ("a", True),
    ]


def test_a_fallback_the_caller_may_not_use_is_excluded_by_that_name() -> None:
    first = model("first", route("a"), fallbacks=("second",))
    second = model("second", route("b"))
    found = plan_routes(
        catalog(first, second),
        first,
        RequestNeeds(),
        lambda _: UNKNOWN,
        now_ms=NOW_MS,
        roll=0.0,
        may_use=lambda name: name == "first",
    )
    assert order(found) == ["a"]
    assert reasons(found) == {"b": ExclusionReason.MODEL_NOT_ALLOWED}


def test_routes_that_cannot_serve_are_left_out_whatever_their_health() -> None:
    blind = Capabilities(cannot=frozenset({Capability.IMAGES}))
    small = Capabilities(context_window=1_000)
    subject = model(
        "m",
        route("blind", capabilities=blind),
        route("small", capabilities=small),
        route("fit"),
        route("off", enabled=False),
    )
    needs = RequestNeeds(features=frozenset({Capability.IMAGES}), input_tokens=2_000)
    found = plan(catalog(subject), subject, {"blind": OPEN}, needs=needs)
    assert order(found) == ["fit"]
    assert reasons(found) == {
        "blind": ExclusionReason.CAPABILITY_MISSING,
        "small": ExclusionReason.CONTEXT_TOO_SMALL,
        "off": ExclusionReason.ROUTE_DISABLED,
    }


def test_an_estimate_alone_refuses_nobody_the_roomiest_are_tried() -> None:
    subject = model(
        "m",
        route("small", capabilities=Capabilities(context_window=1_000)),
        route("large", capabilities=Capabilities(context_window=9_000)),
        route("twin", capabilities=Capabilities(context_window=9_000)),
    )
    found = plan(catalog(subject), subject, needs=RequestNeeds(input_tokens=10_000))
    assert sorted(order(found)) == ["large", "twin"]
    assert reasons(found) == {"small": ExclusionReason.CONTEXT_TOO_SMALL}


def test_a_fallback_with_room_goes_before_a_route_without() -> None:
    small = Capabilities(context_window=1_000)
    first = model("first", route("a", capabilities=small), fallbacks=("second",))
    second = model("second", route("b"), route("c", capabilities=small))
    needs = RequestNeeds(input_tokens=2_000)
    found = plan(catalog(first, second), first, needs=needs)
    assert order(found) == ["b"]
    assert set(reasons(found)) == {"a", "c"}
    crowded = model("first", route("a", capabilities=small), fallbacks=("third",))
    third = model("third", route("d", capabilities=small))
    alone = plan(catalog(crowded, third), crowded, needs=needs)
    assert order(alone) == ["a"]
    assert reasons(alone) == {"d": ExclusionReason.CONTEXT_TOO_SMALL}


def test_an_operation_nobody_offers_has_no_plan_and_waiting_does_not_help() -> None:
    subject = model("m", route("a"))
    known = catalog(subject, providers=(provider("a", ProviderKind.ANTHROPIC),))
    needs = RequestNeeds(operation=Operation.EMBEDDINGS, dialect=Dialect.OPENAI)
    found = plan(known, subject, needs=needs)
    assert found.attempts == ()
    assert reasons(found) == {"a": ExclusionReason.OPERATION_NOT_SERVED}
    assert found.retry_after_ms is None


def test_a_plan_can_be_shown() -> None:
    found = plan(KNOWN, THREE, {"a": OPEN})
    shown = msgspec.json.decode(msgspec.json.encode(found))
    assert shown["attempts"][0]["score"] == {
        "strategy": "weighted",
        "unit": "weight",
        "value": 100.0,
        "share": 1.0,
        "assumed": False,
    }
    assert shown["exclusions"][0]["reason"] == "circuit_open"


def test_the_route_ids_of_a_plan_are_what_retries_go_through() -> None:
    retries = plan(KNOWN, THREE, roll=0.9).retries(RetryPolicy(), NOW_MS)
    assert list(retries.routes) == [RouteId("b"), RouteId("a"), RouteId("spare")]
