"""The limits an operator can set: window rules, budget caps, concurrency caps."""

from enum import StrEnum
from typing import Literal

from msgspec import Struct

from domain.errors import InvalidRequest
from domain.inference.dialect import Surface
from domain.limits.amounts import MAX_COUNT
from domain.limits.budgets import BudgetUnit
from domain.limits.periods import Period, zone
from domain.limits.windows import Window


class Metric(StrEnum):
    """What a window rule counts."""

    REQUESTS = "requests"
    TOKENS = "tokens"


class Enforcement(StrEnum):
    """`soft` lets one request push past the line; `strict` reserves an estimate beforehand."""

    SOFT = "soft"
    STRICT = "strict"


class Mode(StrEnum):
    """`shadow` counts and reports what it would have rejected, and rejects nothing."""

    ENFORCE = "enforce"
    SHADOW = "shadow"


class HolderKind(StrEnum):
    """What a limit is attached to: a subject, or every member of a role or team (a default).

    A default gives each member a counter of its own; `team` is one counter for the whole team.
    """

    API_KEY = "api_key"
    USER = "user"
    TEAM = "team"
    MODEL = "model"
    PROVIDER = "provider"
    MCP_SERVER = "mcp_server"
    PLATFORM = "platform"
    TEAM_MEMBERS = "team_members"
    ROLE_MEMBERS = "role_members"


_BOTH = frozenset({Surface.AI_GATEWAY, Surface.MCP_GATEWAY})
_AI = frozenset({Surface.AI_GATEWAY})
_SURFACES = {
    **dict.fromkeys(HolderKind, _BOTH),
    HolderKind.MODEL: _AI,
    HolderKind.PROVIDER: _AI,
    HolderKind.MCP_SERVER: frozenset({Surface.MCP_GATEWAY}),
}


class Holder(Struct, frozen=True, order=True):
    """The thing a limit is attached to.

    `id` is a row id, the lineage for `api_key`, the role for `role_members`, `platform` for the
    platform.
    """

    kind: HolderKind
    id: str


class WindowRule(Struct, frozen=True, kw_only=True):
    """At most `limit` requests or weighted tokens in any rolling window.

    Raises:
        InvalidRequest: a combination that has no meaning (see limits.md section 1).
    """

    id: str
    holder: Holder
    surface: Surface
    metric: Metric
    window: Window
    limit: int
    enforcement: Enforcement = Enforcement.SOFT
    mode: Mode = Mode.ENFORCE
    enabled: bool = True

    def __post_init__(self) -> None:
        """Refuse what could never be evaluated as written."""
        _check_limit(self.limit)
        _check_surface(self.holder, self.surface)
        if self.metric is Metric.TOKENS and self.surface is Surface.MCP_GATEWAY:
            raise InvalidRequest("MCP calls have no tokens to limit.", param="metric")
        if self.metric is Metric.REQUESTS and self.enforcement is Enforcement.STRICT:
            raise InvalidRequest(
                "Request rules are always exact; 'strict' is for tokens.", param="enforcement"
            )

    @property
    def slot(self) -> str:
        """The label without its subject kind, e.g. `requests/1m`."""
        return f"{self.metric}/{self.window}"


class BudgetCap(Struct, frozen=True, kw_only=True):
    """At most `limit` (weighted tokens, or nano-dollars) in each calendar period.

    Attributes:
        timezone: IANA name of the zone whose calendar counts.
        channels: ids of the notification channels that alerts go to.
        counts_from_ms: requests that end from this instant on are charged as they are settled; the
            period's use before it comes from the ledger.

    Raises:
        InvalidRequest: unknown zone, or a subject that has no cost.
    """

    id: str
    holder: Holder
    period: Period
    limit: int
    unit: BudgetUnit = BudgetUnit.WEIGHTED_TOKENS
    timezone: str = "UTC"
    enforcement: Enforcement = Enforcement.SOFT
    mode: Mode = Mode.ENFORCE
    enabled: bool = True
    channels: tuple[str, ...] = ()
    counts_from_ms: int = 0

    def __post_init__(self) -> None:
        """Refuse what could never be evaluated as written."""
        _check_limit(self.limit)
        zone(self.timezone)
        if self.holder.kind is HolderKind.MCP_SERVER:
            raise InvalidRequest("MCP servers have no token cost to budget.", param="subject")

    @property
    def surface(self) -> Literal[Surface.AI_GATEWAY]:
        """Budgets bind AI traffic: only it costs tokens."""
        return Surface.AI_GATEWAY

    @property
    def slot(self) -> str:
        """The label without its subject kind, e.g. `budget/monthly`."""
        return f"budget/{self.period}"


class ConcurrencyCap(Struct, frozen=True, kw_only=True):
    """At most `limit` calls in flight.

    Raises:
        InvalidRequest: the subject does not exist on the surface.
    """

    id: str
    holder: Holder
    surface: Surface
    limit: int
    mode: Mode = Mode.ENFORCE
    enabled: bool = True

    def __post_init__(self) -> None:
        """Refuse what could never be evaluated as written."""
        _check_limit(self.limit)
        _check_surface(self.holder, self.surface)

    @property
    def slot(self) -> str:
        """The label without its subject kind."""
        return "concurrency"


Limit = WindowRule | BudgetCap | ConcurrencyCap


def _check_limit(limit: int) -> None:
    if not 0 <= limit <= MAX_COUNT:
        raise InvalidRequest(f"A limit must be between 0 and {MAX_COUNT}.", param="limit")


def _check_surface(holder: Holder, surface: Surface) -> None:
    if surface not in _SURFACES[holder.kind]:
        raise InvalidRequest(
            f"A limit on '{holder.kind}' cannot be for the surface '{surface}'.", param="surface"
        )
