"""When and where a failed request is tried again.

Another route is tried at once: a pause would help nobody. Only when every route of the plan had its
turn, those whose failure may pass are asked again after a pause, drawn evenly from zero to an
exponentially growing bound ("full jitter": Brooker, "Exponential Backoff And Jitter", AWS 2015),
never shorter than what the provider asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from msgspec import Struct

from domain.identifiers import RouteId
from domain.routing.failures import Failure

_MOST_DOUBLINGS = 30


class RetryPolicy(Struct, frozen=True, kw_only=True):
    """Bounds on attempts and waits; times in milliseconds.

    Attributes:
        max_attempts: most attempts of one request, the first included.
        max_attempts_per_route: most attempts at one route.
        base_ms: bound of the first pause; it doubles with every further round.
        longest_pause_ms: the bound grows no further.
        longest_wait_ms: a `Retry-After` beyond this is not waited for; the client is told instead.
        deadline_ms: no attempt begins later than this after the first one. It leaves room for two
            attempts that wait for a first byte as long as they may, or a paused provider could not
            be failed over from.
    """

    max_attempts: int = 5
    max_attempts_per_route: int = 2
    base_ms: int = 250
    longest_pause_ms: int = 4_000
    longest_wait_ms: int = 10_000
    deadline_ms: int = 300_000

    def __post_init__(self) -> None:
        """Refuse bounds under which nothing is ever tried."""
        if self.max_attempts < 1 or self.max_attempts_per_route < 1:
            raise ValueError("at least one attempt is made")
        if min(self.base_ms, self.longest_pause_ms, self.longest_wait_ms, self.deadline_ms) < 0:
            raise ValueError("times are not negative")

    def pause_ms(self, round_number: int, roll: float) -> int:
        """Return the pause before the `round_number`-th repetition (1, 2, …).

        `roll` is in [0, 1).
        """
        doublings = min(max(round_number - 1, 0), _MOST_DOUBLINGS)
        return int(min(self.longest_pause_ms, self.base_ms * 2**doublings) * roll)


class Try(Struct, frozen=True, kw_only=True):
    """Make an attempt at this route after a pause."""

    route_id: RouteId
    wait_ms: int = 0


class StopReason(StrEnum):
    """Why nothing more is tried."""

    FINAL = "final"
    NO_ROUTES = "no_routes"
    MAX_ATTEMPTS = "max_attempts"
    DEADLINE = "deadline"
    WAIT_TOO_LONG = "wait_too_long"


class Stop(Struct, frozen=True, kw_only=True):
    """Try nothing more.

    Attributes:
        reason: why.
        retry_after_ms: when the client may come back, if a provider said so.
    """

    reason: StopReason
    retry_after_ms: int | None = None


@dataclass(slots=True)
class _Turn:
    """What became of one route so far. `ready_at_ms` is when the provider wants to be asked again."""

    attempts: int = 0
    spent: bool = False
    ready_at_ms: int = 0


@dataclass(slots=True)
class Retries:
    """The attempts of one request, from its plan to its end.

    Ask `next`, make the attempt, and report it with `failed` or `skipped`. The order of `routes` is
    the plan's; times are those of one clock, in milliseconds. Routes in `once` are not repeated.
    """

    policy: RetryPolicy
    routes: Sequence[RouteId]
    started_ms: int
    attempts: int = 0
    once: frozenset[RouteId] = frozenset()
    _rounds: int = 0
    _final: bool = False
    _turns: dict[RouteId, _Turn] = field(default_factory=dict[RouteId, _Turn])

    def __post_init__(self) -> None:
        """Give every route its turn; a route named twice has one."""
        self._turns = {route: _Turn() for route in self.routes}

    def remaining_ms(self, now_ms: int) -> int:
        """Return how long attempts may still begin; 0 when the deadline has passed."""
        return max(0, self.started_ms + self.policy.deadline_ms - now_ms)

    def next(self, now_ms: int, roll: float) -> Try | Stop:
        """Return the next attempt, or why there is none. Asking changes nothing.

        Args:
            now_ms: the clock's present.
            roll: a number in [0, 1), for the pause.
        """
        if self._final:
            return Stop(reason=StopReason.FINAL)
        untried = next((r for r, turn in self._turns.items() if self._is_new(turn)), None)
        found = (untried, 0) if untried is not None else self._again(now_ms, roll)
        if found is None:
            return Stop(reason=StopReason.NO_ROUTES, retry_after_ms=self._retry_after_ms(now_ms))
        if self.attempts >= self.policy.max_attempts:
            return Stop(reason=StopReason.MAX_ATTEMPTS, retry_after_ms=self._retry_after_ms(now_ms))
        route, wait_ms = found
        if wait_ms > self.policy.longest_wait_ms:
            return Stop(reason=StopReason.WAIT_TOO_LONG, retry_after_ms=wait_ms)
        if self.attempts and wait_ms >= self.remaining_ms(now_ms):
            return Stop(reason=StopReason.DEADLINE, retry_after_ms=self._retry_after_ms(now_ms))
        return Try(route_id=route, wait_ms=wait_ms)

    def failed(self, route: RouteId, failure: Failure, now_ms: int, *, wait_ms: int = 0) -> None:
        """Note an attempt that failed. A final failure ends the request.

        `wait_ms` is how long the route cools down by our own judgement (`AttemptLease.failed`).
        """
        turn = self._turns[route]
        treatment = failure.treatment
        if treatment.sends:
            turn.attempts += 1
            self.attempts += 1
            self._rounds = max(self._rounds, turn.attempts)
        self._final = self._final or treatment.is_final
        repeats = treatment.same_route and route not in self.once
        if not repeats or turn.attempts >= self.policy.max_attempts_per_route:
            turn.spent = True
        turn.ready_at_ms = now_ms + max(failure.retry_after_ms or 0, wait_ms)

    def skipped(self, route: RouteId) -> None:
        """Note that a route could not be tried: its breaker or cool-down came in between.

        It is not asked again for this request, and no attempt is counted.
        """
        self._turns[route].spent = True

    @staticmethod
    def _is_new(turn: _Turn) -> bool:
        return turn.attempts == 0 and not turn.spent

    def _again(self, now_ms: int, roll: float) -> tuple[RouteId, int] | None:
        """Return the route to repeat and the pause before it: ready soonest, tried least."""
        pause_ms = self.policy.pause_ms(self._rounds, roll)
        open_turns = [
            (max(pause_ms, turn.ready_at_ms - now_ms), turn.attempts, place, route)
            for place, (route, turn) in enumerate(self._turns.items())
            if not turn.spent
        ]
        if not open_turns:
            return None
        wait_ms, _, _, route = min(open_turns)
        return route, wait_ms

    def _retry_after_ms(self, now_ms: int) -> int | None:
        asked = [turn.ready_at_ms - now_ms for turn in self._turns.values() if turn.attempts]
        asked = [wait for wait in asked if wait > 0]
        return min(asked, default=None)
