"""What one replica knows of one route, and the attempts it makes there."""

from dataclasses import dataclass, field

from msgspec import Struct

from domain.identifiers import RouteId
from domain.routing.circuit import BreakerPolicy, CircuitBreaker, Permit
from domain.routing.cool_down import NEVER_COOLED, CoolDown, CoolDownPolicy
from domain.routing.failures import Failure, Vote
from domain.routing.health import NEVER_DRAINED, Drain, RouteHealth
from domain.routing.latency import LatencyAverage
from domain.routing.outcome_window import NOTHING
from domain.routing.standing import RouteStanding


class HealthPolicy(Struct, frozen=True, kw_only=True):
    """How health is judged, the same for all routes."""

    breaker: BreakerPolicy = BreakerPolicy()
    cool_down: CoolDownPolicy = CoolDownPolicy()


@dataclass(slots=True)
class RouteTracker:
    """Breaker, cool-down, latency and load of one route in one replica.

    Attributes:
        peers: the other replicas' reports, merged.
    """

    route_id: RouteId
    replica: str
    policy: HealthPolicy
    cool_down: CoolDown = NEVER_COOLED
    drain: Drain = NEVER_DRAINED
    in_flight: int = 0
    breaker: CircuitBreaker = field(init=False)
    latency: LatencyAverage = field(default_factory=LatencyAverage)
    peers: RouteHealth = field(init=False)
    _throttled_in_a_row: int = 0

    def __post_init__(self) -> None:
        """Start closed, cold and alone."""
        self.breaker = CircuitBreaker(self.policy.breaker, self.replica)
        self.peers = RouteHealth(route_id=self.route_id)

    def standing(self, now_ms: int) -> RouteStanding:
        """Return how the route stands for the next request of this replica."""
        breaker = self.breaker
        circuit = breaker.state(now_ms)
        return RouteStanding(
            circuit=circuit,
            open_until_ms=breaker.probes_from_ms,
            probe_free=breaker.probe_free,
            cool_down_until_ms=self._cooling_until_ms(now_ms),
            cool_down_asked=self.cool_down.asked,
            drained=self.drain.drained,
            ttft_ms=self._ttft_ms(now_ms),
            in_flight=self.in_flight + self.peers.in_flight,
            error_rate=(breaker.tally(now_ms) + breaker.peers).failure_rate,
        )

    def begin(self, now_ms: int, *, last_resort: bool = False) -> "AttemptLease | None":
        """Return leave for one attempt, or None when the route is to be left alone just now.

        Between the plan and this moment others may have taken the last probe, or learnt that the
        route is not well. `last_resort` passes an open circuit and a cool-down of our own making;
        never what the provider asked for, nor an operator's drain.
        """
        if self.drain.drained:
            return None
        if self._cooling_until_ms(now_ms) and (self.cool_down.asked or not last_resort):
            return None
        permit = self.breaker.acquire(now_ms, last_resort=last_resort)
        if permit is None:
            return None
        self.in_flight += 1
        return AttemptLease(self, permit)

    def reset(self, now_ms: int) -> None:
        """Close the circuit and end the cool-down, e.g. because the configuration changed."""
        self.breaker.reset(now_ms)
        self.cool_down = self.cool_down.ended(now_ms)
        self._throttled_in_a_row = 0

    def configure(self, policy: HealthPolicy) -> None:
        """Go by another policy from now on."""
        self.policy = policy
        self.breaker.configure(policy.breaker)

    def report(self, now_ms: int) -> RouteHealth:
        """Return what to publish."""
        return RouteHealth(
            route_id=self.route_id,
            replica=self.replica,
            at_ms=now_ms,
            state=self.breaker.state(now_ms),
            breaker=self.breaker.mark,
            cool_down=self.cool_down,
            drain=self.drain,
            tally=self.breaker.tally(now_ms),
            ttft_ms=self.latency.at(now_ms),
            ttft_samples=0.0 if self.latency.is_cold(now_ms) else self.latency.samples,
            in_flight=self.in_flight,
        )

    def absorb(self, peers: RouteHealth, now_ms: int) -> bool:
        """Take over what the other replicas say together; True if the circuit changed by it."""
        self.peers = peers
        changed = self.breaker.adopt(peers.breaker)
        # Outcomes of another episode than the one in force here say nothing of it; nor do those
        # that were told before, once nobody tells them any more.
        same_episode = peers.breaker == self.breaker.mark
        self.breaker.peers = peers.tally if same_episode else NOTHING
        longest_ms = self.policy.cool_down.longest_ms
        self.cool_down = max(self.cool_down.believed(now_ms, longest_ms), peers.cool_down)
        self.drain = max(self.drain, peers.drain)
        return changed

    def note_failure(self, failure: Failure, now_ms: int) -> int:
        """Cool down if the failure says so; return for how many milliseconds from now."""
        if not failure.treatment.cools_down and not failure.asks_to_wait:
            return 0
        if not self._cooling_until_ms(now_ms):
            # Of many requests that were under way together, only the first counts.
            self._throttled_in_a_row += 1
        length_ms = self.policy.cool_down.length_ms(
            failure.retry_after_ms, max(1, self._throttled_in_a_row)
        )
        self.cool_down = self.cool_down.extended(
            now_ms,
            length_ms,
            asked=failure.retry_after_ms is not None,
            longest_ms=self.policy.cool_down.longest_ms,
        )
        return max(0, self._cooling_until_ms(now_ms) - now_ms)

    def note_answer(self, ttft_ms: float | None, now_ms: int) -> None:
        """Take note that content came, and how long it took if that is comparable."""
        self._throttled_in_a_row = 0
        if ttft_ms is not None:
            self.latency.add(ttft_ms, now_ms)

    def _cooling_until_ms(self, now_ms: int) -> int:
        return self.cool_down.left_until_ms(now_ms, self.policy.cool_down.longest_ms)

    def _ttft_ms(self, now_ms: int) -> float | None:
        own, peers = self.latency.at(now_ms), self.peers.ttft_ms
        if own is None or peers is None:
            return peers if own is None else own
        samples = self.latency.samples + self.peers.ttft_samples
        return (own * self.latency.samples + peers * self.peers.ttft_samples) / samples


