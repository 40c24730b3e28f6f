"""Replicas that share what they know: of routes, of an operator's word, of a store that is away."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from msgspec import structs

from adapters.memory.route_health import MemoryRouteHealthFeed
from application.jobs.share_route_health import ShareRouteHealth, route_names
from application.runtime.route_upkeep import RouteUpkeep
from application.runtime.snapshot import CurrentSnapshot, RuntimeSnapshot
from domain.errors import ServiceUnavailable, UpstreamUnavailable
from domain.identifiers import ProviderId, RouteId
from domain.limits.policy import LimitPolicy
from domain.routing.board import HealthBoard
from domain.routing.catalog import Catalog
from domain.routing.circuit import BreakerPolicy
from domain.routing.failures import understand
from domain.routing.health import RouteHealth, told_to_drain, told_to_reset
from domain.routing.standing import CircuitState
from domain.routing.tracker import HealthPolicy
from domain.settings.catalog import Settings, SettingValue
from tests.support.manual_clock import ManualClock
from tests.support.offpath import CountingTelemetry
from tests.support.routing import catalog, model, provider, route

A = RouteId("a")
POLICY = HealthPolicy(breaker=BreakerPolicy(consecutive_failures=2))


class MoodyFeed(MemoryRouteHealthFeed):
    """Can be away."""

    def __init__(self) -> None:
        super().__init__()
        self.up = True

    async def publish(self, reports: Sequence[RouteHealth]) -> None:
        if not self.up:
            raise ServiceUnavailable("away")
        await super().publish(reports)


class WatchedCircuits(CountingTelemetry):
    """Remembers every state it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[str, int]] = []

    def breaker_state(self, route: str, state: int) -> None:
        self.told.append((route, state))


def snapshot_of(known: Catalog, settings: dict[str, SettingValue] | None = None) -> RuntimeSnapshot:
    return RuntimeSnapshot(
        catalog=known,
        settings=Settings(settings or {}),
        limits=LimitPolicy(),
        providers={},
        revisions={},
    )


@dataclass
class Replica:
    """One process's share of it."""

    name: str
    feed: MoodyFeed
    clock: ManualClock
    known: Catalog = field(default_factory=lambda: catalog(model("m", route("a"), route("b"))))

    def __post_init__(self) -> None:
        self.board = HealthBoard(self.name, POLICY)
        self.runtime = CurrentSnapshot()
        self.runtime.swap(snapshot_of(self.known))
        self.telemetry = WatchedCircuits()
        self.job = ShareRouteHealth(self.feed, self.board, self.runtime, self.telemetry, self.clock)

    def fail(self, name: RouteId = A, times: int = 2) -> None:
        for _ in range(times):
            lease = self.board.begin(name, self.clock.now_ms())
            assert lease is not None
            lease.failed(understand(UpstreamUnavailable(status=500)), self.clock.now_ms())
            lease.end(self.clock.now_ms())

    def circuit(self, name: RouteId = A) -> CircuitState:
        return self.board.standing(name, self.clock.now_ms()).circuit


def two() -> tuple[Replica, Replica, MoodyFeed, ManualClock]:
    feed, clock = MoodyFeed(), ManualClock()
    return Replica("one", feed, clock), Replica("two", feed, clock), feed, clock


async def test_a_circuit_that_opens_here_is_open_everywhere_and_shown_by_its_name() -> None:
    one, two_, _, _ = two()
    await two_.job.share()
    one.fail()
    await one.job.share()
    await two_.job.share()
    assert two_.circuit() is CircuitState.OPEN
    assert two_.telemetry.told == [("m/a", 0), ("m/b", 0), ("m/a", 2)]


async def test_while_the_store_is_away_a_replica_goes_by_its_own_and_shares_again_afterwards() -> (
    None
):
    one, two_, feed, _ = two()
    feed.up = False
    one.fail()
    await one.job.share()
    await two_.job.share()
    assert one.circuit() is CircuitState.OPEN
    assert ("m/a", 2) in one.telemetry.told
    assert two_.circuit() is CircuitState.CLOSED
    feed.up = True
    await one.job.share()
    await two_.job.share()
    assert two_.circuit() is CircuitState.OPEN


