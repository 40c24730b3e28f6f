"""The order in which the routes of a model are tried."""

from collections.abc import Sequence

from domain.routing.catalog import Route


def weighted_order(routes: Sequence[Route], roll: float) -> list[Route]:
    """Order routes by tier; within a tier one is drawn by weight and goes first.

    The rest of the tier follows by falling weight, so that fail-over prefers strong routes. A
    route of weight 0 is never drawn while another of its tier has weight.

    Args:
        routes: usable routes, sorted by (tier, -weight, id).
        roll: a number in [0, 1).
    """
    ordered: list[Route] = []
    start = 0
    while start < len(routes):
        end = start
        while end < len(routes) and routes[end].tier == routes[start].tier:
            end += 1
        tier = list(routes[start:end])
        drawn = _drawn(tier, roll)
        ordered.append(tier.pop(drawn))
        ordered.extend(tier)
        start = end
    return ordered


def _drawn(tier: Sequence[Route], roll: float) -> int:
    mark = roll * sum(route.weight for route in tier)
    for index, route in enumerate(tier):
        mark -= route.weight
        if mark < 0:
            return index
    return 0