@dataclass(slots=True)
class AttemptLease:
    """One attempt at a route. Always `end` it; what was not told by then counts for nothing."""

    tracker: RouteTracker
    permit: Permit
    _judged: bool = False
    _ended: bool = False

    def answered(self, now_ms: int, ttft_ms: float | None = None) -> None:
        """Note that content came; only the first time counts.

        A probe need not wait for the end of a long answer.

        Args:
            now_ms: Unix milliseconds.
            ttft_ms: since the attempt began; of streamed answers only, others are not comparable.
        """
        if not self._judged:
            self.tracker.note_answer(ttft_ms, now_ms)
            self._judge(Vote.SUCCESS, now_ms)

    def failed(self, failure: Failure, now_ms: int) -> int:
        """Note that the attempt failed, before or after content.

        Returns:
            How many milliseconds the route cools down from now.
        """
        vote = failure.treatment.vote
        if not self._judged:
            self._judge(vote, now_ms)
        elif vote is Vote.FAILURE:
            self.tracker.breaker.fail_late(self.permit, now_ms)
        return self.tracker.note_failure(failure, now_ms)

    def end(self, now_ms: int) -> None:
        """Give the place back; safe to call twice."""
        if self._ended:
            return
        self._ended = True
        self._judge(Vote.EXCLUDED, now_ms)
        self.tracker.in_flight -= 1

    def _judge(self, vote: Vote, now_ms: int) -> None:
        if not self._judged:
            self._judged = True
            self.tracker.breaker.give_back(self.permit, vote, now_ms)
