"""Health of routes as the console reads it and gives orders: what it needs of the replicas' feed."""

from abc import abstractmethod
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Protocol

from domain.identifiers import RouteId
from domain.routing.health import RouteHealth, merged


class RouteReports(Protocol):
    """The part of the replicas' exchange that somebody uses who serves no requests himself."""

    @abstractmethod
    async def read(self) -> Sequence[RouteHealth]:
        """Return the latest reports of all replicas, and the orders in force.

        Raises:
            ServiceUnavailable: they cannot be asked for.
        """
        ...

    @abstractmethod
    async def order(self, health: RouteHealth) -> None:
        """Publish an operator's word, for every replica and for those that start later.

        Raises:
            ServiceUnavailable: it was not published.
        """
        ...


async def reports_by_route(reports: RouteReports) -> Mapping[RouteId, Sequence[RouteHealth]]:
    """Return the latest reports and orders of every route that has any."""
    by_route: defaultdict[RouteId, list[RouteHealth]] = defaultdict(list)
    for report in await reports.read():
        by_route[report.route_id].append(report)
    return by_route


async def merged_health(reports: RouteReports, now_ms: int) -> Mapping[RouteId, RouteHealth]:
    """Return what all replicas say together, for every route that anybody reported."""
    by_route = await reports_by_route(reports)
    return {route: merged(route, found, now_ms) for route, found in by_route.items()}
