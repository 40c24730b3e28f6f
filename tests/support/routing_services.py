"""The console's use cases about routing, on a store of a test and with reports of replicas that it plays."""

from adapters.memory.route_health import MemoryRouteHealthFeed
from adapters.system.randomness import SystemRandomness
from application.console.routing.simulation import SimulateRouting
from application.console.routing.states import RouteStates
from application.ports.clock import Clock, Randomness
from application.ports.route_health import RouteHealthFeed
from application.ports.unit_of_work import UnitOfWork
from entrypoints.console.services import RoutingServices
from entrypoints.container.routing import codec_by_dialect


def routing_services(
    uow: UnitOfWork,
    clock: Clock,
    feed: RouteHealthFeed | None = None,
    randomness: Randomness | None = None,
) -> RoutingServices:
    """Return them; without `feed` no replica has said anything."""
    known = feed or MemoryRouteHealthFeed()
    dice = randomness or SystemRandomness()
    return RoutingServices(
        simulation=SimulateRouting(uow, known, codec_by_dialect(), clock, dice),
        states=RouteStates(uow, known, clock),
    )
