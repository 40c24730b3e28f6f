"""The circuit breaker of a route: whether it is asked at all.

Closed, it counts outcomes; too many failures open it. Open, nothing is sent there. When the time of
an opening is over it is half-open: a few requests at a time are let through as probes, whose
outcomes close it or open it for longer (Nygard, "Release It!", 2007). Nothing happens by itself:
whether an opening is over is decided when somebody asks, with the time he brings.

Replicas agree through `BreakerMark`s. Every transition makes one that is newer than all its maker
knew, and the newest wins wherever it is seen: merging is commutative, associative and idempotent.
Who opened the circuit probes first; the others hold back a little, so that not all come at once.
"""

from dataclasses import dataclass, field

from msgspec import Struct

from domain.routing.failures import Vote
from domain.routing.outcome_window import NOTHING, OutcomeWindow, Tally
from domain.routing.standing import CircuitState

_MOST_DOUBLINGS = 30


class BreakerPolicy(Struct, frozen=True, kw_only=True):
    """When a breaker opens, for how long, and what closes it; times in milliseconds.

    Attributes:
        window_ms: how far back outcomes count.
        minimum_volume: outcomes below which no rate is believed.
        failure_rate: opens when at least this share of the window failed, 0 to 1.
        consecutive_failures: opens after this many in a row, whatever the volume.
        open_ms: first opening; it doubles with every failed probe.
        longest_open_ms: no opening is longer.
        probes: most probes at the same time, in one replica.
        probe_successes: successful probes that close it.
        hold_back_ms: how much later the replicas probe that did not open it themselves; longer than
            the interval in which health is published.
    """

    window_ms: int = 30_000
    minimum_volume: int = 20
    failure_rate: float = 0.5
    consecutive_failures: int = 5
    open_ms: int = 5_000
    longest_open_ms: int = 60_000
    probes: int = 1
    probe_successes: int = 1
    hold_back_ms: int = 2_000

    def __post_init__(self) -> None:
        """Refuse a breaker that never opens, never closes, or opens for nothing."""
        counts = (self.minimum_volume, self.consecutive_failures, self.probes, self.probe_successes)
        if min(counts) < 1:
            raise ValueError("counts are at least 1")
        if not 0 < self.failure_rate <= 1:
            raise ValueError("failure_rate is above 0 and at most 1")
        if not 0 < self.open_ms <= self.longest_open_ms or self.window_ms < 1:
            raise ValueError("open_ms is above 0 and at most longest_open_ms; window_ms is above 0")
        if self.hold_back_ms < 0:
            raise ValueError("hold_back_ms is not negative")

    def opening_ms(self, openings: int) -> int:
        """Return how long the `openings`-th opening in a row lasts (1, 2, …)."""
        doublings = min(max(openings - 1, 0), _MOST_DOUBLINGS)
        return min(self.longest_open_ms, self.open_ms * 2**doublings)

    def trips(self, tally: Tally) -> bool:
        """Tell whether the rate of failures alone opens the circuit."""
        return tally.volume >= self.minimum_volume and tally.failure_rate >= self.failure_rate


class BreakerMark(Struct, frozen=True, kw_only=True, order=True):
    """The last transition of a breaker, as replicas tell it one another; the greatest is in force.

    Attributes:
        changed_at_ms: Unix ms of the transition, and always later than the one before.
        open_until_ms: Unix ms; 0 when the transition closed it.
        openings: how many times in a row it opened without closing.
        origin: replica that made the transition.
    """

    changed_at_ms: int = 0
    open_until_ms: int = 0
    openings: int = 0
    origin: str = ""

    def state(self, now_ms: int) -> CircuitState:
        """Return the state at `now_ms`: an opening whose time is over is half-open."""
        if not self.open_until_ms:
            return CircuitState.CLOSED
        return CircuitState.OPEN if now_ms < self.open_until_ms else CircuitState.HALF_OPEN

    def closed(self, now_ms: int, origin: str) -> "BreakerMark":
        """Return the transition that closes the circuit, whatever its state."""
        return BreakerMark(changed_at_ms=self.next_change_ms(now_ms), origin=origin)

    def next_change_ms(self, now_ms: int) -> int:
        """Return a time of change that is newer than this one's, even when clocks disagree."""
        return max(now_ms, self.changed_at_ms + 1)


NEVER_CHANGED = BreakerMark()
"""What a breaker starts with: closed, and older than every transition."""


class Permit(Struct, frozen=True, kw_only=True):
    """Leave to make one attempt; hand it back with the outcome, exactly once.

    Attributes:
        episode: which of the breaker's states it was given in; its outcome says nothing of a later
            one.
        probe: whether it is one of the few that test a half-open route.
        last_resort: whether it passes an open circuit because no other route is left.
    """

    episode: int
    probe: bool = False
    last_resort: bool = False


