"""One of three providers goes wrong under load: nobody sees what another one could have prevented.

Four processes, a steady mixture of whole answers and streams, and every fault an upstream shows in
practice. Each fault prints its line of the table in `docs/reliability.md`.
"""

import asyncio
import contextlib
import json
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.support.answers import Answer, Pause, Reset, Send, Stall, answer, head_bytes, raw
from tests.support.installation import Installation, installed
from tests.support.openai_bodies import error
from tests.support.scripted_upstream import ScriptedUpstream
from tests.support.steady_load import CLIENTS, Tally, healthy, load, spell

pytestmark = pytest.mark.xdist_group("reliability")  # they share one installation

MODEL = "steady"
SPELL_S = 4.0
"""How long a fault lasts."""
SETTINGS = {
    "upstream.connect_timeout_ms": 500,
    "upstream.first_byte_timeout_ms": 1000,
    "upstream.idle_timeout_ms": 1000,
    "upstream.total_timeout_ms": 2000,
    "routing.breaker_open_ms": 1000,
}


def dripping() -> Answer:
    """Begin an answer and go on with a byte in every tenth of a second, for ever."""
    drops = (step for _ in range(600) for step in (Send(b" "), Pause(0.1)))
    head = head_bytes(200, [("content-type", "application/json"), ("content-length", "5000")])
    return Answer((Send(head), *drops), keep_alive=False)


FAULTS: dict[str, Callable[[], Answer] | None] = {
    "killed": None,
    "paused": lambda: raw(Stall()),
    "answers 500": lambda: answer(500, body=error()),
    "answers 429, Retry-After 1": lambda: answer(429, body=error(), headers=[("retry-after", "1")]),
    "answers garbage": lambda: raw(b"\x00\x01 this is no HTTP \xff\xfe\r\n\r\n"),
    "answers JSON that is none": lambda: answer(
        200, body=b'{"choices": [', headers=[("content-type", "application/json")]
    ),
    "drips": dripping,
    "resets after the headers": lambda: raw(
        head_bytes(200, [("content-type", "application/json"), ("content-length", "500")]),
        Reset(),
    ),
}


@pytest.fixture(scope="module")
def steady() -> Iterator[Installation]:
    """Four processes, one model, three providers of equal weight."""
    with installed("--workers", "4") as installation:
        installation.apply({"settings": SETTINGS})
        yield installation


@contextlib.asynccontextmanager
async def three_providers(
    installation: Installation, name: str
) -> AsyncGenerator[list[ScriptedUpstream]]:
    """Run three upstreams, and make them the routes of a model of this name."""
    async with contextlib.AsyncExitStack() as stack:
        upstreams = [await stack.enter_async_context(ScriptedUpstream()) for _ in range(3)]
        for upstream in upstreams:
            upstream.always(healthy)
        await asyncio.to_thread(
            installation.apply,
            {
                "providers": [
                    {
                        "name": f"{name}-{number}",
                        "kind": "openai_compatible",
                        "base_url": upstream.base_url,
                    }
                    for number, upstream in enumerate(upstreams)
                ],
                "models": [
                    {
                        "name": name,
                        "routes": [
                            {"provider": f"{name}-{number}", "upstream_model": "any"}
                            for number in range(3)
                        ],
                    }
                ],
            },
        )
        yield upstreams


@pytest.mark.parametrize("fault", FAULTS)
async def test_no_client_sees_a_fault_that_another_route_could_have_prevented(
    steady: Installation, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model = f"{MODEL}-{list(FAULTS).index(fault)}"
    async with three_providers(steady, model) as upstreams:
        await asyncio.to_thread(wait_for_model, steady, model)
        before = await spell(steady, model, 1.0)
        assert set(before.outcomes) == {"ok"}
        faulty = upstreams[0]
        broken = FAULTS[fault]
        stop, during = asyncio.Event(), Tally()
        loading = asyncio.ensure_future(load(steady, model, during, stop))
        if broken is None:
            await faulty.__aexit__()
        else:
            faulty.always(broken())
        await asyncio.sleep(SPELL_S)
        stop.set()
        await loading
        asked = len(faulty.requests)
        if broken is None:
            await faulty.__aenter__()
        faulty.always(healthy)
        after = await recovery(steady, model, faulty, asked)
    with capsys.disabled():
        sys.stdout.write(f"\n{during.line(fault)}\n")
    seen = Counter({what: n for what, n in during.outcomes.items() if what != "cut in mid-stream"})
    assert set(seen) == {"ok"}, during.outcomes
    assert during.outcomes["cut in mid-stream"] <= CLIENTS / 2, "those that ran when it was killed"
    assert set(after.outcomes) == {"ok"}
    rows = await asyncio.to_thread(rows_of, steady, model)
    tried_twice = [row for row in rows if len(row["attempts"]) > 1]
    assert tried_twice
    for row in tried_twice:
        assert row["attempts"][0]["error_class"]
    last = Counter(
        (row["attempts"][-1]["status"], row["attempts"][-1]["error_class"]) for row in tried_twice
    )
    # One that a killed provider had begun to answer may have been a second try: the row says so.
    cut = last.pop((200, "after_content"), 0)
    assert cut <= during.outcomes["cut in mid-stream"]
    assert set(last) == {(200, "")}


def wait_for_model(installation: Installation, model: str) -> None:
    """Return once every process knows the model."""
    with httpx.Client(base_url=installation.base_url, timeout=10) as client:
        headers = {"authorization": f"Bearer {installation.key}", "connection": "close"}
        known = 0
        while known < 12:  # of four processes, none may be left out
            reply = client.get("/models", headers=headers)
            known = known + 1 if model in reply.text else 0


async def recovery(
    installation: Installation, model: str, faulty: ScriptedUpstream, asked: int
) -> Tally:
    """Load until the provider that was at fault is asked again, and return what was seen."""
    tally, stop = Tally(), asyncio.Event()
    loading = asyncio.ensure_future(load(installation, model, tally, stop))
    async with asyncio.timeout(20):
        while len(faulty.requests) < asked + 20:  # noqa: ASYNC110 - the load has no event
            await asyncio.sleep(0.05)
    stop.set()
    await loading
    return tally


def rows_of(installation: Installation, model: str) -> list[dict[str, Any]]:
    """Return the records of a model."""
    shown = installation.program.run("requests", "--json", "--limit", "20000")
    assert shown.code == 0, shown.err
    rows = map(json.loads, shown.out.splitlines())
    return [row for row in rows if row["model_requested"] == model]
