"""Planning of the routes of one model."""

from msgspec import Struct

from application.console.configuration.amounts import check_price, is_price, price_of, price_text
from application.console.configuration.capabilities import capabilities_of, capabilities_text
from application.console.configuration.document import ModelEntry, PriceEntry, RouteEntry
from application.console.configuration.planning import Planning, is_repeated
from application.ports.clock import IdGenerator
from domain.accounting.pricing import PriceList
from domain.identifiers import ProviderId, RouteId
from domain.limits.amounts import MAX_COUNT
from domain.names import model_name_fault
from domain.routing.capabilities import Capabilities
from domain.routing.catalog import Model, Route

_HIGHEST_TIER, _HIGHEST_WEIGHT = 1_000, 1_000_000
CAPS = ("rpm", "tpm", "max_in_flight")


def planned_routes(
    planning: Planning, path: str, entry: ModelEntry, stored: Model | None
) -> tuple[Route, ...]:
    """Return the routes; one that leads where it led before keeps its id."""
    known = {
        (route.provider_id, route.upstream_model): route
        for route in (stored.routes if stored is not None else ())
    }
    routes: list[Route] = []
    targets: set[str] = set()
    for index, wanted in enumerate(entry.routes):
        at = f"{path}.routes[{index}]"
        upstream_model = wanted.upstream_model or entry.name
        check_route(at, wanted, planning.faults)
        if is_repeated(targets, f"{wanted.provider}/{upstream_model}", at, planning.faults):
            continue
        if not planning.refer(
            "providers", wanted.provider, planning.stored.providers, f"{at}.provider"
        ):
            continue
        # A provider whose own entry has a fault has no id; nothing will be applied then.
        provider_id = planning.provider_ids.get(wanted.provider, ProviderId(""))
        before = known.get((provider_id, upstream_model))
        routes.append(
            route_of(
                wanted,
                RouteTarget(provider_id, upstream_model),
                before,
                planning.ids,
                able=capabilities_of(f"{at}.capabilities", wanted.capabilities, planning.faults),
            )
        )
    return tuple(routes)


class RouteTarget(Struct, frozen=True):
    """Where a route leads: what identifies it among those of its model."""

    provider_id: ProviderId
    upstream_model: str


def route_of(
    wanted: RouteEntry,
    target: RouteTarget,
    before: Route | None,
    ids: IdGenerator,
    *,
    able: Capabilities,
) -> Route:
    """Return the route an entry describes; it keeps the id and the price row of `before`."""
    return Route(
        id=before.id if before is not None else RouteId(ids.new_id()),
        provider_id=target.provider_id,
        upstream_model=target.upstream_model,
        tier=wanted.tier,
        weight=wanted.weight,
        enabled=wanted.enabled,
        capabilities=able,
        prices=_prices(wanted.price, before, ids),
        rpm=wanted.rpm,
        tpm=wanted.tpm,
        max_in_flight=wanted.max_in_flight,
    )


def described_routes(planning: Planning, routes: tuple[Route, ...]) -> frozenset[str]:
    """Return a line for each route that says everything about it."""
    names = {provider_id: name for name, provider_id in planning.provider_ids.items()}
    return frozenset(
        f"{names.get(route.provider_id, '?')}/{route.upstream_model}"
        f" tier {route.tier} weight {route.weight}{_extras(route)}"
        for route in routes
    )


def _extras(route: Route) -> str:
    said = [f"{name} {cap}" for name in CAPS if (cap := getattr(route, name)) is not None]
    if able := capabilities_text(route.capabilities):
        said.append(able)
    said += [f"price {price_text(price)}" for price in route.prices.rows]
    if not route.enabled:
        said.append("disabled")
    return "".join(f" {text}" for text in said)


def _prices(wanted: PriceEntry | None, before: Route | None, ids: IdGenerator) -> PriceList:
    """Return the price, from the beginning of time: nobody is charged by it, so it has no past."""
    if wanted is None:
        return PriceList()
    if before is not None and [is_price(row, wanted) for row in before.prices.rows] == [True]:
        return before.prices
    return PriceList.of([price_of(wanted, ids.new_id(), 0)])


def check_route(path: str, wanted: RouteEntry, faults: list[str]) -> None:
    """Add a fault for each member that no route can have."""
    if wanted.upstream_model and (fault := model_name_fault(wanted.upstream_model)):
        faults.append(f"{path}.upstream_model: {fault}")
    if not 0 <= wanted.tier <= _HIGHEST_TIER:
        faults.append(f"{path}.tier: must be between 0 and {_HIGHEST_TIER}")
    if not 0 <= wanted.weight <= _HIGHEST_WEIGHT:
        faults.append(f"{path}.weight: must be between 0 and {_HIGHEST_WEIGHT}")
    for name in CAPS:
        cap: int | None = getattr(wanted, name)
        if cap is not None and not 0 < cap <= MAX_COUNT:
            faults.append(f"{path}.{name}: must be between 1 and {MAX_COUNT}")
    check_price(f"{path}.price", wanted.price, faults)