@dataclass(slots=True)
class CircuitBreaker:
    """The breaker of one route in one replica. `peers` are the others' outcomes of this episode."""

    policy: BreakerPolicy
    replica: str
    mark: BreakerMark = NEVER_CHANGED
    peers: Tally = NOTHING
    _window: OutcomeWindow = field(init=False)
    _episode: int = 0
    _consecutive: int = 0
    _probing: int = 0
    _probes_passed: int = 0

    def __post_init__(self) -> None:
        """Start with an empty window."""
        self._window = OutcomeWindow(self.policy.window_ms)

    def state(self, now_ms: int) -> CircuitState:
        """Return the state at `now_ms`."""
        if not self.mark.open_until_ms:
            return CircuitState.CLOSED
        left = self.probes_from_ms - now_ms
        # An opening longer than any can be means that the clock stepped back: it is not waited for.
        longest = self.policy.longest_open_ms + self.policy.hold_back_ms
        return CircuitState.OPEN if 0 < left <= longest else CircuitState.HALF_OPEN

    @property
    def probes_from_ms(self) -> int:
        """Unix ms at which the present opening ends for this replica; 0 while closed."""
        mark = self.mark
        if not mark.open_until_ms or mark.origin == self.replica:
            return mark.open_until_ms
        return mark.open_until_ms + self.policy.hold_back_ms

    @property
    def probe_free(self) -> bool:
        """Whether one more probe may run beside those that do."""
        return self._probing < self.policy.probes

    def acquire(self, now_ms: int, *, last_resort: bool = False) -> Permit | None:
        """Return leave for one attempt, or None when the route is to be left alone.

        `last_resort` passes an open circuit, because there is no other route left. Its success
        closes a circuit that others opened wrongly; its failure tells nothing new, and must not
        put off the next probe.
        """
        state = self.state(now_ms)
        if state is CircuitState.CLOSED:
            return Permit(episode=self._episode)
        if state is CircuitState.HALF_OPEN and self.probe_free:
            self._probing += 1
            return Permit(episode=self._episode, probe=True)
        return Permit(episode=self._episode, last_resort=True) if last_resort else None

    def give_back(self, permit: Permit, vote: Vote, now_ms: int) -> None:
        """Take the outcome of an attempt. An excluded one only makes room for the next probe."""
        if permit.episode != self._episode:
            return  # the probes of an earlier episode are no longer counted, nor what they saw
        if permit.probe:
            self._probing -= 1
        if permit.probe or permit.last_resort:
            self._judge(permit, vote, now_ms)
        elif vote is not Vote.EXCLUDED:
            self._count(vote, now_ms)

    def fail_late(self, permit: Permit, now_ms: int) -> None:
        """Take the failure of an answer that had begun well; its permit was given back then.

        It counts instead of the success: counted as both, a route that cuts every answer would
        seem to fail half the time, and no rate above that would ever open its circuit.
        """
        if permit.episode == self._episode and not (permit.probe or permit.last_resort):
            self._window.take_back_success(now_ms)
            self._count(Vote.FAILURE, now_ms)

    def configure(self, policy: BreakerPolicy) -> None:
        """Go by another policy from now on; another length of the window starts it anew."""
        self.policy = policy
        self._window.length_ms = policy.window_ms

    def tally(self, now_ms: int) -> Tally:
        """Return this replica's own outcomes in the window."""
        return self._window.tally(now_ms)

    def adopt(self, mark: BreakerMark) -> bool:
        """Take over a transition that is newer than the last one known here; True if it was."""
        if mark <= self.mark:
            return False
        self._enter(mark)
        return True

    def probed(self, now_ms: int, *, well: bool) -> None:
        """Take the result of an active probe, which no request pays for.

        A good one ends the opening, so that a request may test the route; it does not close the
        circuit, for a provider that is there may still fail every request, and its openings have to
        go on growing. A bad one counts like any failure while the circuit is closed; while it is
        open it tells nothing new.
        """
        state = self.state(now_ms)
        if state is CircuitState.CLOSED:
            if not well:
                self._count(Vote.FAILURE, now_ms)
        elif state is CircuitState.HALF_OPEN:
            if not well:
                self.trip(now_ms)
        elif well:
            self._enter(
                BreakerMark(
                    changed_at_ms=self.mark.next_change_ms(now_ms),
                    open_until_ms=now_ms,
                    openings=self.mark.openings,
                    origin=self.replica,
                )
            )

    def trip(self, now_ms: int) -> None:
        """Open the circuit, for longer with every time in a row."""
        openings = self.mark.openings + 1
        self._enter(
            BreakerMark(
                changed_at_ms=self.mark.next_change_ms(now_ms),
                open_until_ms=now_ms + self.policy.opening_ms(openings),
                openings=openings,
                origin=self.replica,
            )
        )

    def reset(self, now_ms: int) -> None:
        """Close the circuit and forget what was counted."""
        self._enter(self.mark.closed(now_ms, self.replica))

    def _judge(self, permit: Permit, vote: Vote, now_ms: int) -> None:
        if vote is Vote.FAILURE:
            if permit.probe:
                self.trip(now_ms)
        elif vote is Vote.SUCCESS:
            self._probes_passed += 1
            if self._probes_passed >= self.policy.probe_successes:
                self.reset(now_ms)

    def _count(self, vote: Vote, now_ms: int) -> None:
        failed = vote is Vote.FAILURE
        self._window.add(now_ms, failed=failed)
        self._consecutive = self._consecutive + 1 if failed else 0
        if failed and (
            self._consecutive >= self.policy.consecutive_failures
            or self.policy.trips(self._window.tally(now_ms) + self.peers)
        ):
            self.trip(now_ms)

    def _enter(self, mark: BreakerMark) -> None:
        self.mark = mark
        self._episode += 1
        self.peers = NOTHING
        self._window.clear()
        self._consecutive = self._probing = self._probes_passed = 0
