"""Retries against a model: whatever fails, and however, the promises of the policy hold."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from domain.errors import (
    LimitExceeded,
    UnsupportedField,
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from domain.identifiers import RouteId
from domain.routing.failures import Failure, FailureClass, understand
from domain.routing.retry import Retries, RetryPolicy, Stop, StopReason, Try
from domain.settings.catalog import Settings
from tests.support.routing import NOW_MS

NAMES = [RouteId(name) for name in "abcd"]
UNAVAILABLE = understand(UpstreamUnavailable(status=500, error_class="server_error"))
REJECTED = understand(UpstreamRejected(400, "no"))
GARBAGE = understand(UpstreamProtocolError("garbage"))
LIMITED = understand(LimitExceeded("provider:requests/1m", retry_after_ms=5_000))
UNSUPPORTED = understand(UnsupportedField("no place"))


def throttled(retry_after_ms: int | None) -> Failure:
    return understand(UpstreamRateLimited(retry_after_ms))


failures = st.one_of(
    st.sampled_from(
        [
            UNAVAILABLE,
            UNAVAILABLE,
            GARBAGE,
            LIMITED,
            UNSUPPORTED,
            understand(UpstreamTimeout("idle")),
        ]
    ),
    st.one_of(st.none(), st.integers(0, 4_000), st.integers(0, 60_000)).map(throttled),
)
final = st.sampled_from(
    [REJECTED, understand(UpstreamUnavailable(error_class="reset"), content_started=True)]
)
policies = st.builds(
    RetryPolicy,
    max_attempts=st.integers(1, 8),
    max_attempts_per_route=st.integers(1, 3),
    base_ms=st.integers(0, 500),
    longest_pause_ms=st.integers(0, 3_000),
    longest_wait_ms=st.integers(0, 20_000),
    deadline_ms=st.integers(0, 60_000),
)


class RetryMachine(RuleBasedStateMachine):
    """One request, whose attempts fail in every way there is."""

    @initialize(policy=policies, count=st.integers(0, 4))
    def begin(self, policy: RetryPolicy, count: int) -> None:
        self.policy = policy
        self.now = NOW_MS
        self.retries = Retries(policy, NAMES[:count], NOW_MS)
        self.begun: list[tuple[RouteId, int]] = []
        self.sent: dict[RouteId, int] = dict.fromkeys(NAMES[:count], 0)
        self.out: set[RouteId] = set()
        self.not_before: dict[RouteId, int] = {}
        self.touched: set[RouteId] = set()
        self.ended: StopReason | None = None
        self.last_wait = 0

    @rule(by=st.one_of(st.integers(0, 500), st.integers(0, 30_000)))
    def time_passes(self, by: int) -> None:
        self.now += by

    def _next(self, roll: float) -> Try | None:
        step = self.retries.next(self.now, roll)
        assert step == self.retries.next(self.now, roll), "asking changes nothing"
        if isinstance(step, Stop):
            self._stopped(step)
            return None
        assert self.ended is None, "nothing is tried after a final failure"
        assert step.route_id not in self.out
        begins = self.now + step.wait_ms
        assert begins >= self.not_before.get(step.route_id, 0), "what was asked for is honoured"
        assert step.wait_ms <= self.policy.longest_wait_ms
        if sum(self.sent.values()):
            assert begins < NOW_MS + self.policy.deadline_ms
        untried = [route for route in self.sent if route not in self.touched]
        if untried:
            assert step == Try(route_id=untried[0]), "another route comes first, and at once"
        self.now = begins
        return step

    def _stopped(self, stop: Stop) -> None:
        sent = sum(self.sent.values())
        match stop.reason:
            case StopReason.FINAL:
                assert self.ended is StopReason.FINAL
            case StopReason.NO_ROUTES:
                assert not [route for route in self.sent if route not in self.out]
            case StopReason.MAX_ATTEMPTS:
                assert sent >= self.policy.max_attempts
            case StopReason.DEADLINE:
                assert sent
            case StopReason.WAIT_TOO_LONG:
                assert stop.retry_after_ms is not None
                assert stop.retry_after_ms > self.policy.longest_wait_ms

    @rule(roll=st.floats(0, 1, exclude_max=True), failure=failures)
    def an_attempt_fails(self, roll: float, failure: Failure) -> None:
        step = self._next(roll)
        if step is None:
            return
        self.now += 10
        route = step.route_id
        self.retries.failed(route, failure, self.now)
        self.touched.add(route)
        if failure.kind not in {FailureClass.LIMITED, FailureClass.UNSUPPORTED}:
            self.sent[route] += 1
        if (
            not failure.treatment.same_route
            or self.sent[route] >= self.policy.max_attempts_per_route
        ):
            self.out.add(route)
        if failure.retry_after_ms is not None:
            self.not_before[route] = self.now + failure.retry_after_ms
        else:
            self.not_before[route] = 0

    @rule(roll=st.floats(0, 1, exclude_max=True))
    def a_route_is_skipped(self, roll: float) -> None:
        step = self._next(roll)
        if step is not None:
            self.retries.skipped(step.route_id)
            self.touched.add(step.route_id)
            self.out.add(step.route_id)

    @precondition(lambda self: self.ended is None)
    @rule(roll=st.floats(0, 1, exclude_max=True), failure=final)
    def an_attempt_fails_for_good(self, roll: float, failure: Failure) -> None:
        step = self._next(roll)
        if step is not None:
            self.retries.failed(step.route_id, failure, self.now)
            self.sent[step.route_id] += 1
            self.out.add(step.route_id)
            self.touched.add(step.route_id)
            self.ended = StopReason.FINAL

    @invariant()
    def bounds_hold(self) -> None:
        if hasattr(self, "policy"):
            assert self.retries.attempts == sum(self.sent.values()) <= self.policy.max_attempts
            assert max(self.sent.values(), default=0) <= self.policy.max_attempts_per_route


RetryMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=25, deadline=None)
test_the_promises_of_the_policy_hold = RetryMachine.TestCase

ROLLS = st.floats(0, 1, exclude_max=True)


@given(policy=policies, number=st.integers(1, 100), roll=ROLLS)
def test_a_pause_lies_anywhere_below_its_bound(
    policy: RetryPolicy, number: int, roll: float
) -> None:
    bound = min(policy.longest_pause_ms, policy.base_ms * 2 ** (number - 1))
    assert policy.pause_ms(number, 0.0) == 0
    assert 0 <= policy.pause_ms(number, roll) <= bound
    assert policy.pause_ms(number, 1 - 2**-53) >= bound - 1


def walk(retries: Retries, failure: Failure, *, now_ms: int = NOW_MS) -> tuple[list[Try], Stop]:
    steps: list[Try] = []
    while isinstance(step := retries.next(now_ms, 0.5), Try):
        steps.append(step)
        now_ms += step.wait_ms
        retries.failed(step.route_id, failure, now_ms)
    return steps, step


def test_a_fault_goes_through_every_route_before_it_comes_back_to_the_first() -> None:
    steps, stop = walk(Retries(RetryPolicy(), NAMES[:2], NOW_MS), UNAVAILABLE)
    assert [step.route_id for step in steps] == ["a", "b", "a", "b"]
    assert [step.wait_ms for step in steps] == [0, 0, 125, 250]
    assert stop == Stop(reason=StopReason.NO_ROUTES)


def test_a_single_route_is_tried_again_after_a_pause() -> None:
    steps, _ = walk(Retries(RetryPolicy(max_attempts_per_route=4), NAMES[:1], NOW_MS), UNAVAILABLE)
    assert [step.wait_ms for step in steps] == [0, 125, 250, 500]


def test_the_requests_own_fault_is_never_tried_again() -> None:
    steps, stop = walk(Retries(RetryPolicy(), NAMES, NOW_MS), REJECTED)
    assert len(steps) == 1
    assert stop.reason is StopReason.FINAL


def test_garbage_is_not_asked_for_twice() -> None:
    steps, _ = walk(Retries(RetryPolicy(), NAMES[:2], NOW_MS), GARBAGE)
    assert [step.route_id for step in steps] == ["a", "b"]


def test_what_was_never_sent_costs_no_attempt() -> None:
    retries = Retries(RetryPolicy(max_attempts=1), NAMES, NOW_MS)
    for expected in NAMES[:3]:
        step = retries.next(NOW_MS, 0.5)
        assert isinstance(step, Try)
        assert step.route_id == expected
        retries.failed(expected, LIMITED, NOW_MS)
    steps, stop = walk(retries, UNAVAILABLE)
    assert [step.route_id for step in steps] == ["d"]
    assert stop.reason in {StopReason.MAX_ATTEMPTS, StopReason.NO_ROUTES}


def test_a_short_retry_after_is_waited_for() -> None:
    steps, _ = walk(Retries(RetryPolicy(), NAMES[:1], NOW_MS), throttled(3_000))
    assert [step.wait_ms for step in steps] == [0, 3_000]


def test_a_long_retry_after_is_told_to_the_client() -> None:
    _, stop = walk(Retries(RetryPolicy(), NAMES[:1], NOW_MS), throttled(30_000))
    assert stop == Stop(reason=StopReason.WAIT_TOO_LONG, retry_after_ms=30_000)


def test_the_route_that_is_ready_sooner_goes_first_in_the_second_round() -> None:
    retries = Retries(RetryPolicy(), NAMES[:2], NOW_MS)
    retries.failed(NAMES[0], throttled(5_000), NOW_MS)
    retries.failed(NAMES[1], throttled(400), NOW_MS)
    assert retries.next(NOW_MS, 0.0) == Try(route_id=NAMES[1], wait_ms=400)


def test_a_cool_down_of_our_own_is_waited_for_as_well() -> None:
    retries = Retries(RetryPolicy(), NAMES[:1], NOW_MS)
    retries.failed(NAMES[0], throttled(None), NOW_MS, wait_ms=1_000)
    assert retries.next(NOW_MS + 100, 0.0) == Try(route_id=NAMES[0], wait_ms=900)


def test_the_deadline_leaves_room_to_fail_over_twice_from_a_provider_that_says_nothing() -> None:
    silence_ms = Settings().integer("upstream.first_byte_timeout_ms")
    retries, now = Retries(RetryPolicy(), NAMES[:3], NOW_MS), NOW_MS
    for name in NAMES[:3]:
        assert retries.next(now, 0.5) == Try(route_id=name)
        now += silence_ms
        retries.failed(name, understand(UpstreamTimeout("first_byte")), now)


def test_no_attempt_begins_after_the_deadline() -> None:
    retries = Retries(RetryPolicy(deadline_ms=1_000), NAMES[:2], NOW_MS)
    retries.failed(NAMES[0], UNAVAILABLE, NOW_MS + 999)
    assert retries.next(NOW_MS + 999, 0.5) == Try(route_id=NAMES[1])
    assert retries.remaining_ms(NOW_MS + 999) == 1
    assert retries.next(NOW_MS + 1_000, 0.5) == Stop(reason=StopReason.DEADLINE)


@pytest.mark.parametrize(
    "wrong",
    [{"max_attempts": 0}, {"max_attempts_per_route": 0}, {"base_ms": -1}, {"deadline_ms": -1}],
)
def test_a_policy_that_cannot_work_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"at least one|not negative"):
        RetryPolicy(**wrong)
