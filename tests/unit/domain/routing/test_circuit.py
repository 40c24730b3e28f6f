"""The circuit breaker against a model that keeps every outcome with its time."""

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from msgspec.structs import replace

from domain.routing.circuit import BreakerMark, BreakerPolicy, CircuitBreaker, Permit
from domain.routing.failures import Vote
from domain.routing.outcome_window import BUCKETS, Tally
from domain.routing.standing import CircuitState
from tests.support.routing import NOW_MS

POLICY = BreakerPolicy(
    window_ms=10_000,
    minimum_volume=6,
    failure_rate=0.5,
    consecutive_failures=4,
    open_ms=1_000,
    longest_open_ms=8_000,
    probes=2,
    probe_successes=2,
    hold_back_ms=300,
)


LONGEST_LEFT = POLICY.longest_open_ms + POLICY.hold_back_ms
"""What lies further ahead comes from a wrong clock and is not waited for."""


@dataclass
class Held:
    permit: Permit
    episode: int
    probe: bool
    last_resort: bool


class BreakerMachine(RuleBasedStateMachine):
    """What the breaker must do, told with a list of outcomes and no cleverness."""

    permits = Bundle("permits")

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW_MS
        self.breaker = CircuitBreaker(POLICY, "here")
        self.episode = 0
        self.open_until: int | None = None
        self.openings = 0
        self.outcomes: list[tuple[int, bool]] = []
        self.row = 0
        self.probing = 0
        self.passed = 0

    # -- the model

    def expected(self) -> CircuitState:
        if self.open_until is None:
            return CircuitState.CLOSED
        left = self.open_until - self.now
        return CircuitState.OPEN if 0 < left <= LONGEST_LEFT else CircuitState.HALF_OPEN

    def begin_episode(self) -> None:
        self.episode += 1
        self.outcomes.clear()
        self.row = self.probing = self.passed = 0

    def open(self) -> None:
        self.openings += 1
        length = min(POLICY.longest_open_ms, POLICY.open_ms * 2 ** (self.openings - 1))
        self.open_until = self.now + length
        self.begin_episode()

    def close(self) -> None:
        self.open_until, self.openings = None, 0
        self.begin_episode()

    def in_window(self) -> list[bool]:
        size = POLICY.window_ms // BUCKETS
        present = self.now // size
        return [failed for at, failed in self.outcomes if present - at // size < BUCKETS]

    def count(self, *, failed: bool) -> None:
        self.outcomes.append((self.now, failed))
        self.row = self.row + 1 if failed else 0
        recent = self.in_window()
        rate_trips = (
            len(recent) >= POLICY.minimum_volume
            and sum(recent) / len(recent) >= POLICY.failure_rate
        )
        if failed and (rate_trips or self.row >= POLICY.consecutive_failures):
            self.open()

    # -- what happens

    @rule(by=st.one_of(st.integers(0, 200), st.integers(0, 12_000)))
    def time_passes(self, by: int) -> None:
        self.now += by

    @rule(target=permits, last_resort=st.booleans())
    def ask(self, last_resort: bool) -> Held | None:
        state = self.expected()
        permit = self.breaker.acquire(self.now, last_resort=last_resort)
        if state is CircuitState.CLOSED:
            assert permit is not None
            return Held(permit, self.episode, probe=False, last_resort=False)
        if state is CircuitState.HALF_OPEN and self.probing < POLICY.probes:
            assert permit is not None
            self.probing += 1
            return Held(permit, self.episode, probe=True, last_resort=False)
        assert (permit is not None) == last_resort
        if permit is None:
            return None
        return Held(permit, self.episode, probe=False, last_resort=True)

    @rule(held=consumes(permits), vote=st.sampled_from([Vote.FAILURE, Vote.FAILURE, *Vote]))
    def tell(self, held: Held | None, vote: Vote) -> None:
        if held is None:
            return
        self.breaker.give_back(held.permit, vote, self.now)
        if held.episode != self.episode:
            return
        self.probing -= held.probe
        if held.probe and vote is Vote.FAILURE:
            self.open()
        elif (held.probe or held.last_resort) and vote is Vote.SUCCESS:
            self.passed += 1
            if self.passed >= POLICY.probe_successes:
                self.close()
        elif not (held.probe or held.last_resort) and vote is not Vote.EXCLUDED:
            self.count(failed=vote is Vote.FAILURE)

    @rule(times=st.integers(1, 6))
    def requests_fail_in_a_row(self, times: int) -> None:
        for _ in range(times):
            if self.expected() is CircuitState.CLOSED:
                held = self.ask(last_resort=False)
                self.tell(held, Vote.FAILURE)

    @rule(votes=st.lists(st.sampled_from(Vote), min_size=1, max_size=3))
    def the_opening_ends_and_probes_come(self, votes: list[Vote]) -> None:
        if self.expected() is CircuitState.OPEN and self.open_until is not None:
            self.now = self.open_until
        for vote in votes:
            if self.expected() is CircuitState.HALF_OPEN:
                self.tell(self.ask(last_resort=False), vote)

    @rule()
    def an_operator_resets(self) -> None:
        self.breaker.reset(self.now)
        self.close()

    @rule(well=st.booleans())
    def an_active_probe_ends(self, well: bool) -> None:
        self.breaker.probed(self.now, well=well)
        match self.expected():
            case CircuitState.CLOSED:
                if not well:
                    self.count(failed=True)
            case CircuitState.HALF_OPEN:
                if not well:
                    self.open()
            case CircuitState.OPEN:
                if well:
                    self.open_until = self.now
                    self.begin_episode()

    @rule(
        behind=st.integers(-2_000, 2_000),
        length=st.one_of(st.just(0), st.integers(1, POLICY.longest_open_ms)),
        openings=st.integers(1, 5),
    )
    def another_replica_tells(self, behind: int, length: int, openings: int) -> None:
        changed = self.now + behind
        mark = BreakerMark(
            changed_at_ms=changed,
            open_until_ms=changed + length if length else 0,
            openings=openings if length else 0,
            origin="there",
        )
        newer = mark > self.breaker.mark
        assert self.breaker.adopt(mark) == newer
        if newer:
            self.openings = mark.openings
            self.open_until = mark.open_until_ms + POLICY.hold_back_ms if length else None
            self.begin_episode()

    # -- what always holds

    @invariant()
    def the_states_agree(self) -> None:
        assert self.breaker.state(self.now) is self.expected()

    @invariant()
    def probes_are_limited(self) -> None:
        assert 0 <= self.probing <= POLICY.probes
        assert self.breaker.probe_free == (self.probing < POLICY.probes)

    @invariant()
    def the_window_holds_what_lately_happened(self) -> None:
        recent = self.in_window()
        assert self.breaker.tally(self.now) == Tally(len(recent) - sum(recent), sum(recent))


BreakerMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=60, deadline=None)
test_the_breaker_does_what_its_model_does = BreakerMachine.TestCase


