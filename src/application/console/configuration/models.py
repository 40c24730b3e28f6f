"""Planning of models, routes and prices."""

from application.console.configuration.amounts import (
    MULTIPLIER_PLACES,
    PRICE_FIELDS,
    amount_fault,
    check_price,
    is_price,
    plain,
    price_of,
)
from application.console.configuration.capabilities import (
    capabilities_of,
    capabilities_text,
    check_tokens,
)
from application.console.configuration.document import BareModelEntry, ModelEntry
from application.console.configuration.model_names import check_names
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
from application.console.configuration.routes import described_routes, planned_routes
from application.ports.unit_of_work import Transaction
from domain.accounting.pricing import Price
from domain.identifiers import ModelId
from domain.names import model_name_fault
from domain.routing.catalog import Model, Route


def plan_models(planning: Planning) -> Plans:
    """Models by name."""
    upserts: list[Planned] = []
    models: list[Model] = []
    seen: set[str] = set()
    for path, entry in readable(planning.document.models, "models"):
        if fault := model_name_fault(entry.name):
            planning.faults.append(f"{path}.name: {fault}")
        elif not is_repeated(seen, entry.name, f"{path}.name", planning.faults):
            check_amounts(path, entry, planning.faults)
            check_price(f"{path}.price", entry.price, planning.faults)
            model, planned = _plan_one(planning, path, entry)
            models.append(model)
            upserts.append(planned)
    check_names(planning, models)
    gone = [
        _deletion(model)
        for name, model in planning.stored.models.items()
        if planning.prune and name not in planning.names["models"]
    ]
    return Plans(upserts, gone)


def _plan_one(planning: Planning, path: str, entry: ModelEntry) -> tuple[Model, Planned]:
    stored = planning.stored.models.get(entry.name)
    model = model_of(
        path,
        entry,
        stored or Model(id=ModelId(planning.ids.new_id()), name="", created_at_ms=planning.now_ms),
        planned_routes(planning, path, entry, stored),
        planning.faults,
    )
    planning.model_ids[model.name] = model.id
    in_force = stored.prices.at(planning.now_ms) if stored is not None else None
    price = _new_price(planning, entry, in_force, is_new=stored is None)
    if stored is None:
        return model, _creation(model, price)
    return model, _comparison(planning, stored, model, in_force, price)


def model_of(
    path: str,
    entry: BareModelEntry,
    before: Model,
    routes: tuple[Route, ...],
    faults: list[str],
) -> Model:
    """Return the model an entry describes, with the identity and age of `before`, and no prices."""
    return Model(
        id=before.id,
        name=entry.name,
        routes=routes,
        input_multiplier=entry.input_multiplier,
        output_multiplier=entry.output_multiplier,
        max_output_tokens=entry.max_output_tokens,
        created_at_ms=before.created_at_ms,
        enabled=entry.enabled,
        aliases=tuple(sorted(entry.aliases)),
        strategy=entry.strategy,
        affinity=entry.affinity,
        fallbacks=entry.fallbacks,
        capabilities=capabilities_of(f"{path}.capabilities", entry.capabilities, faults),
    )


def _comparison(
    planning: Planning, stored: Model, model: Model, in_force: Price | None, price: Price | None
) -> Planned:
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
            ("aliases", stored.aliases, model.aliases),
            ("strategy", stored.strategy.value, model.strategy.value),
            ("affinity", stored.affinity.value, model.affinity.value),
            ("fallbacks", stored.fallbacks, model.fallbacks),
            (
                "capabilities",
                capabilities_text(stored.capabilities) or "-",
                capabilities_text(model.capabilities) or "-",
            ),
            (
                "routes",
                described_routes(planning, stored.routes),
                described_routes(planning, model.routes),
            ),
        ]
    )
    price_changes = _price_changes(in_force, price) if price is not None else ()
    if not changes and not price_changes:
        return unchanged("model", model.name)

    async def work(tx: Transaction) -> None:
        if changes:
            await tx.models.update(model)
        if price is not None:
            await tx.models.add_price(model.id, price)

    return update("model", model.name, changes + price_changes, work)


def _creation(model: Model, price: Price | None) -> Planned:
    async def work(tx: Transaction) -> None:
        await tx.models.add(model)
        if price is not None:
            await tx.models.add_price(model.id, price)

    return create("model", model.name, work)


def _deletion(model: Model) -> Planned:
    return delete("model", model.name, lambda tx: tx.models.remove(model.id))


def check_amounts(path: str, entry: BareModelEntry, faults: list[str]) -> None:
    """Add a fault for each number that no model can have."""
    faults.extend(
        f"{path}.{name}: {fault}"
        for name in ("input_multiplier", "output_multiplier")
        if (fault := amount_fault(getattr(entry, name), MULTIPLIER_PLACES))
    )
    check_tokens(f"{path}.max_output_tokens", entry.max_output_tokens, faults)


def _new_price(
    planning: Planning, entry: ModelEntry, in_force: Price | None, *, is_new: bool
) -> Price | None:
    """Return the row to add, or None when the price in force is the wanted one.

    History is never changed: a new price holds from now on. Only the first price of a new model
    holds from the beginning of time, so that a replica whose clock is behind knows it as well.
    """
    if entry.price is None:
        return None
    if in_force is not None and is_price(in_force, entry.price):
        return None
    effective = 0 if is_new else planning.now_ms
    if in_force is not None:
        effective = max(effective, in_force.effective_from_ms + 1)
    return price_of(entry.price, planning.ids.new_id(), effective)


def _price_changes(before: Price | None, after: Price) -> tuple[FieldChange, ...]:
    return field_changes(
        [
            (f"price.{name}", plain(getattr(before, name, None)), plain(getattr(after, name)))
            for name in PRICE_FIELDS
        ]
    )
