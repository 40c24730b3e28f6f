"""Every `POST` honours `Idempotency-Key`: asked twice, carried out once, answered alike."""

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

import httpx
import pytest
from litestar.routes import HTTPRoute

from entrypoints.console.app import create_console_api
from entrypoints.console.idempotency import TOLD_ONCE, honours_key
from tests.support.described_api import document, operations
from tests.support.route_requests import ask
from tests.support.route_table import Case, table
from tests.support.route_world import World, route_world

KEY = "8e03978e-40d5-43dd-bc93-6894a57f9324"
NEVER_KEPT = {
    "POST /api/auth/login", "POST /api/auth/logout", "POST /api/auth/refresh", "POST /api/setup",
    "POST /api/invites/accept", "POST /api/me/totp", "POST /api/me/totp/confirm",
    "POST /api/me/totp/disable", "POST /api/me/totp/recovery-codes",
    "POST /api/me/sso/{name}/link", "POST /api/sso-providers/{provider_id}/test",
    "POST /api/access/explain", "POST /api/config/plan", "POST /api/limits/explain",
    "POST /api/providers/{provider_id}/test", "POST /api/routing/simulate",
}  # fmt: skip
"""About one's own credentials or browser, or only questions."""
_TELLING = re.compile(r"secret|password|token(?!s)|code|link|otp")
_TELLS_NOTHING = {
    "code", "has_client_secret", "link_by_email", "must_change_password", "secrets",
    "token_endpoint",
}  # fmt: skip
"""Codes of errors, addresses, switches, and a list whose items have secrets of their own."""


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with route_world() as made:
        yield made


async def test_what_is_not_repeated_is_named(world: World) -> None:
    routes = create_console_api(world.console).routes
    found = {
        f"POST {route.path_format}"
        for route in routes
        if isinstance(route, HTTPRoute) and "POST" in route.methods
        for handler, _ in [route.route_handler_map["POST"]]
        if not honours_key("POST", handler.opt)
    }
    assert found == NEVER_KEPT


def repeated() -> Iterator[Case]:
    for operation, cases in table().items():
        if operation.startswith("POST ") and operation not in NEVER_KEPT:
            # The last one: among the first are people who put an end to their own session.
            yield [case for case in cases if case.expected in ("200", "201")][-1]


async def test_a_repeated_post_is_carried_out_once_and_answered_alike(world: World) -> None:
    wrong: list[str] = []
    for case in repeated():
        first = await ask(world, case, **{"idempotency-key": KEY + case.operation})
        recorded = len(world.news())
        again = await _repeat(world, first)
        if len(world.news()) != recorded:
            wrong.append(f"{case.place}: recorded {[row.action for row in world.news()]}")
        if (again.status_code, again.json()) != (first.status_code, _blanked(first.json())):
            wrong.append(f"{case.place}: {first.text} and then {again.text}")
        if again.headers.get("idempotency-replayed") != "true":
            wrong.append(f"{case.place}: not a replay")
        wrong += [
            f"{case.place}: another {name}"
            for name in ("etag", "location", "content-type")
            if again.headers.get(name) != first.headers.get(name)
        ]
    assert not wrong, "\n" + "\n".join(wrong)


async def test_a_refused_post_may_be_tried_again_with_the_same_key(world: World) -> None:
    wrong: list[str] = []
    for operation, cases in table().items():
        case = next((each for each in cases if each.expected == "403"), None)
        if not operation.startswith("POST ") or operation in NEVER_KEPT or case is None:
            continue
        first = await ask(world, case, **{"idempotency-key": KEY + operation})
        again = await _repeat(world, first)
        if (first.status_code, again.status_code) != (403, 403):
            wrong.append(f"{case.place}: {first.status_code}, then {again.status_code}")
    assert not wrong, "\n" + "\n".join(wrong)


async def _repeat(world: World, first: httpx.Response) -> httpx.Response:
    asked = first.request
    return await world.http.request(
        asked.method, asked.url, content=asked.content, headers=asked.headers
    )


def _blanked(value: object) -> object:
    if isinstance(value, dict):
        members = cast("dict[str, object]", value)
        return {
            name: None if name in TOLD_ONCE else _blanked(each) for name, each in members.items()
        }
    return [*map(_blanked, cast("list[object]", value))] if isinstance(value, list) else value


def test_nothing_that_is_told_once_has_a_name_that_is_kept() -> None:
    told: set[str] = set()
    for each in operations():
        if each.method == "post" and f"POST {each.path}" not in NEVER_KEPT:
            told.update(_members(each.spec["responses"]))
    assert {name for name in told if _TELLING.search(name)} - TOLD_ONCE == _TELLS_NOTHING


def _members(node: object, seen: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yield the names of everything that an answer of this schema may have."""
    if isinstance(node, list):
        for each in cast("list[object]", node):
            yield from _members(each, seen)
    elif isinstance(node, dict):
        members = cast("dict[str, Any]", node)
        reference: str = members.get("$ref", "")
        if reference and reference not in seen:
            yield from _members(_referred(reference), seen | {reference})
        yield from members.get("properties", ())
        for each in members.values():
            yield from _members(each, seen)


def _referred(reference: str) -> object:
    node: Any = document()
    for name in reference.removeprefix("#/").split("/"):
        node = node[name]
    return node
