"""Planning of models, routes and prices."""

from decimal import Decimal

from msgspec.structs import asdict

from application.console.configuration.document import ModelEntry, PriceEntry, RouteEntry
from application.console.configuration.plan import (
    FieldChange,
    Planned,
    field_changes,
)
from application.console.configuration.planning import (
    Planning,
    Plans,
    create,
    delete,
    is_repeated,
    readable,
    unchanged,
    update,
)
from application.ports.unit_of_work import Transaction
from domain.accounting.pricing import Price
from domain.identifiers import ModelId, PriceId, ProviderId, RouteId
from domain.names import model_name_fault
from domain.routing.catalog import Model, Route

_MULTIPLIER_PLACES, _PRICE_PLACES = 6, 9  # what the columns keep; more would be rounded silently
_HIGHEST_AMOUNT = Decimal(1_000_000)
_MOST_TOKENS = 1_000_000_000
_HIGHEST_TIER, _HIGHEST_WEIGHT = 1_000, 1_000_000
PRICE_FIELDS = PriceEntry.__struct_fields__


def plan_models(planning: Planning) -> Plans:
    """Models by name."""
    upserts: list[Planned] = []
    seen: set[str] = set()
    for path, entry in readable(planning.document.models, "models"):
        if fault := model_name_fault(entry.name):
            planning.faults.append(f"{path}.name: {fault}")
        elif not is_repeated(seen, entry.name, f"{path}.name", planning.faults):
            _check_amounts(planning, path, entry)
            upserts.append(_plan_one(planning, path, entry))
    gone = [
        _deletion(model)
        for name, model in planning.stored.models.items()
        if planning.prune and name not in planning.names["models"]
    ]
    return Plans(upserts, gone)


def _plan_one(planning: Planning, path: str, entry: ModelEntry) -> Planned:
    stored = planning.stored.models.get(entry.name)
    model = Model(
        id=stored.id if stored is not None else ModelId(planning.ids.new_id()),
        name=entry.name,
        routes=_routes(planning, path, entry, stored),
        input_multiplier=entry.input_multiplier,
        output_multiplier=entry.output_multiplier,
        max_output_tokens=entry.max_output_tokens,
        created_at_ms=stored.created_at_ms if stored is not None else planning.now_ms,
        enabled=entry.enabled,
    )
    planning.model_ids[model.name] = model.id
    in_force = stored.prices.at(planning.now_ms) if stored is not None else None
    price = _new_price(planning, entry, in_force, is_new=stored is None)
    if stored is None:
        return _creation(model, price)
    changes = field_changes(
        [
            ("input_multiplier", plain(stored.input_multiplier), plain(model.input_multiplier)),
            (
                "output_multiplier",
                plain(stored.output_multiplier),
                plain(model.output_multiplier),
            ),
            ("max_output_tokens", stored.max_output_tokens, model.max_output_tokens),
            ("enabled", stored.enabled, model.enabled),
            (
                "routes",
                _described(planning, stored.routes),
                _described(planning, model.routes),
            ),
        ]
    )
    price_changes = _price_changes(in_force, price) if price is not None else ()
    if not changes and not price_changes:
        return unchanged("model", entry.name)

    async def work(tx: Transaction) -> None:
        if changes:
            await tx.models.update(model)
        if price is not None:
            await tx.models.add_price(model.id, price)

    return update("model", entry.name, changes + price_changes, work)


def _creation(model: Model, price: Price | None) -> Planned:
    async def work(tx: Transaction) -> None:
        await tx.models.add(model)
        if price is not None:
            await tx.models.add_price(model.id, price)

    return create("model", model.name, work)


def _deletion(model: Model) -> Planned:
    return delete("model", model.name, lambda tx: tx.models.remove(model.id))


