"""Providers, public models and the routes between them."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from domain.accounting.pricing import PriceList
from domain.errors import ModelNotFound
from domain.identifiers import ModelId, ProviderId, RouteId
from domain.routing.capabilities import Capabilities

MOST_ALIAS_HOPS = 8
"""How many aliases one name may lead through; more is a mistake, and a loop ends here."""


class ProviderKind(StrEnum):
    """Families of providers this program can speak to."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"
    AZURE_OPENAI = "azure_openai"
    BEDROCK = "bedrock"
    OPENAI_COMPATIBLE = "openai_compatible"
    DEMO = "demo"


class Strategy(StrEnum):
    """How the routes of a tier are put in order (data-plane.md section 6)."""

    WEIGHTED = "weighted"
    LATENCY = "latency"
    COST = "cost"
    LEAST_BUSY = "least_busy"


class Affinity(StrEnum):
    """What keeps the requests of one conversation on one route, so that prompt caches keep hitting.

    `SESSION` goes by what the client names (session header, `prompt_cache_key`); `PREFIX` falls back
    to a hash of how the conversation begins, which costs reading the body.
    """

    OFF = "off"
    SESSION = "session"
    PREFIX = "prefix"


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
        capabilities: where this route differs from what its model says.
        prices: what this route costs, for the strategy `cost`; empty: what its model costs.
        rpm, tpm, max_in_flight: caps on requests and tokens per minute and on concurrent requests;
            None for none. They are data here: the limits engine enforces them, for all replicas.
    """

    id: RouteId
    provider_id: ProviderId
    upstream_model: str
    tier: int = 0
    weight: int = 100
    enabled: bool = True
    capabilities: Capabilities = Capabilities()
    prices: PriceList = PriceList()
    rpm: int | None = None
    tpm: int | None = None
    max_in_flight: int | None = None

    @property
    def is_capped(self) -> bool:
        """Whether attempts here have something to reserve (`LimitPolicy.bind_attempt`)."""
        return any(cap is not None for cap in (self.rpm, self.tpm, self.max_in_flight))


class Model(Struct, frozen=True, kw_only=True):
    """A model under the name clients use.

    Attributes:
        max_output_tokens: the most tokens one answer can have, for estimates; None when not known.
        aliases: its other public names.
        strategy: how the routes of one tier are put in order.
        affinity: what keeps a conversation on its route.
        fallbacks: public names of the models to go on to when no route of this one can serve.
        capabilities: what its routes can do, unless a route says otherwise.
        guessed: nobody configured it; its name was made up by a client.
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
    aliases: tuple[str, ...] = ()
    strategy: Strategy = Strategy.WEIGHTED
    affinity: Affinity = Affinity.SESSION
    fallbacks: tuple[str, ...] = ()
    capabilities: Capabilities = Capabilities()
    guessed: bool = False


class Catalog(Struct, frozen=True, kw_only=True):
    """Everything that can be routed to: models by public name, providers by id.

    Attributes:
        aliases: other public names -> the name of a model, or of another alias. A model's own name
            goes before an alias of the same name.
    """

    models: Mapping[str, Model]
    providers: Mapping[ProviderId, ProviderSpec]
    aliases: Mapping[str, str] = {}

    @classmethod
    def of(cls, models: Iterable[Model], providers: Iterable[ProviderSpec]) -> "Catalog":
        """Return the catalogue of these, with the aliases that the models bring."""
        by_name = {model.name: model for model in models}
        return cls(
            models=by_name,
            providers={provider.id: provider for provider in providers},
            aliases={alias: model.name for model in by_name.values() for alias in model.aliases},
        )

    def model(self, name: str) -> Model:
        """Return the enabled model of that public name or alias.

        Raises:
            ModelNotFound: there is none; aliases that lead in a circle lead nowhere.
        """
        sought = name
        for _ in range(MOST_ALIAS_HOPS + 1):
            model = self.models.get(sought)
            if model is not None:
                if model.enabled:
                    return model
                break
            target = self.aliases.get(sought)
            if target is None:
                break
            sought = target
        raise ModelNotFound(name)

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
