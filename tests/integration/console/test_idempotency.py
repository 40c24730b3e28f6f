"""`Idempotency-Key` on the console's routes, with the keys in PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from adapters.sql.engine import create_engine
from adapters.sql.idempotency import SqlIdempotencyKeys
from adapters.system.clock import SystemClock
from adapters.system.identifiers import UuidGenerator
from application.console.idempotency import IdempotentRequests
from domain.secret import Secret
from entrypoints.console.app import create_console_app
from tests.support.configuration import sql_configuration
from tests.support.console import console_over
from tests.support.live_server import live_server

RULE: dict[str, Any] = {"subject": "platform", "metric": "requests", "window": "1m", "limit": 2}
BUDGET: dict[str, Any] = {"subject": "platform", "period": "daily", "unit": "usd", "limit": 12.5}
KEY = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}


@pytest.fixture
async def http(postgres_url: str) -> AsyncIterator[httpx.AsyncClient]:
    engine, clock = create_engine(postgres_url), SystemClock()
    async with sql_configuration(postgres_url) as stored:
        console = console_over(
            stored.uow,
            clock,
            requests=IdempotentRequests(
                SqlIdempotencyKeys(engine), clock, UuidGenerator(), secret=Secret("of this test")
            ),
        )
        headers = {"authorization": "Bearer token"}
        async with (
            live_server(create_console_app(console)) as url,
            httpx.AsyncClient(base_url=url, headers=headers, timeout=30) as client,
        ):
            yield client
    await engine.dispose()


@pytest.mark.parametrize(("path", "entry"), [("/api/limits", RULE), ("/api/budgets", BUDGET)])
async def test_a_repeated_creation_gets_the_first_answer(
    http: httpx.AsyncClient, path: str, entry: dict[str, Any]
) -> None:
    first = await http.post(path, json=entry, headers=KEY)
    again = await http.post(path, json=entry, headers=KEY)
    assert (first.status_code, again.status_code) == (201, 201), again.text
    assert again.content == first.content
    for name in ("etag", "location", "content-type"):
        assert again.headers[name] == first.headers[name]
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    other = await http.post(path, json={**entry, "limit": 3}, headers=KEY)
    assert other.status_code == 409
    assert other.json()["type"] == "urn:thinkwatch:problem:idempotency_key_reused"


async def test_concurrent_repetitions_set_one_override(http: httpx.AsyncClient) -> None:
    rule = (await http.post("/api/limits", json=RULE)).json()
    wish = {"limit_id": rule["id"], "action": "tighten", "limit": 1, "reason": "a loop"}
    path = "/api/limits/overrides"
    answers = await asyncio.gather(*(http.post(path, json=wish, headers=KEY) for _ in range(6)))
    assert {each.status_code for each in answers} <= {201, 409}
    assert len({each.content for each in answers if each.status_code == 201}) == 1
    assert (await http.get(path)).json()["total"] == 1


async def test_an_empty_key_is_refused(http: httpx.AsyncClient) -> None:
    refused = await http.post("/api/limits", json=RULE, headers={"Idempotency-Key": ""})
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["field"] == "Idempotency-Key"


async def test_a_dry_run_neither_takes_the_key_nor_is_given_again(http: httpx.AsyncClient) -> None:
    rule = (await http.post("/api/limits", json=RULE)).json()
    rows = {"items": [{"op": "delete", "id": rule["id"]}]}
    path = "/api/limits/bulk"
    for _ in range(2):
        planned = await http.post(path, json=rows, headers=KEY, params={"dry_run": True})
        assert "idempotency-replayed" not in planned.headers
        assert planned.json()["dry_run"] is True
    done = await http.post(path, json=rows, headers=KEY, params={"dry_run": "false"})
    assert (done.json()["dry_run"], done.json()["failed"]) == (False, 0)
    again = await http.post(path, json=rows, headers=KEY, params={"dry_run": "false"})
    assert again.content == done.content
    assert again.headers["idempotency-replayed"] == "true"


async def test_the_same_key_for_something_else_is_refused(http: httpx.AsyncClient) -> None:
    robots: list[str] = []
    for name in ("one", "two"):
        made = await http.post("/api/service-accounts", json={"name": name})
        robots.append(f"/api/service-accounts/{made.json()['id']}")
        assert (await http.delete(robots[-1])).status_code == 200
    first, other = [await http.post(f"{robot}/restore", headers=KEY) for robot in robots]
    assert (first.status_code, other.status_code) == (200, 409), first.text
    assert (await http.get(robots[1])).status_code == 404


async def test_a_request_that_could_not_be_read_leaves_the_key_free(
    http: httpx.AsyncClient,
) -> None:
    typed = {**KEY, "content-type": "application/json"}
    for broken in (b"{", b"[" * 5_000, b"\xff", b""):
        refused = await http.post("/api/limits", content=broken, headers=typed)
        assert refused.status_code == 400, refused.text
    assert (await http.post("/api/limits", json=RULE, headers=KEY)).status_code == 201
