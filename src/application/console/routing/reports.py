"""What all replicas report of the routes, put together by route."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from application.ports.route_health import RouteHealthFeed
from domain.identifiers import RouteId
from domain.routing.health import RouteHealth, merged


async def reports_by_route(feed: RouteHealthFeed) -> Mapping[RouteId, Sequence[RouteHealth]]:
    """Return the latest reports and orders of every route that has any."""
    by_route: defaultdict[RouteId, list[RouteHealth]] = defaultdict(list)
    for report in await feed.read():
        by_route[report.route_id].append(report)
    return by_route


async def merged_health(feed: RouteHealthFeed, now_ms: int) -> Mapping[RouteId, RouteHealth]:
    """Return what all replicas say together, for every route that anybody reported."""
    by_route = await reports_by_route(feed)
    return {route: merged(route, found, now_ms) for route, found in by_route.items()}
