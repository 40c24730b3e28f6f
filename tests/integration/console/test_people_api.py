"""The console's API of users, teams, roles and invitations."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from adapters.system.clock import SystemClock
from domain.access.accounts import Role
from entrypoints.console.app import create_console_app
from tests.support.configuration import (
    Configuration,
    a_key,
    a_user,
    memory_configuration,
    sql_configuration,
)
from tests.support.console import console_over
from tests.support.live_server import live_server

ABSENT = "019a0000-0000-7000-8000-000000000009"
PASSWORD = "Correct-Horse-9"


@dataclass
class Office:
    """A console on a real database."""

    http: httpx.AsyncClient
    stored: Configuration

    async def call(
        self, method: str, path: str, status: int, body: Any = None, **options: Any
    ) -> Any:
        """Return the parsed answer, which must have this status."""
        answer = await self.http.request(method, path, json=body, **options)
        assert answer.status_code == status, answer.text
        if status >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
        return answer.json()

    async def actions(self) -> list[str]:
        """Return what the audit trail says was done, oldest first."""
        return [row.entry().action for row in await self.stored.archive.rows(0, 100)]


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    """A console on stores in memory; what the database does is the contract suites' matter."""
    async with _opened(memory_configuration()) as found:
        yield found


@pytest.fixture
async def real_office(postgres_url: str) -> AsyncIterator[Office]:
    async with sql_configuration(postgres_url) as stored, _opened(stored) as found:
        yield found


@asynccontextmanager
async def _opened(stored: Configuration) -> AsyncGenerator[Office]:
    clock = SystemClock()
    console = console_over(stored.audited, clock)
    async with (
        live_server(create_console_app(console)) as url,
        httpx.AsyncClient(
            base_url=url, headers={"authorization": "Bearer token"}, timeout=30
        ) as http,
    ):
        yield Office(http, stored)


async def test_a_user_is_created_changed_deleted_and_restored(real_office: Office) -> None:
    office = real_office
    team = await office.call("POST", "/api/teams", 201, {"name": "core"})
    made = await office.http.post(
        "/api/users", json={"email": "Dev@Example.com", "teams": [team["id"]]}
    )
    assert made.status_code == 201, made.text
    user, password = made.json()["user"], made.json()["password"]
    assert len(password) == 20
    assert user["email"] == "dev@example.com"
    assert user["role"] == "developer"
    assert user["must_change_password"] is True
    assert user["teams"] == [{"id": team["id"], "name": "core"}]
    path = made.headers["location"]
    read = await office.http.get(path)
    assert read.json() == user
    tag = {"if-match": read.headers["etag"]}
    changes: dict[str, object] = {
        "display_name": "Dev One",
        "role": "viewer",
        "teams": [],
        "enabled": False,
    }
    changed = await office.call("PATCH", path, 200, changes, headers=tag)
    assert changed == {**user, **changes}
    await office.call("PATCH", path, 412, {"display_name": None}, headers=tag)
    assert (await office.call("PATCH", path, 200, {"display_name": None}))["display_name"] is None
    tried = await office.call("DELETE", path, 200, params={"dry_run": "true"})
    assert (tried["deleted"], tried["keys"], tried["sessions"]) == (False, 0, 0)
    assert (await office.call("DELETE", path, 200))["deleted"] is True
    await office.call("GET", path, 404)
    assert (await office.call("GET", "/api/users", 200))["items"] == []
    gone = await office.call("GET", "/api/users", 200, params={"deleted": "true"})
    assert [each["email"] for each in gone["items"]] == ["dev@example.com"]
    assert gone["items"][0]["deleted_at"] is not None
    restored = await office.call("POST", f"{path}/restore", 200)
    assert restored["role"] == "viewer"
    await office.call("POST", f"{path}/restore", 404)
    assert await office.actions() == [
        "team.create",
        "user.create",
        "user.update",
        "user.update",
        "user.delete",
        "user.restore",
    ]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"email": "nobody"}, "email"),
        ({"email": "ci@service.invalid"}, "email"),
        ({"email": "a@example.com", "role": "unknown"}, "role"),
        ({"email": "a@example.com", "teams": [ABSENT]}, "teams"),
        ({"email": "a@example.com", "password": "short"}, "password"),
        ({"email": "a@example.com", "display_name": ""}, "display_name"),
    ],
)
async def test_what_is_wrong_with_a_user_is_named(
    office: Office, body: dict[str, object], field: str
) -> None:
    problem = await office.call("POST", "/api/users", 400, body)
    assert [each["field"] for each in problem["errors"]] == [field]


