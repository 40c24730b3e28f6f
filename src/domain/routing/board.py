"""What one replica knows of all routes: trackers by route, and their exchange with other replicas."""

from collections.abc import Collection, Iterable

from msgspec.structs import replace

from domain.identifiers import RouteId
from domain.routing.health import RouteHealth, merged
from domain.routing.standing import UNKNOWN, RouteStanding
from domain.routing.tracker import AttemptLease, HealthPolicy, RouteTracker


class HealthBoard:
    """Trackers of the routes in use; made when a route is first tried."""

    def __init__(self, replica: str, policy: HealthPolicy) -> None:
        """`replica` names this process among all that publish, uniquely."""
        self._replica = replica
        self._policy = policy
        self._trackers: dict[RouteId, RouteTracker] = {}

    def standing(self, route_id: RouteId, now_ms: int) -> RouteStanding:
        """Return how a route stands; one never tried is as good as any."""
        tracker = self._trackers.get(route_id)
        return UNKNOWN if tracker is None else tracker.standing(now_ms)

    def begin(
        self, route_id: RouteId, now_ms: int, *, last_resort: bool = False
    ) -> AttemptLease | None:
        """Return leave for one attempt, or None (`RouteTracker.begin`)."""
        return self.tracker(route_id).begin(now_ms, last_resort=last_resort)

    def tracker(self, route_id: RouteId) -> RouteTracker:
        """Return the tracker of a route."""
        tracker = self._trackers.get(route_id)
        if tracker is None:
            tracker = RouteTracker(route_id, self._replica, self._policy)
            self._trackers[route_id] = tracker
        return tracker

    def configure(self, policy: HealthPolicy) -> None:
        """Go by another policy from now on."""
        self._policy = policy
        for tracker in self._trackers.values():
            tracker.configure(policy)

    def reports(self, now_ms: int) -> list[RouteHealth]:
        """Return what to publish of every route."""
        return [tracker.report(now_ms) for tracker in self._trackers.values()]

    def absorb(self, reports: Iterable[RouteHealth], now_ms: int) -> list[RouteId]:
        """Take over the latest reports of all replicas; return the routes whose circuit changed.

        Own reports among them are left out. A route that nobody else reports any more loses what
        it had from others.
        """
        by_route: dict[RouteId, list[RouteHealth]] = {route: [] for route in self._trackers}
        for report in reports:
            if report.replica != self._replica:
                by_route.setdefault(report.route_id, []).append(self._believed(report, now_ms))
        return [
            route
            for route, others in by_route.items()
            if self.tracker(route).absorb(merged(route, others, now_ms), now_ms)
        ]

    def _believed(self, report: RouteHealth, now_ms: int) -> RouteHealth:
        """Return the report without a cool-down that only a wrong clock can have told."""
        cool_down = report.cool_down.believed(now_ms, self._policy.cool_down.longest_ms)
        return report if cool_down is report.cool_down else replace(report, cool_down=cool_down)

    def reset(self, routes: Iterable[RouteId], now_ms: int) -> None:
        """Close the circuits and end the cool-downs of these routes, as far as they are known."""
        for route in routes:
            tracker = self._trackers.get(route)
            if tracker is not None:
                tracker.reset(now_ms)

    def keep_only(self, routes: Collection[RouteId]) -> None:
        """Forget routes that are no longer configured and have no request running."""
        self._trackers = {
            route: tracker
            for route, tracker in self._trackers.items()
            if route in routes or tracker.in_flight
        }
