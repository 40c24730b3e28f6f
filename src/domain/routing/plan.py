"""Where a request would go: the routes to try in order, those left out, and why.

The same plan serves the request itself, `POST /api/routing/simulate` and `thinkwatch route explain`.
Making it changes nothing; a place at a route is only taken when its attempt begins
(`RouteTracker.begin`), because until then another request may have taken the last probe.
"""

from collections.abc import Callable, Sequence

from msgspec import Struct

from domain.identifiers import ProviderId, RouteId
from domain.routing.affinity import AffinityKey, KeySource, keep_together
from domain.routing.capabilities import RequestNeeds
from domain.routing.catalog import Affinity, Catalog, Model, Route, Strategy
from domain.routing.exclusion import Exclusion, ExclusionReason
from domain.routing.fallback import fallback_chain
from domain.routing.matching import mismatch
from domain.routing.retry import Retries, RetryPolicy
from domain.routing.standing import CircuitState, RouteStanding
from domain.routing.strategy import Candidate, Score, Scored, order

StandingOf = Callable[[RouteId], RouteStanding]
"""How a route stands at the moment of the plan."""


class PlannedAttempt(Struct, frozen=True, kw_only=True, gc=False):
    """One route to try.

    Attributes:
        model: the model it belongs to; another than the one asked for when that has fallen back.
        fallback: 0 for the model asked for, 1 for its first fallback, and so on.
        probe: the route is half-open: it may be refused when its turn comes.
        last_resort: it is not well; it is asked once, all the same, when all that are well failed
            or there is none.
    """

    route: Route
    model: Model
    fallback: int
    score: Score
    standing: RouteStanding
    probe: bool = False
    last_resort: bool = False


