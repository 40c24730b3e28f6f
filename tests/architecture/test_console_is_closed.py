"""Deny by default: a console route is open to everybody only if this page says so."""

from collections.abc import Iterator

import httpx
import pytest
from litestar.routes import HTTPRoute

from adapters.memory.change_feed import MemoryChangeFeed
from adapters.memory.request_log import MemoryRequestLog
from adapters.memory.store import MemoryStore, MemoryUnitOfWork
from adapters.system.clock import SystemClock
from adapters.system.identifiers import UuidGenerator
from application.console.request_records import RequestRecords
from domain.secret import Secret
from entrypoints.console.app import create_console_api, create_console_app
from entrypoints.console.services import Console
from entrypoints.health import HealthChecks
from tests.support.configuration import memory_configuration
from tests.support.installation_services import installation_services
from tests.support.limit_services import limit_services
from tests.support.live_server import live_server
from tests.support.provider_inspection import provider_inspection
from tests.support.routing_services import routing_services

OPEN_TO_EVERYBODY = {"/health/live", "/health/ready", "/setup"}
TOKEN = "the-token-of-this-installation"


@pytest.fixture
def console() -> Console:
    clock = SystemClock()
    uow = MemoryUnitOfWork(
        MemoryStore(), MemoryChangeFeed(), SystemClock(), UuidGenerator(), allow_unaudited=True
    )
    return Console(
        request_records=RequestRecords(MemoryRequestLog(clock=clock), clock=clock),
        limits=limit_services(uow, clock),
        providers=provider_inspection(uow, clock),
        routing=routing_services(uow, clock),
        installation=installation_services(memory_configuration()),
        token=Secret(TOKEN),
        ids=UuidGenerator(),
        health=HealthChecks({}),
    )


def _routes(console: Console) -> Iterator[tuple[str, str]]:
    """Yield every (method, path), generated ones like OPTIONS and the OpenAPI document included."""
    for route in create_console_api(console).routes:
        assert isinstance(route, HTTPRoute), f"{route.path}: only HTTP routes are guarded here"
        for method in route.methods:
            yield str(method), route.path


def test_every_route_is_guarded(console: Console) -> None:
    unguarded = [
        route.path
        for route in create_console_api(console).routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        if not handler.resolve_guards()
    ]
    assert unguarded == []


async def test_without_a_token_only_the_open_routes_answer(console: Console) -> None:
    async with (
        live_server(create_console_app(console)) as url,
        httpx.AsyncClient(base_url=url) as client,
    ):
        answered = set[str]()
        for method, path in _routes(console):
            for headers in ({}, {"authorization": "Bearer wrong"}, {"cookie": f"token={TOKEN}"}):
                reply = await client.request(
                    method, path.replace("{", "").replace("}", ""), headers=headers
                )
                if reply.status_code not in {401, 403}:
                    answered.add(path)
    assert answered == OPEN_TO_EVERYBODY


async def test_with_the_token_the_console_answers(console: Console) -> None:
    async with (
        live_server(create_console_app(console)) as url,
        httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {TOKEN}"}) as client,
    ):
        assert (await client.get("/api/requests")).status_code == 200
