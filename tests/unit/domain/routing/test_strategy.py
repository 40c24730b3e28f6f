"""Strategies: who goes first, how often, and what the scores say."""

from collections import Counter
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.accounting.pricing import Price, PriceList
from domain.identifiers import PriceId
from domain.routing.capabilities import RequestNeeds
from domain.routing.catalog import Strategy
from domain.routing.standing import RouteStanding
from domain.routing.strategy import Candidate, Scored, drawn_order, order, weighted_order
from tests.support.routing import NOW_MS, model, route

DRAWS = 10_000
ROLLS = [(number + 0.5) / DRAWS for number in range(DRAWS)]
"""Every ten-thousandth of the dice once: what a perfect source would give on average."""
rolls = st.floats(0, 1, exclude_max=True)


def candidate(
    name: str,
    *,
    weight: int = 100,
    ttft_ms: float | None = None,
    in_flight: int = 0,
    prices: PriceList | None = None,
) -> Candidate:
    return Candidate(
        model=model("m"),
        route=route(name, weight=weight, prices=prices),
        standing=RouteStanding(ttft_ms=ttft_ms, in_flight=in_flight),
    )


def costing(input_usd: str, output_usd: str, *, since: int = 0) -> PriceList:
    price = Price(
        id=PriceId("p"),
        effective_from_ms=since,
        input=Decimal(input_usd),
        output=Decimal(output_usd),
    )
    return PriceList((price,))


def put(
    strategy: Strategy,
    tier: list[Candidate],
    *,
    roll: float = 0.0,
    needs: RequestNeeds | None = None,
) -> list[Scored]:
    return order(strategy, tier, needs or RequestNeeds(), now_ms=NOW_MS, roll=roll)


def names(scored: list[Scored]) -> list[str]:
    return [chosen.route.id for chosen, _ in scored]


def firsts(strategy: Strategy, tier: list[Candidate]) -> Counter[str]:
    return Counter(names(put(strategy, tier, roll=roll))[0] for roll in ROLLS)


tiers = st.lists(
    st.tuples(
        st.integers(0, 200),
        st.one_of(st.none(), st.floats(0, 60_000)),
        st.integers(0, 50),
    ),
    max_size=6,
).map(
    lambda made: [
        candidate(f"r{number}", weight=weight, ttft_ms=ttft, in_flight=running)
        for number, (weight, ttft, running) in enumerate(made)
    ]
)


@given(strategy=st.sampled_from(Strategy), tier=tiers, roll=rolls)
def test_every_candidate_comes_once_and_spares_come_last(
    strategy: Strategy, tier: list[Candidate], roll: float
) -> None:
    placed = put(strategy, tier, roll=roll)
    assert sorted(names(placed)) == sorted(each.route.id for each in tier)
    spare = [chosen.route.weight == 0 for chosen, _ in placed]
    assert spare == sorted(spare)


@given(strategy=st.sampled_from(Strategy), tier=tiers, roll=rolls)
def test_shares_are_probabilities(strategy: Strategy, tier: list[Candidate], roll: float) -> None:
    shares = [score.share for _, score in put(strategy, tier, roll=roll) if score.share is not None]
    assert not shares or sum(shares) == pytest.approx(1)


def test_weights_hold_within_two_percent() -> None:
    counted = firsts(
        Strategy.WEIGHTED,
        [candidate("a", weight=70), candidate("b", weight=20), candidate("c", weight=10)],
    )
    for name, share in (("a", 0.7), ("b", 0.2), ("c", 0.1)):
        assert abs(counted[name] / DRAWS - share) < 0.02


@settings(deadline=None)
@given(weights=st.lists(st.integers(1, 100), min_size=2, max_size=5), data=st.data())
def test_what_a_failed_route_leaves_over_spreads_by_weight(
    weights: list[int], data: st.DataObject
) -> None:
    failed = data.draw(st.integers(0, len(weights) - 1))
    counted = Counter(
        drawn[1]
        for number in range(1_000)
        if (drawn := drawn_order([float(w) for w in weights], (number + 0.5) / 1_000))[0] == failed
    )
    if counted.total() < 100:
        return
    rest = sum(weights) - weights[failed]
    for index, weight in enumerate(weights):
        if index != failed:
            assert abs(counted[index] / counted.total() - weight / rest) < 0.06


def test_without_any_weight_the_order_given_holds() -> None:
    assert drawn_order([0.0, 0.0, 0.0], 0.9) == [0, 1, 2]
    assert drawn_order([], 0.9) == []


@given(weights=st.lists(st.floats(1e-12, 1e12), min_size=1, max_size=8))
def test_the_last_of_all_rolls_draws_as_well(weights: list[float]) -> None:
    assert sorted(drawn_order(weights, 1 - 2**-53)) == list(range(len(weights)))


