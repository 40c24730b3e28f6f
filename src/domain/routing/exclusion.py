"""Why a route is not tried, in words that `simulate` and `route explain` can show."""

from enum import StrEnum

from msgspec import Struct

from domain.identifiers import ProviderId, RouteId


class ExclusionReason(StrEnum):
    """Reasons, the lasting ones first."""

    ROUTE_DISABLED = "route_disabled"
    PROVIDER_MISSING = "provider_missing"
    PROVIDER_DISABLED = "provider_disabled"
    MODEL_NOT_ALLOWED = "model_not_allowed"
    OPERATION_NOT_SERVED = "operation_not_served"
    OTHER_PROVIDER_HOLDS_STATE = "other_provider_holds_state"
    CAPABILITY_MISSING = "capability_missing"
    CONTEXT_TOO_SMALL = "context_too_small"
    OUTPUT_TOO_SMALL = "output_too_small"
    DRAINED = "drained"
    COOLING_DOWN = "cooling_down"
    CIRCUIT_OPEN = "circuit_open"
    PROBES_TAKEN = "probes_taken"

    @property
    def passes(self) -> bool:
        """Whether waiting helps: the route is fit for the request, but not now."""
        return self in _PASSING


_PASSING = frozenset(
    {ExclusionReason.COOLING_DOWN, ExclusionReason.CIRCUIT_OPEN, ExclusionReason.PROBES_TAKEN}
)


class Exclusion(Struct, frozen=True, kw_only=True):
    """One route that is not tried, and why.

    Attributes:
        model: public name of the model the route belongs to.
        detail: what exactly, e.g. `images` or `needs 130000 tokens, has 128000`.
        until_ms: Unix ms from which the reason may have passed; None when waiting does not help.
    """

    route_id: RouteId
    provider_id: ProviderId
    model: str
    reason: ExclusionReason
    detail: str = ""
    until_ms: int | None = None
