"""Health as the composed program tells it, on real stores."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from application.console.configuration.interpolation import Interpolated
from domain.secret import Secret
from entrypoints.config import BootConfig
from entrypoints.console.app import create_console_app
from entrypoints.container import Container, gateway, open_container
from entrypoints.container.administration import open_administration
from entrypoints.gateway.app import create_gateway_app
from entrypoints.roles import ALL_ROLES, ConsoleTokens, StoreUrls
from entrypoints.version import VERSION
from tests.support.acting import OPERATOR
from tests.support.live_server import live_server
from tests.support.stores import ClickHouseDatabase

TOKEN = "token-of-this-test"
DEMO = Interpolated({"version": 1, "providers": [{"name": "demo", "kind": "demo"}]})
WITHIN_S = 20.0


T = TypeVar("T")


async def until(ask: Callable[[], Awaitable[T]], holds: Callable[[T], object]) -> T:
    """Return the first answer for which it holds; answers are kept for a second."""
    async with asyncio.timeout(WITHIN_S):
        while not holds(answer := await ask()):  # noqa: ASYNC110 - the other side has no event
            await asyncio.sleep(0.1)
    return answer


@dataclass
class Running:
    """The whole program in this process."""

    container: Container
    gateway: httpx.AsyncClient
    console: httpx.AsyncClient
    config: BootConfig
    stores: StoreUrls

    async def ready(self) -> tuple[int, str, dict[str, dict[str, object]]]:
        """Return what the gateway says: status, verdict, checks."""
        answer = await self.gateway.get("/health/ready")
        return answer.status_code, answer.json()["status"], answer.json()["checks"]

    async def becomes(self, verdict: str) -> dict[str, dict[str, object]]:
        """Return the checks once the gateway is of that verdict."""
        found = await until(self.ready, lambda answer: answer[1] == verdict)
        return found[2]

    async def report(self) -> dict[str, Any]:
        """Return what the console says of itself and its stores."""
        return (await self.console.get("/api/health")).json()

    async def add_demo(self) -> None:
        async with open_administration(self.config, self.stores) as administration:
            await administration.apply.apply(OPERATOR, DEMO)


@pytest.fixture
async def running(
    postgres_url: str, redis_url: str, clickhouse: ClickHouseDatabase, tmp_path: Path
) -> AsyncIterator[Running]:
    config = BootConfig(
        data_dir=tmp_path,
        encryption_keys=(Secret(os.urandom(32).hex()),),
        jwt_secret=Secret("x" * 32),
        clickhouse_url=Secret(clickhouse.url),
    )
    stores = StoreUrls(database_url=postgres_url, redis_url=redis_url)
    async with open_container(
        config, stores, ALL_ROLES, ConsoleTokens(setup=Secret("set-up"), operator=Secret(TOKEN))
    ) as container:
        assert container.gateway is not None
        assert container.console is not None
        headers = {"authorization": f"Bearer {TOKEN}"}
        async with (
            live_server(create_gateway_app(container.gateway)) as gateway_url,
            live_server(create_console_app(container.console)) as console_url,
            httpx.AsyncClient(base_url=gateway_url) as gateway_client,
            httpx.AsyncClient(base_url=console_url, headers=headers) as console_client,
        ):
            yield Running(container, gateway_client, console_client, config, stores)


async def test_a_gateway_is_ready_with_its_stores_and_a_provider_and_red_while_it_drains(
    running: Running,
) -> None:
    status, verdict, checks = await running.ready()
    assert (status, verdict) == (503, "unavailable")
    assert {name for name, check in checks.items() if not check["ok"]} == {"provider"}
    assert {name for name, check in checks.items() if not check["required"]} == {"log_store"}
    assert (await running.gateway.get("/health/live")).status_code == 200

    await running.add_demo()
    checks = await running.becomes("ready")
    assert all(check["ok"] for check in checks.values())

    running.container.begin_drain()
    status, verdict, _ = await running.ready()
    assert (status, verdict) == (503, "draining")
    assert (await running.gateway.get("/health/live")).status_code == 200


async def test_a_log_store_that_is_behind_is_told_and_no_reason_to_turn_red(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "LONGEST_LAG_S", -1.0)
    await running.add_demo()
    # Until the worker has joined the bus nobody is behind.
    _, verdict, checks = await until(
        running.ready, lambda answer: answer[1] == "ready" and not answer[2]["log_store"]["ok"]
    )
    assert verdict == "ready"
    assert checks["log_store"]["error"] == "RecordsBehind"


async def test_the_console_reports_versions_connections_and_what_waits(running: Running) -> None:
    report = await until(running.report, lambda said: said["queues"]["bus"]["groups"])
    assert report["status"] == "ready"
    assert set(report["checks"]) == {"database", "redis", "clickhouse"}
    assert all(0 < check["latency_ms"] < 5000 for check in report["checks"].values())
    assert report["version"] == VERSION
    assert report["versions"]["database"].startswith("18")
    assert report["versions"]["redis"].startswith("Valkey 9")
    assert int(report["versions"]["clickhouse"].split(".")[0]) >= 24
    for pool in report["pools"].values():
        assert pool["in_use"] + pool["idle"] <= pool["most"]
    assert set(report["pools"]) == {"database", "redis"}
    groups = report["queues"]["bus"]["groups"]
    assert groups == {"clickhouse": {"lag_s": 0.0, "dead_letters": 0}}
    assert report["queues"]["journal_bytes"] == 0


async def test_strangers_learn_neither_versions_nor_queues(running: Running) -> None:
    async with httpx.AsyncClient(base_url=running.console.base_url) as stranger:
        assert (await stranger.get("/api/health")).status_code in (401, 403)
        shown = (await stranger.get("/health/ready")).json()
    assert set(shown) == {"status", "checks"}
