"""The routes of a model: where its requests can go, one by one."""

from collections.abc import Mapping
from decimal import Decimal

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from application.console.catalog.merging import patched, refuse
from application.console.catalog.models import CapabilitiesPatch, existing_model
from application.console.catalog.providers import existing_provider
from application.console.catalog.views import RouteView, route_entry, route_view
from application.console.configuration.capabilities import capabilities_of
from application.console.configuration.document import RouteEntry
from application.console.configuration.routes import RouteTarget, check_route, route_of
from application.ports.clock import IdGenerator
from application.ports.unit_of_work import Transaction, UnitOfWork
from application.resources import (
    Page,
    Versioned,
    check_page,
    page_of,
    require_version,
    versioned,
)
from domain.access.actor import Actor
from domain.access.permissions import Permission
from domain.errors import Conflict, InvalidRequest, NotFound
from domain.identifiers import ProviderId
from domain.records.audit import AuditTarget
from domain.routing.catalog import Model, Route


class PricePatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A merge patch of a price in USD per million tokens."""

    input: Decimal | UnsetType | None = UNSET
    output: Decimal | UnsetType | None = UNSET
    cache_read: Decimal | UnsetType | None = UNSET
    cache_write_5m: Decimal | UnsetType | None = UNSET
    cache_write_1h: Decimal | UnsetType | None = UNSET
    audio_in: Decimal | UnsetType | None = UNSET
    reasoning: Decimal | UnsetType | None = UNSET
    audio_out: Decimal | UnsetType | None = UNSET


class RoutePatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A merge patch of a route: absent keeps, null goes back to the default."""

    provider: str | UnsetType | None = UNSET
    upstream_model: str | UnsetType | None = UNSET
    tier: int | UnsetType | None = UNSET
    weight: int | UnsetType | None = UNSET
    enabled: bool | UnsetType | None = UNSET
    capabilities: CapabilitiesPatch | UnsetType | None = UNSET
    price: PricePatch | UnsetType | None = UNSET
    rpm: int | UnsetType | None = UNSET
    tpm: int | UnsetType | None = UNSET
    max_in_flight: int | UnsetType | None = UNSET