async def test_a_repeated_creation_makes_one_user_and_shows_the_password_once(
    office: Office,
) -> None:
    body, headers = {"email": "dev@example.com"}, {"idempotency-key": "one"}
    first = await office.call("POST", "/api/users", 201, body, headers=headers)
    again = await office.http.post("/api/users", json=body, headers=headers)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json() == {**first, "password": None}
    await office.call("POST", "/api/users", 409, body)


async def test_a_list_is_walked_by_key_and_filtered(office: Office) -> None:
    for name in ("ann", "bob", "cyd"):
        body = {"email": f"{name}@example.com", "password": PASSWORD}
        made = await office.call("POST", "/api/users", 201, body)
        assert made["password"] is None
    first = await office.call("GET", "/api/users", 200, params={"limit": 2})
    cursor = first["next_cursor"]
    rest = await office.call("GET", "/api/users", 200, params={"limit": 2, "cursor": cursor})
    emails = [each["email"] for each in (*first["items"], *rest["items"])]
    assert emails == ["ann@example.com", "bob@example.com", "cyd@example.com"]
    assert (first["total"], rest["next_cursor"]) == (3, None)
    ids = [each["id"] for each in (*first["items"], *rest["items"])]
    rows = [
        {"op": "deactivate", "id": ids[0]},
        {"op": "activate", "id": ids[1]},
        {"op": "delete", "id": ids[2]},
        {"op": "delete", "id": ABSENT},
    ]
    done = await office.call("POST", "/api/users/bulk", 200, {"items": rows})
    assert [each["status"] for each in done["items"]] == [
        "updated",
        "unchanged",
        "deleted",
        "failed",
    ]
    off = await office.call("GET", "/api/users", 200, params={"enabled": "false"})
    assert [each["id"] for each in off["items"]] == [ids[0]]
    await office.call("GET", "/api/users", 400, params={"limit": 0})


async def test_deleting_says_which_keys_stop_working(office: Office) -> None:
    user = a_user()
    async with office.stored.uow.begin() as tx:
        await tx.users.add(user)
        await tx.keys.add(a_key(user))
        await tx.commit()
    assert (await office.call("DELETE", f"/api/users/{user.id}", 200))["keys"] == 1


async def test_the_last_super_admin_stays(office: Office) -> None:
    user = a_user(role=Role.SUPER_ADMIN)
    async with office.stored.uow.begin() as tx:
        await tx.users.add(user)
        await tx.commit()
    path = f"/api/users/{user.id}"
    for method, body in (
        ("DELETE", None),
        ("PATCH", {"enabled": False}),
        ("PATCH", {"role": "admin"}),
    ):
        problem = await office.call(method, path, 409, body)
        assert problem["type"].endswith(":last_super_admin")
    assert (await office.call("GET", path, 200))["role"] == "super_admin"


async def test_a_team_has_members_and_goes_with_its_roles(office: Office) -> None:
    user = (await office.call("POST", "/api/users", 201, {"email": "dev@example.com"}))["user"]
    made = await office.http.post("/api/teams", json={"name": "core"})
    path, team = made.headers["location"], made.json()
    await office.call("POST", "/api/teams", 409, {"name": "core"})
    await office.call("POST", "/api/teams", 400, {"name": " "})
    renamed = await office.call("PATCH", path, 200, {"name": "heart"})
    assert renamed == {**team, "name": "heart"}
    assert await office.call("GET", path, 200) == renamed
    assert (await office.call("GET", "/api/teams", 200))["items"] == [renamed]
    member = f"{path}/members/{user['id']}"
    for _ in range(2):
        assert (await office.call("PUT", member, 200))["email"] == "dev@example.com"
    await office.call("PUT", f"{path}/members/{ABSENT}", 404)
    listed = await office.call("GET", f"{path}/members", 200)
    assert [each["id"] for each in listed["items"]] == [user["id"]]
    given = {"role": "viewer", "team_id": team["id"]}
    await office.call("POST", "/api/role-assignments", 201, given)
    await office.call("DELETE", member, 200)
    await office.call("DELETE", member, 404)
    await office.call("PUT", member, 200)
    tried = await office.call("DELETE", path, 200, params={"dry_run": "true"})
    assert (tried["deleted"], tried["members"], tried["roles"]) == (False, 1, 1)
    assert (await office.call("DELETE", path, 200))["deleted"] is True
    await office.call("GET", path, 404)
    assert (await office.call("GET", "/api/role-assignments", 200))["items"] == []


