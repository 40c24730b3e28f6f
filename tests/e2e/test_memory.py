"""Memory stays flat however many streams there were, passed through and translated."""

import asyncio
from pathlib import Path

import httpx

from bench.processes import descendants
from tests.support.answers import stream
from tests.support.installation import MODEL, Installation, installed
from tests.support.openai_bodies import completion_events
from tests.support.processes import command_line, listeners
from tests.support.scripted_upstream import ScriptedUpstream

AT_ONCE = 100
WARM_UP = 200
READS = 4
CHAT = {"model": MODEL, "stream": True, "messages": [{"role": "user", "content": "hi" * 500}]}
MESSAGES = {**CHAT, "max_tokens": 1000}
PATHS = (("/chat/completions", CHAT), ("/messages", MESSAGES))


def gateway_pid(installation: Installation) -> int:
    """Return the process that listens on the gateway's port and serves it."""
    process = installation.program.process
    assert process is not None
    holders = listeners(descendants(process.pid), installation.program.gateway_port)
    (serving,) = [pid for pid in holders if "_process" in command_line(pid)]
    return serving


def _resident_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))


async def _read_slowly(client: httpx.AsyncClient, number: int) -> None:
    path, body = PATHS[number % len(PATHS)]
    async with client.stream("POST", path, json=body, timeout=120) as reply:
        assert reply.status_code == 200
        seen = 0
        async for part in reply.aiter_raw():
            seen += len(part)
            if seen < READS:  # the first parts: what comes behind has to wait
                await asyncio.sleep(0.05)
        assert seen > 20_000


async def _run(client: httpx.AsyncClient, count: int) -> None:
    room = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        async with room:
            await _read_slowly(client, number)

    async with asyncio.timeout(300), asyncio.TaskGroup() as streams:
        for number in range(count):
            streams.create_task(one(number))


async def test_memory_is_flat_over_thousands_of_streams(*, thorough: bool) -> None:
    count = 5_000 if thorough else 600
    with installed("--workers", "1") as installation:
        limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
        async with (
            ScriptedUpstream(port=installation.upstream_port) as upstream,
            installation.client(limits=limits) as client,
        ):
            upstream.always(stream(completion_events(["word " * 500] * 10)))
            await _run(client, WARM_UP)
            pid = gateway_pid(installation)
            before = _resident_kib(pid)
            await _run(client, count)
            after = _resident_kib(pid)
        assert installation.program.stop() == 0
    assert after <= before * 1.15, f"{before} KiB grew to {after} KiB"
