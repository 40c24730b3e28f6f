"""Answers that end early: the gateway shuts down, or the client takes too long."""

import asyncio
import logging

import httpx
import pytest

from domain.records.events import Outcome
from entrypoints.gateway import inference
from tests.support.gateway_harness import GatewayHarness
from tests.support.openai_bodies import openai_stream
from tests.support.scripted_upstream import ScriptedUpstream

BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}], "stream": True}


@pytest.fixture
def harness(upstream: ScriptedUpstream) -> GatewayHarness:
    harness = GatewayHarness()
    harness.add_model("gpt-4o", harness.add_openai(upstream.base_url))
    return harness


async def test_a_stream_over_the_grace_ends_with_the_error_event_and_no_traceback(
    harness: GatewayHarness, upstream: ScriptedUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    upstream.enqueue(openai_stream(pause_after=2, gate=asyncio.Event()))
    headers = {"authorization": f"Bearer {harness.add_key()}"}
    running = harness.running()
    gateway = await running.__aenter__()
    async with (
        httpx.AsyncClient(base_url=gateway.url, headers=headers, timeout=20) as client,
        client.stream("POST", "/v1/chat/completions", json=BODY) as stream,
    ):
        lines = stream.aiter_lines()
        while "Hello" not in await anext(lines):
            pass
        ended = asyncio.ensure_future(running.__aexit__(None, None, None))
        rest = [line async for line in lines if line]
        await ended
    assert "shutting down" in rest[-1]
    assert '"error"' in rest[-1]
    assert "data: [DONE]" not in rest
    (record,) = await gateway.journal.wait_for(1)
    assert (record.outcome, record.error_code) == (Outcome.ABANDONED, "gateway_shutdown")
    assert not [entry for entry in caplog.records if entry.exc_info is not None]
    assert logging.getLogger("uvicorn.error").isEnabledFor(logging.ERROR)


async def test_a_request_that_waits_for_its_upstream_is_refused_when_the_grace_is_over(
    harness: GatewayHarness, upstream: ScriptedUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    upstream.enqueue(openai_stream(pause_after=0, gate=asyncio.Event()))
    headers = {"authorization": f"Bearer {harness.add_key()}"}
    running = harness.running()
    gateway = await running.__aenter__()
    async with httpx.AsyncClient(base_url=gateway.url, headers=headers, timeout=20) as client:
        waiting = asyncio.ensure_future(client.post("/v1/chat/completions", json=BODY))
        await upstream.next_request()
        await running.__aexit__(None, None, None)
        reply = await waiting
    assert reply.status_code == 503
    assert "shutting down" in reply.json()["error"]["message"]
    (record,) = await gateway.journal.wait_for(1)
    assert (record.outcome, record.error_code) == (Outcome.ABANDONED, "gateway_shutdown")
    assert not [entry for entry in caplog.records if entry.exc_info is not None]


async def test_a_client_that_takes_for_ever_is_recorded_as_gone(
    harness: GatewayHarness, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inference, "LONGEST_STREAM_S", 0.1)
    upstream.enqueue(openai_stream(pause_after=2, gate=asyncio.Event()))
    headers = {"authorization": f"Bearer {harness.add_key()}"}
    async with (
        harness.running() as gateway,
        httpx.AsyncClient(base_url=gateway.url, headers=headers, timeout=20) as client,
    ):
        with pytest.raises(httpx.RemoteProtocolError):
            await client.post("/v1/chat/completions", json=BODY)
        (record,) = await gateway.journal.wait_for(1)
    assert (record.outcome, record.status) == (Outcome.CLIENT_CANCELLED, 499)