class ManageRoutes:
    """Every change is a transaction of its own, one after the other on all replicas.

    A model is named by its id or its name, a provider likewise.
    """

    def __init__(self, uow: UnitOfWork, ids: IdGenerator) -> None:
        """Take the ports."""
        self._uow = uow
        self._ids = ids

    async def page(
        self, by: Actor, model: str, *, limit: int = 50, cursor: str | None = None
    ) -> Page[RouteView]:
        """Return the routes of a model, oldest first.

        Raises:
            NotFound: there is no such model.
            PermissionDenied
            InvalidRequest: a parameter is out of bounds; `param` names it.
        """
        by.require(Permission.MODELS_READ)
        check_page(limit, cursor)
        async with self._uow.begin() as tx:
            found = existing_model(await tx.models.all(), model)
            names = await _provider_names(tx)
        return page_of(
            sorted(found.routes, key=lambda each: each.id),
            limit=limit,
            cursor=cursor,
            key=lambda each: each.id,
            view=lambda each: _view(each, found, names),
        )

    async def find(self, by: Actor, model: str, route_id: str) -> Versioned[RouteView]:
        """Return one route. Raises `NotFound`, `PermissionDenied`."""
        by.require(Permission.MODELS_READ)
        async with self._uow.begin() as tx:
            found, route = await _existing(tx, model, route_id)
            return versioned(_view(route, found, await _provider_names(tx)))

    async def create(self, by: Actor, model: str, entry: RouteEntry) -> Versioned[RouteView]:
        """Give a model another route.

        Raises:
            NotFound: there is no such model.
            InvalidRequest, ValidationFailed: the entry has no meaning, or no such provider.
            Conflict: it has a route to this provider and upstream model.
            PermissionDenied
        """
        by.require(Permission.MODELS_WRITE)
        async with self._uow.begin(exclusive=True) as tx:
            found = existing_model(await tx.models.all(), model)
            route = await self._checked(tx, found, entry, None)
            await tx.models.update(replace(found, routes=(*found.routes, route)))
            view = _view(route, found, await _provider_names(tx))
            tx.audit.record(by, "route.create", _target(view), after=view)
            await tx.commit()
        return versioned(view)

    async def update(
        self,
        by: Actor,
        model: str,
        route_id: str,
        changes: RoutePatch,
        *,
        if_match: str | None = None,
    ) -> Versioned[RouteView]:
        """Merge `changes` into a route (RFC 7396), objects inside member by member.

        Raises:
            NotFound: there is no such model or route.
            PreconditionFailed: it is not the version of `if_match`.
            PermissionDenied, InvalidRequest, ValidationFailed, Conflict: as for `create`.
        """
        by.require(Permission.MODELS_WRITE)
        async with self._uow.begin(exclusive=True) as tx:
            found, present = await _existing(tx, model, route_id)
            names = await _provider_names(tx)
            before = _view(present, found, names)
            require_version(versioned(before), if_match, "route")
            entry = patched(route_entry(present, names[present.provider_id]), changes)
            wanted = await self._checked(tx, found, entry, present)
            if wanted == present:
                return versioned(before)
            routes = tuple(wanted if each.id == present.id else each for each in found.routes)
            await tx.models.update(replace(found, routes=routes))
            after = _view(wanted, found, names)
            tx.audit.record(by, "route.update", _target(after), before=before, after=after)
            await tx.commit()
        return versioned(after)

    async def delete(
        self,
        by: Actor,
        model: str,
        route_id: str,
        *,
        if_match: str | None = None,
        dry_run: bool = False,
    ) -> Versioned[RouteView]:
        """Take a route away and return it as it was; with `dry_run`, only that.

        Raises:
            NotFound, PreconditionFailed, PermissionDenied
        """
        by.require(Permission.MODELS_WRITE)
        async with self._uow.begin(exclusive=True) as tx:
            found, present = await _existing(tx, model, route_id)
            shown = versioned(_view(present, found, await _provider_names(tx)))
            require_version(shown, if_match, "route")
            if not dry_run:
                kept = tuple(each for each in found.routes if each.id != present.id)
                await tx.models.update(replace(found, routes=kept))
                tx.audit.record(by, "route.delete", _target(shown.view), before=shown.view)
                await tx.commit()
        return shown

    async def _checked(
        self, tx: Transaction, model: Model, entry: RouteEntry, before: Route | None
    ) -> Route:
        """Return the route an entry describes, by the rules that a configuration document follows."""
        faults: list[str] = []
        check_route("", entry, faults)
        able = capabilities_of(".capabilities", entry.capabilities, faults)
        refuse(faults)
        try:
            provider = await existing_provider(tx, entry.provider)
        except NotFound:
            raise InvalidRequest(
                f"There is no '{entry.provider}' among the providers.", param="provider"
            ) from None
        target = RouteTarget(provider.id, entry.upstream_model or model.name)
        for other in model.routes:
            same = (other.provider_id, other.upstream_model) == (
                target.provider_id,
                target.upstream_model,
            )
            if same and (before is None or other.id != before.id):
                raise Conflict("The model already has a route to this provider and upstream model.")
        return route_of(entry, target, before, self._ids, able=able)


async def _existing(tx: Transaction, reference: str, route_id: str) -> tuple[Model, Route]:
    model = existing_model(await tx.models.all(), reference)
    for route in model.routes:
        if route.id == route_id:
            return model, route
    raise NotFound("The model has no such route.")


async def _provider_names(tx: Transaction) -> Mapping[ProviderId, str]:
    return {each.id: each.name for each in await tx.providers.all()}


def _view(route: Route, model: Model, names: Mapping[ProviderId, str]) -> RouteView:
    # A provider of a kind that only a newer version knows is not listed here.
    return route_view(route, model, names.get(route.provider_id, route.provider_id))


def _target(view: RouteView) -> AuditTarget:
    name = f"{view.model} -> {view.provider}/{view.upstream_model}"
    return AuditTarget(kind="route", id=view.id, name=name)
