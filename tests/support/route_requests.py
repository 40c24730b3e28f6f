"""How each operation of the REST API is asked so that, for whoever may, it succeeds."""

from collections.abc import Callable, Mapping
from typing import Any

import httpx
from msgspec.structs import replace
from pyotp.totp import TOTP

from tests.support.identity_services import SETUP_TOKEN
from tests.support.route_table import Case
from tests.support.route_world import ABSENT, COLLEAGUE, PASSWORD, STRANGER, World

Body = Callable[[World, Case], object]
_OF_A_TEAM = {"account_id": "account", "invite_id": "invite", "team_id": "team"}
_OF_A_USER = {
    "user_id": "user",
    "key_id": "key",
    "lineage_id": "lineage",
    "token": "handover",
    "session_id": "session",
    "assignment_id": "assignment",
    "override_id": "override",
    "event_id": "event",
}
_ALONE = {"model_id": "model", "route_id": "route", "provider_id": "provider"}
_FIXED = {"name": "helper", "sequence": "1", "key": "routing.max_attempts"}
RULE = {"metric": "requests", "window": "1h", "limit": 9}
BUDGET = {"period": "weekly", "limit": 9}
_NEW_PASSWORD = "Another-Horse-7-Staple"


def whose(case: Case) -> str:
    """Return the name of the person whose the target is."""
    people = {"own": case.role, "team": COLLEAGUE, "other": STRANGER, ABSENT: ABSENT}
    return people.get(case.target, "")


def absent(case: Case) -> Case:
    """Return the same question about something that is not there."""
    in_seen_team = case.operation == _JOIN and case.target == "team"
    return replace(case, target=_SOMEBODY_ABSENT if in_seen_team else ABSENT)


def address(world: World, case: Case) -> str:
    """Return the e-mail address of that person."""
    return f"{whose(case)}@example.com"


def _teams(world: World, case: Case) -> list[str]:
    return [] if case.target == "none" else [world.id("team", case.target)]


def _team_names(case: Case) -> list[str]:
    return {"team": ["near"], "other": ["far"], ABSENT: [ABSENT]}.get(case.target, [])


def _subject(case: Case) -> str:
    return f"user:{whose(case)}@example.com"


def _user(world: World, case: Case) -> str:
    return world.id("user", whose(case))


