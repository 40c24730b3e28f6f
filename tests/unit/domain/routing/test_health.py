"""Health as replicas tell it one another: merging, trackers and boards."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import (
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)
from domain.identifiers import RouteId
from domain.routing.board import HealthBoard
from domain.routing.circuit import BreakerMark, BreakerPolicy
from domain.routing.cool_down import CoolDown, CoolDownPolicy
from domain.routing.failures import Failure, understand
from domain.routing.health import (
    STALE_AFTER_MS,
    Drain,
    RouteHealth,
    merged,
    told_to_drain,
    told_to_reset,
)
from domain.routing.outcome_window import Tally
from domain.routing.standing import UNKNOWN, CircuitState
from domain.routing.tracker import AttemptLease, HealthPolicy
from tests.support.routing import NOW_MS

ROUTE = RouteId("r")
POLICY = HealthPolicy(
    breaker=BreakerPolicy(consecutive_failures=3, open_ms=1_000, hold_back_ms=500),
    cool_down=CoolDownPolicy(first_ms=1_000, longest_unasked_ms=5_000, longest_ms=10_000),
)
DOWN = understand(UpstreamUnavailable(status=500, error_class="server_error"))
REJECTED = understand(UpstreamRejected(400, "no"))

marks = st.builds(
    BreakerMark,
    changed_at_ms=st.integers(0, 3),
    open_until_ms=st.integers(0, 2),
    openings=st.integers(0, 1),
    origin=st.sampled_from("ab"),
)
reports = st.builds(
    RouteHealth,
    route_id=st.just(ROUTE),
    replica=st.sampled_from("abcd"),
    at_ms=st.sampled_from([NOW_MS - STALE_AFTER_MS - 1, NOW_MS - 1_000, NOW_MS]),
    breaker=marks,
    cool_down=st.builds(CoolDown, ended_at_ms=st.integers(0, 3), until_ms=st.integers(0, 2)),
    drain=st.builds(Drain, changed_at_ms=st.integers(0, 3), drained=st.booleans()),
    ttft_ms=st.one_of(st.none(), st.integers(1, 9).map(float)),
    ttft_samples=st.integers(0, 5).map(float),
    tally=st.builds(Tally, successes=st.integers(0, 9), failures=st.integers(0, 9)),
    in_flight=st.integers(0, 9),
)


def throttled(retry_after_ms: int | None = None) -> Failure:
    return understand(UpstreamRateLimited(retry_after_ms))


def board(name: str = "here") -> HealthBoard:
    return HealthBoard(name, POLICY)


def begun(subject: HealthBoard, now_ms: int = NOW_MS) -> AttemptLease:
    lease = subject.begin(ROUTE, now_ms)
    assert lease is not None
    return lease


def failing(
    subject: HealthBoard, failure: Failure = DOWN, *, times: int = 1, now_ms: int = NOW_MS
) -> int:
    wait = 0
    for _ in range(times):
        lease = begun(subject, now_ms)
        wait = lease.failed(failure, now_ms)
        lease.end(now_ms)
    return wait


def answering(subject: HealthBoard, ttft_ms: float | None = None, *, now_ms: int = NOW_MS) -> None:
    lease = begun(subject, now_ms)
    lease.answered(now_ms, ttft_ms)
    lease.end(now_ms)


def exchange(now_ms: int, *boards: HealthBoard) -> None:
    published = [report for each in boards for report in each.reports(now_ms)]
    wire = msgspec.json.encode(published)
    for each in boards:
        each.absorb(msgspec.json.decode(wire, type=list[RouteHealth]), now_ms)


# -- merging


@settings(deadline=None)
@given(st.lists(reports, max_size=8).flatmap(lambda r: st.tuples(st.just(r), st.permutations(r))))
def test_the_order_of_reports_does_not_matter_nor_that_one_comes_twice(
    given_: tuple[list[RouteHealth], list[RouteHealth]],
) -> None:
    once, shuffled = given_
    assert merged(ROUTE, once, NOW_MS) == merged(ROUTE, [*shuffled, *shuffled[:3]], NOW_MS)


@settings(deadline=None)
@given(st.lists(reports, max_size=6, unique_by=lambda report: report.replica))
def test_transitions_hold_from_silent_replicas_and_numbers_do_not(
    given_: list[RouteHealth],
) -> None:
    found = merged(ROUTE, given_, NOW_MS)
    assert found.breaker == max([r.breaker for r in given_], default=BreakerMark())
    assert found.cool_down == max([r.cool_down for r in given_], default=CoolDown())
    assert found.drain == max([r.drain for r in given_], default=Drain())
    heard = [report for report in given_ if report.at_ms >= NOW_MS - STALE_AFTER_MS]
    assert found.in_flight == sum(report.in_flight for report in heard)
    of_this_episode = [report.tally for report in heard if report.breaker == found.breaker]
    assert found.tally.failures == sum(tally.failures for tally in of_this_episode)
    known = [report.ttft_ms for report in heard if report.ttft_ms and report.ttft_samples]
    assert (found.ttft_ms is None) == (not known)
    if found.ttft_ms is not None:
        assert min(known) <= found.ttft_ms + 1e-9
        assert found.ttft_ms - 1e-9 <= max(known)


def test_latencies_are_weighed_by_what_they_rest_on() -> None:
    one = RouteHealth(route_id=ROUTE, replica="a", at_ms=NOW_MS, ttft_ms=100, ttft_samples=30)
    two = RouteHealth(route_id=ROUTE, replica="b", at_ms=NOW_MS, ttft_ms=500, ttft_samples=10)
    found = merged(ROUTE, [one, two], NOW_MS)
    assert (found.ttft_ms, found.ttft_samples) == (200, 40)


@given(reports)
def test_a_report_survives_the_wire(report: RouteHealth) -> None:
    wire = msgspec.json.encode(report)
    assert msgspec.json.decode(wire, type=RouteHealth) == report


# -- one replica


def test_a_request_counts_as_in_flight_until_its_end_which_may_be_told_twice() -> None:
    subject = board()
    lease = begun(subject)
    assert subject.standing(ROUTE, NOW_MS).in_flight == 1
    lease.answered(NOW_MS, 100)
    assert subject.standing(ROUTE, NOW_MS).in_flight == 1
    lease.end(NOW_MS)
    lease.end(NOW_MS)
    assert subject.standing(ROUTE, NOW_MS).in_flight == 0


def test_a_probe_that_ends_without_an_outcome_makes_room_for_the_next() -> None:
    subject = board()
    failing(subject, times=3)
    probe = begun(subject, NOW_MS + 1_000)
    assert subject.begin(ROUTE, NOW_MS + 1_000) is None
    assert not subject.standing(ROUTE, NOW_MS + 1_000).probe_free
    probe.end(NOW_MS + 1_001)
    assert subject.standing(ROUTE, NOW_MS + 1_001).probe_free
    answering(subject, now_ms=NOW_MS + 1_002)
    assert subject.standing(ROUTE, NOW_MS + 1_002).circuit is CircuitState.CLOSED


def test_a_probe_closes_the_circuit_when_content_comes_not_when_it_ends() -> None:
    subject = board()
    failing(subject, times=3)
    begun(subject, NOW_MS + 1_000).answered(NOW_MS + 1_100)
    assert subject.begin(ROUTE, NOW_MS + 1_100) is not None


def test_only_the_first_content_is_a_time_to_first_token() -> None:
    subject = board()
    lease = begun(subject)
    lease.answered(NOW_MS, 100)
    lease.answered(NOW_MS + 500, 600)
    assert subject.standing(ROUTE, NOW_MS).ttft_ms == 100


def test_a_failure_after_content_counts_instead_of_the_success() -> None:
    subject = board()
    lease = begun(subject)
    lease.answered(NOW_MS)
    lease.failed(understand(UpstreamUnavailable(error_class="reset"), content_started=True), NOW_MS)
    lease.end(NOW_MS)
    assert subject.standing(ROUTE, NOW_MS).error_rate == 1


def test_a_rejected_request_leaves_no_trace() -> None:
    subject = board()
    failing(subject, REJECTED, times=100)
    standing = subject.standing(ROUTE, NOW_MS)
    assert standing == UNKNOWN


def test_a_named_time_is_honoured_and_bounded() -> None:
    subject = board()
    assert failing(subject, throttled(3_000)) == 3_000
    assert subject.begin(ROUTE, NOW_MS + 2_999) is None
    assert subject.begin(ROUTE, NOW_MS + 2_999, last_resort=True) is None
    later = NOW_MS + 3_000
    assert failing(subject, throttled(86_400_000), now_ms=later) == 10_000
    assert subject.standing(ROUTE, later).circuit is CircuitState.CLOSED


def test_without_a_named_time_cool_downs_double_until_an_answer_comes() -> None:
    subject, now, waits = board(), NOW_MS, list[int]()
    for _ in range(6):
        waits.append(failing(subject, throttled(), now_ms=now))
        now += waits[-1]
    assert waits == [1_000, 2_000, 4_000, 5_000, 5_000, 5_000]
    answering(subject, now_ms=now)
    assert failing(subject, throttled(), now_ms=now) == 1_000


def test_many_at_once_are_one_reason_to_cool_down() -> None:
    subject = board()
    leases = [begun(subject) for _ in range(9)]
    waits = [lease.failed(throttled(), NOW_MS + at) for at, lease in enumerate(leases)]
    assert max(waits) == 1_000


def test_a_cool_down_of_our_own_yields_to_a_last_resort() -> None:
    subject = board()
    failing(subject, throttled())
    assert subject.begin(ROUTE, NOW_MS) is None
    assert subject.begin(ROUTE, NOW_MS, last_resort=True) is not None


def test_a_shorter_time_does_not_cut_a_longer_one() -> None:
    subject = board()
    first, second = begun(subject), begun(subject)
    first.failed(throttled(5_000), NOW_MS)
    assert second.failed(throttled(1_000), NOW_MS + 100) == 4_900


def test_a_busy_server_that_names_a_time_is_left_alone_and_counts_as_failed() -> None:
    subject = board()
    busy = understand(UpstreamUnavailable(status=503, retry_after_ms=2_000))
    assert failing(subject, busy) == 2_000
    assert subject.standing(ROUTE, NOW_MS).error_rate == 1


def test_another_policy_holds_from_now_on() -> None:
    subject = board()
    failing(subject, times=2)
    subject.configure(HealthPolicy(breaker=BreakerPolicy(consecutive_failures=9)))
    failing(subject, times=2)
    assert subject.standing(ROUTE, NOW_MS).circuit is CircuitState.CLOSED


# -- several replicas


def test_an_opening_is_known_to_all_after_one_exchange() -> None:
    one, two = board("one"), board("two")
    answering(two)
    failing(one, times=3)
    exchange(NOW_MS, one, two)
    assert two.standing(ROUTE, NOW_MS).circuit is CircuitState.OPEN
    assert two.begin(ROUTE, NOW_MS) is None
    answering(one, now_ms=NOW_MS + 1_000)
    exchange(NOW_MS + 1_000, one, two)
    assert two.standing(ROUTE, NOW_MS + 1_000).circuit is CircuitState.CLOSED


def test_a_cool_down_is_shared() -> None:
    one, two = board("one"), board("two")
    failing(one, throttled(4_000))
    exchange(NOW_MS, one, two)
    assert two.begin(ROUTE, NOW_MS + 3_999, last_resort=True) is None
    assert two.begin(ROUTE, NOW_MS + 4_000) is not None


def test_a_shorter_cool_down_of_another_replica_does_not_cut_a_longer_one() -> None:
    one, two = board("one"), board("two")
    failing(one, throttled(9_000))
    failing(two, throttled(), now_ms=NOW_MS + 100)
    exchange(NOW_MS + 200, one, two)
    for subject in (one, two):
        standing = subject.standing(ROUTE, NOW_MS + 200)
        assert (standing.cool_down_until_ms, standing.cool_down_asked) == (NOW_MS + 9_000, True)


def test_a_cool_down_that_was_ended_does_not_come_back_from_who_has_not_heard_of_it() -> None:
    one, two = board("one"), board("two")
    failing(one, throttled(9_000))
    exchange(NOW_MS, one, two)
    one.tracker(ROUTE).reset(NOW_MS + 100)
    exchange(NOW_MS + 200, one, two)
    for subject in (one, two):
        assert subject.standing(ROUTE, NOW_MS + 200).cool_down_until_ms == 0
    failing(two, throttled(2_000), now_ms=NOW_MS + 300)
    exchange(NOW_MS + 400, one, two)
    assert one.standing(ROUTE, NOW_MS + 400).cool_down_until_ms == NOW_MS + 2_300


def test_a_replica_whose_clock_is_wrong_hides_no_cool_down_of_the_others() -> None:
    one, two, ahead = board("one"), board("two"), board("ahead")
    failing(ahead, throttled(5_000), now_ms=NOW_MS + 3_600_000)
    failing(one, throttled(3_000))
    exchange(NOW_MS, one, two, ahead)
    for subject in (one, two):
        assert subject.standing(ROUTE, NOW_MS).cool_down_until_ms == NOW_MS + 3_000


def test_a_cool_down_made_before_the_own_clock_was_put_right_hides_none_that_comes_later() -> None:
    one, two = board("one"), board("two")
    for subject in (one, two):
        failing(subject, throttled(5_000), now_ms=NOW_MS + 3_600_000)
    assert failing(one, throttled(3_000)) == 3_000
    exchange(NOW_MS, one, two)
    for subject in (one, two):
        assert subject.standing(ROUTE, NOW_MS).cool_down_until_ms == NOW_MS + 3_000


def test_load_latency_and_errors_are_seen_together() -> None:
    one, two = board("one"), board("two")
    answering(one, 100)
    answering(two, 300)
    failing(two)
    begun(one)
    exchange(NOW_MS, one, two)
    for subject in (one, two):
        standing = subject.standing(ROUTE, NOW_MS)
        assert standing.in_flight == 1
        assert standing.ttft_ms == 200
        assert standing.error_rate == pytest.approx(1 / 3)


def test_failures_too_few_for_each_replica_open_the_circuit_together() -> None:
    policy = HealthPolicy(breaker=BreakerPolicy(consecutive_failures=99, minimum_volume=10))
    boards = [HealthBoard(name, policy) for name in ("one", "two", "three")]
    for subject in boards:
        failing(subject, times=4)
        answering(subject)
    exchange(NOW_MS, *boards)
    assert boards[0].standing(ROUTE, NOW_MS).circuit is CircuitState.CLOSED
    failing(boards[0])
    assert boards[0].standing(ROUTE, NOW_MS).circuit is CircuitState.OPEN


def test_numbers_of_a_replica_that_is_gone_are_forgotten() -> None:
    one, two = board("one"), board("two")
    begun(two)
    exchange(NOW_MS, one, two)
    assert one.standing(ROUTE, NOW_MS).in_flight == 1
    one.absorb([], NOW_MS)
    assert one.standing(ROUTE, NOW_MS).in_flight == 0


def test_outcomes_of_a_replica_that_is_gone_open_no_circuit() -> None:
    policy = HealthPolicy(breaker=BreakerPolicy(consecutive_failures=99, minimum_volume=10))
    one, two = HealthBoard("one", policy), HealthBoard("two", policy)
    failing(two, times=9)
    exchange(NOW_MS, one, two)
    one.absorb([], NOW_MS)
    assert one.standing(ROUTE, NOW_MS).error_rate == 0
    failing(one)
    assert one.standing(ROUTE, NOW_MS).circuit is CircuitState.CLOSED


def test_outcomes_of_a_replica_that_is_gone_are_forgotten_after_a_transition_too() -> None:
    policy = HealthPolicy(breaker=BreakerPolicy(consecutive_failures=99, minimum_volume=20))
    one, two = HealthBoard("one", policy), HealthBoard("two", policy)
    one.tracker(ROUTE).breaker.reset(NOW_MS)
    exchange(NOW_MS, one, two)
    failing(two, times=9)
    exchange(NOW_MS, one, two)
    assert one.standing(ROUTE, NOW_MS).error_rate == 1
    one.absorb([], NOW_MS)
    assert one.standing(ROUTE, NOW_MS).error_rate == 0


def test_an_operator_drains_and_puts_back_from_anywhere() -> None:
    one, two = board("one"), board("two")
    answering(one)
    known = merged(ROUTE, one.reports(NOW_MS), NOW_MS)
    order = told_to_drain(known, NOW_MS, drained=True, by="ops@example.com")
    for subject in (one, two):
        subject.absorb([order], NOW_MS)
        assert subject.standing(ROUTE, NOW_MS).drained
        assert subject.begin(ROUTE, NOW_MS, last_resort=True) is None
        subject.absorb([told_to_drain(order, NOW_MS, drained=False, by="ops")], NOW_MS)
        assert subject.begin(ROUTE, NOW_MS) is not None


def test_an_operator_resets_from_anywhere() -> None:
    subject = board()
    failing(subject, throttled(9_000))
    tracker = subject.tracker(ROUTE)
    tracker.breaker.trip(NOW_MS)
    known = merged(ROUTE, subject.reports(NOW_MS), NOW_MS)
    assert known.state is CircuitState.OPEN
    order = told_to_reset(known, NOW_MS, by="console")
    assert order.state is CircuitState.CLOSED
    assert subject.absorb([order], NOW_MS) == [ROUTE]
    assert subject.begin(ROUTE, NOW_MS) is not None


def test_a_reset_here_is_believed_by_those_who_heard_of_the_opening() -> None:
    one, two = board("one"), board("two")
    failing(one, times=3)
    exchange(NOW_MS, one, two)
    two.tracker(ROUTE).reset(NOW_MS)
    exchange(NOW_MS, one, two)
    assert one.standing(ROUTE, NOW_MS).circuit is CircuitState.CLOSED


def test_who_serves_nothing_himself_sees_the_same() -> None:
    subject = board()
    answering(subject, 120)
    failing(subject, times=3)
    known = merged(ROUTE, subject.reports(NOW_MS), NOW_MS)
    seen, own = known.standing(NOW_MS), subject.standing(ROUTE, NOW_MS)
    assert (seen.circuit, seen.open_until_ms) == (own.circuit, own.open_until_ms)
    assert seen.ttft_ms == own.ttft_ms == 120
    assert known.standing(NOW_MS + 1_000).circuit is CircuitState.HALF_OPEN


def test_routes_no_longer_configured_are_forgotten_once_idle() -> None:
    subject = board()
    lease = begun(subject)
    subject.keep_only([])
    assert [report.route_id for report in subject.reports(NOW_MS)] == [ROUTE]
    lease.end(NOW_MS)
    subject.keep_only([])
    assert subject.reports(NOW_MS) == []


@pytest.mark.parametrize("wrong", [{"first_ms": 0}, {"first_ms": 20_000}, {"longest_ms": 9_999}])
def test_cool_downs_that_cannot_work_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="first_ms"):
        CoolDownPolicy(**wrong)


def test_a_cool_down_from_a_clock_far_ahead_is_not_waited_for() -> None:
    cool_down = CoolDown(until_ms=NOW_MS + 50_000)
    assert cool_down.left_until_ms(NOW_MS, 10_000) == 0
    assert cool_down.left_until_ms(NOW_MS + 45_000, 10_000) == NOW_MS + 50_000
