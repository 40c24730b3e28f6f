"""Plan, health and retries as a gateway uses them: four replicas, three routes, one goes wrong."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import pytest

from domain.errors import (
    UpstreamCredentialRejected,
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from domain.routing.board import HealthBoard
from domain.routing.capabilities import RequestNeeds
from domain.routing.catalog import Model, Strategy
from domain.routing.circuit import BreakerPolicy
from domain.routing.failures import understand
from domain.routing.plan import plan_routes
from domain.routing.retry import RetryPolicy, Stop, StopReason
from domain.routing.tracker import HealthPolicy
from tests.support.routing import NOW_MS, catalog, model, route

POLICY = HealthPolicy(breaker=BreakerPolicy(open_ms=5_000, longest_open_ms=10_000))
PUBLISH_EVERY_MS = 1_000
REQUEST_EVERY_MS = 40
Upstream = Callable[[str, int], BaseException | None]
"""What a route answers at a moment: an error, or None for content."""

FAULTS: dict[str, Callable[[], BaseException]] = {
    "killed": lambda: UpstreamUnavailable(error_class="connect"),
    "paused": lambda: UpstreamTimeout("first_byte"),
    "500": lambda: UpstreamUnavailable(status=500, error_class="server_error"),
    "429": lambda: UpstreamRateLimited(2_000),
    "429 without a time": UpstreamRateLimited,
    "garbage": lambda: UpstreamProtocolError("garbage"),
    "reset": lambda: UpstreamUnavailable(error_class="reset"),
    "credential": UpstreamCredentialRejected,
}


@dataclass
class Fleet:
    """Replicas that take requests in turn and tell one another every second."""

    subject: Model
    upstream: Upstream
    seed: int = 7
    now_ms: int = NOW_MS
    served: Counter[str] = field(default_factory=Counter[str])
    tried: Counter[str] = field(default_factory=Counter[str])
    stops: list[Stop | BaseException] = field(default_factory=list[Stop | BaseException])

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        self.boards = [HealthBoard(f"replica {number}", POLICY) for number in range(4)]
        self.catalog = catalog(self.subject)

    def run(self, for_ms: int) -> None:
        """Go on for a while; the counters are those of this while only."""
        self.served.clear()
        self.tried.clear()
        self.stops.clear()
        for _ in range(for_ms // REQUEST_EVERY_MS):
            self.now_ms += REQUEST_EVERY_MS
            if self.now_ms % PUBLISH_EVERY_MS < REQUEST_EVERY_MS:
                reports = [each for board in self.boards for each in board.reports(self.now_ms)]
                for board in self.boards:
                    board.absorb(reports, self.now_ms)
            self.request(self.dice.choice(self.boards))

    def request(self, board: HealthBoard) -> None:
        """Make one request, which waits where it must without holding up the others."""
        now = self.now_ms
        plan = plan_routes(
            self.catalog,
            self.subject,
            RequestNeeds(),
            partial(board.standing, now_ms=now),
            now_ms=now,
            roll=self.dice.random(),
        )
        planned = {attempt.route.id: attempt for attempt in plan.attempts}
        retries = plan.retries(RetryPolicy(), now)
        while not isinstance(step := retries.next(now, self.dice.random()), Stop):
            now += step.wait_ms
            last_resort = planned[step.route_id].last_resort
            lease = board.begin(step.route_id, now, last_resort=last_resort)
            if lease is None:
                retries.skipped(step.route_id)
                continue
            self.tried[step.route_id] += 1
            error = self.upstream(step.route_id, now)
            if error is None:
                lease.answered(now, 100.0)
                lease.end(now)
                self.served[step.route_id] += 1
                return
            failure = understand(error)
            wait_ms = lease.failed(failure, now)
            lease.end(now)
            retries.failed(step.route_id, failure, now, wait_ms=wait_ms)
            if failure.treatment.is_final:
                self.stops.append(error)
                return
        self.stops.append(step)


def three(strategy: Strategy = Strategy.WEIGHTED) -> Model:
    return model("m", route("a"), route("b"), route("c"), strategy=strategy)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("strategy", Strategy)
def test_no_client_sees_what_another_route_can_prevent(fault: str, strategy: Strategy) -> None:
    broken = {"a"}
    fleet = Fleet(three(strategy), lambda name, _: FAULTS[fault]() if name in broken else None)
    fleet.run(20_000)
    assert fleet.stops == []
    fleet.run(20_000)
    assert fleet.stops == []
    assert fleet.served["a"] == 0
    # Probes, or each replica's first try after a cool-down of two seconds, and no more.
    assert fleet.tried["a"] <= len(fleet.boards) * 20_000 / 2_000


@pytest.mark.parametrize("fault", FAULTS)
def test_a_route_that_is_mended_serves_its_share_within_one_opening(fault: str) -> None:
    broken = {"a"}
    fleet = Fleet(three(), lambda name, _: FAULTS[fault]() if name in broken else None)
    fleet.run(30_000)
    broken.clear()
    breaker = POLICY.breaker
    fleet.run(breaker.longest_open_ms + breaker.hold_back_ms + PUBLISH_EVERY_MS)
    fleet.run(10_000)
    share = fleet.served["a"] / fleet.served.total()
    assert share == pytest.approx(1 / 3, abs=0.1)
    assert fleet.stops == []


def test_when_everything_is_down_each_request_asks_once_and_the_first_answer_opens_the_door() -> (
    None
):
    broken = {"a", "b", "c"}
    fleet = Fleet(three(), lambda name, _: FAULTS["500"]() if name in broken else None)
    fleet.run(10_000)
    fleet.run(10_000)
    assert fleet.served.total() == 0
    # A probe that is due goes through all that are half-open; apart from that it is one each.
    assert fleet.tried.total() < 1.5 * len(fleet.stops)
    broken.clear()
    fleet.run(3_000)
    assert fleet.stops == []


def test_requests_that_are_wrong_are_told_so_and_hurt_no_route() -> None:
    fleet = Fleet(three(), lambda _, __: UpstreamRejected(400, "no"))
    fleet.run(10_000)
    assert fleet.tried.total() == len(fleet.stops) == 10_000 / REQUEST_EVERY_MS
    assert all(isinstance(stop, UpstreamRejected) for stop in fleet.stops)
    assert all(
        board.standing(each.id, fleet.now_ms).error_rate == 0
        for board in fleet.boards
        for each in fleet.subject.routes
    )


def test_a_provider_that_asks_for_a_pause_gets_it_from_everybody() -> None:
    asked_until = 0
    early = 0

    def upstream(_: str, now_ms: int) -> BaseException | None:
        nonlocal asked_until, early
        if now_ms >= NOW_MS + 30_000:
            return None
        # Within one publish interval the others cannot know yet.
        early += asked_until - 2_000 + PUBLISH_EVERY_MS + REQUEST_EVERY_MS < now_ms < asked_until
        asked_until = max(asked_until, now_ms + 2_000)
        return UpstreamRateLimited(2_000)

    fleet = Fleet(model("m", route("only")), upstream)
    fleet.run(20_000)
    assert early == 0
    asking = [stop for stop in fleet.stops if isinstance(stop, Stop)]
    assert {stop.reason for stop in asking} <= {StopReason.NO_ROUTES, StopReason.DEADLINE}
    assert 0 < fleet.tried.total() < 100
