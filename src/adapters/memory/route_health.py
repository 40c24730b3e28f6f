"""Reports of routes in process memory."""

from collections.abc import Sequence

from application.ports.route_health import RouteHealthFeed
from domain.identifiers import RouteId
from domain.routing.health import RouteHealth


class MemoryRouteHealthFeed(RouteHealthFeed):
    """Two dictionaries; nothing is forgotten, for a replica in the same process lives as long."""

    def __init__(self) -> None:
        """Start empty."""
        self._reports: dict[str, tuple[RouteHealth, ...]] = {}
        self._orders: dict[RouteId, RouteHealth] = {}

    async def publish(self, reports: Sequence[RouteHealth]) -> None:
        """See `RouteHealthFeed`."""
        if reports:
            self._reports[reports[0].replica] = tuple(reports)

    async def order(self, health: RouteHealth) -> None:
        """See `RouteHealthFeed`."""
        self._orders[health.route_id] = health

    async def read(self) -> Sequence[RouteHealth]:
        """See `RouteHealthFeed`."""
        reported = (report for reports in self._reports.values() for report in reports)
        return (*reported, *self._orders.values())
