"""Silent streams: comments keep them alive, late failures become error events."""

import asyncio

import httpx
import pytest

from domain.records.events import Outcome, RequestRecord
from tests.support.answers import Answer, Wait, answer
from tests.support.gateway_harness import GatewayHarness
from tests.support.openai_bodies import error, openai_stream
from tests.support.scripted_upstream import ScriptedUpstream

BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}], "stream": True}


@pytest.fixture
def harness(upstream: ScriptedUpstream) -> GatewayHarness:
    harness = GatewayHarness(keep_alive_s=0.05)
    harness.add_model("gpt-4o", harness.add_openai(upstream.base_url))
    return harness


async def play(
    harness: GatewayHarness, upstream: ScriptedUpstream, script: Answer, gate: asyncio.Event
) -> tuple[httpx.Response, list[str], RequestRecord]:
    """Ask for a stream, open the gate once a comment has come, and return what was seen."""
    key = harness.add_key()
    upstream.enqueue(script)
    async with (
        harness.running() as gateway,
        httpx.AsyncClient(base_url=gateway.url, headers={"api-key": key}, timeout=20) as client,
        client.stream("POST", "/v1/chat/completions", json=BODY) as reply,
    ):
        lines = reply.aiter_lines()
        seen: list[str] = []
        async with asyncio.timeout(10):
            while ": keep-alive" not in seen:
                seen.append(await anext(lines))
        gate.set()
        seen += [line async for line in lines]
        (record,) = await gateway.journal.wait_for(1)
        return reply, [line for line in seen if line], record


async def test_comments_break_the_silence_before_the_first_byte(
    harness: GatewayHarness, upstream: ScriptedUpstream
) -> None:
    gate = asyncio.Event()
    silent = openai_stream()
    script = Answer((Wait(gate), *silent.steps))
    reply, seen, record = await play(harness, upstream, script, gate)
    assert reply.status_code == 200
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert seen[0] == ": keep-alive"
    assert seen[-1] == "data: [DONE]"
    assert record.outcome is Outcome.OK


async def test_comments_break_the_silence_between_two_events(
    harness: GatewayHarness, upstream: ScriptedUpstream
) -> None:
    gate = asyncio.Event()
    script = openai_stream(pause_after=3, gate=gate)
    _, seen, record = await play(harness, upstream, script, gate)
    assert seen[0].startswith("data: {")
    assert seen[-1] == "data: [DONE]"
    assert record.outcome is Outcome.OK


async def test_a_failure_after_a_comment_is_told_by_the_error_event(
    harness: GatewayHarness, upstream: ScriptedUpstream
) -> None:
    gate = asyncio.Event()
    script = answer(500, body=error(), before_head=[Wait(gate)])
    harness.judge_every_answer_alone()
    reply, seen, record = await play(harness, upstream, script, gate)
    assert reply.status_code == 200
    assert seen[-1].startswith('data: {"error"')
    assert "data: [DONE]" not in seen
    assert (record.outcome, record.status) == (Outcome.UPSTREAM_ERROR, 200)


async def test_a_plain_answer_gets_no_comment_however_slow_it_is(
    harness: GatewayHarness, upstream: ScriptedUpstream
) -> None:
    key = harness.add_key()
    gate = asyncio.Event()
    asyncio.get_running_loop().call_later(0.3, gate.set)
    upstream.enqueue(answer(500, body=error(), before_head=[Wait(gate)]))
    harness.judge_every_answer_alone()
    async with (
        harness.running() as gateway,
        httpx.AsyncClient(base_url=gateway.url, headers={"api-key": key}, timeout=20) as client,
    ):
        reply = await client.post("/v1/chat/completions", json={**BODY, "stream": False})
    assert reply.status_code == 502
    assert "keep-alive" not in reply.text