def _routes(
    planning: Planning, path: str, entry: ModelEntry, stored: Model | None
) -> tuple[Route, ...]:
    """Return the routes; one that leads where it led before keeps its id."""
    known = {
        (route.provider_id, route.upstream_model): route.id
        for route in (stored.routes if stored is not None else ())
    }
    routes: list[Route] = []
    targets: set[str] = set()
    for index, wanted in enumerate(entry.routes):
        at = f"{path}.routes[{index}]"
        upstream_model = wanted.upstream_model or entry.name
        _check_route(planning, at, wanted)
        if is_repeated(targets, f"{wanted.provider}/{upstream_model}", at, planning.faults):
            continue
        if not planning.refer(
            "providers", wanted.provider, planning.stored.providers, f"{at}.provider"
        ):
            continue
        # A provider whose own entry has a fault has no id; nothing will be applied then.
        provider_id = planning.provider_ids.get(wanted.provider, ProviderId(""))
        route_id = known.get((provider_id, upstream_model)) or RouteId(planning.ids.new_id())
        routes.append(
            Route(
                id=route_id,
                provider_id=provider_id,
                upstream_model=upstream_model,
                tier=wanted.tier,
                weight=wanted.weight,
                enabled=wanted.enabled,
            )
        )
    return tuple(routes)


def _check_route(planning: Planning, path: str, wanted: RouteEntry) -> None:
    if wanted.upstream_model and (fault := model_name_fault(wanted.upstream_model)):
        planning.faults.append(f"{path}.upstream_model: {fault}")
    if not 0 <= wanted.tier <= _HIGHEST_TIER:
        planning.faults.append(f"{path}.tier: must be between 0 and {_HIGHEST_TIER}")
    if not 0 <= wanted.weight <= _HIGHEST_WEIGHT:
        planning.faults.append(f"{path}.weight: must be between 0 and {_HIGHEST_WEIGHT}")


def _check_amounts(planning: Planning, path: str, entry: ModelEntry) -> None:
    for name in ("input_multiplier", "output_multiplier"):
        if fault := _amount_fault(getattr(entry, name), _MULTIPLIER_PLACES):
            planning.faults.append(f"{path}.{name}: {fault}")
    if entry.max_output_tokens is not None and not 0 < entry.max_output_tokens <= _MOST_TOKENS:
        planning.faults.append(f"{path}.max_output_tokens: must be between 1 and {_MOST_TOKENS:,}")
    if entry.price is None:
        return
    for name, amount in asdict(entry.price).items():
        if amount is not None and (fault := _amount_fault(amount, _PRICE_PLACES)):
            planning.faults.append(f"{path}.price.{name}: {fault}")


def _amount_fault(amount: Decimal, places: int) -> str | None:
    if not amount.is_finite() or not 0 <= amount < _HIGHEST_AMOUNT:
        return f"must be a number from 0 to below {_HIGHEST_AMOUNT:,}"
    exponent = amount.normalize().as_tuple().exponent
    if isinstance(exponent, int) and -exponent > places:
        return f"can have at most {places} decimal places"
    return None


def _new_price(
    planning: Planning, entry: ModelEntry, in_force: Price | None, *, is_new: bool
) -> Price | None:
    """Return the row to add, or None when the price in force is the wanted one.

    History is never changed: a new price holds from now on. Only the first price of a new model
    holds from the beginning of time, so that a replica whose clock is behind knows it as well.
    """
    if entry.price is None:
        return None
    wanted = {name: getattr(entry.price, name) for name in PRICE_FIELDS}
    if in_force is not None and all(getattr(in_force, name) == wanted[name] for name in wanted):
        return None
    effective = 0 if is_new else planning.now_ms
    if in_force is not None:
        effective = max(effective, in_force.effective_from_ms + 1)
    return Price(id=PriceId(planning.ids.new_id()), effective_from_ms=effective, **wanted)


def _price_changes(before: Price | None, after: Price) -> tuple[FieldChange, ...]:
    return field_changes(
        [
            (f"price.{name}", plain(getattr(before, name, None)), plain(getattr(after, name)))
            for name in PRICE_FIELDS
        ]
    )


def plain(amount: Decimal | None) -> str | None:
    """Return the shortest text of an amount, without an exponent: 2.5, 10."""
    return None if amount is None else f"{amount.normalize():f}"


def exact(amount: Decimal) -> Decimal:
    """Return the amount without the zeros that the database pads it with."""
    return Decimal(f"{amount.normalize():f}")


def _described(planning: Planning, routes: tuple[Route, ...]) -> frozenset[str]:
    names = {provider_id: name for name, provider_id in planning.provider_ids.items()}
    return frozenset(
        f"{names.get(route.provider_id, '?')}/{route.upstream_model}"
        f" tier {route.tier} weight {route.weight}{'' if route.enabled else ' disabled'}"
        for route in routes
    )