class RoutePlan(Struct, frozen=True, kw_only=True):
    """What to try for one request.

    Attributes:
        requested: model name as the caller wrote it.
        attempts: in order; by model, tier, and strategy or affinity.
        exclusions: every other route of the models concerned, with the reason.
        affinity: by what the conversation is kept on its route; None when it is not.
        retry_after_ms: when no route is well, how long until one may be asked again; None when
            waiting does not help, or is not needed.
        throttled: when no route is well, whether any is because of a provider's limits.
    """

    requested: str
    attempts: tuple[PlannedAttempt, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    affinity: KeySource | None = None
    retry_after_ms: int | None = None
    throttled: bool = False

    @property
    def providers(self) -> frozenset[ProviderId]:
        """Providers that may be asked."""
        return frozenset(attempt.route.provider_id for attempt in self.attempts)

    @property
    def models(self) -> tuple[Model, ...]:
        """Models that may serve the request, each once, in the order they are tried."""
        return tuple({attempt.model.id: attempt.model for attempt in self.attempts}.values())

    @property
    def binds_attempts(self) -> bool:
        """Whether attempts have limits of their own to check, each before it is made.

        Who serves is certain before only where there is one provider, and the model asked for; the
        caps of a route are those of its attempts.
        """
        return len(self.providers) > 1 or any(
            attempt.fallback or attempt.route.is_capped for attempt in self.attempts
        )

    def retries(self, policy: RetryPolicy, started_ms: int) -> Retries:
        """Return the attempts of the request; a last resort is tried once."""
        return Retries(
            policy,
            [attempt.route.id for attempt in self.attempts],
            started_ms,
            once=frozenset(attempt.route.id for attempt in self.attempts if attempt.last_resort),
        )


LEAST_RETRY_AFTER_MS = 1_000
"""Nobody is asked to come back sooner: it is the least that `Retry-After` can say."""
_SIZES = frozenset({ExclusionReason.CONTEXT_TOO_SMALL, ExclusionReason.OUTPUT_TOO_SMALL})


def plan_routes(
    catalog: Catalog,
    model: Model,
    needs: RequestNeeds,
    standing_of: StandingOf,
    *,
    now_ms: int,
    roll: float,
    requested: str = "",
    affinity: AffinityKey | None = None,
    may_use: Callable[[str], bool] | None = None,
) -> RoutePlan:
    """Return the plan of one request.

    Args:
        catalog: the configuration in force.
        model: the one asked for, aliases followed and the caller's right to it checked.
        needs: what the request asks of a route.
        standing_of: health of a route at `now_ms`.
        now_ms: Unix milliseconds.
        roll: a number in [0, 1).
        requested: the name the caller used; the model's when left out.
        affinity: what the conversation is known by, if it is to be kept on its route.
        may_use: whether the caller may use a fallback model; None allows all.
    """
    models, denied = fallback_chain(catalog, model, may_use)
    attempts: list[PlannedAttempt] = []
    exclusions: list[Exclusion] = []
    passing: list[PlannedAttempt] = []
    kept: KeySource | None = None
    fits, unfit = _fit(catalog, models, needs)
    exclusions += unfit
    for number, (known, fit) in enumerate(zip(models, fits, strict=True)):
        key = affinity if known.affinity is not Affinity.OFF else None
        for tier in _by_tier(fit):
            usable: list[Candidate] = []
            for route in tier:
                standing = standing_of(route.id)
                candidate = Candidate(model=known, route=route, standing=standing)
                excluded = _unwell(candidate, now_ms)
                if excluded is None:
                    usable.append(candidate)
                    continue
                exclusions.append(excluded)
                if excluded.reason.passes and not _asked(standing):
                    passing.append(_last_resort(candidate, number))
            scored = _in_order(known, usable, needs, key, now_ms, roll)
            attempts += [_planned(pair, number) for pair in scored]
            if key is not None and number == 0 and scored:
                kept = key.source
    exclusions += [_denied(route, model) for model in denied for route in model.routes]
    retry_after_ms, throttled = (None, False) if attempts else _outlook(exclusions, now_ms)
    if passing:
        # The one that comes back first, of the best model and tier among equals. It follows those
        # that are well, for they may all fail where this one is back already.
        attempts.append(min(passing, key=lambda attempt: _back_at(attempt.standing)))
    return RoutePlan(
        requested=requested or model.name,
        attempts=tuple(attempts),
        exclusions=tuple(exclusions),
        affinity=kept,
        retry_after_ms=retry_after_ms,
        throttled=throttled,
    )


def _fit(
    catalog: Catalog, models: Sequence[Model], needs: RequestNeeds
) -> tuple[list[list[Route]], list[Exclusion]]:
    """Return for each model the routes that can serve the request when well, and why others cannot.

    Sizes rest on an estimate, which may steer but not refuse: when they alone leave no route at
    all, the roomiest of the first model are tried, and the provider's own 400 is the judge.
    """
    fits: list[list[Route]] = []
    unfit: list[Exclusion] = []
    cramped: list[list[Route]] = []
    for model in models:
        fits.append([])
        cramped.append([])
        for route in model.routes:
            reason = mismatch(catalog, model, route, needs)
            if reason is None:
                fits[-1].append(route)
                continue
            unfit.append(reason)
            if reason.reason in _SIZES:
                cramped[-1].append(route)
    if not any(fits) and any(cramped):
        number = next(number for number, routes in enumerate(cramped) if routes)
        room = [_room(models[number], route) for route in cramped[number]]
        fits[number] = [
            route for route, size in zip(cramped[number], room, strict=True) if size == max(room)
        ]
        tried = {route.id for route in fits[number]}
        unfit = [reason for reason in unfit if reason.route_id not in tried]
    return fits, unfit


def _room(model: Model, route: Route) -> tuple[float, float]:
    able = route.capabilities.over(model.capabilities)
    return able.context_window or float("inf"), able.max_output_tokens or float("inf")


def _by_tier(routes: Sequence[Route]) -> list[list[Route]]:
    """Return the routes by rising tier, in an order that does not depend on the configuration's."""
    tiers: dict[int, list[Route]] = {}
    for route in sorted(routes, key=lambda route: (route.tier, -route.weight, route.id)):
        tiers.setdefault(route.tier, []).append(route)
    return list(tiers.values())


def _unwell(candidate: Candidate, now_ms: int) -> Exclusion | None:
    standing = candidate.standing
    until_ms: int | None = None
    detail = ""
    if standing.drained:
        reason = ExclusionReason.DRAINED
    elif standing.cool_down_until_ms > now_ms:
        reason = ExclusionReason.COOLING_DOWN
        detail = "as the provider asked" if standing.cool_down_asked else ""
        until_ms = standing.cool_down_until_ms
    elif standing.circuit is CircuitState.OPEN:
        reason, until_ms = ExclusionReason.CIRCUIT_OPEN, standing.open_until_ms
    elif standing.circuit is CircuitState.HALF_OPEN and not standing.probe_free:
        reason, until_ms = ExclusionReason.PROBES_TAKEN, now_ms
    else:
        return None
    return Exclusion(
        route_id=candidate.route.id,
        provider_id=candidate.route.provider_id,
        model=candidate.model.name,
        reason=reason,
        detail=detail,
        until_ms=until_ms,
    )


def _in_order(
    model: Model,
    tier: Sequence[Candidate],
    needs: RequestNeeds,
    key: AffinityKey | None,
    now_ms: int,
    roll: float,
) -> list[Scored]:
    if key is not None and model.strategy is not Strategy.COST:
        return keep_together(key, tier)
    scored = order(model.strategy, tier, needs, now_ms=now_ms, roll=roll)
    if key is None or not scored:
        return scored
    # Who wants the cheapest route wants a conversation to stay on one of those that cost the same.
    first = _price_class(scored[0])
    equals = [pair[0] for pair in scored if _price_class(pair) == first]
    return keep_together(key, equals) + [pair for pair in scored if _price_class(pair) != first]


def _price_class(pair: Scored) -> tuple[bool, float | None]:
    candidate, score = pair
    return candidate.route.weight > 0, score.value


def _planned(pair: Scored, fallback: int) -> PlannedAttempt:
    candidate, score = pair
    return PlannedAttempt(
        route=candidate.route,
        model=candidate.model,
        fallback=fallback,
        score=score,
        standing=candidate.standing,
        probe=candidate.standing.circuit is CircuitState.HALF_OPEN,
    )


def _last_resort(candidate: Candidate, fallback: int) -> PlannedAttempt:
    return PlannedAttempt(
        route=candidate.route,
        model=candidate.model,
        fallback=fallback,
        score=Score(strategy="last_resort", unit="ms", value=float(_back_at(candidate.standing))),
        standing=candidate.standing,
        last_resort=True,
    )


def _asked(standing: RouteStanding) -> bool:
    return bool(standing.cool_down_until_ms) and standing.cool_down_asked


def _back_at(standing: RouteStanding) -> int:
    return max(standing.cool_down_until_ms, standing.open_until_ms)


def _denied(route: Route, model: Model) -> Exclusion:
    return Exclusion(
        route_id=route.id,
        provider_id=route.provider_id,
        model=model.name,
        reason=ExclusionReason.MODEL_NOT_ALLOWED,
    )


def _outlook(exclusions: Sequence[Exclusion], now_ms: int) -> tuple[int | None, bool]:
    """Return how long until a route may be asked again, and whether providers asked for it."""
    waits = [
        max(LEAST_RETRY_AFTER_MS, excluded.until_ms - now_ms)
        for excluded in exclusions
        if excluded.until_ms is not None
    ]
    throttled = any(excluded.reason is ExclusionReason.COOLING_DOWN for excluded in exclusions)
    return min(waits, default=None), throttled
