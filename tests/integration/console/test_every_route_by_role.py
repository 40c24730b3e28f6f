"""Every operation of the REST API, asked by every built-in role (console.md section 3)."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest

from entrypoints.console.app import create_console_api
from tests.support.route_requests import absent, ask, outcome
from tests.support.route_table import Case, differences, operations, table
from tests.support.route_world import World, route_world


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with route_world() as made:
        yield made


async def test_the_table_has_every_operation_and_no_other(world: World) -> None:
    served, written = operations(create_console_api(world.console)), set(table())
    assert served - written == set(), "these operations are not in route_table.txt"
    assert written - served == set(), "these rows of route_table.txt are of no operation"


async def test_every_role_gets_the_answer_of_the_table(world: World) -> None:
    cases = [case for row in table().values() for case in row]
    seen = {case.place: outcome(case, await ask(world, case)) for case in cases}
    assert len(seen) == len(cases)
    assert not (found := differences(cases, seen)), f"\n{found}"


async def test_what_may_not_be_seen_is_answered_like_what_is_not_there(world: World) -> None:
    hidden = [
        case
        for row in table().values()
        for case in row
        if case.expected in ("404", "200:not_found")
        or (case.expected == "400" and case.target == "other")
    ]
    assert len(hidden) > 100
    told: list[str] = []
    for case in hidden:
        found = _words(await ask(world, case))
        nothing = _words(await ask(world, absent(case)))
        if found != nothing:
            told.append(f"{case.place}: {found}, but for what is not there {nothing}")
    assert not told, "\n" + "\n".join(told)


def _words(found: httpx.Response) -> tuple[int, str]:
    """Return an answer without what differs from call to call, or repeats what was sent."""
    told = re.sub(r"'[^']*'", "''", found.text)
    told = re.sub(r'"request_id":"[^"]*"', "", told)
    return found.status_code, told


async def test_a_wrong_cell_is_named(world: World) -> None:
    case = Case(operation="GET /api/settings", role="viewer", target="-", expected="403")
    seen = {case.place: outcome(case, await ask(world, case))}
    assert differences([case], seen) == (
        "GET /api/settings by viewer: the table says 403, the answer was 200"
    )
