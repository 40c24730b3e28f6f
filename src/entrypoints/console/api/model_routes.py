"""`/api/models/{model}/routes`: where the requests for a model can go (console.md section 1)."""

from litestar import delete, get, patch, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Response
from msgspec import Struct

from application.console.catalog.routes import ManageRoutes, RoutePatch
from application.console.catalog.views import RouteView
from application.console.configuration.document import RouteEntry
from application.resources import Page
from entrypoints.console.answers import IfMatch, answer, expected, versioned
from entrypoints.console.security import By


class ModelRoutePage(Page[RouteView], frozen=True):
    """Some routes, oldest first; `next_cursor` is null on the last page."""


class ModelRouteRemoval(Struct, frozen=True):
    """The route as it was; `deleted` is false for a dry run."""

    deleted: bool
    item: RouteView


def model_route_routes(routes: ManageRoutes) -> list[HTTPRouteHandler]:
    """Return the route handlers."""

    @get("/api/models/{model_id:str}/routes", operation_id="list_model_routes", tags=["models"])
    async def list_model_routes(
        by: By,
        model_id: FromPath[str],
        limit: FromQuery[int] = 50,
        cursor: FromQuery[str | None] = None,
    ) -> Response[ModelRoutePage]:
        """List the routes of a model, oldest first."""
        page = await routes.page(by, model_id, limit=limit, cursor=cursor)
        return answer(ModelRoutePage(page.items, page.next_cursor, page.total))

    @post("/api/models/{model_id:str}/routes", operation_id="create_model_route", tags=["models"])
    async def create_model_route(
        by: By,
        model_id: FromPath[str],
        data: JSONBody[RouteEntry],
    ) -> Response[RouteView]:
        """Give a model a route; 409 when it has one to this provider and upstream model.

        Without `upstream_model`, the provider is asked for the model by its own name.
        """
        made = await routes.create(by, model_id, data)
        location = f"/api/models/{made.view.model_id}/routes/{made.view.id}"
        return versioned(made, status=201, location=location)

    @get(
        "/api/models/{model_id:str}/routes/{route_id:str}",
        operation_id="get_model_route",
        tags=["models"],
    )
    async def get_model_route(
        by: By, model_id: FromPath[str], route_id: FromPath[str]
    ) -> Response[RouteView]:
        """Return one route with its ETag."""
        return versioned(await routes.find(by, model_id, route_id))

    @patch(
        "/api/models/{model_id:str}/routes/{route_id:str}",
        operation_id="update_model_route",
        tags=["models"],
    )
    async def update_model_route(
        by: By,
        model_id: FromPath[str],
        route_id: FromPath[str],
        data: JSONBody[RoutePatch],
        if_match: IfMatch = None,
    ) -> Response[RouteView]:
        """Merge into a route (RFC 7396): absent members stay, null goes back to the default."""
        return versioned(
            await routes.update(by, model_id, route_id, data, if_match=expected(if_match))
        )

    @delete(
        "/api/models/{model_id:str}/routes/{route_id:str}",
        operation_id="delete_model_route",
        tags=["models"],
        status_code=200,
    )
    async def delete_model_route(
        by: By,
        model_id: FromPath[str],
        route_id: FromPath[str],
        *,
        dry_run: FromQuery[bool] = False,
        if_match: IfMatch = None,
    ) -> Response[ModelRouteRemoval]:
        """Take a route away, or (`dry_run`) say what would be taken away."""
        gone = await routes.delete(
            by, model_id, route_id, if_match=expected(if_match), dry_run=dry_run
        )
        return answer(ModelRouteRemoval(not dry_run, gone.view))

    return [
        list_model_routes,
        create_model_route,
        get_model_route,
        update_model_route,
        delete_model_route,
    ]