BODIES: Mapping[str, Body] = {
    "POST /api/auth/login": lambda _, case: {
        "email": f"{case.role}@example.com",
        "password": PASSWORD,
    },
    "POST /api/setup": lambda _w, _c: {
        "token": SETUP_TOKEN,
        "email": "first@example.com",
        "password": PASSWORD,
    },
    "PUT /api/me/password": lambda _w, _c: {
        "current_password": PASSWORD,
        "new_password": _NEW_PASSWORD,
    },
    "POST /api/me/totp/disable": lambda _w, _c: {"password": PASSWORD},
    "POST /api/me/totp/recovery-codes": lambda _w, _c: {"password": PASSWORD},
    "POST /api/users": lambda world, case: {
        "email": "hired@example.com",
        "teams": _teams(world, case),
    },
    "POST /api/users/bulk": lambda world, case: {
        "items": [{"op": "deactivate", "id": _user(world, case)}]
    },
    "PATCH /api/users/{user_id}": lambda _w, _c: {"display_name": "Somebody else"},
    "POST /api/invites": lambda world, case: {
        "email": "hired@example.com",
        "teams": _teams(world, case),
    },
    "POST /api/invites/accept": lambda world, _: {
        "token": world.id("invite_token", "team"),
        "password": PASSWORD,
    },
    "POST /api/teams": lambda _w, _c: {"name": "third"},
    "PATCH /api/teams/{team_id}": lambda _w, _c: {"name": "renamed"},
    "POST /api/roles": lambda _w, _c: {"name": "fresh", "allow": ["keys:read@own"]},
    "PATCH /api/roles/{name}": lambda _w, _c: {"description": "Helps."},
    "POST /api/role-assignments": lambda world, case: {
        "role": "unused",
        "user_id": _user(world, case),
    },
    "POST /api/access/explain": lambda world, case: {
        "user": _user(world, case),
        "permission": "keys:read",
    },
    "POST /api/service-accounts": lambda _, case: {"name": "robot", "teams": _team_names(case)},
    "PATCH /api/service-accounts/{account_id}": lambda _w, _c: {"display_name": "Robot"},
    "POST /api/keys": lambda world, case: {"name": "fresh", "owner": address(world, case)},
    "POST /api/keys/bulk": lambda world, case: {
        "items": [{"op": "revoke", "id": world.id("key", whose(case))}]
    },
    "PATCH /api/keys/{key_id}": lambda _w, _c: {"cost_centre": "c-9"},
    "POST /api/keys/{key_id}/rotate": lambda _w, _c: {"grace": "1d"},
    "POST /api/limits": lambda _, case: {**RULE, "subject": _subject(case)},
    "POST /api/limits/bulk": lambda world, case: {
        "items": [{"op": "delete", "id": world.id("rule", whose(case))}]
    },
    "PATCH /api/limits/{limit_id}": lambda _w, _c: {"limit": 3},
    "POST /api/limits/explain": lambda world, case: {
        "user": address(world, case),
        "model": "gpt-4o",
    },
    "POST /api/limits/reset": lambda world, case: {"limit_id": world.id("rule", whose(case))},
    "POST /api/limits/overrides": lambda world, case: {
        "limit_id": world.id("rule", whose(case)),
        "action": "replace",
        "limit": 99,
        "reason": "load test",
        "lasts": "7d",
    },
    "POST /api/budgets": lambda _, case: {**BUDGET, "subject": _subject(case)},
    "POST /api/budgets/bulk": lambda world, case: {
        "items": [{"op": "delete", "id": world.id("budget", whose(case))}]
    },
    "PATCH /api/budgets/{limit_id}": lambda _w, _c: {"limit": 3},
    "POST /api/sso-providers": lambda _w, _c: {
        "name": "fresh",
        "issuer": "https://login.example.com",
        "client_id": "thinkwatch",
    },
    "POST /api/providers": lambda _w, _c: {"name": "fresh", "kind": "demo"},
    "POST /api/providers/bulk": lambda world, _: {
        "items": [{"op": "delete", "id": world.id("spare")}]
    },
    "PATCH /api/providers/{provider_id}": lambda _w, _c: {"enabled": False},
    "POST /api/models": lambda _w, _c: {"name": "fresh"},
    "POST /api/models/bulk": lambda world, _: {
        "items": [{"op": "delete", "id": world.id("model")}]
    },
    "PATCH /api/models/{model_id}": lambda _w, _c: {"aliases": ["latest"]},
    "POST /api/models/{model_id}/routes": lambda _w, _c: {"provider": "spare"},
    "PATCH /api/models/{model_id}/routes/{route_id}": lambda _w, _c: {"weight": 9},
    "POST /api/models/{model_id}/prices": lambda _w, _c: {"input": 1, "output": 2},
    "POST /api/prices": lambda _w, _c: {"model": "gpt-4o", "input": 1, "output": 2},
    "POST /api/routing/simulate": lambda _w, _c: {"model": "gpt-4o"},
    "PATCH /api/settings": lambda _w, _c: {
        "values": {"routing.max_attempts": 9},
        "reason": "more patience",
    },
    "POST /api/settings/rollback": lambda _w, _c: {"revision": 0, "reason": "as it was"},
    "PATCH /api/settings/staged": lambda _w, _c: {"values": {"routing.max_attempts": 8}},
    "POST /api/settings/apply": lambda _w, _c: {"reason": "more patience"},
    "POST /api/config/plan": lambda _w, _c: {"version": 1, "teams": [{"name": "third"}]},
    "POST /api/config/apply": lambda _w, _c: {"version": 1, "teams": [{"name": "third"}]},
}
BY_COOKIE = frozenset({"POST /api/auth/refresh"})
"""Operations that take no bearer token."""