async def test_what_others_said_is_forgotten_while_the_store_is_away_but_not_their_transitions() -> (
    None
):
    one, two_, feed, clock = two()
    b = RouteId("b")
    one.fail(times=2)
    lease = one.board.begin(b, clock.now_ms())
    assert lease is not None
    await one.job.share()
    await two_.job.share()
    assert two_.board.standing(b, clock.now_ms()).in_flight == 1
    feed.up = False
    await two_.job.share()
    assert two_.board.standing(b, clock.now_ms()).in_flight == 0
    assert two_.circuit() is CircuitState.OPEN


async def test_an_operators_word_reaches_replicas_that_run_and_those_that_start_later() -> None:
    one, _, feed, clock = two()
    word = told_to_drain(RouteHealth(route_id=A), clock.now_ms(), drained=True, by="ada")
    await feed.order(word)
    late = Replica("late", feed, clock)
    for each in (one, late):
        await each.job.share()
        assert each.board.standing(A, clock.now_ms()).drained


async def test_a_reset_by_an_operator_closes_the_circuit_everywhere() -> None:
    one, two_, feed, clock = two()
    one.fail()
    await one.job.share()
    (report,) = [each for each in await feed.read() if each.route_id == A]
    word = told_to_reset(structs.replace(report, replica=""), clock.now_ms(), by="ada")
    await feed.order(word)
    for each in (one, two_):
        await each.job.share()
        assert each.circuit() is CircuitState.CLOSED


async def test_what_is_no_route_any_more_is_not_kept_because_others_report_it() -> None:
    one, _, feed, clock = two()
    await feed.publish([RouteHealth(route_id=RouteId("gone"), replica="old", at_ms=clock.now_ms())])
    await one.job.share()
    assert [each.route_id for each in one.board.reports(clock.now_ms())] == []


async def test_the_circuit_of_a_route_that_is_gone_is_shown_as_closed() -> None:
    one, _, _, _ = two()
    one.fail()
    await one.job.share()
    one.runtime.swap(snapshot_of(catalog(model("m", route("b")))))
    await one.job.share()
    await one.job.share()
    assert one.telemetry.told[-1] == ("m/a", 0)


def test_routes_have_names_of_their_own() -> None:
    twice = catalog(model("m", route("a", at="p"), route("b", at="p"), route("c", at="p")))
    assert route_names(twice) == {"m/p": "a", "m/p/upstream": "b", "m/p/c": "c"}


def test_a_provider_that_was_edited_gets_another_chance_and_others_do_not() -> None:
    one, _, _, clock = two()
    upkeep = RouteUpkeep(one.board, clock)
    one.runtime.follow(upkeep.follow)
    one.board.configure(POLICY)
    for each in (A, RouteId("b")):
        one.fail(each)
    edited = provider("a")
    edited = structs.replace(edited, revision=1)
    providers = {**one.known.providers, ProviderId("a"): edited}
    one.runtime.swap(snapshot_of(Catalog(models=one.known.models, providers=providers)))
    assert one.circuit() is CircuitState.CLOSED
    assert one.circuit(RouteId("b")) is CircuitState.OPEN


def test_the_settings_of_a_new_snapshot_are_gone_by_at_once_and_old_routes_forgotten() -> None:
    one, _, _, clock = two()
    one.runtime.follow(RouteUpkeep(one.board, clock).follow)
    one.fail(times=2)
    assert one.circuit() is CircuitState.CLOSED
    settings: dict[str, SettingValue] = {"routing.breaker_consecutive_failures": 3}
    one.runtime.swap(snapshot_of(one.known, settings))
    one.fail(times=1)
    assert one.circuit() is CircuitState.OPEN
    one.runtime.swap(snapshot_of(catalog(model("m", route("b")))))
    assert [each.route_id for each in one.board.reports(clock.now_ms())] == []
