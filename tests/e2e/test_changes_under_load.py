"""Changes of configuration, and of processes, that no client notices."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.answers import Answer
from tests.support.installation import MODEL, UPSTREAM_MODEL, Installation, installed
from tests.support.openai_bodies import openai_stream
from tests.support.processes import command_line
from tests.support.program import free_port, wait_until
from tests.support.scripted_upstream import ReceivedRequest, ScriptedUpstream
from tests.support.steady_load import Tally, healthy, load

pytestmark = pytest.mark.xdist_group("reliability")  # a busy machine is shared fairly this way

STREAMS = 16
LONG = "A long one, please."


@pytest.fixture(scope="module")
def busy() -> Iterator[Installation]:
    """Four gateway processes."""
    with installed("--workers", "4") as installation:
        yield installation


def provider(name: str, port: int, secret: str) -> dict[str, object]:
    return {
        "name": name,
        "kind": "openai_compatible",
        "base_url": f"http://127.0.0.1:{port}/v1",
        "credentials": {"api_key": secret},
    }


def routed(*routes: tuple[str, int], price: float = 2.5) -> dict[str, object]:
    """Return the model with these providers and their weights."""
    return {
        "name": MODEL,
        "price": {"input": price, "output": 10.0},
        "routes": [
            {"provider": name, "upstream_model": UPSTREAM_MODEL, "weight": weight}
            for name, weight in routes
        ],
    }


async def test_a_change_of_the_configuration_under_load_loses_no_request(
    busy: Installation,
) -> None:
    other_port = free_port()
    scripted = provider("scripted", busy.upstream_port, "sk-first-0123456789abcdef")
    other = provider("other", other_port, "sk-other-0123456789abcdef")
    renewed = provider("scripted", busy.upstream_port, "sk-second-0123456789abcdef")
    changes: list[dict[str, object]] = [
        {"providers": [other], "models": [routed(("scripted", 1), ("other", 1))]},
        {"models": [routed(("scripted", 9), ("other", 1), price=3.0)]},
        {"providers": [renewed]},
        {"models": [routed(("other", 1))]},
        {"providers": [scripted], "models": [routed(("scripted", 1), ("other", 1))]},
        {"models": [routed(("scripted", 1), ("other", 0))]},
    ]
    async with (
        ScriptedUpstream(port=busy.upstream_port) as first,
        ScriptedUpstream(port=other_port) as second,
    ):
        first.always(healthy)
        second.always(healthy)
        tally, stop = Tally(), asyncio.Event()
        loading = asyncio.ensure_future(load(busy, MODEL, tally, stop))
        for change in changes:
            await asyncio.to_thread(busy.apply, change)
        stop.set()
        await loading
        assert len(second.requests) > 0
    keys = {request.header("authorization") for request in first.requests}
    assert any("sk-second" in str(key) for key in keys), "the new credential was used"
    assert set(tally.outcomes) == {"ok"}, tally.outcomes


def gateway_pids(installation: Installation) -> set[int]:
    """Return the processes that serve port 3000: they say so in their log."""
    parent, *below = installation.program.pids()
    return {pid for pid in below if "_process" in command_line(pid) and pid != parent}


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def test_a_process_that_ends_cuts_no_stream_and_fails_no_request(busy: Installation) -> None:
    gate = asyncio.Event()

    def reply(request: ReceivedRequest) -> Answer:
        long = request.json()["messages"][0]["content"] == LONG
        return openai_stream(pause_after=2, gate=gate) if long else healthy(request)

    async with (
        ScriptedUpstream(port=busy.upstream_port) as upstream,
        busy.client(limits=httpx.Limits(max_connections=STREAMS)) as client,
    ):
        upstream.always(reply)
        begun = asyncio.Semaphore(0)

        async def long_stream() -> str:
            body = {
                "model": MODEL,
                "stream": True,
                "messages": [{"role": "user", "content": LONG}],
            }
            text = ""
            async with client.stream("POST", "/chat/completions", json=body) as answer:
                async for line in answer.aiter_lines():
                    if not text:
                        begun.release()
                    text += line
            return text

        streams = [asyncio.ensure_future(long_stream()) for _ in range(STREAMS)]
        for _ in range(STREAMS):
            await begun.acquire()
        before = gateway_pids(busy)
        victim = min(before)
        tally, stop = Tally(), asyncio.Event()
        loading = asyncio.ensure_future(load(busy, MODEL, tally, stop))
        os.kill(victim, signal.SIGTERM)
        await asyncio.to_thread(
            wait_until, lambda: len(gateway_pids(busy) - before) == 1, what="a successor"
        )
        await asyncio.sleep(2)  # the usual load goes on, beside streams that still run
        stop.set()
        await loading
        gate.set()
        ended = await asyncio.gather(*streams)
    assert all(text.endswith("data: [DONE]") for text in ended)
    assert set(tally.outcomes) == {"ok"}, tally.outcomes
    await asyncio.to_thread(wait_until, lambda: not is_alive(victim), what="its end")
