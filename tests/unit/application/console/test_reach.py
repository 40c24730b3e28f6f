"""What each role sees and does of the records, the catalogue and the routes."""

from collections.abc import Awaitable, Callable
from decimal import Decimal

import pytest
from msgspec.structs import replace

from adapters.memory.request_log import MemoryRequestLog
from adapters.memory.route_health import MemoryRouteHealthFeed
from adapters.system.clock import SystemClock
from application.console.catalog.models import ModelPatch
from application.console.catalog.prices import NewPrice
from application.console.catalog.providers import ProviderPatch
from application.console.request_records import ARRIVAL, RecordQuery, RequestRecords
from application.console.routing.asked import SimulatedRequest
from domain.access.accounts import Role
from domain.access.actor import Actor, ActorKind
from domain.access.roles import rights_of
from domain.errors import NotFound, PermissionDenied, ServiceUnavailable
from domain.routing.health import RouteHealth
from entrypoints.console.system_status import SystemStatus
from entrypoints.health import HealthChecks
from tests.support.acting import OPERATOR
from tests.support.catalog_services import catalog_services
from tests.support.configuration import (
    Configuration,
    a_model,
    a_provider,
    a_route,
    a_team,
    a_user,
    memory_configuration,
)
from tests.support.provider_inspection import provider_inspection
from tests.support.request_records import batch_of_records, make_record
from tests.support.routing_services import routing_services

EVERYBODY = set(Role)
OPERATORS = {Role.SUPER_ADMIN, Role.ADMIN}
READERS = OPERATORS | {Role.VIEWER}
TEAM = a_team()
LEAD = a_user("lead@example.com", team_ids=frozenset({TEAM.id}))


def acting(role: Role) -> Actor:
    user = replace(LEAD, role=role)
    rights = rights_of(user, (), {})
    return Actor(kind=ActorKind.USER, id=user.id, name=user.email, rights=rights)


@pytest.fixture
async def stored() -> Configuration:
    stored = memory_configuration()
    provider = a_provider()
    async with stored.uow.begin() as tx:
        await tx.providers.add(provider)
        await tx.models.add(a_model("big", a_route(provider)))
        await tx.commit()
    return stored


async def test_each_role_does_what_it_is_for(stored: Configuration) -> None:
    clock = SystemClock()
    catalog = catalog_services(stored.audited, clock)
    routing = routing_services(stored.audited, clock)
    inspection = provider_inspection(stored.audited, clock)
    system = SystemStatus(HealthChecks({}), None)
    price = NewPrice(input=Decimal(1), output=Decimal(1))
    calls: dict[str, tuple[Callable[[Actor], Awaitable[object]], set[Role]]] = {
        "providers": (catalog.providers.page, READERS),
        "a provider": (lambda by: catalog.providers.find(by, "nobody"), READERS),
        "change a provider": (
            lambda by: catalog.providers.update(by, "nobody", ProviderPatch()),
            OPERATORS,
        ),
        "delete a provider": (lambda by: catalog.providers.delete(by, "nobody"), OPERATORS),
        "restore a provider": (lambda by: catalog.providers.restore(by, "nobody"), OPERATORS),
        "test a provider": (lambda by: inspection.test(by, "nobody"), OPERATORS),
        "a provider's models": (lambda by: inspection.models(by, "nobody"), OPERATORS),
        "models": (catalog.models.page, EVERYBODY),
        "change a model": (lambda by: catalog.models.update(by, "none", ModelPatch()), OPERATORS),
        "delete a model": (lambda by: catalog.models.delete(by, "none"), OPERATORS),
        "routes of a model": (lambda by: catalog.routes.page(by, "big"), EVERYBODY),
        "delete a route": (lambda by: catalog.routes.delete(by, "big", "none"), OPERATORS),
        "prices": (catalog.prices.page, EVERYBODY),
        "add a price": (lambda by: catalog.prices.add(by, "none", price), OPERATORS),
        "health of routes": (routing.states.page, READERS),
        "drain": (lambda by: routing.states.drain(by, "none", drained=True), OPERATORS),
        "reset": (lambda by: routing.states.reset(by, "none"), OPERATORS),
        "simulate": (
            lambda by: routing.simulation.simulate(by, SimulatedRequest(model="big")),
            OPERATORS,
        ),
        "health": (system.report, READERS),
    }
    for name, (call, allowed) in calls.items():
        did: set[Role] = set()
        for role in Role:
            try:
                await call(acting(role))
            except PermissionDenied:
                continue
            except NotFound:
                pass  # allowed to look for it
            did.add(role)
        assert did == allowed, name


async def test_records_are_one_s_own_or_of_one_s_team_or_all() -> None:
    clock = SystemClock()
    log = MemoryRequestLog(clock=clock)
    mine = make_record(user_id=LEAD.id, team_ids=(TEAM.id,))
    of_team = make_record(user_id="somebody", team_ids=(TEAM.id,))
    of_others = make_record(user_id="somebody", team_ids=())
    await log.deliver([batch_of_records(mine, of_team, of_others)])
    records = RequestRecords(log, clock=clock)
    everything = {mine.event_id, of_team.event_id, of_others.event_id}
    for role, seen in (
        (Role.ADMIN, everything),
        (Role.VIEWER, everything),
        (Role.TEAM_MANAGER, {mine.event_id, of_team.event_id}),
        (Role.DEVELOPER, {mine.event_id}),
    ):
        for order in ("newest", ARRIVAL):
            page = await records.page(acting(role), RecordQuery(order=order))
            assert {each.event_id for each in page.items} == seen, (role, order)
        for event_id in everything - seen:
            with pytest.raises(NotFound):
                await records.find(acting(role), event_id)
        for event_id in seen:
            assert (await records.find(acting(role), event_id)).event_id == event_id


class BrokenFeed(MemoryRouteHealthFeed):
    """Takes no orders."""

    async def order(self, health: RouteHealth) -> None:
        raise ServiceUnavailable("The feed is away.")


async def test_orders_to_routes_are_recorded_also_those_that_failed(stored: Configuration) -> None:
    clock = SystemClock()
    (model,) = (await stored.source.catalog()).models.values()
    route_id = model.routes[0].id
    states = routing_services(stored.audited, clock).states
    await states.drain(OPERATOR, route_id, drained=True, dry_run=True)
    assert await stored.archive.rows(0, 10) == []
    order = await states.drain(OPERATOR, route_id, drained=True)
    assert order.item.drained_by == OPERATOR.name
    broken = routing_services(stored.audited, clock, BrokenFeed()).states
    with pytest.raises(ServiceUnavailable):
        await broken.reset(OPERATOR, route_id)
    told = [row.entry() for row in await stored.archive.rows(0, 10)]
    assert [(each.action, each.outcome.value) for each in told] == [
        ("route.drain", "success"),
        ("route.reset", "success"),
        ("route.reset", "failed"),
    ]
    assert ((told[0].before or {})["drained_by"], (told[0].after or {})["drained_by"]) == (
        None,
        OPERATOR.name,
    )
