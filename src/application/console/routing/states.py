"""The routes as they stand, and an operator's word on them: drain, undrain, reset."""

from collections.abc import Callable, Sequence

from msgspec import Struct

from application.console.acts import carry_out
from application.console.routing.reports import merged_health, reports_by_route
from application.console.routing.views import StandingView, provider_name
from application.ports.clock import Clock
from application.ports.route_health import RouteHealthFeed
from application.ports.unit_of_work import UnitOfWork
from application.resources import check_page
from domain.access.actor import Actor
from domain.access.permissions import Permission
from domain.errors import NotFound
from domain.identifiers import RouteId
from domain.records.audit import AuditTarget
from domain.routing.catalog import Catalog, Model, Route
from domain.routing.health import RouteHealth, merged, told_to_drain, told_to_reset


class RouteState(Struct, frozen=True, kw_only=True):
    """One route of the catalogue and its health.

    Attributes:
        enabled: whether route, model and provider are.
        drained_by: who took it out; null when it is not drained.
        reported_at_ms: Unix milliseconds of the newest report or order; null when there is none.
        outcomes: how many recent outcomes the error rate rests on.
    """

    id: str
    model: str
    provider: str
    upstream_model: str
    tier: int
    weight: int
    enabled: bool
    rpm: int | None
    tpm: int | None
    max_in_flight: int | None
    drained_by: str | None
    reported_at_ms: int | None
    outcomes: int
    standing: StandingView


class RoutePage(Struct, frozen=True):
    """Some routes, oldest first; `next_cursor` is null on the last page."""

    items: tuple[RouteState, ...]
    next_cursor: str | None
    total: int


class RouteOrder(Struct, frozen=True, kw_only=True):
    """What became of an order; `applied` is false for a dry run. The route stands as it will."""

    applied: bool
    item: RouteState


class RouteStates:
    """Reads what replicas report, and publishes orders; replicas take them over within seconds."""

    def __init__(self, uow: UnitOfWork, feed: RouteHealthFeed, clock: Clock) -> None:
        """`feed` is what the gateway's replicas share."""
        self._uow = uow
        self._feed = feed
        self._clock = clock

    async def page(
        self, by: Actor, *, limit: int = 50, cursor: str | None = None, model: str | None = None
    ) -> RoutePage:
        """Return routes, oldest first; with `model`, those of that model or alias.

        Raises:
            InvalidRequest: a parameter is out of bounds; `param` names it.
            PermissionDenied
            NotFound: no such model.
            ServiceUnavailable: a store cannot be asked now.
        """
        by.require(Permission.ROUTES_READ)
        check_page(limit, cursor)
        catalog = await self._catalog()
        name = None
        if model is not None:
            name = model if model in catalog.models else catalog.aliases.get(model)
            if name is None:
                raise NotFound(f"There is no model '{model}'.")
        found = sorted(
            (
                (route, each)
                for each in catalog.models.values()
                for route in each.routes
                if name in (None, each.name)
            ),
            key=lambda pair: pair[0].id,
        )
        rest = [pair for pair in found if cursor is None or pair[0].id > cursor]
        now_ms = self._clock.now_ms()
        health = await merged_health(self._feed, now_ms)
        shown = rest[:limit]
        return RoutePage(
            items=tuple(
                _state(catalog, each, route, health.get(route.id), now_ms) for route, each in shown
            ),
            next_cursor=shown[-1][0].id if len(rest) > limit else None,
            total=len(found),
        )

    async def drain(
        self, by: Actor, route_id: str, *, drained: bool, dry_run: bool = False
    ) -> RouteOrder:
        """Take a route out, or back in: new requests go elsewhere, running ones end where they are.

        Raises:
            PermissionDenied
            NotFound: no such route.
            ServiceUnavailable: the order could not be published.
        """
        return await self._order(
            by,
            "route.drain" if drained else "route.undrain",
            route_id,
            lambda health, now_ms: told_to_drain(health, now_ms, drained=drained, by=by.name),
            dry_run=dry_run,
        )

    async def reset(self, by: Actor, route_id: str, *, dry_run: bool = False) -> RouteOrder:
        """Close a route's circuit and end its cool-down. Raises like `drain`."""
        return await self._order(
            by,
            "route.reset",
            route_id,
            lambda health, now_ms: told_to_reset(health, now_ms, by=by.name),
            dry_run=dry_run,
        )

    async def _order(
        self,
        by: Actor,
        action: str,
        route_id: str,
        word: Callable[[RouteHealth, int], RouteHealth],
        *,
        dry_run: bool,
    ) -> RouteOrder:
        by.require(Permission.ROUTES_OPERATE)
        catalog = await self._catalog()
        route, model = _found(catalog, route_id)
        now_ms = self._clock.now_ms()
        reported = (await reports_by_route(self._feed)).get(route.id, ())
        known = merged(route.id, reported, now_ms)
        told = word(known, now_ms)
        # The numbers are the replicas': said again, they would count twice.
        order = RouteHealth(
            route_id=route.id,
            at_ms=now_ms,
            state=told.state,
            breaker=told.breaker,
            cool_down=told.cool_down,
            drain=told.drain,
        )
        before = _state(catalog, model, route, known, now_ms)
        after = _state(catalog, model, route, merged(route.id, (*reported, order), now_ms), now_ms)
        if not dry_run:
            name = f"{after.model} -> {after.provider}/{after.upstream_model}"
            await carry_out(
                self._uow,
                by,
                action,
                AuditTarget(kind="route", id=route.id, name=name),
                lambda: self._feed.order(order),
                before=before,
                after=after,
            )
        return RouteOrder(applied=not dry_run, item=after)

    async def _catalog(self) -> Catalog:
        async with self._uow.begin() as tx:
            return Catalog.of(await tx.models.all(), await tx.providers.all())


def _found(catalog: Catalog, route_id: str) -> tuple[Route, Model]:
    models: Sequence[Model] = tuple(catalog.models.values())
    for model in models:
        for route in model.routes:
            if route.id == RouteId(route_id):
                return route, model
    raise NotFound("There is no route with this id.")


def _state(
    catalog: Catalog, model: Model, route: Route, health: RouteHealth | None, now_ms: int
) -> RouteState:
    known = health or RouteHealth(route_id=route.id)
    provider = catalog.providers.get(route.provider_id)
    return RouteState(
        id=route.id,
        model=model.name,
        provider=provider_name(catalog, route.provider_id),
        upstream_model=route.upstream_model,
        tier=route.tier,
        weight=route.weight,
        enabled=route.enabled and model.enabled and provider is not None and provider.enabled,
        rpm=route.rpm,
        tpm=route.tpm,
        max_in_flight=route.max_in_flight,
        drained_by=known.drain.by if known.drain.drained else None,
        reported_at_ms=known.at_ms or None,
        outcomes=known.tally.volume,
        standing=StandingView.of(known.standing(now_ms)),
    )
