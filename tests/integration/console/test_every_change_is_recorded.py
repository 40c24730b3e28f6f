"""Every operation that changes something leaves its row in the audit trail, and so does a refusal."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import httpx
import pytest
from msgspec import Struct

from domain.records.audit import AuditEntry, AuditOutcome
from entrypoints.console.app import create_console_api
from tests.support import route_table
from tests.support.identity_services import SETUP_TOKEN
from tests.support.route_requests import ask, outcome
from tests.support.route_table import Case, operations, table
from tests.support.route_world import ADDRESS, AGENT, PASSWORD, World, route_world

_FILE = Path(route_table.__file__).with_name("audit_table.txt")

CHANGES_NOTHING = {
    "POST /api/auth/refresh": "goes on with a session whose beginning and end are recorded",
    "POST /api/setup": "is closed once there is an administrator; see the test of the first one",
    "POST /api/access/explain": "only asks",
    "POST /api/limits/explain": "only asks",
    "POST /api/routing/simulate": "only asks",
    "POST /api/config/plan": "only says what applying would do",
    "POST /api/providers/{provider_id}/test": "calls the provider and keeps nothing",
}
BY_NOBODY_YET = frozenset({"POST /api/auth/login", "POST /api/invites/accept"})
"""Operations without credentials: the actor is whom the answer or the row names."""
REFUSED = frozenset({"403", "200:permission_denied"})
WITHOUT_ID = frozenset(
    {"PATCH /api/settings/staged", "DELETE /api/settings/staged", "POST /api/config/apply"}
)
"""The staged set has none; a document names things by their names."""


class Expected(Struct, frozen=True):
    """What the row of one operation is like."""

    action: str
    kind: str
    states: frozenset[str]


def expectations() -> Mapping[str, Expected]:
    rows: dict[str, Expected] = {}
    for line in _FILE.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            name, action, kind, states = (column.strip() for column in line.split("|"))
            rows[" ".join(name.split())] = Expected(
                action, kind, frozenset(states.replace("-", "").split())
            )
    return rows


def faults(world: World, case: Case, found: httpx.Response, expected: Expected) -> list[str]:
    """Return what is wrong with what a successful call left."""
    rows = [row for row in world.news() if row.action == expected.action]
    if len(rows) != 1:
        return [f"{len(rows)} rows of {expected.action}, of {[r.action for r in world.news()]}"]
    (row,) = rows
    states = frozenset(name for name in ("before", "after") if getattr(row, name) is not None)
    wrong = {
        "outcome": row.outcome is not AuditOutcome.SUCCESS,
        f"target kind {row.target.kind}": row.target.kind != expected.kind,
        f"target id '{row.target.id}'": not _is_the_target(case, found, row),
        f"states {sorted(states)}": states != expected.states,
        "before and after are the same": len(states) == 2 and row.before == row.after,
        **_wrong_origin(world, case, found, row),
    }
    return [what for what, is_wrong in wrong.items() if is_wrong]


def _is_the_target(case: Case, found: httpx.Response, row: AuditEntry) -> bool:
    """Tell whether the row names something that was asked for or that came into being."""
    if case.operation in WITHOUT_ID:
        return row.target.id == "" != row.target.name
    said = f"{found.request.url} {found.request.content.decode()} {found.text}"
    of_oneself = row.target.id == row.actor_id and case.path.startswith("/api/me/")
    of_session = row.target.id == row.session_id and case.path == "/api/auth/logout"
    return bool(row.target.id) and (row.target.id in said or of_oneself or of_session)


def _wrong_origin(
    world: World, case: Case, found: httpx.Response, row: AuditEntry
) -> dict[str, bool]:
    actor = world.id("user", case.role)
    if case.operation == "POST /api/invites/accept":
        actor = found.json()["id"]
    by_session = case.operation not in BY_NOBODY_YET
    return {
        f"actor {row.actor_kind} '{row.actor_id}'": (row.actor_kind, row.actor_id)
        != ("user", actor),
        f"request id {row.request_id}": row.request_id != found.headers["x-request-id"],
        f"address {row.ip}": row.ip != ADDRESS,
        f"user agent {row.user_agent}": row.user_agent != AGENT,
        "no session": by_session and row.session_id is None,
    }


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with route_world() as made:
        yield made


async def test_every_operation_that_is_no_reading_is_accounted_for(world: World) -> None:
    served = operations(create_console_api(world.console))
    changing = {each for each in served if not each.startswith("GET ")}
    recorded, exempt = set(expectations()), set(CHANGES_NOTHING)
    assert recorded & exempt == set()
    assert changing - recorded - exempt == set(), "say what these leave in audit_table.txt"
    assert (recorded | exempt) - changing == set(), "these are no operations that change anything"


async def test_what_was_done_is_recorded_with_who_what_and_from_where(world: World) -> None:
    told: list[str] = []
    rows = table()
    for operation, expected in expectations().items():
        case = next(each for each in rows[operation] if each.expected in ("200", "201"))
        found = await ask(world, case)
        assert found.is_success, f"{case.place}: {found.text}"
        told += [f"{case.place}: {fault}" for fault in faults(world, case, found, expected)]
    assert not told, "\n" + "\n".join(told)


async def test_what_only_asks_leaves_nothing(world: World) -> None:
    rows = table()
    for operation in CHANGES_NOTHING:
        case = next((each for each in rows[operation] if each.expected == "200"), None)
        if case is not None:
            found = await ask(world, case)
            assert found.status_code == 200, found.text
            assert world.news() == [], case.place


async def test_the_first_administrator_is_recorded(world: World) -> None:
    world.restore()
    world.store.draft.users.clear()
    asked = {"token": SETUP_TOKEN, "email": "first@example.com", "password": PASSWORD}
    found = await world.http.post("/api/setup", json=asked)
    assert found.status_code == 201, found.text
    (row,) = world.news()
    assert (row.actor_kind, row.action, row.target.id) == (
        "setup",
        "user.create",
        found.json()["id"],
    )
    assert (row.request_id, row.ip, row.user_agent) == (
        found.headers["x-request-id"],
        ADDRESS,
        AGENT,
    )
    assert row.after is not None


async def test_what_was_refused_is_recorded_as_denied(world: World) -> None:
    told: list[str] = []
    refused = [
        next((case for case in row if case.expected in REFUSED), None) for row in table().values()
    ]
    for case in filter(None, refused):
        found = await ask(world, case)
        assert outcome(case, found).startswith(case.expected), f"{case.place}: {found.text}"
        told += [f"{case.place}: {fault}" for fault in _faults_of_denial(world, case, found)]
    assert not told, "\n" + "\n".join(told)


def _faults_of_denial(world: World, case: Case, found: httpx.Response) -> list[str]:
    rows = world.news()
    if len(rows) != 1:
        return [f"{len(rows)} rows: {[row.action for row in rows]}"]
    (row,) = rows
    body = found.json()
    code = body["items"][0]["code"] if "items" in body else body["type"].rpartition(":")[2]
    wrong = {
        f"outcome {row.outcome}": row.outcome is not AuditOutcome.DENIED,
        f"target {row.target}": (row.target.id, row.target.name)
        != (case.method, found.request.url.path),
        f"reason {row.reason}": not (row.reason or "").startswith(code),
        **_wrong_origin(world, case, found, row),
    }
    return [what for what, is_wrong in wrong.items() if is_wrong]