def breaker(**changes: float) -> CircuitBreaker:
    """A breaker whose policy differs from `POLICY` in `changes`."""
    return CircuitBreaker(replace(POLICY, **changes), "here")


def fail(subject: CircuitBreaker, now_ms: int, times: int = 1) -> None:
    for _ in range(times):
        permit = subject.acquire(now_ms)
        assert permit is not None
        subject.give_back(permit, Vote.FAILURE, now_ms)


def succeed(subject: CircuitBreaker, now_ms: int, times: int = 1) -> None:
    for _ in range(times):
        permit = subject.acquire(now_ms)
        assert permit is not None
        subject.give_back(permit, Vote.SUCCESS, now_ms)


def test_client_caused_errors_never_open_it() -> None:
    subject = breaker()
    for _ in range(1_000):
        permit = subject.acquire(NOW_MS)
        assert permit is not None
        subject.give_back(permit, Vote.EXCLUDED, NOW_MS)
    assert subject.state(NOW_MS) is CircuitState.CLOSED
    assert subject.tally(NOW_MS).volume == 0


def test_failures_of_other_replicas_count_towards_the_rate() -> None:
    alone, together = breaker(), breaker()
    together.peers = Tally(successes=1, failures=3)
    for subject in (alone, together):
        succeed(subject, NOW_MS)
        fail(subject, NOW_MS)
    assert alone.state(NOW_MS) is CircuitState.CLOSED
    assert together.state(NOW_MS) is CircuitState.OPEN


def test_a_route_that_cuts_every_answer_in_the_middle_opens() -> None:
    subject = breaker(consecutive_failures=100)
    for _ in range(POLICY.minimum_volume):
        permit = subject.acquire(NOW_MS)
        assert permit is not None
        subject.give_back(permit, Vote.SUCCESS, NOW_MS)
        subject.fail_late(permit, NOW_MS + 1)
    assert subject.state(NOW_MS + 1) is CircuitState.OPEN


def test_a_rate_above_a_half_is_reached_by_answers_that_are_all_cut() -> None:
    subject = breaker(consecutive_failures=100, failure_rate=0.8)
    for _ in range(POLICY.minimum_volume):
        permit = subject.acquire(NOW_MS)
        assert permit is not None
        subject.give_back(permit, Vote.SUCCESS, NOW_MS)
        subject.fail_late(permit, NOW_MS + 1)
    assert subject.state(NOW_MS + 1) is CircuitState.OPEN


