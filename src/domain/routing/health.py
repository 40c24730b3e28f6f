"""Health of a route as replicas publish it, and what several of their reports say together."""

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from domain.identifiers import RouteId
from domain.routing.circuit import NEVER_CHANGED, BreakerMark
from domain.routing.cool_down import NEVER_COOLED, CoolDown
from domain.routing.outcome_window import NOTHING, Tally
from domain.routing.standing import CircuitState, RouteStanding

STALE_AFTER_MS = 15_000
"""A replica that published nothing for so long is taken for gone, its numbers with it."""


class Drain(Struct, frozen=True, kw_only=True, order=True):
    """An operator's word on whether a route is used; the greatest is in force.

    Attributes:
        changed_at_ms: Unix ms, and always later than the one before.
        drained: whether it is taken out.
        by: who said so, for the console.
    """

    changed_at_ms: int = 0
    drained: bool = False
    by: str = ""

    def changed(self, now_ms: int, *, drained: bool, by: str) -> "Drain":
        """Return the operator's new word."""
        return Drain(changed_at_ms=max(now_ms, self.changed_at_ms + 1), drained=drained, by=by)


NEVER_DRAINED = Drain()
"""Older than every word."""


class RouteHealth(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One replica's report on one route, or the merged reports of many.

    Attributes:
        replica: who reports; empty in a merged report.
        at_ms: Unix ms of the report.
        state: of the circuit when the report was made.
        breaker, cool_down, drain: last transitions; they hold whoever made them, and outlive him.
        tally: outcomes in the window, of the breaker's present episode.
        ttft_ms: EWMA of the time to first token; None while cold.
        ttft_samples: how much that rests on.
        in_flight: requests running there.
    """

    route_id: RouteId
    replica: str = ""
    at_ms: int = 0
    state: CircuitState = CircuitState.CLOSED
    breaker: BreakerMark = NEVER_CHANGED
    cool_down: CoolDown = NEVER_COOLED
    drain: Drain = NEVER_DRAINED
    tally: Tally = NOTHING
    ttft_ms: float | None = None
    ttft_samples: float = 0.0
    in_flight: int = 0

    @property
    def error_rate(self) -> float:
        """Failed share of the recent outcomes, 0 to 1."""
        return self.tally.failure_rate

    @property
    def cool_down_until_ms(self) -> int:
        """Unix ms at which the last cool-down ends; 0 for none."""
        return self.cool_down.until_ms

    def is_stale(self, now_ms: int) -> bool:
        """Tell whether its numbers are too old to be believed (or from a clock far ahead)."""
        return abs(now_ms - self.at_ms) > STALE_AFTER_MS

    def standing(self, now_ms: int) -> RouteStanding:
        """Return how the route stands for somebody who serves no requests himself (the console)."""
        return RouteStanding(
            circuit=self.breaker.state(now_ms),
            open_until_ms=self.breaker.open_until_ms,
            cool_down_until_ms=self.cool_down.until_ms if self.cool_down.until_ms > now_ms else 0,
            cool_down_asked=self.cool_down.asked,
            drained=self.drain.drained,
            ttft_ms=self.ttft_ms,
            in_flight=self.in_flight,
            error_rate=self.error_rate,
        )


def told_to_drain(health: RouteHealth, now_ms: int, *, drained: bool, by: str) -> RouteHealth:
    """Return `health` with an operator's word on whether the route is used, to be published."""
    return replace(health, drain=health.drain.changed(now_ms, drained=drained, by=by))


def told_to_reset(health: RouteHealth, now_ms: int, *, by: str) -> RouteHealth:
    """Return `health` with circuit closed and cool-down ended by an operator, to be published."""
    return replace(
        health,
        state=CircuitState.CLOSED,
        breaker=health.breaker.closed(now_ms, by),
        cool_down=health.cool_down.ended(now_ms),
    )


def merged(route_id: RouteId, reports: Iterable[RouteHealth], now_ms: int) -> RouteHealth:
    """Return what reports of one route say together.

    Of each replica the newest report counts. Transitions hold from stale reports too; numbers are
    those of the replicas that still report. Outcomes count only if they are of the episode that is
    in force: what failed before the circuit opened says nothing of the time after it closed. The
    order of the reports does not matter, nor whether one is given twice.
    """
    newest: dict[str, RouteHealth] = {}
    for report in reports:
        known = newest.get(report.replica)
        if known is None or _age_key(known) < _age_key(report):
            newest[report.replica] = report
    known = [newest[replica] for replica in sorted(newest)]
    fresh = [report for report in known if not report.is_stale(now_ms)]
    breaker = max((report.breaker for report in known), default=NEVER_CHANGED)
    tally = NOTHING
    for report in fresh:
        if report.breaker == breaker:
            tally += report.tally
    ttft_ms, samples = _average(fresh)
    return RouteHealth(
        route_id=route_id,
        state=breaker.state(now_ms),
        at_ms=max((report.at_ms for report in known), default=0),
        breaker=breaker,
        cool_down=max((report.cool_down for report in known), default=NEVER_COOLED),
        drain=max((report.drain for report in known), default=NEVER_DRAINED),
        tally=tally,
        ttft_ms=ttft_ms,
        ttft_samples=samples,
        in_flight=sum(report.in_flight for report in fresh),
    )


def _age_key(report: RouteHealth) -> tuple[object, ...]:
    """Return an order among reports of one replica in which only equal reports are equal."""
    return (
        report.at_ms,
        report.breaker,
        report.cool_down,
        report.drain,
        report.state.gauge,
        report.tally.successes,
        report.tally.failures,
        -1.0 if report.ttft_ms is None else report.ttft_ms,
        report.ttft_samples,
        report.in_flight,
    )


def _average(reports: Iterable[RouteHealth]) -> tuple[float | None, float]:
    """Return the mean TTFT, weighed by what each rests on, and what the mean rests on."""
    total = samples = 0.0
    for report in reports:
        if report.ttft_ms is not None and report.ttft_samples > 0:
            total += report.ttft_ms * report.ttft_samples
            samples += report.ttft_samples
    return (total / samples, samples) if samples else (None, 0.0)
