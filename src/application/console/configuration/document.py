"""The members of the document. Every Struct refuses members it does not know."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from msgspec import Struct, field

from application.console.limits.documents import BudgetEntry, RuleEntry, RuleMetric
from domain.access.accounts import Role
from domain.inference.dialect import Surface
from domain.limits.budgets import BudgetUnit
from domain.limits.overrides import OverrideAction
from domain.limits.periods import Period
from domain.limits.windows import Window
from domain.routing.capabilities import Capability
from domain.routing.catalog import Affinity, ProviderKind, Strategy

VERSION = 1

# Members that belong to the document but whose feature does not exist yet. They are refused by
# name: an operator must not believe that a limit holds which nobody enforces.
NOT_AVAILABLE = ("mcp_servers", "forwarders")


class ProviderEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A provider, identified by `name`. `credentials` left out means: keep what is stored."""

    name: str
    kind: ProviderKind
    base_url: str | None = None
    credentials: dict[str, object] | None = None
    options: dict[str, object] = {}
    enabled: bool = True

    def __repr__(self) -> str:
        """Without the credentials."""
        return f"ProviderEntry(name={self.name!r}, kind={self.kind!r})"


class PriceEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """USD per million tokens; kinds left out cost what `input` or `output` costs."""

    input: Decimal
    output: Decimal
    cache_read: Decimal | None = None
    cache_write_5m: Decimal | None = None
    cache_write_1h: Decimal | None = None
    audio_in: Decimal | None = None
    reasoning: Decimal | None = None
    audio_out: Decimal | None = None


class CapabilitiesEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of a model or route; what is not said is taken to be possible."""

    can: tuple[Capability, ...] = ()
    cannot: tuple[Capability, ...] = ()
    context_window: int | None = None
    max_output_tokens: int | None = None


class RouteEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A route, identified by provider and upstream model (by default the model's own name).

    `capabilities` say where it differs from its model; `price` is for the strategy `cost` alone.
    """

    provider: str
    upstream_model: str | None = None
    tier: int = 0
    weight: int = 100
    enabled: bool = True
    capabilities: CapabilitiesEntry = CapabilitiesEntry()
    price: PriceEntry | None = None
    rpm: int | None = None
    tpm: int | None = None
    max_in_flight: int | None = None


class BareModelEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model, identified by `name`, without its routes and prices.

    `fallbacks` are names or aliases of other models, in the order they are gone on to.
    """

    name: str
    input_multiplier: Decimal = Decimal(1)
    output_multiplier: Decimal = Decimal(1)
    max_output_tokens: int | None = None
    enabled: bool = True
    aliases: tuple[str, ...] = ()
    strategy: Strategy = Strategy.WEIGHTED
    affinity: Affinity = Affinity.SESSION
    fallbacks: tuple[str, ...] = ()
    capabilities: CapabilitiesEntry = CapabilitiesEntry()


class ModelEntry(BareModelEntry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model with its routes. `price` left out means: leave the price list alone."""

    routes: tuple[RouteEntry, ...]
    price: PriceEntry | None = None


class TeamEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A team, identified by `name`."""

    name: str


class UserEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A user, identified by `email`."""

    email: str
    role: Role
    teams: tuple[str, ...] = ()
    enabled: bool = True


class KeyEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key, identified by `owner` and `name`.

    `secret` left out means: mint one for a new key, keep the one of an existing key. Durations are
    written like `90d`. A key that opens the console names its `permissions` and has an expiry.
    """

    name: str
    owner: str
    surfaces: tuple[Surface, ...]
    models: tuple[str, ...] | None = None
    tools: tuple[str, ...] | None = None
    permissions: tuple[str, ...] | None = None
    teams: tuple[str, ...] = ()
    secret: str | None = None
    expires_at: datetime | None = None
    inactivity_timeout: str | None = None
    rotation_period: str | None = None
    ip_allow: tuple[str, ...] | None = None
    cost_centre: str | None = None
    tags: dict[str, str] = {}

    def __repr__(self) -> str:
        """Without the secret."""
        return f"KeyEntry(name={self.name!r}, owner={self.owner!r})"


class LimitReference(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A limit by what identifies it: `metric` (and `window`) of a rule, or `period` of a budget."""

    subject: str
    surface: Surface = Surface.AI_GATEWAY
    metric: RuleMetric | None = None
    window: Window | None = None
    period: Period | None = None
    unit: BudgetUnit = BudgetUnit.WEIGHTED_TOKENS


class OverrideEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another value of one limit for one subject.

    `subject` may be left out where the limit hangs on one subject; `value` is in the unit of the
    limit; only `tighten` may have no `until`.
    """

    limit: LimitReference
    action: OverrideAction
    value: Decimal
    reason: str
    subject: str | None = None
    until: datetime | None = None


class Document(Struct, frozen=True, kw_only=True):
    """What could be read. Lists keep their positions: an entry that could not be read is None.

    `overrides` as a whole is None where the document leaves the list out: they are exceptions,
    often set by hand, and a document that does not speak of them does not end them.
    """

    settings: Mapping[str, object] = field(default_factory=dict[str, object])
    providers: tuple[ProviderEntry | None, ...] = ()
    models: tuple[ModelEntry | None, ...] = ()
    teams: tuple[TeamEntry | None, ...] = ()
    users: tuple[UserEntry | None, ...] = ()
    keys: tuple[KeyEntry | None, ...] = ()
    limits: tuple[RuleEntry | None, ...] = ()
    budgets: tuple[BudgetEntry | None, ...] = ()
    overrides: tuple[OverrideEntry | None, ...] | None = None


# Lists of the document and the Struct of their entries.
LISTS: Mapping[str, type[Struct]] = {
    "providers": ProviderEntry,
    "models": ModelEntry,
    "teams": TeamEntry,
    "users": UserEntry,
    "keys": KeyEntry,
    "limits": RuleEntry,
    "budgets": BudgetEntry,
    "overrides": OverrideEntry,
}
