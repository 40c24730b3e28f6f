"""The console's API of providers, models, routes and prices."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx
import msgspec
import pytest

from adapters.system.clock import SystemClock
from application.console.catalog.providers import ProviderPatch
from application.console.configuration.document import ProviderEntry
from domain.records.audit import AuditEntry
from entrypoints.console.app import create_console_app
from tests.support.configuration import Configuration, memory_configuration, sql_configuration
from tests.support.console import console_over
from tests.support.live_server import live_server

KEY, OTHER_KEY = "sk-canary-one-000000000000", "sk-canary-two-000000000000"
PROVIDER = {
    "name": "vendor",
    "kind": "openai",
    "base_url": "http://127.0.0.1:9/v1",
    "credentials": {"api_key": KEY},
    "options": {"headers": {"x-a": "1", "x-b": "2"}},
}
MODEL = {"name": "big", "aliases": ["latest"], "capabilities": {"can": ["tools"]}}
ON_BOTH = pytest.mark.parametrize("stored", ["memory", "sql"], indirect=True)
ABSENT = "019a0000-0000-7000-8000-000000000009"


@dataclass
class Office:
    """A console, and what is in its store."""

    http: httpx.AsyncClient
    stored: Configuration

    async def call(
        self, method: str, path: str, status: int, body: Any = None, **options: Any
    ) -> Any:
        """Return the parsed answer, which must have this status and no secret in it."""
        answer = await self.http.request(method, path, json=body, **options)
        assert answer.status_code == status, answer.text
        assert "canary" not in answer.text
        if status >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
        return json.loads(answer.text, parse_float=Decimal)

    async def trail(self) -> list[AuditEntry]:
        """Return everything recorded, which must not have a secret in it."""
        rows = await self.stored.archive.rows(0, 1000)
        assert "canary" not in "".join(row.content for row in rows)
        return [row.entry() for row in rows]


@pytest.fixture
def memory() -> Configuration:
    return memory_configuration()


@pytest.fixture
async def sql(postgres_url: str) -> AsyncIterator[Configuration]:
    async with sql_configuration(postgres_url) as found:
        yield found


@pytest.fixture
def stored(request: pytest.FixtureRequest) -> Configuration:
    return request.getfixturevalue(getattr(request, "param", "memory"))


@pytest.fixture
async def office(stored: Configuration) -> AsyncIterator[Office]:
    clock, uow = SystemClock(), stored.audited
    console = console_over(uow, clock)
    async with (
        live_server(create_console_app(console)) as url,
        httpx.AsyncClient(
            base_url=url, headers={"authorization": "Bearer token"}, timeout=30
        ) as http,
    ):
        yield Office(http, stored)


async def test_a_provider_is_written_with_credentials_and_shown_without(office: Office) -> None:
    made = await office.http.post("/api/providers", json=PROVIDER)
    assert made.status_code == 201, made.text
    provider = made.json()
    assert provider["credentials"] == ["api_key"]
    assert made.headers["location"] == f"/api/providers/{provider['id']}"
    for reference in ("vendor", provider["id"]):
        found = await office.http.get(f"/api/providers/{reference}")
        assert (found.json(), found.headers["etag"]) == (provider, made.headers["etag"])
    patch = {"credentials": {"api_key": OTHER_KEY}, "options": {"headers": {"x-a": None}}}
    changed = await office.call("PATCH", "/api/providers/vendor", 200, patch)
    assert changed["options"] == {"headers": {"x-b": "2"}}
    assert (changed["credentials"], changed["revision"]) == (["api_key"], 2)
    stale = {"if-match": made.headers["etag"]}
    await office.call("PATCH", "/api/providers/vendor", 412, {"enabled": False}, headers=stale)
    same = await office.call("PATCH", "/api/providers/vendor", 200, patch)
    assert same["revision"] == 2
    refused = await office.call("PATCH", "/api/providers/vendor", 400, {"credentials": None})
    assert "API key" in refused["detail"]
    entries = await office.trail()
    assert [each.action for each in entries] == ["provider.create", "provider.update"]
    assert (entries[0].after or {})["authentication"] == ["api_key: set"]
    assert (entries[1].after or {})["authentication"] == ["api_key: changed"]
    async with office.stored.uow.begin() as tx:
        (spec,) = await tx.providers.all()
    assert "canary" not in str(spec)


async def test_what_a_document_would_refuse_is_refused(office: Office) -> None:
    for change, told in (
        ({"name": "no name"}, "name"),
        ({"base_url": "ftp://vendor"}, "base_url"),
        ({"credentials": {"api_key": KEY, "nonsense": 1}}, "credentials"),
        ({"options": {"nonsense": 1}}, "nonsense"),
        ({"kind": "nonsense"}, "kind"),
        ({"nonsense": 1}, "nonsense"),
    ):
        problem = await office.call("POST", "/api/providers", 400, {**PROVIDER, **change})
        assert told in json.dumps(problem["errors"]) + problem["detail"]
    assert (await office.call("GET", "/api/providers", 200))["total"] == 0
    assert await office.trail() == []


@ON_BOTH
async def test_a_provider_with_routes_stays_and_one_without_comes_back(office: Office) -> None:
    provider = await office.call("POST", "/api/providers", 201, PROVIDER)
    await office.call("POST", "/api/models", 201, MODEL)
    path = "/api/models/big/routes"
    route = await office.call("POST", path, 201, {"provider": "vendor"})
    dry = await office.call("DELETE", "/api/providers/vendor?dry_run=true", 200)
    assert (dry["deleted"], [each["id"] for each in dry["routes"]]) == (False, [route["id"]])
    problem = await office.call("DELETE", "/api/providers/vendor", 409)
    assert "big" in problem["detail"]
    assert not (await office.call("DELETE", f"{path}/{route['id']}?dry_run=true", 200))["deleted"]
    assert (await office.call("DELETE", f"{path}/{route['id']}", 200))["deleted"]
    assert (await office.call("DELETE", "/api/providers/vendor", 200))["deleted"]
    await office.call("GET", "/api/providers/vendor", 404)
    restored = await office.call("POST", f"/api/providers/{provider['id']}/restore", 200)
    assert restored == {**provider, "revision": provider["revision"] + 1}
    for not_deleted in (provider["id"], ABSENT, "vendor"):
        await office.call("POST", f"/api/providers/{not_deleted}/restore", 404)
    assert [each.action for each in await office.trail()] == [
        "provider.create",
        "model.create",
        "route.create",
        "route.delete",
        "provider.delete",
        "provider.restore",
    ]


async def test_a_model_is_created_read_changed_and_deleted(office: Office) -> None:
    key = {"idempotency-key": "once"}
    made = await office.call("POST", "/api/models", 201, MODEL, headers=key)
    assert await office.call("POST", "/api/models", 201, MODEL, headers=key) == made
    await office.call("POST", "/api/models", 409, {"name": "big"})
    small = {"name": "small", "fallbacks": ["latest"], "input_multiplier": 2.5}
    assert (await office.call("POST", "/api/models", 201, small))["input_multiplier"] == Decimal(
        "2.5"
    )
    patch = {"capabilities": {"context_window": 1000}, "strategy": "cost", "aliases": None}
    refused = await office.call("PATCH", f"/api/models/{made['id']}", 400, patch)
    assert "latest" in refused["detail"]  # somebody falls back to it by the alias
    del patch["aliases"]
    changed = await office.call("PATCH", "/api/models/big", 200, patch)
    assert changed["capabilities"]["can"] == ["tools"]
    assert (changed["capabilities"]["context_window"], changed["strategy"]) == (1000, "cost")
    back = await office.call("PATCH", "/api/models/big", 200, {"strategy": None})
    assert back["strategy"] == "weighted"
    page = await office.call("GET", "/api/models?limit=1", 200)
    rest = await office.call("GET", f"/api/models?cursor={page['next_cursor']}", 200)
    assert [each["name"] for each in (*page["items"], *rest["items"])] == ["big", "small"]
    dry = await office.call("DELETE", "/api/models/big?dry_run=true", 200)
    assert (dry["deleted"], dry["fallback_of"]) == (False, ["small"])
    await office.call("DELETE", "/api/models/big", 409)
    await office.call("DELETE", "/api/models/small", 200)
    await office.call("DELETE", "/api/models/big", 200)
    await office.call("GET", "/api/models/big", 404)


async def test_a_model_follows_the_rules_of_documents(office: Office) -> None:
    for change, told in (
        ({"name": "no name"}, "name: must be"),
        ({"aliases": ["a b"]}, "aliases[0]: must be"),
        ({"aliases": ["a", "a"]}, "there twice"),
        ({"fallbacks": ["nothing"]}, "no fallback 'nothing'"),
        ({"fallbacks": ["big"]}, "falls back to itself"),
        ({"input_multiplier": -1}, "input_multiplier: must be"),
        ({"max_output_tokens": 0}, "max_output_tokens: must be"),
        ({"capabilities": {"can": ["tools"], "cannot": ["tools"]}}, "'can' and in 'cannot'"),
    ):
        problem = await office.call("POST", "/api/models", 400, {**MODEL, **change})
        assert told in problem["detail"]
    assert await office.trail() == []


async def test_routes_are_added_and_changed_one_by_one(office: Office) -> None:
    for name in ("vendor", "second"):
        await office.call("POST", "/api/providers", 201, {**PROVIDER, "name": name})
    await office.call("POST", "/api/models", 201, MODEL)
    path = "/api/models/big/routes"
    price = {"input": 1.25, "output": 5}
    first = await office.call("POST", path, 201, {"provider": "vendor", "price": price})
    assert (first["upstream_model"], first["price"]["input"]) == ("big", Decimal("1.25"))
    await office.call("POST", path, 409, {"provider": "vendor"})
    await office.call("POST", path, 400, {"provider": "nobody"})
    await office.call("POST", path, 400, {"provider": "second", "tier": -1})
    await office.call("POST", path, 201, {"provider": "second", "tier": 1, "rpm": 60})
    one = f"{path}/{first['id']}"
    changed = await office.call("PATCH", one, 200, {"price": {"output": 6}, "weight": 10})
    assert (changed["price"]["input"], changed["price"]["output"]) == (Decimal("1.25"), 6)
    await office.call("PATCH", one, 409, {"provider": "second"})
    await office.call("PATCH", one, 400, {"provider": None})
    cleared = await office.call("PATCH", one, 200, {"price": None, "weight": None})
    assert (cleared["price"], cleared["weight"]) == (None, 100)
    page = await office.call("GET", path, 200)
    assert [each["provider"] for each in page["items"]] == ["vendor", "second"]
    await office.call("GET", f"{path}/{ABSENT}", 404)
    await office.call("GET", "/api/models/nothing/routes", 404)


@ON_BOTH
async def test_prices_are_only_ever_added(office: Office) -> None:
    for name in ("big", "small"):
        await office.call("POST", "/api/models", 201, {"name": name})
    now = await office.call("POST", "/api/models/big/prices", 201, {"input": 2.5, "output": 10})
    assert (now["in_force"], now["input"]) == (True, Decimal("2.5"))
    later = {"model": "big", "input": 3, "output": 9, "effective_from": "2090-01-01T00:00:00Z"}
    future = await office.call("POST", "/api/prices", 201, later)
    assert not future["in_force"]
    await office.call("POST", "/api/prices", 409, later)
    await office.call("POST", "/api/prices", 400, {**later, "effective_from": "2020-01-01T00:00Z"})
    await office.call("POST", "/api/prices", 400, {**later, "input": -1})
    await office.call("POST", "/api/prices", 404, {**later, "model": "nothing"})
    await office.call("POST", "/api/models/small/prices", 201, {"input": 1, "output": 1})
    listed = await office.call("GET", "/api/models/big/prices", 200)
    assert listed["items"] == [now, future]
    assert (await office.call("GET", "/api/prices", 200))["total"] == 3
    assert (await office.call("GET", "/api/prices?model=small", 200))["total"] == 1
    prices = [each for each in await office.trail() if each.action == "price.create"]
    assert [each.target.name for each in prices] == ["big", "big", "small"]


async def test_of_many_changes_each_has_its_outcome(office: Office) -> None:
    rows = [
        {"op": "create", "entry": PROVIDER},
        {"op": "create", "entry": PROVIDER},
        {"op": "update", "id": "vendor", "changes": {"enabled": False}},
        {"op": "update", "id": "vendor"},
        {"op": "delete", "id": "nobody"},
    ]
    tried = await office.call("POST", "/api/providers/bulk?dry_run=true", 200, {"items": rows[:1]})
    assert (tried["dry_run"], tried["items"][0]["status"]) == (True, "created")
    done = await office.call("POST", "/api/providers/bulk", 200, {"items": rows})
    assert [each["status"] for each in done["items"]] == [
        "created",
        "failed",
        "updated",
        "failed",
        "failed",
    ]
    assert [each["code"] for each in done["items"]][3:] == ["invalid_request", "not_found"]
    models = [{"op": "create", "entry": {"name": "a"}}, {"op": "delete", "id": "a"}]
    done = await office.call("POST", "/api/models/bulk", 200, {"items": models})
    assert [each["status"] for each in done["items"]] == ["created", "deleted"]
    assert len(await office.trail()) == 4


def test_no_document_prints_its_credentials() -> None:
    entry = msgspec.convert(PROVIDER, ProviderEntry)
    patch = msgspec.convert({"credentials": {"api_key": KEY}}, ProviderPatch)
    assert "canary" not in f"{entry!r} {patch!r} {entry} {patch}"
