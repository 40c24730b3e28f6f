"""Models, routes and prices as they are shown, and back as entries that a change is merged into."""

from datetime import datetime
from decimal import Decimal

import msgspec
from msgspec import Struct

from application.console.configuration.amounts import PRICE_FIELDS, exact, price_entry
from application.console.configuration.capabilities import capabilities_entry
from application.console.configuration.document import (
    BareModelEntry,
    CapabilitiesEntry,
    PriceEntry,
    RouteEntry,
)
from application.instants import instant
from domain.accounting.pricing import Price
from domain.routing.capabilities import Capabilities
from domain.routing.catalog import Affinity, Model, Route, Strategy


class ModelView(Struct, frozen=True, kw_only=True):
    """A stored model; its routes and prices are resources of their own."""

    id: str
    name: str
    aliases: tuple[str, ...]
    strategy: Strategy
    affinity: Affinity
    fallbacks: tuple[str, ...]
    capabilities: CapabilitiesEntry
    input_multiplier: Decimal
    output_multiplier: Decimal
    max_output_tokens: int | None
    enabled: bool
    created_at: datetime


class RouteView(Struct, frozen=True, kw_only=True):
    """A stored route. `price` steers the strategy `cost` and is charged to nobody."""

    id: str
    model: str
    model_id: str
    provider: str
    provider_id: str
    upstream_model: str
    tier: int
    weight: int
    enabled: bool
    capabilities: CapabilitiesEntry
    price: PriceEntry | None
    rpm: int | None
    tpm: int | None
    max_in_flight: int | None


class PriceView(Struct, frozen=True, kw_only=True):
    """A row of a model's price list, in USD per million tokens.

    Attributes:
        effective_from: first instant at which it is in force.
        in_force: whether it is the one that requests are charged by now.
        cache_read and the others: null where the kind costs what `input` or `output` costs.
    """

    id: str
    model: str
    model_id: str
    effective_from: datetime
    in_force: bool
    input: Decimal
    output: Decimal
    cache_read: Decimal | None
    cache_write_5m: Decimal | None
    cache_write_1h: Decimal | None
    audio_in: Decimal | None
    reasoning: Decimal | None
    audio_out: Decimal | None


def model_entry(model: Model) -> BareModelEntry:
    """Return how a model is written."""
    return BareModelEntry(
        name=model.name,
        input_multiplier=exact(model.input_multiplier),
        output_multiplier=exact(model.output_multiplier),
        max_output_tokens=model.max_output_tokens,
        enabled=model.enabled,
        aliases=model.aliases,
        strategy=model.strategy,
        affinity=model.affinity,
        fallbacks=model.fallbacks,
        capabilities=_capabilities(model.capabilities),
    )


def model_view(model: Model) -> ModelView:
    """Return how a model is shown."""
    return ModelView(
        id=model.id,
        created_at=instant(model.created_at_ms),
        **msgspec.structs.asdict(model_entry(model)),
    )


def route_entry(route: Route, provider: str) -> RouteEntry:
    """Return how a route is written; `provider` is the name of where it leads."""
    price = next(iter(route.prices.rows), None)
    return RouteEntry(
        provider=provider,
        upstream_model=route.upstream_model,
        tier=route.tier,
        weight=route.weight,
        enabled=route.enabled,
        capabilities=_capabilities(route.capabilities),
        price=_price(price) if price is not None else None,
        rpm=route.rpm,
        tpm=route.tpm,
        max_in_flight=route.max_in_flight,
    )


def route_view(route: Route, model: Model, provider: str) -> RouteView:
    """Return how a route is shown."""
    said = msgspec.structs.asdict(route_entry(route, provider))
    return RouteView(
        id=route.id, model=model.name, model_id=model.id, provider_id=route.provider_id, **said
    )


def price_view(price: Price, model: Model, now_ms: int) -> PriceView:
    """Return how a price is shown."""
    in_force = model.prices.at(now_ms)
    amounts: dict[str, Decimal | None] = {name: getattr(price, name) for name in PRICE_FIELDS}
    return PriceView(
        id=price.id,
        model=model.name,
        model_id=model.id,
        effective_from=instant(price.effective_from_ms),
        in_force=in_force is not None and in_force.id == price.id,
        **{name: exact(amount) if amount is not None else None for name, amount in amounts.items()},  # pyright: ignore[reportArgumentType]
    )


def _capabilities(known: Capabilities) -> CapabilitiesEntry:
    return msgspec.convert(capabilities_entry(known), CapabilitiesEntry)


def _price(price: Price) -> PriceEntry:
    return msgspec.convert(price_entry(price), PriceEntry)
