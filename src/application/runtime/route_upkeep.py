"""What is known of routes follows the configuration."""

from application.ports.clock import Clock
from application.runtime.snapshot import RuntimeSnapshot
from domain.identifiers import RouteId
from domain.routing.board import HealthBoard
from domain.routing.catalog import Catalog
from domain.routing.tuning import health_policy


class RouteUpkeep:
    """Brings the board up to date with every snapshot."""

    def __init__(self, board: HealthBoard, clock: Clock) -> None:
        """`board` is what requests are planned by."""
        self._board = board
        self._clock = clock
        self._served_by: dict[RouteId, tuple[object, ...]] = {}

    def follow(self, snapshot: RuntimeSnapshot) -> None:
        """Go by the policy of `snapshot`, forget routes that are gone, and give changed ones a chance.

        A route whose provider was edited is another one: what failed may have been what was mended.
        """
        self._board.configure(health_policy(snapshot.settings))
        served_by = _served_by(snapshot.catalog)
        self._board.keep_only(served_by.keys())
        held, self._served_by = self._served_by, served_by
        changed = [
            route for route, server in served_by.items() if held.get(route, server) != server
        ]
        self._board.reset(changed, self._clock.now_ms())


def _served_by(catalog: Catalog) -> dict[RouteId, tuple[object, ...]]:
    """Return for every route there can be what decides whether it works."""
    revisions = {spec.id: (spec.id, spec.revision) for spec in catalog.providers.values()}
    served: dict[RouteId, tuple[object, ...]] = {
        RouteId(f"prefix:{provider}"): revision for provider, revision in revisions.items()
    }
    for model in catalog.models.values():
        for route in model.routes:
            served[route.id] = (route.upstream_model, revisions.get(route.provider_id))
    return served
