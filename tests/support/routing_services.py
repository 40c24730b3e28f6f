"""The console's use cases about routing, on a store of a test and with reports it makes up."""

from collections.abc import Sequence

from adapters.system.randomness import SystemRandomness
from application.console.routing.reports import RouteReports
from application.console.routing.simulation import SimulateRouting
from application.console.routing.states import RouteStates
from application.ports.clock import Clock, Randomness
from application.ports.unit_of_work import UnitOfWork
from domain.routing.health import RouteHealth
from entrypoints.console.services import RoutingServices
from entrypoints.container.routing import codec_by_dialect


class KeptReports(RouteReports):
    """Reports of replicas that a test plays, and the orders given, newest last."""

    def __init__(self) -> None:
        self.reports: list[RouteHealth] = []
        self.orders: list[RouteHealth] = []

    async def read(self) -> Sequence[RouteHealth]:
        return [*self.reports, *self.orders]

    async def order(self, health: RouteHealth) -> None:
        self.orders.append(health)


def routing_services(
    uow: UnitOfWork,
    clock: Clock,
    reports: RouteReports | None = None,
    randomness: Randomness | None = None,
) -> RoutingServices:
    """Return them; without `reports` no replica has said anything."""
    known = reports or KeptReports()
    dice = randomness or SystemRandomness()
    return RoutingServices(
        simulation=SimulateRouting(uow, known, codec_by_dialect(), clock, dice),
        states=RouteStates(uow, known, clock),
    )