async def test_a_custom_role_is_written_given_explained_and_deleted(real_office: Office) -> None:
    office = real_office
    user = (await office.call("POST", "/api/users", 201, {"email": "dev@example.com"}))["user"]
    entry = {"name": "auditor", "allow": ["audit:read", "users:read@team"], "models": ["gpt-*"]}
    made = await office.call("POST", "/api/roles", 201, entry)
    assert made["allow"] == ["audit:read@all", "users:read@team"]
    assert made["builtin"] is False
    await office.call("POST", "/api/roles", 409, entry)
    for body, field in (
        ({"name": "admin"}, "name"),
        ({"name": "odd", "allow": ["keys:fly"]}, "allow"),
        ({"name": "odd", "deny": ["providers:read@own"]}, "deny"),
        ({"name": "odd", "models": ["a b"]}, "models"),
    ):
        problem = await office.call("POST", "/api/roles", 400, body)
        assert [each["field"] for each in problem["errors"]] == [field]
    given = {"role": "auditor", "user_id": user["id"]}
    assignment = await office.call("POST", "/api/role-assignments", 201, given)
    assert assignment["email"] == "dev@example.com"
    await office.call("POST", "/api/role-assignments", 409, given)
    await office.call("POST", "/api/role-assignments", 400, {"role": "auditor"})
    question = {"user": "dev@example.com", "permission": "audit:read"}
    installation = {"target": {"kind": "installation"}}
    answer = await office.call("POST", "/api/access/explain", 200, {**question, **installation})
    assert answer["allowed"] is True
    assert answer["reasons"][0] == "role 'auditor': audit:read@all allows it"
    model = {"user": user["id"], "model": "claude"}
    refused = await office.call("POST", "/api/access/explain", 200, model)
    assert (refused["allowed"], refused["reasons"][0]) == (False, "no role names the model")
    changed = await office.call("PATCH", "/api/roles/auditor", 200, {"models": None, "allow": []})
    assert (changed["models"], changed["allow"]) == (None, [])
    await office.call("PATCH", "/api/roles/admin", 409, {"allow": []})
    tried = await office.call("DELETE", "/api/roles/auditor", 200, params={"dry_run": "true"})
    assert (tried["possible"], tried["holder_count"]) == (False, 1)
    assert [each["email"] for each in tried["holders"]] == ["dev@example.com"]
    await office.call("DELETE", "/api/roles/auditor", 409)
    gone = await office.call("DELETE", f"/api/role-assignments/{assignment['id']}", 200)
    assert gone["users"] == 1
    assert (await office.call("DELETE", "/api/roles/auditor", 200))["deleted"] is True
    await office.call("GET", "/api/roles/auditor", 404)
    listed = await office.call("GET", "/api/roles", 200)
    assert len(listed["items"]) == 5
    assert all(each["builtin"] for each in listed["items"])
    names = {each["name"] for each in (await office.call("GET", "/api/permissions", 200))["items"]}
    assert "roles:write" in names


async def test_an_invitation_makes_one_user(office: Office) -> None:
    team = await office.call("POST", "/api/teams", 201, {"name": "core"})
    body = {"email": "new@example.com", "role": "viewer", "teams": [team["id"]]}
    made = await office.call("POST", "/api/invites", 201, body)
    await office.call("POST", "/api/invites", 409, body)
    listed = await office.call("GET", "/api/invites", 200)
    assert listed["items"] == [made["invite"]]
    assert made["token"] not in str(listed)
    anybody = {"authorization": ""}
    accept = {"token": made["token"], "password": PASSWORD, "display_name": "New"}
    weak = {**accept, "password": "weak"}
    await office.call("POST", "/api/invites/accept", 400, weak, headers=anybody)
    user = await office.call("POST", "/api/invites/accept", 201, accept, headers=anybody)
    assert (user["email"], user["role"]) == ("new@example.com", "viewer")
    assert [each["name"] for each in user["teams"]] == ["core"]
    for token in (made["token"], "twi-made-up"):
        wrong = {**accept, "token": token}
        problem = await office.call("POST", "/api/invites/accept", 404, wrong, headers=anybody)
        assert problem["type"].endswith(":invite_worthless")
    assert (await office.actions())[-2:] == ["invite.accept", "user.create"]
    await office.call("POST", "/api/invites", 409, body)


async def test_a_revoked_invitation_is_worth_nothing(office: Office) -> None:
    made = await office.call("POST", "/api/invites", 201, {"email": "new@example.com"})
    path = f"/api/invites/{made['invite']['id']}"
    tried = await office.call("DELETE", path, 200, params={"dry_run": "true"})
    assert tried == {"deleted": False, "item": made["invite"]}
    await office.call("DELETE", path, 200)
    await office.call("DELETE", path, 404)
    accept = {"token": made["token"], "password": PASSWORD}
    await office.call("POST", "/api/invites/accept", 404, accept)