def test_callers_without_health_get_tiers_in_order() -> None:
    routes = [route("a"), route("b"), route("spare", tier=1)]
    assert [each.id for each in weighted_order(routes, 0.9)] == ["b", "a", "spare"]


def test_the_fastest_takes_most_and_nobody_is_left_out() -> None:
    counted = firsts(
        Strategy.LATENCY,
        [candidate("fast", ttft_ms=100), candidate("slow", ttft_ms=300)],
    )
    assert counted["fast"] / DRAWS == pytest.approx(27 / 28, abs=0.01)
    assert counted["slow"] > 0, "or it would never be measured again"


def test_a_cold_route_counts_as_the_median_of_its_peers() -> None:
    tier = [
        candidate("fast", ttft_ms=100),
        candidate("middle", ttft_ms=200),
        candidate("slow", ttft_ms=900),
        candidate("cold"),
    ]
    scores = {str(chosen.route.id): score for chosen, score in put(Strategy.LATENCY, tier)}
    assert (scores["cold"].value, scores["cold"].assumed) == (200, True)
    assert (scores["middle"].value, scores["middle"].assumed) == (200, False)
    assert scores["cold"].share == scores["middle"].share


@given(
    warm=st.lists(st.floats(1, 10_000), min_size=1, max_size=5),
    cold=st.integers(1, 3),
)
def test_a_cold_route_gets_a_fair_share_and_never_more_than_its_peers(
    warm: list[float], cold: int
) -> None:
    tier = [candidate(f"w{n}", ttft_ms=ttft) for n, ttft in enumerate(warm)]
    tier += [candidate(f"c{n}") for n in range(cold)]
    scored = put(Strategy.LATENCY, tier)
    share = {str(chosen.route.id): score.share or 0 for chosen, score in scored}
    known = [share[f"w{n}"] for n in range(len(warm))]
    for number in range(cold):
        assert min(known) - 1e-9 <= share[f"c{number}"] <= max(known) + 1e-9


def test_when_all_are_cold_weights_decide() -> None:
    counted = firsts(Strategy.LATENCY, [candidate("a", weight=75), candidate("b", weight=25)])
    assert abs(counted["a"] / DRAWS - 0.75) < 0.02


def test_the_cheapest_goes_first_and_unknown_prices_last() -> None:
    tier = [
        candidate("unknown"),
        candidate("dear", prices=costing("5", "20")),
        candidate("cheap", prices=costing("1", "2")),
        candidate("not yet", prices=costing("0", "0", since=NOW_MS + 1)),
    ]
    for roll in (0.0, 0.3, 0.6, 0.99):
        placed = names(put(Strategy.COST, tier, roll=roll))
        assert placed[:2] == ["cheap", "dear"]
    assert {score.value for _, score in put(Strategy.COST, tier)[2:]} == {None}


def test_what_is_cheap_depends_on_the_request() -> None:
    tier = [
        candidate("reads", prices=costing("1", "20")),
        candidate("writes", prices=costing("3", "5")),
    ]
    long_prompt = RequestNeeds(input_tokens=10_000, expected_output_tokens=100)
    long_answer = RequestNeeds(input_tokens=100, expected_output_tokens=2_000)
    assert names(put(Strategy.COST, tier, needs=long_prompt)) == ["reads", "writes"]
    assert names(put(Strategy.COST, tier, needs=long_answer)) == ["writes", "reads"]
    best = put(Strategy.COST, tier, needs=long_prompt)[0][1]
    assert best.value == (10_000 * 1 + 100 * 20) * 1_000


def test_a_route_without_a_price_of_its_own_costs_what_the_model_costs() -> None:
    parent = model("m", prices=costing("2", "2"))
    tier = [
        Candidate(
            model=parent, route=route("own", prices=costing("3", "3")), standing=RouteStanding()
        ),
        Candidate(model=parent, route=route("common"), standing=RouteStanding()),
    ]
    assert names(put(Strategy.COST, tier)) == ["common", "own"]


def test_equal_prices_share_by_weight() -> None:
    same = costing("1", "2")
    counted = firsts(
        Strategy.COST,
        [candidate("a", weight=60, prices=same), candidate("b", weight=40, prices=same)],
    )
    assert abs(counted["a"] / DRAWS - 0.6) < 0.02


def test_the_least_busy_for_its_weight_goes_first() -> None:
    tier = [
        candidate("small", weight=10, in_flight=2),
        candidate("large", weight=100, in_flight=5),
        candidate("full", weight=100, in_flight=90),
    ]
    placed = put(Strategy.LEAST_BUSY, tier, roll=0.9)
    assert names(placed) == ["large", "small", "full"]
    values = [score.value or 0.0 for _, score in placed]
    assert all(one <= other for one, other in pairwise(values))


def test_idle_routes_share_by_weight() -> None:
    counted = firsts(Strategy.LEAST_BUSY, [candidate("a"), candidate("b")])
    assert abs(counted["a"] / DRAWS - 0.5) < 0.02
