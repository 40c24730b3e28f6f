"""`thinkwatch route` against a running installation."""

import asyncio

from tests.support.installation import UPSTREAM_MODEL, Installation

ROUTES = [{"provider": "scripted", "upstream_model": UPSTREAM_MODEL, "rpm": 5000}]


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