async def ask(world: World, case: Case, **headers: str) -> httpx.Response:
    """Ask as the case says, in the world as it was made."""
    world.restore()
    body = BODIES[case.operation](world, case) if case.operation in BODIES else None
    if case.path.startswith("/api/me/totp/"):
        body = await _with_second_factor(world, case, body)
    return await world.send(
        case.role,
        case.method,
        _path(world, case),
        body,
        by_cookie=case.operation in BY_COOKIE,
        headers=headers,
    )


def outcome(case: Case, found: httpx.Response) -> str:
    """Return the status, and the code of a row that failed; words of the answer if it is odd."""
    status = found.status_code
    if status >= 400:
        return f"{status} {found.text}"
    told: dict[str, Any] = found.json() if case.path.endswith("/bulk") else {}
    return f"{status}:{told['items'][0]['code']}" if told.get("failed") else str(status)


def _path(world: World, case: Case) -> str:
    return "/".join(
        _part(world, case, part[1:-1]) if part.startswith("{") else part
        for part in case.path.split("/")
    )


def _part(world: World, case: Case, name: str) -> str:
    if (case.operation, name) in _ELSEWHERE:
        return world.id(*_ELSEWHERE[case.operation, name](case))
    if name in _FIXED:
        return _FIXED[name]
    if name in _ALONE:
        return world.id(_ALONE[name])
    if name in _OF_A_TEAM:
        return world.id(_OF_A_TEAM[name], case.target)
    return world.id(_OF_A_USER[name], whose(case))


_SOMEBODY_ABSENT = "somebody absent"
_JOINING = {
    _SOMEBODY_ABSENT: ABSENT,
    "own": COLLEAGUE,
    "team": STRANGER,
    "other": COLLEAGUE,
    ABSENT: ABSENT,
}
_JOINED = {
    _SOMEBODY_ABSENT: "team",
    "own": "team",
    "team": "team",
    "other": "other",
    ABSENT: ABSENT,
}
_JOIN = "PUT /api/teams/{team_id}/members/{user_id}"
_ELSEWHERE: Mapping[tuple[str, str], Callable[[Case], tuple[str, str]]] = {
    (_JOIN, "user_id"): lambda case: ("user", _JOINING[case.target]),
    (_JOIN, "team_id"): lambda case: ("team", _JOINED[case.target]),
    ("DELETE /api/roles/{name}", "name"): lambda _: ("unused_role", ""),
    ("DELETE /api/providers/{provider_id}", "provider_id"): lambda _: ("spare", ""),
    ("POST /api/providers/{provider_id}/restore", "provider_id"): lambda _: (
        "removed_provider",
        "",
    ),
    ("POST /api/users/{user_id}/restore", "user_id"): lambda case: ("removed_user", case.target),
    **{
        (f"{method} /api/{kind}/{{limit_id}}", "limit_id"): lambda case: (
            "budget" if "budgets" in case.path else "rule",
            whose(case),
        )
        for method in ("GET", "PATCH", "DELETE")
        for kind in ("budgets", "limits")
    },
}
"""Parameters of an operation that do not name what others of that name do."""


async def _with_second_factor(world: World, case: Case, body: object) -> object:
    """Set an authenticator up as far as the operation needs, and return the body."""
    begun = await world.send(case.role, "POST", "/api/me/totp")
    code = {"code": TOTP(begun.json()["secret"]).now()}
    if case.path.endswith("/confirm"):
        return code
    confirmed = await world.send(case.role, "POST", "/api/me/totp/confirm", code)
    assert confirmed.status_code == 200, confirmed.text
    return body