def test_openings_grow_up_to_their_bound_and_begin_anew_after_closing() -> None:
    subject, now, lengths = breaker(probe_successes=1), NOW_MS, list[int]()
    fail(subject, now, 4)
    for _ in range(5):
        lengths.append(subject.probes_from_ms - now)
        now = subject.probes_from_ms
        fail(subject, now)
    assert lengths == [1_000, 2_000, 4_000, 8_000, 8_000]
    now = subject.probes_from_ms
    succeed(subject, now)
    fail(subject, now, 4)
    assert subject.probes_from_ms - now == 1_000


def test_a_good_probe_of_ours_lets_a_request_test_the_route_and_openings_go_on_growing() -> None:
    subject, now, lengths = breaker(), NOW_MS, list[int]()
    fail(subject, now, 4)
    for _ in range(4):
        lengths.append(subject.probes_from_ms - now)
        now += 500
        subject.probed(now, well=True)
        assert subject.state(now) is CircuitState.HALF_OPEN
        fail(subject, now)
        assert subject.state(now) is CircuitState.OPEN
    assert lengths == [1_000, 2_000, 4_000, 8_000]


def test_failed_last_resorts_do_not_put_off_the_next_probe() -> None:
    subject = breaker()
    fail(subject, NOW_MS, 4)
    due = subject.probes_from_ms
    for at in range(NOW_MS, due, 50):
        permit = subject.acquire(at, last_resort=True)
        assert permit is not None
        subject.give_back(permit, Vote.FAILURE, at)
    assert subject.probes_from_ms == due
    assert subject.state(due) is CircuitState.HALF_OPEN


def test_it_takes_as_many_good_probes_as_the_policy_says_to_close_it() -> None:
    subject = breaker(probe_successes=2)
    fail(subject, NOW_MS, 4)
    due = subject.probes_from_ms
    succeed(subject, due)
    assert subject.state(due) is CircuitState.HALF_OPEN
    succeed(subject, due)
    assert subject.state(due) is CircuitState.CLOSED


def test_whoever_opened_it_probes_before_the_others() -> None:
    opener, follower = CircuitBreaker(POLICY, "opener"), CircuitBreaker(POLICY, "follower")
    fail(opener, NOW_MS, 4)
    follower.adopt(opener.mark)
    due = opener.probes_from_ms
    assert opener.acquire(due) is not None
    assert follower.acquire(due) is None
    assert follower.acquire(due + POLICY.hold_back_ms) is not None


def test_a_clock_that_steps_back_does_not_keep_it_open() -> None:
    subject = breaker()
    fail(subject, NOW_MS, 4)
    assert subject.state(NOW_MS - 3_600_000) is CircuitState.HALF_OPEN


@given(
    st.lists(
        st.builds(
            BreakerMark,
            changed_at_ms=st.integers(0, 5),
            open_until_ms=st.integers(0, 3),
            openings=st.integers(0, 2),
            origin=st.sampled_from("ab"),
        ),
        min_size=1,
        max_size=6,
    ).flatmap(lambda marks: st.tuples(st.just(marks), st.permutations(marks)))
)
def test_replicas_agree_in_whatever_order_they_hear(
    heard: tuple[list[BreakerMark], list[BreakerMark]],
) -> None:
    one, other = CircuitBreaker(POLICY, "one"), CircuitBreaker(POLICY, "other")
    for mark in heard[0]:
        one.adopt(mark)
    for mark in (*heard[1], *heard[1]):
        other.adopt(mark)
    assert one.mark == other.mark


@given(st.integers(-10_000, 10_000), st.integers(0, 20_000))
def test_a_transition_is_newer_than_all_its_maker_knew_whatever_the_clocks(
    skew: int, ahead: int
) -> None:
    subject = breaker()
    subject.adopt(BreakerMark(changed_at_ms=NOW_MS + ahead, open_until_ms=0, origin="there"))
    before = subject.mark
    subject.trip(NOW_MS + skew)
    assert subject.mark > before
    assert not subject.adopt(before)


@pytest.mark.parametrize(
    "wrong",
    [
        {"probes": 0},
        {"minimum_volume": 0},
        {"consecutive_failures": 0},
        {"failure_rate": 0.0},
        {"failure_rate": 1.1},
        {"open_ms": 0},
        {"open_ms": 9_000},
        {"window_ms": 0},
        {"hold_back_ms": -1},
    ],
)
def test_a_policy_that_cannot_work_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"at least|above|negative"):
        breaker(**wrong)
