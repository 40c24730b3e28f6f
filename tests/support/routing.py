"""Catalogues and routes for tests of routing, with defaults that any test can take."""

from domain.accounting.pricing import PriceList
from domain.identifiers import ModelId, ProviderId, RouteId
from domain.routing.capabilities import Capabilities
from domain.routing.catalog import (
    Affinity,
    Catalog,
    Model,
    ProviderKind,
    ProviderSpec,
    Route,
    Strategy,
)

NOW_MS = 1_795_428_000_000


def provider(
    name: str, kind: ProviderKind = ProviderKind.OPENAI, *, enabled: bool = True
) -> ProviderSpec:
    return ProviderSpec(id=ProviderId(name), name=name, kind=kind, enabled=enabled)


def route(
    name: str,
    *,
    weight: int = 100,
    tier: int = 0,
    at: str = "",
    enabled: bool = True,
    capabilities: Capabilities | None = None,
    prices: PriceList | None = None,
) -> Route:
    """A route `name` at the provider `at`, which is called like the route when left out."""
    return Route(
        id=RouteId(name),
        provider_id=ProviderId(at or name),
        upstream_model="upstream",
        weight=weight,
        tier=tier,
        enabled=enabled,
        capabilities=capabilities or Capabilities(),
        prices=prices or PriceList(),
    )


def model(
    name: str,
    *routes: Route,
    strategy: Strategy = Strategy.WEIGHTED,
    affinity: Affinity = Affinity.SESSION,
    fallbacks: tuple[str, ...] = (),
    capabilities: Capabilities | None = None,
    prices: PriceList | None = None,
    enabled: bool = True,
) -> Model:
    return Model(
        id=ModelId(name),
        name=name,
        routes=routes,
        strategy=strategy,
        affinity=affinity,
        fallbacks=fallbacks,
        capabilities=capabilities or Capabilities(),
        prices=prices or PriceList(),
        enabled=enabled,
    )


def catalog(
    *models: Model,
    aliases: dict[str, str] | None = None,
    providers: tuple[ProviderSpec, ...] = (),
) -> Catalog:
    """A catalogue of `models`; every provider that their routes name exists and is an OpenAI."""
    known = {
        route.provider_id: provider(route.provider_id) for each in models for route in each.routes
    }
    known.update({spec.id: spec for spec in providers})
    return Catalog(
        models={each.name: each for each in models}, providers=known, aliases=aliases or {}
    )
