"""`thinkwatch route` against a console on a real socket."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from adapters.memory.change_feed import MemoryChangeFeed
from adapters.memory.route_health import MemoryRouteHealthFeed
from adapters.memory.store import MemoryStore, MemoryUnitOfWork
from adapters.system.clock import SystemClock
from adapters.system.identifiers import UuidGenerator
from domain.routing.capabilities import Capabilities, Capability
from domain.routing.catalog import Route
from domain.routing.circuit import BreakerMark
from domain.routing.health import RouteHealth
from domain.routing.outcome_window import Tally
from entrypoints.cli import cli
from entrypoints.console.app import create_console_app
from tests.support.configuration import a_model, a_provider, a_route
from tests.support.console import console_over
from tests.support.live_server import live_server
from tests.support.routing_services import routing_services

FIRST, SECOND = a_provider("first"), a_provider("second")
BLIND = Capabilities(cannot=frozenset({Capability.IMAGES}))


class Desk:
    """The command line, and what the replicas report."""

    def __init__(self, url: str, feed: MemoryRouteHealthFeed) -> None:
        self._url = url
        self.feed = feed
        self._reported: list[RouteHealth] = []
        self.good = a_route(FIRST, "m1", rpm=60, max_in_flight=4)
        self.blind = a_route(SECOND, "m2", capabilities=BLIND)

    async def run(self, *arguments: str) -> Result:
        return await asyncio.to_thread(
            CliRunner().invoke,
            cli,
            ["route", *arguments, "--url", self._url],
            env={"THINKWATCH_TOKEN": "token-of-this-test"},
            standalone_mode=False,
        )

    async def printed(self, *arguments: str) -> list[str]:
        """Return the printed lines with runs of spaces made one; the command must succeed."""
        done = await self.run(*arguments)
        assert done.exception is None, (done.exception, done.output)
        return [" ".join(line.split()) for line in done.output.splitlines()]

    async def report(self, route: Route, **health: object) -> None:
        now_ms = SystemClock().now_ms()
        self._reported.append(
            RouteHealth(route_id=route.id, replica="one", at_ms=now_ms, **health)  # pyright: ignore[reportArgumentType]
        )
        await self.feed.publish(self._reported)

    async def orders(self) -> list[RouteHealth]:
        return [each for each in await self.feed.read() if not each.replica]


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    clock, feed = SystemClock(), MemoryRouteHealthFeed()
    uow = MemoryUnitOfWork(
        MemoryStore(), MemoryChangeFeed(), SystemClock(), UuidGenerator(), allow_unaudited=True
    )
    console = console_over(
        uow, clock, "token-of-this-test", routing=routing_services(uow, clock, feed)
    )
    async with live_server(create_console_app(console)) as url:
        found = Desk(url, feed)
        async with uow.begin() as tx:
            await tx.providers.add(FIRST)
            await tx.providers.add(SECOND)
            await tx.models.add(a_model("big", found.good, found.blind, aliases=("latest",)))
            await tx.commit()
        yield found


async def test_explaining_tells_where_a_request_goes_and_why(desk: Desk) -> None:
    await desk.report(desk.good, ttft_ms=120.0, ttft_samples=3.0, in_flight=2, tally=Tally(9, 1))
    lines = await desk.printed("explain", "--model", "latest", "--feature", "images")
    assert lines == [
        "model route tier ranked by score share health",
        (
            "1 big first/m1 0 weighted 50 weight 100%"
            " closed, first token 120 ms, 2 in flight, 10% errors"
        ),
        "",
        "model route tier left out until",
        "- big second/m2 0 capability_missing (images) -",
        "latest = big: strategy weighted",
    ]


async def test_a_conversation_is_explained_by_what_keeps_it(desk: Desk) -> None:
    lines = await desk.printed("explain", "--model", "big", "--session", "abc")
    assert lines[1].split()[:5] == ["1", "big", lines[1].split()[2], "0", "affinity"]
    assert lines[-1] == "big: strategy weighted, conversation kept on its route by session"


async def test_a_request_is_explained_from_its_file(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "request.json"
    message = {"role": "user", "content": "hello"}
    path.write_text(json.dumps({"model": "big", "messages": [message], "max_tokens": 7}))
    done = await desk.run("explain", "--body", str(path), "--json")
    found = json.loads(done.output)
    assert (found["model"], found["output_tokens"], len(found["attempts"])) == ("big", 7, 2)
    path.write_text("{")
    refused = await desk.run("explain", "--body", str(path))
    assert "--body is not JSON" in str(refused.exception)


async def test_nowhere_to_go_is_said_with_the_wait(desk: Desk) -> None:
    now_ms = SystemClock().now_ms()
    mark = BreakerMark(changed_at_ms=now_ms, open_until_ms=now_ms + 60_000, openings=1)
    await desk.report(desk.good, breaker=mark)
    assert await desk.printed("drain", "big@second")
    lines = await desk.printed("explain", "--model", "big")
    assert lines[1].startswith("1 big first/m1 0 last_resort - - open for ")
    assert lines[-1] == "big: no route is well; the first to come back is asked once"
    assert await desk.printed("drain", "big@first")
    lines = await desk.printed("explain", "--model", "big")
    assert lines[-1] == "big: nowhere to go, waiting does not help"


async def test_routes_are_listed_drained_brought_back_and_reset(desk: Desk) -> None:
    listed = await desk.printed("list", "--model", "latest")
    assert listed == [
        "id route upstream tier weight caps health",
        f"{desk.good.id} big@first m1 0 50 rpm 60, in flight 4 not tried",
        f"{desk.blind.id} big@second m2 0 50 - not tried",
    ]
    dry = await desk.printed("drain", desk.good.id, "--dry-run")
    assert dry[1].endswith("drained by operator")
    assert dry[2] == "nothing was changed"
    drained = await desk.printed("drain", "big@first")
    assert drained[1].endswith("drained by operator")
    assert [order.drain.drained for order in await desk.orders()] == [True]
    assert (await desk.printed("undrain", "big@first"))[1].endswith("closed")
    assert (await desk.printed("reset", "big@first"))[1].endswith("closed")
    as_json = await desk.run("list", "--json")
    assert len(json.loads(as_json.output)["routes"]) == 2


async def test_a_route_that_is_not_there_is_refused_in_one_line(desk: Desk) -> None:
    for reference in ("big@nobody", "../../limits", ""):
        refused = await desk.run("drain", reference)
        assert f"there is no route '{reference}'" in str(refused.exception)
    assert await desk.orders() == []
    nothing = await desk.run("explain")
    assert "say for which model" in str(nothing.exception)
