"""The console's API of settings, of the audit trail and of configuration documents, on PostgreSQL."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx
import pytest

from adapters.memory.audit_copy import MemoryAuditCopy
from adapters.system.clock import SystemClock
from application.records.export import verify_export
from domain.access.actor import Actor, ActorKind
from domain.access.permissions import Permission
from domain.access.rights import Held, Rights, statements
from domain.errors import BeyondOwnRights, PermissionDenied
from entrypoints.console.app import create_console_app
from entrypoints.console.services import InstallationServices
from tests.support.audit_trail import SIGNER, signed
from tests.support.configuration import Configuration, sql_configuration
from tests.support.console import console_over
from tests.support.installation_services import installation_services
from tests.support.live_server import live_server
from tests.support.stores import connect_postgres

DEPTH = "gateway.max_json_depth"
DOCUMENT: dict[str, Any] = {
    "version": 1,
    "providers": [{"name": "openai", "kind": "openai", "credentials": {"api_key": "sk-canary-1"}}],
    "models": [
        {
            "name": "gpt-4o",
            "price": {"input": 2.5, "output": 10.1},
            "routes": [{"provider": "openai"}],
        }
    ],
    "users": [{"email": "dev@example.com", "role": "developer"}],
    "keys": [{"name": "ci", "owner": "dev@example.com", "surfaces": ["ai_gateway"]}],
}


@dataclass
class Office:
    """A console on PostgreSQL, and what is behind it."""

    http: httpx.AsyncClient
    url: str
    stored: Configuration
    services: InstallationServices
    copy: MemoryAuditCopy

    async def call(
        self, method: str, path: str, status: int = 200, body: Any = None, **options: Any
    ) -> Any:
        """Return the parsed answer, which must have this status."""
        answer = await self.http.request(method, path, json=body, **options)
        assert answer.status_code == status, answer.text
        if status >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
        return json.loads(answer.text, parse_float=Decimal)

    async def set_depth(self, value: int | None, reason: str = "because") -> Any:
        body = {"values": {DEPTH: value}, "reason": reason}
        return (await self.call("PATCH", "/api/settings", body=body))["revision"]


@pytest.fixture
async def office(postgres_url: str) -> AsyncIterator[Office]:
    clock, copy = SystemClock(), MemoryAuditCopy()
    async with sql_configuration(postgres_url) as stored:
        services = installation_services(stored, {"routing.max_attempts": 3}, copy)
        console = console_over(stored.uow, clock, installation=services)
        async with (
            live_server(create_console_app(console)) as url,
            httpx.AsyncClient(
                base_url=url, headers={"authorization": "Bearer token"}, timeout=30
            ) as http,
        ):
            yield Office(http, postgres_url, stored, services, copy)


async def test_settings_are_staged_looked_at_applied_and_rolled_back(office: Office) -> None:
    listed = await office.call("GET", "/api/settings", params={"group": "routing"})
    [attempts] = [each for each in listed["items"] if each["key"] == "routing.max_attempts"]
    assert (attempts["value"], attempts["source"], attempts["default"]) == (3, "env", 5)
    assert attempts["type"] == "integer"
    body = {"values": {DEPTH: 32}, "reason": "hostile bodies"}
    answer = await office.http.patch("/api/settings/staged", json=body)
    assert [each["after"] for each in answer.json()["items"]] == [32]
    diff = await office.http.get("/api/settings/staged")
    assert diff.headers["etag"] == answer.headers["etag"]
    made = await office.call(
        "POST",
        "/api/settings/apply",
        body={"reason": "hardening"},
        headers={"if-match": diff.headers["etag"]},
    )
    assert made["revision"]["changes"] == [{"key": DEPTH, "before": None, "after": 32}]
    one = await office.call("GET", f"/api/settings/{DEPTH}")
    assert (one["value"], one["source"], one["stored"]) == (32, "db", 32)
    assert (await office.set_depth(16))["revision"] == 2
    back = await office.call(
        "POST", "/api/settings/rollback", body={"revision": 1, "reason": "too strict"}
    )
    assert back["revision"]["revision"] == 3
    history = await office.call("GET", "/api/settings/history", params={"limit": 2})
    assert [each["reason"] for each in history["items"]] == ["too strict", "because"]
    assert (history["total"], history["next_cursor"]) == (3, "2")
    assert history["items"][0]["actor_name"] == "operator"
    assert history["items"][0]["at"].endswith("Z")


async def test_what_is_wrong_with_settings_is_told_one_by_one(office: Office) -> None:
    body = {"values": {DEPTH: 1, "no.such_thing": True}, "reason": "x"}
    problem = await office.call("PATCH", "/api/settings", 400, body)
    assert len(problem["errors"]) == 2
    await office.call("PATCH", "/api/settings", 400, {"values": {DEPTH: 1.5}, "reason": "x"})
    await office.call("PATCH", "/api/settings", 400, {"values": {DEPTH: 32}})
    await office.call("POST", "/api/settings/apply", 400, {"reason": "nothing is staged"})
    await office.call("GET", "/api/settings/no.such_thing", 404)
    await office.call("POST", "/api/settings/rollback", 404, {"revision": 9, "reason": "x"})
    await office.call("PATCH", "/api/settings/staged", body={"values": {DEPTH: 32}})
    await office.set_depth(24)
    problem = await office.call("POST", "/api/settings/apply", 409, {"reason": "mine"})
    assert problem["type"].endswith("settings_changed")
    assert DEPTH in problem["detail"]
    gone = await office.call("DELETE", "/api/settings/staged", params={"dry_run": "true"})
    assert (gone["deleted"], [each["key"] for each in gone["staged"]["items"]]) == (False, [DEPTH])
    seen = (await office.http.get("/api/settings/staged")).headers["etag"]
    more = {"values": {"routing.max_attempts": 4}}
    await office.call("PATCH", "/api/settings/staged", body=more)
    for method in ("PATCH", "DELETE"):  # somebody else staged something meanwhile
        stale = await office.http.request(
            method, "/api/settings/staged", json=more, headers={"if-match": seen}
        )
        assert stale.status_code == 412, stale.text
    assert (await office.call("DELETE", "/api/settings/staged"))["deleted"]


async def test_the_trail_is_searched_walked_and_read(office: Office) -> None:
    for number in range(5):
        await office.set_depth(20 + number, f"number {number}")
    page = await office.call("GET", "/api/audit", params={"limit": 2})
    assert [each["sequence"] for each in page["items"]] == [5, 4]
    assert page["total"] == 5
    query = {"limit": 3, "cursor": page["next_cursor"]}
    rest = await office.call("GET", "/api/audit", params=query)
    assert [each["sequence"] for each in rest["items"]] == [3, 2, 1]
    assert rest["next_cursor"] is None
    event = await office.call("GET", "/api/audit/2")
    assert event["action"] == "settings.update"
    assert event["actor"] == {"kind": "system", "id": "operator", "name": "operator"}
    assert (event["before"], event["after"]) == ({DEPTH: 20}, {DEPTH: 21})
    assert event["reason"] == "number 1"
    first = await office.call("GET", "/api/audit/1")
    assert event["previous_hash"] == first["hash"]

    async def total(**wanted: str) -> int:
        return (await office.call("GET", "/api/audit", params=wanted))["total"]

    assert await total(action="settings.") == 5
    assert await total(action="settings.apply") == 0
    assert await total(text="OPERAT") == 5
    assert await total(target_kind="settings", target_id="3") == 1
    assert await total(outcome="denied") == 0
    assert await total(since=first["at"]) == await total(actor_id="operator") == 5
    assert await total(until="2020-01-01T00:00:00Z") == 0
    for wrong in (
        {"limit": 0},
        {"limit": 501},
        {"cursor": "-1"},
        {"outcome": "maybe"},
        {"since": "2020-01-01T00:00:00"},
        {"since": "yesterday"},
    ):
        await office.call("GET", "/api/audit", 400, params=wrong)
    for missing in ("0", "-1", "6", "one", "²", str(2**62 + 1), str(2**70)):
        await office.call("GET", f"/api/audit/{missing}", 404)


async def test_the_state_of_the_chain_is_told(office: Office) -> None:
    for number in range(4):
        await office.set_depth(20 + number)
    rows = await office.stored.archive.rows(0, 10)
    await office.stored.archive.add_checkpoint(signed(rows[2]))
    await office.copy.add(rows)
    state = await office.call("GET", "/api/audit/verify")
    assert (state["intact"], state["events"], state["first_bad"]) == (True, 4, None)
    assert (state["hash"], state["signed"], state["copied"]) == (rows[3].hash.hex(), 3, 4)
    assert state["copy"] == "compared"
    async with connect_postgres(office.url) as connection:
        await connection.execute("ALTER TABLE audit_events DISABLE TRIGGER USER")
        await connection.execute(
            "UPDATE audit_events SET content = replace(content, 'because', 'BECAUSE')"
            " WHERE sequence = 2"
        )
    state = await office.call("GET", "/api/audit/verify")
    assert state["intact"] is False
    assert state["first_bad"]["sequence"] == 2


async def test_an_export_is_streamed_verifies_and_is_in_the_trail(office: Office) -> None:
    for number in range(3):
        await office.set_depth(20 + number)
    async with office.http.stream("GET", "/api/audit/export") as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("application/jsonl")
        assert answer.headers["cache-control"] == "no-store"
        lines = [line.encode() async for line in answer.aiter_lines()]
    report = verify_export(lines, SIGNER)
    assert (report.intact, report.events) == (True, 4)
    [newest, *_] = (await office.call("GET", "/api/audit"))["items"]
    assert newest["action"] == "audit.export"


async def test_a_document_is_planned_applied_and_exported(office: Office) -> None:
    plan = await office.call("POST", "/api/config/plan", body=DOCUMENT)
    assert (plan["applied"], plan["dry_run"], plan["secrets"]) == (False, True, [])
    assert {step["action"] for step in plan["steps"]} == {"create"}
    assert "models" not in await office.call("GET", "/api/config/export")
    applied = await office.call("POST", "/api/config/apply", body=DOCUMENT)
    assert applied["applied"]
    [secret] = applied["secrets"]
    assert secret["secret"].startswith("tw-")
    again = await office.call("POST", "/api/config/apply", body=DOCUMENT)
    assert (again["applied"], again["steps"]) == (False, [])
    answer = await office.http.get("/api/config/export")
    assert "sk-canary-1" not in answer.text
    assert secret["secret"] not in answer.text
    exported = json.loads(answer.text, parse_float=Decimal)
    assert exported["models"][0]["price"]["output"] == Decimal("10.1")
    unchanged = await office.call("POST", "/api/config/plan", body=json.loads(answer.text))
    assert unchanged["steps"] == []
    trail = await office.http.get("/api/audit", params={"limit": 100})
    assert "sk-canary-1" not in trail.text
    assert secret["secret"] not in trail.text


@pytest.mark.parametrize(
    "reference",
    ["${HOME}", "a ${DATABASE_URL} b", "${file:/etc/passwd}", "${file:../key}", "${", "${a b}"],
)
async def test_nobody_reads_the_server_s_environment_or_files(
    office: Office, reference: str
) -> None:
    user = {"email": "dev@example.com", "role": "developer", "teams": [reference]}
    document = {**DOCUMENT, "users": [user]}
    for path in ("/api/config/plan", "/api/config/apply"):
        problem = await office.call("POST", path, 400, document)
        [fault] = [each["message"] for each in problem["errors"]]
        assert fault.startswith("users[0].teams[0]: ")
        assert "root:" not in fault
    assert "users" not in await office.call("GET", "/api/config/export")


async def test_a_doubled_dollar_is_a_plain_one_as_for_the_command(office: Office) -> None:
    document = {"version": 1, "teams": [{"name": "$${core}"}]}
    await office.call("POST", "/api/config/apply", body=document)
    async with office.stored.uow.begin() as tx:
        assert [team.name for team in await tx.teams.all()] == ["${core}"]
    exported = await office.call("GET", "/api/config/export")
    assert (await office.call("POST", "/api/config/plan", body=exported))["steps"] == []


@pytest.mark.parametrize("body", ["[]", "null", "{", '"text"', "\xff", "[" * 100_000])
async def test_what_is_no_document_is_refused(office: Office, body: str) -> None:
    answer = await office.http.post(
        "/api/config/plan",
        content=body.encode("latin-1"),
        headers={"content-type": "application/json"},
    )
    assert answer.status_code == 400, answer.text
    await office.call("POST", "/api/config/plan", 400, {"version": 2})


async def test_documents_and_the_trail_need_their_permissions(office: Office) -> None:
    services = office.services
    nobody = _holding()
    for attempt in (
        services.documents.export(nobody),
        services.documents.plan(nobody, DOCUMENT),
        services.documents.apply(nobody, DOCUMENT),
        services.audit.verify(nobody),
        services.audit.export(nobody),
        services.audit.find(nobody, "1"),
    ):
        with pytest.raises(PermissionDenied):
            await attempt
    # A document can make a super admin: whoever is less must not apply one.
    almost = _holding(*(f"{each.value}@all" for each in Permission if ":use" not in each.value))
    assert not (await services.documents.plan(almost, DOCUMENT)).applied
    with pytest.raises(BeyondOwnRights):
        await services.documents.apply(almost, DOCUMENT)


def _holding(*words: str) -> Actor:
    held = tuple(Held(statement=each, role="custom") for each in statements(*words))
    return Actor(kind=ActorKind.USER, id="u", name="u@example.com", rights=Rights(grants=held))
