"""Providers, public models and the routes between them."""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from domain.accounting.pricing import PriceList
from domain.errors import ModelNotFound
from domain.identifiers import ModelId, ProviderId, RouteId


class ProviderKind(StrEnum):
    """Families of providers this program can speak to."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"
    AZURE_OPENAI = "azure_openai"
    BEDROCK = "bedrock"
    OPENAI_COMPATIBLE = "openai_compatible"
    DEMO = "demo"


class ProviderSpec(Struct, frozen=True, kw_only=True):
    """A configured provider, without its credentials (those are opened by the provider adapter).

    Attributes:
        base_url: URL that operation paths such as `/chat/completions` are appended to.
        sealed_credentials: AES-256-GCM envelope of the credential object, or None.
        options: kind-specific, non-secret options (extra headers, demo latency, …).
        revision: grows with every change; a running client is replaced when it differs.
    """

    id: ProviderId
    name: str
    kind: ProviderKind
    base_url: str | None = None
    sealed_credentials: str | None = None
    options: dict[str, object] = {}
    enabled: bool = True
    revision: int = 0


class Route(Struct, frozen=True, kw_only=True):
    """One way to serve a model: a provider and the name the provider knows the model by.

    Attributes:
        tier: priority; lower tiers are tried first.
        weight: share within the tier, zero or more.
    """

    id: RouteId
    provider_id: ProviderId
    upstream_model: str
    tier: int = 0
    weight: int = 100
    enabled: bool = True


class Model(Struct, frozen=True, kw_only=True):
    """A model under the name clients use.

    Attributes:
        max_output_tokens: the most tokens one answer can have, for estimates; None when not known.
    """

    id: ModelId
    name: str
    routes: tuple[Route, ...] = ()
    prices: PriceList = PriceList()
    input_multiplier: Decimal = Decimal(1)
    output_multiplier: Decimal = Decimal(1)
    max_output_tokens: int | None = None
    created_at_ms: int = 0
    enabled: bool = True


class Catalog(Struct, frozen=True, kw_only=True):
    """Everything that can be routed to: models by public name, providers by id."""

    models: Mapping[str, Model]
    providers: Mapping[ProviderId, ProviderSpec]

    def model(self, name: str) -> Model:
        """Return the enabled model of that public name.

        Raises:
            ModelNotFound: there is none.
        """
        model = self.models.get(name)
        if model is None or not model.enabled:
            raise ModelNotFound(name)
        return model

    def routes_of(self, model: Model) -> tuple[Route, ...]:
        """Return the usable routes in the order they are tried: by tier, then weight, then id."""
        usable = (
            route
            for route in model.routes
            if route.enabled
            and (provider := self.providers.get(route.provider_id)) is not None
            and provider.enabled
        )
        return tuple(sorted(usable, key=lambda route: (route.tier, -route.weight, route.id)))
