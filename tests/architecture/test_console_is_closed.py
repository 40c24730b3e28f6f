"""Deny by default: a console route is open to everybody only if this page says so."""

from collections.abc import Iterator

import httpx
import pytest
from litestar.routes import HTTPRoute

from adapters.memory.change_feed import MemoryChangeFeed
from adapters.memory.store import MemoryStore, MemoryUnitOfWork
from adapters.system.clock import SystemClock
from adapters.system.identifiers import UuidGenerator
from entrypoints.console.app import create_console_api, create_console_app
from entrypoints.console.services import Console
from tests.support.console import console_over
from tests.support.live_server import live_server

OPEN_TO_EVERYBODY = {
    "/api-docs",
    "/api-docs/files/{name:str}",
    "/api-docs/openapi.json",
    "/api-docs/{path:str}",
    "/api/invites/accept",
    "/api/auth/login",
    "/api/auth/sso/providers",
    "/api/setup",
    "/health/live",
    "/health/ready",
    "/openapi.json",
    "/setup",
}
TOKEN = "the-token-of-this-installation"


@pytest.fixture
def console() -> Console:
    clock = SystemClock()
    uow = MemoryUnitOfWork(
        MemoryStore(), MemoryChangeFeed(), SystemClock(), UuidGenerator(), allow_unaudited=True
    )
    return console_over(uow, clock, TOKEN)


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
