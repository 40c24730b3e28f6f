"""`kill -9` of everything while streams run: after a restart the books balance."""

import asyncio
from collections import Counter

import httpx

from tests.support.answers import Stall, stream
from tests.support.installation import MODEL, all_records, installed
from tests.support.openai_bodies import completion_events, openai_completion
from tests.support.program import wait_until
from tests.support.scripted_upstream import ScriptedUpstream

STREAMS = 50
COMPLETED = 10
BODY = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}]}


async def _hold(client: httpx.AsyncClient, began: asyncio.Queue[str]) -> None:
    """Open a stream, report its request id once content has come, and read until it breaks."""
    try:
        async with client.stream(
            "POST", "/chat/completions", json=BODY | {"stream": True}
        ) as reply:
            pieces = reply.aiter_raw()
            await anext(pieces)
            await began.put(reply.headers["x-request-id"])
            async for _ in pieces:
                pass
    except httpx.TransportError:
        pass  # the kill


async def test_every_admitted_request_has_exactly_one_record_after_kill_9() -> None:
    with installed("--workers", "2") as installation:
        limits = httpx.Limits(max_connections=STREAMS + COMPLETED)
        async with (
            ScriptedUpstream(port=installation.upstream_port) as upstream,
            installation.client(limits=limits) as client,
        ):
            upstream.always(openai_completion("done"))
            whole = [await client.post("/chat/completions", json=BODY) for _ in range(COMPLETED)]
            assert {reply.status_code for reply in whole} == {200}
            completed = [reply.headers["x-request-id"] for reply in whole]

            upstream.always(stream([*completion_events()[:3], Stall()], terminated=False))
            began: asyncio.Queue[str] = asyncio.Queue()
            async with asyncio.timeout(60), asyncio.TaskGroup() as streams:
                for _ in range(STREAMS):
                    streams.create_task(_hold(client, began))
                cut = [await began.get() for _ in range(STREAMS)]
                installation.program.kill()

        installation.program.start("--workers", "2")
        everything = {*completed, *cut}

        def complete() -> bool:
            return everything <= {row["request_id"] for row in all_records(installation.program)}

        wait_until(complete, within_s=60, what="a record of every request")
        rows = [row for row in all_records(installation.program) if row["request_id"] in everything]
        assert Counter(row["request_id"] for row in rows) == Counter(everything)
        outcomes = {row["request_id"]: row["outcome"] for row in rows}
        assert {outcomes[request_id] for request_id in completed} == {"ok"}
        assert {outcomes[request_id] for request_id in cut} == {"abandoned"}
        routes = {(row["provider"], row["route_id"]) for row in rows}  # the cut ones name it too
        assert len(routes) == 1
        assert all(routes.pop())
        assert installation.program.stop() == 0
