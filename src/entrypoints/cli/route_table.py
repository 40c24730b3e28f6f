"""Plans and routes as lines for people: columns as wide as they need to be."""

from collections.abc import Iterator, Sequence

from application.console.routing.states import RouteState
from application.console.routing.views import AttemptView, ExclusionView, Simulated, StandingView

_ATTEMPTS = ("", "model", "route", "tier", "ranked by", "score", "share", "health")
_EXCLUSIONS = ("", "model", "route", "tier", "left out", "until")
_ROUTES = ("id", "route", "upstream", "tier", "weight", "caps", "health")


def plan_lines(found: Simulated, now_ms: int) -> Iterator[str]:
    """Yield what `route explain` prints."""
    yield from _table(_ATTEMPTS, [_attempt(each, now_ms) for each in found.attempts])
    if found.exclusions:
        if found.attempts:
            yield ""
        yield from _table(_EXCLUSIONS, [_exclusion(each, now_ms) for each in found.exclusions])
    yield _verdict(found)


def route_lines(routes: Sequence[RouteState], now_ms: int) -> Iterator[str]:
    """Yield what `route list` prints."""
    yield from _table(_ROUTES, [_route(each, now_ms) for each in routes])


def route_name(route: RouteState) -> str:
    """Return how a route can be named where only one of its model leads to the provider."""
    return f"{route.model}@{route.provider}"


def _attempt(attempt: AttemptView, now_ms: int) -> tuple[str, ...]:
    score = "-" if attempt.score is None else f"{attempt.score:.6g} {attempt.unit}"
    if attempt.last_resort:
        score = "-"  # a moment, which the health tells better
    notes = [text for text, applies in (("probe", attempt.probe),) if applies]
    return (
        str(attempt.place),
        attempt.model,
        f"{attempt.provider}/{attempt.upstream_model}",
        str(attempt.tier),
        attempt.ranked_by,
        f"{score} (assumed)" if attempt.assumed and attempt.score is not None else score,
        "-" if attempt.share is None else f"{attempt.share:.0%}",
        ", ".join((_health(attempt.standing, now_ms), *notes)),
    )


def _exclusion(excluded: ExclusionView, now_ms: int) -> tuple[str, ...]:
    detail = f" ({excluded.detail})" if excluded.detail else ""
    return (
        "-",
        excluded.model,
        f"{excluded.provider}/{excluded.upstream_model}",
        str(excluded.tier),
        f"{excluded.reason}{detail}",
        "-" if excluded.until_ms is None else _left(excluded.until_ms, now_ms),
    )


def _route(route: RouteState, now_ms: int) -> tuple[str, ...]:
    caps = [
        f"{name} {cap}"
        for name, cap in (
            ("rpm", route.rpm),
            ("tpm", route.tpm),
            ("in flight", route.max_in_flight),
        )
        if cap is not None
    ]
    health = _health(route.standing, now_ms) if route.reported_at_ms is not None else "not tried"
    by = f" by {route.drained_by}" if route.drained_by else ""
    return (
        route.id,
        route_name(route),
        route.upstream_model,
        str(route.tier),
        str(route.weight),
        ", ".join(caps) or "-",
        f"{health}{by}{'' if route.enabled else ', disabled'}",
    )


def _health(standing: StandingView, now_ms: int) -> str:
    state = standing.circuit.replace("_", "-")
    if standing.open_until_ms is not None:
        state = f"open for {_left(standing.open_until_ms, now_ms)}"
    said = ["drained"] if standing.drained else [state]
    if standing.cool_down_until_ms is not None:
        said.append(f"cooling down for {_left(standing.cool_down_until_ms, now_ms)}")
    if standing.ttft_ms is not None:
        said.append(f"first token {standing.ttft_ms:.0f} ms")
    if standing.in_flight:
        said.append(f"{standing.in_flight} in flight")
    if standing.error_rate:
        said.append(f"{standing.error_rate:.0%} errors")
    return ", ".join(said)


def _verdict(found: Simulated) -> str:
    model = found.model if found.model == found.requested else f"{found.requested} = {found.model}"
    if not found.attempts:
        wait = found.retry_after_ms
        again = "waiting does not help" if wait is None else f"again in {-(-wait // 1000)} s"
        return f"{model}: nowhere to go, {again}"
    if found.attempts[0].last_resort:
        return f"{model}: no route is well; the first to come back is asked once"
    kept = f", conversation kept on its route by {found.kept_by}" if found.kept_by else ""
    return f"{model}: strategy {found.strategy}{kept}"


def _left(until_ms: int, now_ms: int) -> str:
    return f"{max(0, -(-(until_ms - now_ms) // 1000))} s"


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    if not rows:
        return
    lines = (headings, *rows)
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    for line in lines:
        yield "  ".join(
            cell.ljust(width) for cell, width in zip(line, widths, strict=True)
        ).rstrip()
