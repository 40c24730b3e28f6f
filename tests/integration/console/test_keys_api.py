"""`/api/keys` and `/api/service-accounts` over HTTP, on a real database."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from adapters.sql.engine import create_engine
from adapters.sql.idempotency import SqlIdempotencyKeys
from adapters.system.clock import SystemClock
from adapters.system.identifiers import UuidGenerator
from application.console.idempotency import IdempotentRequests
from domain.keys.secret import is_well_formed
from domain.secret import Secret
from entrypoints.console.app import create_console_app
from tests.support.configuration import Configuration, a_user, sql_configuration
from tests.support.console import console_over
from tests.support.key_services import key_services
from tests.support.live_server import live_server
from tests.support.stores import connect_postgres

ENTRY = {"name": "ci", "owner": "dev@example.com", "models": ["gpt-*"], "rotation_period": "90d"}


@pytest.fixture
async def stored(postgres_url: str) -> AsyncIterator[Configuration]:
    async with sql_configuration(postgres_url) as configuration:
        async with configuration.uow.begin() as tx:
            await tx.users.add(a_user())
            await tx.commit()
        yield configuration


@pytest.fixture
async def http(stored: Configuration, postgres_url: str) -> AsyncIterator[httpx.AsyncClient]:
    clock, engine = SystemClock(), create_engine(postgres_url)
    console = console_over(
        stored.uow,
        clock,
        keys=key_services(stored.audited, clock),
        requests=IdempotentRequests(
            SqlIdempotencyKeys(engine), clock, UuidGenerator(), secret=Secret("of this test")
        ),
    )
    async with (
        live_server(create_console_app(console)) as url,
        httpx.AsyncClient(
            base_url=url, headers={"authorization": "Bearer token"}, timeout=30
        ) as client,
    ):
        yield client
    await engine.dispose()


async def call(
    http: httpx.AsyncClient, method: str, path: str, status: int, body: Any = None, **options: Any
) -> Any:
    """Return the parsed answer, which must have this status."""
    answer = await http.request(method, path, json=body, **options)
    assert answer.status_code == status, answer.text
    if status >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
    return answer.json()


async def test_a_key_from_its_creation_to_its_end(http: httpx.AsyncClient) -> None:
    made = await http.post("/api/keys", json=ENTRY)
    assert made.status_code == 201, made.text
    key = made.json()
    assert is_well_formed(key.pop("secret"))
    path = made.headers["location"]
    assert path == f"/api/keys/{key['id']}"
    read = await http.get(path)
    assert read.json() == key
    assert read.headers["etag"] == made.headers["etag"]
    assert key["created_at"].endswith("Z")
    stale = {"if-match": '"something"'}
    await call(http, "PATCH", path, 412, {"name": "cd"}, headers=stale)
    changed = await call(http, "PATCH", path, 200, {"models": None, "tags": {"env": "prod"}})
    assert changed == {**key, "models": None, "tags": {"env": "prod"}}
    await call(http, "PATCH", path, 400, {"owner": "x@example.com"})
    await call(http, "PATCH", path, 400, {"name": None})
    tried = await call(http, "POST", f"{path}/rotate", 200, {}, params={"dry_run": "true"})
    assert tried["secret"] is None
    rotated = await call(http, "POST", f"{path}/rotate", 201, {"grace": "2d"})
    assert rotated["lineage_id"] == key["lineage_id"]
    assert (await call(http, "GET", path, 200))["state"] == "rotated"
    await call(http, "POST", f"{path}/rotate", 409, {})
    path = f"/api/keys/{rotated['id']}"
    gone = await call(http, "DELETE", path, 200, params={"dry_run": "true"})
    assert not gone["deleted"]
    assert (await call(http, "DELETE", path, 200))["deleted"]
    await call(http, "GET", path, 404)
    listed = await call(http, "GET", "/api/keys", 200, params={"removed": "true"})
    assert listed["total"] == 2
    await call(http, "POST", f"/api/keys/{key['lineage_id']}/restore", 200)
    assert (await call(http, "POST", f"{path}/revoke", 200))["item"]["state"] == "revoked"
    await call(http, "DELETE", path, 200)
    assert (await call(http, "POST", f"/api/keys/{key['lineage_id']}/purge", 200))["purged"]
    await call(http, "POST", f"/api/keys/{key['lineage_id']}/restore", 404)


async def test_a_replay_tells_no_secret_and_none_is_stored(
    http: httpx.AsyncClient, postgres_url: str
) -> None:
    once = {"idempotency-key": "one"}
    first = await call(http, "POST", "/api/keys", 201, ENTRY, headers=once)
    again = await http.post("/api/keys", json=ENTRY, headers=once)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json() == {**first, "secret": None}
    rotate = f"/api/keys/{first['id']}/rotate"
    second = await call(http, "POST", rotate, 201, {}, headers=once)
    replay = await call(http, "POST", rotate, 201, {}, headers=once)
    assert replay == {**second, "secret": None}
    async with connect_postgres(postgres_url) as connection:
        kept = await connection.fetch("SELECT answer FROM idempotency_keys")
        trail = await connection.fetch("SELECT content FROM audit_events")
    assert len(kept) == 2
    for secret in (first["secret"], second["secret"]):
        assert all(secret.encode() not in row["answer"] for row in kept)
        assert all(secret not in row["content"] for row in trail)


async def test_a_list_is_paged_and_filtered_in_the_database(http: httpx.AsyncClient) -> None:
    for number in range(5):
        await call(http, "POST", "/api/keys", 201, {**ENTRY, "name": f"k{number}"})
    seen: list[str] = []
    query = {"limit": "2", "owner": "dev@example.com", "text": "K"}
    for _ in range(3):
        page = await call(http, "GET", "/api/keys", 200, params=query)
        assert page["total"] == 5
        seen += [item["name"] for item in page["items"]]
        query["cursor"] = page["next_cursor"]
    assert seen == [f"k{number}" for number in range(5)]
    assert query["cursor"] is None
    for bad in ({"limit": "0"}, {"cursor": "x"}, {"state": "odd"}, {"unused_for": "long"}):
        await call(http, "GET", "/api/keys", 400, params=bad)
    active = await call(http, "GET", "/api/keys", 200, params={"state": "active"})
    assert active["total"] == 5
    rows = [{"op": "revoke", "id": item["id"]} for item in active["items"][:2]]
    done = await call(http, "POST", "/api/keys/bulk", 200, {"items": rows})
    assert (done["failed"], [each["status"] for each in done["items"]]) == (0, ["updated"] * 2)
    active = await call(http, "GET", "/api/keys", 200, params={"state": "active"})
    assert active["total"] == 3


async def test_hand_overs_and_service_accounts_have_their_routes(http: httpx.AsyncClient) -> None:
    assert await call(http, "GET", "/api/me/handovers", 200) == {"items": []}
    await call(http, "POST", "/api/keys/handovers/nothing", 404)
    made = await http.post("/api/service-accounts", json={"name": "ci"})
    assert made.status_code == 201
    path = made.headers["location"]
    changed = await call(http, "PATCH", path, 200, {"display_name": "Robot"})
    assert changed == {**made.json(), "display_name": "Robot"}
    listed = await call(http, "GET", "/api/service-accounts", 200)
    assert listed["items"] == [changed]
    assert await call(http, "GET", path, 200) == changed
    assert (await call(http, "DELETE", path, 200))["deleted"]
    await call(http, "GET", path, 404)
    assert await call(http, "POST", f"{path}/restore", 200) == changed
    await call(http, "POST", f"{path}/restore", 404)
