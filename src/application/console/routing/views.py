"""Plans and routes as the console shows them: names beside ids, one flat line per route."""

from collections.abc import Mapping

from msgspec import Struct

from domain.identifiers import ProviderId, RouteId
from domain.inference.dialect import Dialect, Operation
from domain.routing.affinity import KeySource
from domain.routing.capabilities import Capability
from domain.routing.catalog import Affinity, Catalog, Model, Route, Strategy
from domain.routing.exclusion import Exclusion, ExclusionReason
from domain.routing.plan import PlannedAttempt
from domain.routing.standing import CircuitState, RouteStanding


class StandingView(Struct, frozen=True, kw_only=True):
    """Health of a route, as all replicas report it together.

    Attributes:
        open_until_ms, cool_down_until_ms: Unix milliseconds; null when it is not open, not cooling.
        ttft_ms: mean time to the first token; null while cold.
        in_flight: requests running there.
        error_rate: failed share of the recent outcomes, 0 to 1.
    """

    circuit: CircuitState
    open_until_ms: int | None
    cool_down_until_ms: int | None
    drained: bool
    ttft_ms: float | None
    in_flight: int
    error_rate: float

    @classmethod
    def of(cls, standing: RouteStanding) -> "StandingView":
        """Return the view of a standing."""
        is_open = standing.circuit is CircuitState.OPEN
        return cls(
            circuit=standing.circuit,
            open_until_ms=standing.open_until_ms if is_open else None,
            cool_down_until_ms=standing.cool_down_until_ms or None,
            drained=standing.drained,
            ttft_ms=standing.ttft_ms,
            in_flight=standing.in_flight,
            error_rate=standing.error_rate,
        )


class AttemptView(Struct, frozen=True, kw_only=True):
    """One route that would be tried.

    Attributes:
        place: 1 for the first attempt.
        fallback: 0 for the model asked for, 1 for its first fallback, and so on.
        ranked_by: the strategy, `affinity` where a conversation is kept on its route, or
            `last_resort` for one that is not well.
        score, unit: the measure; null when it is not known.
        share: probability of being the first of its tier; null where no dice are thrown.
        assumed: the score is the median of the tier, because this route is cold.
        probe: the circuit is half-open, and the request would test the route.
    """

    place: int
    model: str
    fallback: int
    provider: str
    route_id: str
    upstream_model: str
    tier: int
    weight: int
    ranked_by: str
    score: float | None
    unit: str
    share: float | None
    assumed: bool
    probe: bool
    last_resort: bool
    standing: StandingView


class ExclusionView(Struct, frozen=True, kw_only=True):
    """One route that would not be tried, and why.

    Attributes:
        detail: what exactly, e.g. `images`; may be empty.
        until_ms: Unix milliseconds from which the reason may have passed; null when waiting does
            not help.
    """

    model: str
    provider: str
    route_id: str
    upstream_model: str
    tier: int
    reason: ExclusionReason
    detail: str
    until_ms: int | None


class Simulated(Struct, frozen=True, kw_only=True):
    """Where a request would go. Nothing was sent and nothing counted.

    Attributes:
        requested: the model as the request names it.
        model: the one that stands for.
        affinity: how the model keeps conversations on their route.
        kept_by: by what this one is kept there; null when it is not.
        features, input_tokens, output_tokens: what was taken from the request.
        attempts: in order; at most `routing.max_attempts` of them are made.
        retry_after_ms: when no route is well, how long until one may be asked again.
        throttled: when no route is well, whether that is because of a provider's limits.
    """

    requested: str
    model: str
    strategy: Strategy
    affinity: Affinity
    kept_by: KeySource | None
    dialect: Dialect
    operation: Operation
    features: tuple[Capability, ...]
    input_tokens: int
    output_tokens: int
    attempts: tuple[AttemptView, ...]
    exclusions: tuple[ExclusionView, ...]
    retry_after_ms: int | None
    throttled: bool


def provider_name(catalog: Catalog, provider_id: ProviderId) -> str:
    """Return how people call a provider; its id when it is gone."""
    provider = catalog.providers.get(provider_id)
    return provider_id if provider is None else provider.name


def attempt_view(catalog: Catalog, attempt: PlannedAttempt, place: int) -> AttemptView:
    """Return the view of one planned attempt."""
    route, score = attempt.route, attempt.score
    return AttemptView(
        place=place,
        model=attempt.model.name,
        fallback=attempt.fallback,
        provider=provider_name(catalog, route.provider_id),
        route_id=route.id,
        upstream_model=route.upstream_model,
        tier=route.tier,
        weight=route.weight,
        ranked_by=score.strategy,
        score=score.value,
        unit=score.unit,
        share=score.share,
        assumed=score.assumed,
        probe=attempt.probe,
        last_resort=attempt.last_resort,
        standing=StandingView.of(attempt.standing),
    )


def exclusion_view(
    catalog: Catalog, routes: Mapping[RouteId, Route], excluded: Exclusion
) -> ExclusionView:
    """Return the view of one route that is left out."""
    route = routes[excluded.route_id]
    return ExclusionView(
        model=excluded.model,
        provider=provider_name(catalog, excluded.provider_id),
        route_id=excluded.route_id,
        upstream_model=route.upstream_model,
        tier=route.tier,
        reason=excluded.reason,
        detail=excluded.detail,
        until_ms=excluded.until_ms,
    )


def routes_by_id(catalog: Catalog, asked_for: Model) -> dict[RouteId, Route]:
    """Return every route a plan may speak of; a model made up for a name is in no catalogue."""
    models = (*catalog.models.values(), asked_for)
    return {route.id: route for model in models for route in model.routes}
