"""The console's API of limits and budgets on a real database and real counters."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx
import pytest

from adapters.memory.request_log import MemoryRequestLog
from adapters.redis.limits import RedisLimitStore
from adapters.redis.pipelined import PipelinedCommands
from adapters.system.clock import SystemClock
from adapters.system.identifiers import UuidGenerator
from application.console.request_records import RequestRecords
from domain.access.accounts import User
from domain.identifiers import ModelId
from domain.inference.dialect import Surface
from domain.keys.api_key import Caller, KeyState
from domain.keys.policy import ApiKey
from domain.limits.amounts import MAX_COUNT, Spend
from domain.limits.policy import LimitPolicy
from domain.limits.reservations import Admitted, Claim
from domain.secret import Secret
from domain.subjects import SubjectChain
from entrypoints.console.app import create_console_app
from entrypoints.console.services import Console
from entrypoints.health import HealthChecks
from tests.support.configuration import (
    Configuration,
    a_key,
    a_model,
    a_provider,
    a_route,
    a_team,
    a_user,
    new_id,
    sql_configuration,
)
from tests.support.key_services import key_services
from tests.support.limit_services import limit_services
from tests.support.limits import made_ready
from tests.support.live_server import live_server
from tests.support.provider_inspection import provider_inspection
from tests.support.routing_services import routing_services

RULE = {
    "subject": "user:dev@example.com",
    "surface": "ai_gateway",
    "metric": "requests",
    "window": "1m",
    "limit": 2,
}
BUDGET = {"subject": "team:core", "period": "monthly", "unit": "usd", "limit": 12.5}
ABSENT = "019a0000-0000-7000-8000-000000000009"


@dataclass
class Office:
    """A console on real stores, and what is in them."""

    http: httpx.AsyncClient
    stored: Configuration
    counters: RedisLimitStore
    user: User
    key: ApiKey
    model: ModelId

    async def call(
        self, method: str, path: str, status: int, body: Any = None, **options: Any
    ) -> Any:
        """Return the parsed answer, which must have this status."""
        answer = await self.http.request(method, path, json=body, **options)
        assert answer.status_code == status, answer.text
        if status >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
        return json.loads(answer.text, parse_float=Decimal)

    async def use(self, *, tokens: int = 0) -> bool:
        """Send one request through the limits as the gateway would; tell if it was admitted."""
        found = await self.stored.source.limits()
        caller = Caller(
            key_id=self.key.id,
            lineage_id=self.key.lineage_id,
            key_name="ci",
            state=KeyState.ACTIVE,
            surfaces=frozenset(),
            user_id=self.user.id,
            team_ids=tuple(self.user.team_ids),
            roles=("developer",),
        )
        chain = SubjectChain.for_inference(caller, model=self.model, roles=caller.roles)
        policy = LimitPolicy(found.limits, found.overrides)
        binding = policy.bind(chain, Surface.AI_GATEWAY, SystemClock().now_ms())
        claim = Claim(
            reservation_id=new_id(),
            entries=binding.entries,
            estimate=Spend(),
            lifetime_ms=60_000,
            started_at_ms=MAX_COUNT,
        )
        verdict = await self.counters.admit(claim)
        if not isinstance(verdict, Admitted):
            return False
        spend = Spend(tokens=tokens, nano_usd=tokens * 1000)
        ended_at_ms = SystemClock().now_ms()
        await self.counters.settle(verdict.reservation, spend, occurred_at_ms=ended_at_ms)
        return True


@pytest.fixture
async def office(postgres_url: str, redis_url: str) -> AsyncIterator[Office]:
    counters = RedisLimitStore(PipelinedCommands.from_url(redis_url, timeout_s=5.0))
    clock = SystemClock()
    team, provider = a_team(), a_provider()
    user = a_user(team_ids=frozenset({team.id}))
    key, model = a_key(user), a_model("gpt-4o", a_route(provider))
    async with sql_configuration(postgres_url) as stored:
        async with stored.uow.begin() as tx:
            await tx.teams.add(team)
            await tx.users.add(user)
            await tx.keys.add(key)
            await tx.providers.add(provider)
            await tx.models.add(model)
            await tx.commit()
        await made_ready(counters)
        console = Console(
            request_records=RequestRecords(MemoryRequestLog(clock=clock), clock=clock),
            limits=limit_services(stored.uow, clock, counters),
            providers=provider_inspection(stored.uow, clock),
            routing=routing_services(stored.uow, clock),
            keys=key_services(stored.uow, clock),
            token=Secret("token"),
            ids=UuidGenerator(),
            health=HealthChecks({}),
        )
        async with (
            live_server(create_console_app(console)) as url,
            httpx.AsyncClient(
                base_url=url, headers={"authorization": "Bearer token"}, timeout=30
            ) as http,
        ):
            yield Office(http, stored, counters, user, key, model.id)
    await counters.aclose()


async def test_a_rule_is_created_read_changed_and_deleted(office: Office) -> None:
    made = await office.http.post("/api/limits", json=RULE)
    assert made.status_code == 201, made.text
    rule = made.json()
    assert rule == {
        **RULE,
        "id": rule["id"],
        "subject_kind": "user",
        "subject_id": office.user.id,
        "enforcement": "soft",
        "mode": "enforce",
        "enabled": True,
    }
    path = made.headers["location"]
    assert path == f"/api/limits/{rule['id']}"
    read = await office.http.get(path)
    assert read.json() == rule
    assert read.headers["etag"] == made.headers["etag"]
    changed = await office.call("PATCH", path, 200, {"limit": 5, "mode": "shadow"})
    assert changed == {**rule, "limit": 5, "mode": "shadow"}
    assert await office.call("PATCH", path, 200, {"mode": None}) == {**rule, "limit": 5}
    tried = await office.call("DELETE", path, 200, params={"dry_run": "true"})
    assert tried == {"deleted": False, "item": {**rule, "limit": 5}}
    gone = await office.call("DELETE", path, 200)
    assert gone == {"deleted": True, "item": {**rule, "limit": 5}}
    assert (await office.call("GET", path, 404))["type"].endswith(":not_found")
    await office.call("DELETE", path, 404)


async def test_a_stale_version_changes_nothing(office: Office) -> None:
    made = await office.http.post("/api/limits", json=RULE)
    path, first = made.headers["location"], made.headers["etag"]
    changed = await office.http.patch(path, json={"limit": 3}, headers={"if-match": first})
    assert changed.status_code == 200
    assert changed.headers["etag"] != first
    stale = {"if-match": first}
    problem = await office.call("PATCH", path, 412, {"limit": 4}, headers=stale)
    assert problem["title"] == "Precondition failed"
    await office.call("DELETE", path, 412, headers=stale)
    await office.call("DELETE", path, 400, headers={"if-match": "W/nonsense"})
    assert (await office.call("GET", path, 200))["limit"] == 3
    await office.call("DELETE", path, 200, headers={"if-match": changed.headers["etag"]})


@pytest.mark.parametrize(
    ("body", "field", "status"),
    [
        ({**RULE, "subject": "user:nobody@example.com"}, "subject", 400),
        ({**RULE, "subject": "somebody"}, "subject", 400),
        ({**RULE, "window": "2m"}, "data.window", 400),
        ({**RULE, "limit": -1}, "limit", 400),
        ({**RULE, "limit": None}, "limit", 400),
        ({**RULE, "per": "user"}, "data", 400),
        ({**RULE, "enforcement": "strict"}, "enforcement", 400),
        ({**RULE, "window": None}, "window", 400),
        ([], "data", 400),
    ],
)
async def test_faults_are_named_by_field(
    office: Office, body: Any, field: str, status: int
) -> None:
    problem = await office.call("POST", "/api/limits", status, body)
    assert field.removeprefix("data.") in json.dumps(problem)
    assert problem["errors"]


async def test_a_second_limit_for_a_target_is_a_conflict(office: Office) -> None:
    await office.call("POST", "/api/limits", 201, RULE)
    problem = await office.call("POST", "/api/limits", 409, {**RULE, "limit": 9})
    assert "already has" in problem["detail"]


async def test_amounts_in_usd_are_exact_numbers(office: Office) -> None:
    made = await office.http.post("/api/budgets", json={**BUDGET, "limit": 0.1})
    assert '"limit":0.1,' in made.text
    path = made.headers["location"]
    changed = await office.http.patch(path, json={"limit": "9007199.254740991"})
    assert '"limit":9007199.254740991,' in changed.text
    await office.call("PATCH", path, 400, {"unit": "weighted_tokens"})
    tokens = await office.call("PATCH", path, 200, {"unit": None, "limit": 20_000_000})
    assert (tokens["unit"], tokens["limit"]) == ("weighted_tokens", 20_000_000)
    await office.call("GET", path.replace("budgets", "limits"), 404)


async def test_a_list_is_paged_by_cursor(office: Office) -> None:
    windows = ["1m", "5m", "1h", "5h", "1d"]
    for window in windows:
        await office.call("POST", "/api/limits", 201, {**RULE, "window": window})
    await office.call("POST", "/api/limits", 201, {**RULE, "subject": "platform"})
    await office.call("POST", "/api/budgets", 201, BUDGET)
    seen: list[str] = []
    query: dict[str, str] = {"limit": "2", "subject": str(RULE["subject"])}
    for _ in range(3):
        page = await office.call("GET", "/api/limits", 200, params=query)
        assert page["total"] == 5
        seen += [item["window"] for item in page["items"]]
        query["cursor"] = page["next_cursor"]
    assert page["next_cursor"] is None  # pyright: ignore[reportPossiblyUnboundVariable]
    assert seen == windows
    budgets = await office.call("GET", "/api/budgets", 200)
    assert [item["subject"] for item in budgets["items"]] == ["team:core"]
    for bad in ({"limit": "0"}, {"limit": "501"}, {"cursor": "x"}, {"subject": "x"}):
        await office.call("GET", "/api/limits", 400, params=bad)
        await office.call("GET", "/api/limits/overrides", 400, params=bad)


async def test_a_bulk_call_tells_what_became_of_each_row(office: Office) -> None:
    kept = await office.call("POST", "/api/limits", 201, RULE)
    rows = [
        {"op": "create", "entry": RULE},
        {"op": "set", "entry": {**RULE, "limit": 7}},
        {"op": "set", "entry": {**RULE, "limit": 7}},
        {"op": "create", "entry": {**RULE, "subject": "user:nobody@example.com"}},
        {"op": "update", "id": kept["id"], "changes": {"enabled": False}},
        {"op": "create", "entry": {**RULE, "window": "1h"}},
        {"op": "delete", "id": ABSENT},
        {"op": "update", "id": kept["id"]},
        {"op": "delete", "id": kept["id"]},
    ]
    tried = await office.call(
        "POST", "/api/limits/bulk", 200, {"items": rows}, params={"dry_run": "true"}
    )
    assert tried["dry_run"]
    assert [item["limit"] for item in (await office.call("GET", "/api/limits", 200))["items"]] == [
        2
    ]
    done = await office.call("POST", "/api/limits/bulk", 200, {"items": rows})
    assert [row["status"] for row in done["items"]] == [
        "failed",
        "updated",
        "unchanged",
        "failed",
        "updated",
        "created",
        "failed",
        "failed",
        "deleted",
    ]
    assert done["failed"] == 4
    assert (done["items"][3]["code"], done["items"][3]["field"]) == ("unknown_subject", "subject")
    (left,) = (await office.call("GET", "/api/limits", 200))["items"]
    assert left["window"] == "1h"
    await office.call("POST", "/api/limits/bulk", 400, {"items": []})


async def test_explain_shows_use_source_and_verdict_and_counts_nothing(office: Office) -> None:
    await office.call("POST", "/api/limits", 201, RULE)
    default = await office.call(
        "POST",
        "/api/limits",
        201,
        {**RULE, "subject": "role:developer", "window": "1h", "limit": 9},
    )
    await office.call("POST", "/api/budgets", 201, BUDGET)
    await office.call("POST", "/api/limits", 201, {**RULE, "subject": "role:viewer", "limit": 0})
    assert await office.use(tokens=500)
    question = {"key": "dev@example.com/ci", "model": "gpt-4o"}
    explained = await office.call("POST", "/api/limits/explain", 200, question)
    again = await office.call("POST", "/api/limits/explain", 200, question)
    assert again["limits"][0]["used"] == explained["limits"][0]["used"] == 1
    assert explained["admitted"]
    assert explained["subjects"] == [
        "api_key:dev@example.com/ci",
        "user:dev@example.com",
        "team:core",
        "model:gpt-4o",
        "provider:openai",
        "platform",
    ]
    assert [(each["label"], each["source"]["kind"]) for each in explained["limits"]] == [
        ("user:requests/1m", "own"),
        ("user:requests/1h", "role_default"),
        ("team:budget/monthly", "own"),
    ]
    spent = explained["limits"][2]
    assert (spent["unit"], spent["used"]) == ("usd", Decimal("0.0005"))
    assert (spent["limit"], spent["remaining"]) == (Decimal("12.5"), Decimal("12.4995"))
    assert await office.use()
    assert not await office.use()
    rejected = await office.call(
        "POST", "/api/limits/explain", 200, {"user": "dev@example.com", "model": "gpt-4o"}
    )
    assert (rejected["admitted"], rejected["rejected_by"]) == (False, "user:requests/1m")
    assert 0 < rejected["retry_after_ms"] <= 61_000
    assert "api_key" not in json.dumps(rejected["subjects"])
    assert rejected["limits"][1]["limit_id"] == default["id"]


@pytest.mark.parametrize(
    ("question", "status"),
    [
        ({}, 400),
        ({"key": "ci", "user": "dev@example.com", "model": "gpt-4o"}, 400),
        ({"key": "ci"}, 400),
        ({"key": "ci", "model": "gpt-9"}, 404),
        ({"key": "other", "model": "gpt-4o"}, 404),
        ({"user": "nobody@example.com", "model": "gpt-4o"}, 404),
        ({"key": "ci", "model": "gpt-4o", "provider": "nobody"}, 404),
        ({"key": "ci", "model": "gpt-4o", "tokens": -1}, 400),
        ({"key": "ci", "surface": "console"}, 400),
        ({"key": "ci", "model": "gpt-4o", "cost_usd": "NaN"}, 400),
        ({"key": "ci", "model": "gpt-4o", "cost_usd": "sNaN"}, 400),
        ({"key": "ci", "model": "gpt-4o", "cost_usd": "1e999999"}, 400),
        ({"key": "ci", "model": "gpt-4o", "cost_usd": -0.5}, 400),
    ],
)
async def test_a_question_that_cannot_be_answered_is_refused(
    office: Office, question: dict[str, Any], status: int
) -> None:
    await office.call("POST", "/api/limits/explain", status, question)


async def test_reset_forgets_what_one_subject_used(office: Office) -> None:
    rule = await office.call("POST", "/api/limits", 201, RULE)
    await office.call("POST", "/api/limits", 201, {**RULE, "subject": "platform", "limit": 100})
    assert await office.use()
    assert await office.use()
    assert not await office.use()
    tried = await office.call(
        "POST",
        "/api/limits/reset",
        200,
        {"subject": "user:dev@example.com"},
        params={"dry_run": "true"},
    )
    assert (tried["applied"], tried["limits"][0]["used"]) == (False, 2)
    assert not await office.use()
    done = await office.call("POST", "/api/limits/reset", 200, {"limit_id": rule["id"]})
    assert done["applied"]
    assert [each["limit_id"] for each in done["limits"]] == [rule["id"]]
    assert await office.use()
    explained = await office.call(
        "POST", "/api/limits/explain", 200, {"key": "ci", "model": "gpt-4o"}
    )
    assert [(each["subject"], each["used"]) for each in explained["limits"]] == [
        ("user:dev@example.com", 1),
        ("platform", 3),
    ]
    await office.call("POST", "/api/limits/reset", 400, {})
    await office.call("POST", "/api/limits/reset", 404, {"limit_id": ABSENT})


async def test_an_override_is_in_force_until_it_is_removed(office: Office) -> None:
    default = await office.call("POST", "/api/limits", 201, {**RULE, "subject": "role:developer"})
    wish = {
        "limit_id": default["id"],
        "subject": "user:dev@example.com",
        "action": "replace",
        "limit": 3,
        "reason": "load test",
        "lasts": "7d",
    }
    for bad in (
        {**wish, "lasts": None},
        {**wish, "lasts": "91d"},
        {**wish, "reason": " "},
        {**wish, "reason": "a\0b"},
        {**wish, "lasts": "\uff19d"},
        {**wish, "subject": None},
        {**wish, "subject": "team:core"},
        {**wish, "until": "2030-01-01T00:00:00Z"},
        {**wish, "limit": 0.5},
    ):
        await office.call("POST", "/api/limits/overrides", 400, bad)
    await office.call("POST", "/api/limits/overrides", 404, {**wish, "limit_id": ABSENT})
    made = await office.http.post("/api/limits/overrides", json=wish)
    assert made.status_code == 201, made.text
    override = made.json()
    assert (override["label"], override["active"]) == ("user:requests/1m", True)
    assert [await office.use() for _ in range(4)] == [True, True, True, False]
    explained = await office.call(
        "POST", "/api/limits/explain", 200, {"key": "ci", "model": "gpt-4o"}
    )
    source = explained["limits"][0]["source"]
    assert (source["kind"], source["configured"]) == ("override", 2)
    assert source["overrides"][0]["reason"] == "load test"
    assert source["overrides"][0]["until"] == override["until"]
    path = made.headers["location"]
    listed = await office.call(
        "GET", "/api/limits/overrides", 200, params={"subject": "user:dev@example.com"}
    )
    assert [each["id"] for each in listed["items"]] == [override["id"]]
    assert await office.call("GET", path, 200) == override
    await office.call("DELETE", path, 200, params={"dry_run": "true"})
    assert (await office.call("DELETE", path, 200))["deleted"]
    await office.call("DELETE", path, 404)
    assert not await office.use()


async def test_without_the_token_nothing_is_told(office: Office) -> None:
    for method, path in (("GET", "/api/limits"), ("POST", "/api/limits/reset")):
        await office.call(method, path, 401, {}, headers={"authorization": "Bearer wrong"})
