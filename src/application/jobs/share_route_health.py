"""What this replica knows of its routes goes to the others, and theirs comes here."""

import asyncio

import structlog

from application.ports.clock import Clock
from application.ports.route_health import RouteHealthFeed
from application.ports.telemetry import Telemetry
from application.runtime.snapshot import CurrentSnapshot
from domain.errors import ServiceUnavailable
from domain.identifiers import RouteId
from domain.routing.board import HealthBoard
from domain.routing.catalog import Catalog

SHARE_EVERY_S = 1.0
"""Shorter than replicas hold back their probes (`BreakerPolicy.hold_back_ms`)."""

log = structlog.get_logger(__name__)


class ShareRouteHealth:
    """Publishes, absorbs, and shows the circuits; while the store is away, each replica for itself."""

    def __init__(
        self,
        feed: RouteHealthFeed,
        board: HealthBoard,
        runtime: CurrentSnapshot,
        telemetry: Telemetry,
        clock: Clock,
        *,
        every_s: float = SHARE_EVERY_S,
    ) -> None:
        """`board` is what requests are planned by; `runtime` says which routes there are."""
        self._feed = feed
        self._board = board
        self._runtime = runtime
        self._telemetry = telemetry
        self._clock = clock
        self._every_s = every_s
        self._away = False
        self._shown: dict[str, int] = {}

    async def run(self) -> None:
        """Share until cancelled."""
        while True:
            await self.share()
            await asyncio.sleep(self._every_s)

    async def share(self) -> None:
        """Share once."""
        try:
            await self._exchange()
        except ServiceUnavailable as error:
            # What the others last said grows old, and must not steer for as long as the outage
            # lasts: their numbers are forgotten, their transitions hold.
            self._board.absorb((), self._clock.now_ms())
            if not self._away:
                self._away = True
                log.warning("route_health_not_shared", error=error.message)
        else:
            if self._away:
                self._away = False
                log.warning("route_health_shared_again")
        self._show()

    async def _exchange(self) -> None:
        await self._feed.publish(self._board.reports(self._clock.now_ms()))
        reports = await self._feed.read()
        catalog = self._runtime.get().catalog
        known = route_ids(catalog)
        now_ms = self._clock.now_ms()
        # Replicas on an older configuration still report what is no route any more.
        for route in self._board.absorb(
            [report for report in reports if report.route_id in known], now_ms
        ):
            standing = self._board.standing(route, now_ms)
            log.info("circuit_changed_elsewhere", route=route, state=standing.circuit.value)

    def _show(self) -> None:
        now_ms = self._clock.now_ms()
        states = {
            name: self._board.standing(route, now_ms).circuit.gauge
            for name, route in route_names(self._runtime.get().catalog).items()
        }
        gone = {name: 0 for name in self._shown if name not in states}
        for name, state in {**states, **gone}.items():
            if self._shown.get(name) != state:
                self._telemetry.breaker_state(name, state)
        self._shown = states


def route_ids(catalog: Catalog) -> frozenset[RouteId]:
    """Return the ids of all routes there can be, those of models guessed by their prefix included."""
    configured = {route.id for model in catalog.models.values() for route in model.routes}
    guessed = {RouteId(f"prefix:{provider}") for provider in catalog.providers}
    return frozenset(configured | guessed)


def route_names(catalog: Catalog) -> dict[str, RouteId]:
    """Return a name for every configured route that people know it by, such as `gpt-4o/openai`.

    Where a model has several routes to one provider, the upstream model is part of the name, and
    where that is the same too, the id.
    """
    names: dict[str, RouteId] = {}
    for model in catalog.models.values():
        for route in model.routes:
            provider = catalog.providers.get(route.provider_id)
            name = f"{model.name}/{provider.name if provider is not None else route.provider_id}"
            for unique in (name, f"{name}/{route.upstream_model}", f"{name}/{route.id}"):
                if unique not in names:
                    names[unique] = route.id
                    break
    return names
