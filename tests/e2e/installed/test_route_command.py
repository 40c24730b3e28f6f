"""`thinkwatch route` against a running installation of several processes."""

import asyncio
from typing import Any

from tests.support.installation import UPSTREAM_MODEL, Installation
from tests.support.openai_bodies import openai_completion
from tests.support.scripted_upstream import ScriptedUpstream

WITHIN_S = 10.0  # two rounds of the exchange between replicas, and a slow machine
ENOUGH_TO_MEET_EVERY_PROCESS = 16
ROUTES = [{"provider": "scripted", "upstream_model": UPSTREAM_MODEL, "rpm": 5000}]


async def _statuses(installation: Installation, model: str) -> set[int]:
    """Return what all processes answer; each connection is a new one, and any of them may get it."""
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
    found: set[int] = set()
    for _ in range(ENOUGH_TO_MEET_EVERY_PROCESS):
        async with installation.client() as client:
            found.add((await client.post("/chat/completions", json=body)).status_code)
    return found


async def _until(installation: Installation, model: str, status: int) -> None:
    async with asyncio.timeout(WITHIN_S):
        while await _statuses(installation, model) != {status}:
            pass


async def _run(installation: Installation, *arguments: str) -> list[str]:
    done = await asyncio.to_thread(installation.program.run, "route", *arguments)
    assert (done.code, done.err) == (0, "")
    return done.out.splitlines()


async def test_a_request_is_explained(installation: Installation) -> None:
    installation.apply({"models": [{"name": "explained", "aliases": ["told"], "routes": ROUTES}]})
    lines = await _run(installation, "explain", "--model", "told", "--feature", "tools")
    assert lines[1].split()[:4] == ["1", "explained", f"scripted/{UPSTREAM_MODEL}", "0"]
    assert lines[-1] == "told = explained: strategy weighted"
    refused = installation.program.run("route", "explain", "--model", "nobody-knows")
    assert (refused.code, refused.err.count("\n")) == (1, 1)


async def test_a_drained_route_gets_nothing_in_any_process_until_it_is_taken_back(
    installation: Installation, upstream: ScriptedUpstream
) -> None:
    upstream.always(openai_completion())
    installation.apply({"models": [{"name": "drainable", "routes": ROUTES}]})
    await _until(installation, "drainable", 200)
    drained = await _run(installation, "drain", "drainable@scripted")
    assert drained[-1].endswith("drained by operator")
    await _until(installation, "drainable", 503)
    sent = len(upstream.requests)
    assert await _statuses(installation, "drainable") == {503}
    assert len(upstream.requests) == sent
    explained = await _run(installation, "explain", "--model", "drainable")
    assert explained[-1] == "drainable: nowhere to go, waiting does not help"
    await _run(installation, "undrain", "drainable@scripted")
    await _until(installation, "drainable", 200)
