"""The order in which the routes of one tier are tried, each with a score that can be shown.

* `weighted`: drawn by weight, without replacement, so that what a failed route leaves over spreads
  by weight as well.
* `latency`: drawn by weight / TTFT³. A draw and not a minimum: everybody would run to the fastest
  route at once, and a slow one would never be measured again. A cold route counts as the median of
  its peers.
* `cost`: cheapest first at the price in force; an unknown price comes last.
* `least_busy`: fewest requests in flight per weight first.

Equals are drawn by weight. A route of weight 0 comes after all that have weight: it is a spare.
"""

from collections.abc import Sequence
from itertools import groupby
from statistics import median

from msgspec import Struct

from domain.routing.capabilities import RequestNeeds
from domain.routing.catalog import Model, Route, Strategy
from domain.routing.standing import RouteStanding

LATENCY_POWER = 3
"""A route that is twice as slow gets an eighth of the share."""
_LEAST_TTFT_MS = 1.0
# What a request of unknown size is taken to cost, so that both prices count.
_TYPICAL_INPUT, _TYPICAL_OUTPUT = 1_000, 250
_NANO_PER_TOKEN = 1_000  # at one USD per million tokens


class Candidate(Struct, frozen=True, kw_only=True, gc=False):
    """A route that may be tried now, as the strategies see it."""

    model: Model
    route: Route
    standing: RouteStanding


class Score(Struct, frozen=True, kw_only=True, gc=False):
    """Why a route stands where it stands.

    Attributes:
        strategy: whose measure it is; `affinity` where a conversation is kept on its route.
        share: probability of being first of its tier; None where no dice are thrown.
        value: the measure in `unit`; None when not known.
        unit: `weight`, `ms`, `nano_usd`, `in_flight` or `hash`.
        assumed: the value is the median of the peers, because this route is cold.
    """

    strategy: str
    unit: str
    value: float | None = None
    share: float | None = None
    assumed: bool = False


Scored = tuple[Candidate, Score]


def order(
    strategy: Strategy,
    tier: Sequence[Candidate],
    needs: RequestNeeds,
    *,
    now_ms: int,
    roll: float,
) -> list[Scored]:
    """Return the candidates of one tier in the order they are to be tried.

    Args:
        strategy: the model's.
        tier: candidates in a stable order, so that equal dice mean equal choices.
        needs: the request, for its price.
        now_ms: Unix milliseconds, for the price in force.
        roll: a number in [0, 1); one is enough for any number of draws.
    """
    match strategy:
        case Strategy.WEIGHTED:
            return _by_weight(tier, roll)
        case Strategy.LATENCY:
            return _by_latency(tier, roll)
        case Strategy.COST:
            costs = [_cost(candidate, needs, now_ms) for candidate in tier]
            return _ascending(tier, costs, roll, Strategy.COST, "nano_usd")
        case Strategy.LEAST_BUSY:
            loads = [_load(candidate) for candidate in tier]
            return _ascending(tier, loads, roll, Strategy.LEAST_BUSY, "in_flight")


def drawn_order(weights: Sequence[float], roll: float) -> list[int]:
    """Return indices drawn one after the other in proportion to weight, without replacement.

    One roll serves all draws: where it fell inside the drawn share is uniform again. Indices
    without weight follow in the order given.
    """
    left = [index for index, weight in enumerate(weights) if weight > 0]
    drawn: list[int] = []
    while len(left) > 1:
        total = sum(weights[index] for index in left)
        mark = roll * total
        for place, index in enumerate(left):
            if mark < weights[index] or place == len(left) - 1:
                # Rounding can leave the mark at the very end of the last share.
                roll = min(mark / weights[index], 1 - 2**-53)
                drawn.append(left.pop(place))
                break
            mark -= weights[index]
    drawn += left
    drawn += [index for index, weight in enumerate(weights) if weight <= 0]
    return drawn


def _shares(weights: Sequence[float]) -> list[float]:
    """Return the chances of being drawn first; without any weight the first one is certain."""
    total = sum(weights)
    if total <= 0:
        return [1.0 if index == 0 else 0.0 for index in range(len(weights))]
    return [weight / total for weight in weights]


def _by_weight(tier: Sequence[Candidate], roll: float) -> list[Scored]:
    weights = [float(candidate.route.weight) for candidate in tier]
    shares = _shares(weights)
    return [
        (
            tier[index],
            Score(
                strategy=Strategy.WEIGHTED.value,
                unit="weight",
                value=weights[index],
                share=shares[index],
            ),
        )
        for index in drawn_order(weights, roll)
    ]


def _by_latency(tier: Sequence[Candidate], roll: float) -> list[Scored]:
    measured = [candidate.standing.ttft_ms for candidate in tier]
    warm = [ttft for ttft in measured if ttft is not None]
    usual = median(warm) if warm else None
    times = [usual if ttft is None else ttft for ttft in measured]
    weights = [
        candidate.route.weight / max(ttft or 0.0, _LEAST_TTFT_MS) ** LATENCY_POWER
        for candidate, ttft in zip(tier, times, strict=True)
    ]
    shares = _shares(weights)
    return [
        (
            tier[index],
            Score(
                strategy=Strategy.LATENCY.value,
                unit="ms",
                value=times[index],
                share=shares[index],
                assumed=measured[index] is None,
            ),
        )
        for index in drawn_order(weights, roll)
    ]


def _ascending(
    tier: Sequence[Candidate],
    values: Sequence[float | None],
    roll: float,
    strategy: Strategy,
    unit: str,
) -> list[Scored]:
    """Order by value; the draw decides among equals because sorting keeps its order."""
    drawn = drawn_order([float(candidate.route.weight) for candidate in tier], roll)
    drawn.sort(key=lambda index: _rank(tier[index].route.weight, values[index]))
    return [
        (tier[index], Score(strategy=strategy.value, unit=unit, value=values[index]))
        for index in drawn
    ]


def _rank(weight: int, value: float | None) -> tuple[bool, bool, float]:
    return weight <= 0, value is None, value or 0.0


def _load(candidate: Candidate) -> float:
    # One more than there are, so that weight counts among idle routes as well.
    return (candidate.standing.in_flight + 1) / max(candidate.route.weight, 1)


def _cost(candidate: Candidate, needs: RequestNeeds, now_ms: int) -> float | None:
    """Return what the request would cost there in nano-dollars, roughly; None when not known.

    A float will do for a comparison; what is charged is computed exactly, elsewhere.
    """
    own = candidate.route.prices
    price = (own if own.rows else candidate.model.prices).at(now_ms)
    if price is None:
        return None
    known = bool(needs.input_tokens or needs.expected_output_tokens)
    taken = needs.input_tokens if known else _TYPICAL_INPUT
    given = needs.expected_output_tokens or _TYPICAL_OUTPUT
    return (taken * float(price.input) + given * float(price.output)) * _NANO_PER_TOKEN


def weighted_order(routes: Sequence[Route], roll: float) -> list[Route]:
    """Order routes by tier, and within a tier by a draw; for callers that know no health.

    Args:
        routes: usable routes, sorted by (tier, -weight, id).
        roll: a number in [0, 1).
    """
    ordered: list[Route] = []
    for _, group in groupby(routes, key=lambda route: route.tier):
        tier = list(group)
        drawn = drawn_order([float(route.weight) for route in tier], roll)
        ordered += [tier[index] for index in drawn]
    return ordered
