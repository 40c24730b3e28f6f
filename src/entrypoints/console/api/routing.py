"""`/api/routing`: where a request would go, and the routes as they stand (data-plane.md section 6)."""

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Response

from application.console.routing.asked import SimulatedRequest
from application.console.routing.simulation import SimulateRouting
from application.console.routing.states import RouteOrder, RoutePage, RouteStates
from application.console.routing.views import Simulated
from entrypoints.console.answers import answer
from entrypoints.console.idempotency import NEVER_KEPT
from entrypoints.console.security import By


def routing_routes(simulation: SimulateRouting, states: RouteStates) -> list[HTTPRouteHandler]:
    """Return the route handlers."""

    @post(
        "/api/routing/simulate",
        operation_id="simulate_routing",
        tags=["routing"],
        status_code=200,
        opt={NEVER_KEPT: True},
    )
    async def simulate_routing(by: By, data: JSONBody[SimulatedRequest]) -> Response[Simulated]:
        """Tell where a request would go: routes in order with their scores, and why not the others.

        It is the plan the gateway would make now; within a tier dice may fall otherwise next time.
        Nothing is sent and nothing counted.
        """
        return answer(await simulation.simulate(by, data))

    @get("/api/routing/routes", operation_id="list_routes", tags=["routing"])
    async def list_routes(
        by: By,
        limit: FromQuery[int] = 50,
        cursor: FromQuery[str | None] = None,
        model: FromQuery[str | None] = None,
    ) -> Response[RoutePage]:
        """List routes with the health all replicas report, oldest first; `model` narrows the list."""
        return answer(await states.page(by, limit=limit, cursor=cursor, model=model))

    @post(
        "/api/routing/routes/{route_id:str}/drain",
        operation_id="drain_route",
        tags=["routing"],
        status_code=200,
    )
    async def drain_route(
        by: By, route_id: FromPath[str], *, dry_run: FromQuery[bool] = False
    ) -> Response[RouteOrder]:
        """Take a route out in every replica until `undrain`; running requests end where they are."""
        return answer(await states.drain(by, route_id, drained=True, dry_run=dry_run))

    @post(
        "/api/routing/routes/{route_id:str}/undrain",
        operation_id="undrain_route",
        tags=["routing"],
        status_code=200,
    )
    async def undrain_route(
        by: By, route_id: FromPath[str], *, dry_run: FromQuery[bool] = False
    ) -> Response[RouteOrder]:
        """Let requests go to a drained route again."""
        return answer(await states.drain(by, route_id, drained=False, dry_run=dry_run))

    @post(
        "/api/routing/routes/{route_id:str}/reset",
        operation_id="reset_route",
        tags=["routing"],
        status_code=200,
    )
    async def reset_route(
        by: By, route_id: FromPath[str], *, dry_run: FromQuery[bool] = False
    ) -> Response[RouteOrder]:
        """Close a route's circuit and end its cool-down, e.g. because the provider is mended."""
        return answer(await states.reset(by, route_id, dry_run=dry_run))

    return [simulate_routing, list_routes, drain_route, undrain_route, reset_route]
