"""Routes that are out are asked by the gateway itself, when somebody wants it to."""

import asyncio

import pytest
from msgspec import structs

from application.jobs.probe_routes import ProbeRoutes
from application.ports.provider import Provider, ProviderCall, RemoteModel, UpstreamReply
from application.ports.upstream import UpstreamTimeouts
from application.runtime.snapshot import CurrentSnapshot, RuntimeSnapshot
from domain.errors import (
    DomainError,
    UnsupportedField,
    UpstreamCredentialRejected,
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from domain.identifiers import ProviderId, RouteId
from domain.limits.policy import LimitPolicy
from domain.routing.board import HealthBoard
from domain.routing.standing import CircuitState
from domain.routing.tracker import HealthPolicy
from domain.settings.catalog import Settings
from tests.support.manual_clock import ManualClock
from tests.support.routing import catalog, model, route

A, B = RouteId("a"), RouteId("b")


class Listing(Provider):
    """Lists no models, or fails to."""

    def __init__(self) -> None:
        self.error: DomainError | None = None
        self.asked = 0

    async def open(self, call: ProviderCall) -> UpstreamReply:
        raise AssertionError("nobody asks for it here")

    async def models(self, timeouts: UpstreamTimeouts) -> tuple[RemoteModel, ...]:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return ()

    async def aclose(self) -> None: ...


class Bench:
    """Two routes at two providers."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.board = HealthBoard("one", HealthPolicy())
        self.providers = {ProviderId("a"): Listing(), ProviderId("b"): Listing()}
        self.runtime = CurrentSnapshot()
        self.runtime.swap(
            RuntimeSnapshot(
                catalog=catalog(model("m", route("a"), route("b"))),
                settings=Settings({}),
                limits=LimitPolicy(),
                providers=self.providers,
                revisions={},
            )
        )
        self.job = ProbeRoutes(self.board, self.runtime, self.clock)

    def trip(self, name: RouteId) -> None:
        self.board.tracker(name).breaker.trip(self.clock.now_ms())

    def circuit(self, name: RouteId) -> CircuitState:
        return self.board.standing(name, self.clock.now_ms()).circuit

    @property
    def asked(self) -> list[int]:
        return [provider.asked for provider in self.providers.values()]


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_only_routes_that_are_out_are_asked_and_after_a_good_answer_a_request_may_test_them(
    bench: Bench,
) -> None:
    bench.trip(A)
    await bench.job.probe()
    assert bench.asked == [1, 0]
    assert bench.circuit(A) is CircuitState.HALF_OPEN
    now_ms = bench.clock.now_ms()
    lease = bench.board.begin(A, now_ms)
    assert lease is not None
    assert bench.board.begin(A, now_ms) is None
    lease.answered(now_ms)
    lease.end(now_ms)
    assert bench.circuit(A) is CircuitState.CLOSED
    await bench.job.probe()
    assert bench.asked == [1, 0]


async def test_a_provider_that_is_still_away_stays_out(bench: Bench) -> None:
    bench.trip(A)
    bench.trip(B)
    bench.providers[ProviderId("a")].error = UpstreamUnavailable(error_class="connect")
    await bench.job.probe()
    assert bench.circuit(A) is CircuitState.OPEN
    assert bench.circuit(B) is CircuitState.HALF_OPEN


@pytest.mark.parametrize(
    "error",
    [
        UnsupportedField("no list"),
        UpstreamCredentialRejected(),
        UpstreamRateLimited(),
        UpstreamRejected(400, "no"),
        UpstreamProtocolError("garbage"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_provider_that_answers_without_a_list_is_left_to_requests(
    bench: Bench, error: DomainError
) -> None:
    bench.trip(A)
    bench.providers[ProviderId("a")].error = error
    until = bench.board.standing(A, bench.clock.now_ms()).open_until_ms
    await bench.job.probe()
    assert bench.board.standing(A, bench.clock.now_ms()).open_until_ms == until
    bench.clock.advance((until - bench.clock.now_ms()) / 1000)
    assert bench.circuit(A) is CircuitState.HALF_OPEN
    await bench.job.probe()
    assert bench.circuit(A) is CircuitState.HALF_OPEN


@pytest.mark.parametrize(
    "error",
    [
        UpstreamUnavailable(error_class="connect"),
        UpstreamUnavailable(error_class="reset"),
        UpstreamUnavailable(status=500),
        UpstreamUnavailable(status=503),
        UpstreamTimeout("first_byte"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_provider_that_is_not_there_keeps_requests_away_for_longer(
    bench: Bench, error: DomainError
) -> None:
    bench.trip(A)
    bench.providers[ProviderId("a")].error = error
    until = bench.board.standing(A, bench.clock.now_ms()).open_until_ms
    bench.clock.advance((until - bench.clock.now_ms()) / 1000)
    await bench.job.probe()
    assert bench.circuit(A) is CircuitState.OPEN


async def test_nothing_is_asked_unless_the_setting_says_so(bench: Bench) -> None:
    bench.trip(A)
    for interval_ms, asked in ((0, 0), (1_000, 1)):
        now = bench.runtime.get()
        settings = Settings({"routing.probe_interval_ms": interval_ms})
        bench.runtime.swap(structs.replace(now, settings=settings))
        running = asyncio.ensure_future(bench.job.run())
        await asyncio.sleep(0.05)
        running.cancel()
        assert bench.asked == [asked, 0]
