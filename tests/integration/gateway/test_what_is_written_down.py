"""What the journal holds about a request at each moment, through the whole gateway app."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from domain.records.events import Outcome
from tests.support.gateway_harness import GatewayHarness, RunningGateway
from tests.support.openai_bodies import openai_stream
from tests.support.scripted_upstream import ScriptedUpstream

MODEL = "gpt-4o"
BODY = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 50}
CHOSEN = {"x-metadata-team": "blue", "user-agent": "Acme/1.2", "x-session-id": "session-1"}


@pytest.fixture
def harness(upstream: ScriptedUpstream) -> GatewayHarness:
    harness = GatewayHarness()
    harness.add_model(MODEL, harness.add_openai(upstream.base_url), upstream_model="upstream-name")
    return harness


@pytest.fixture
def key(harness: GatewayHarness) -> str:
    return harness.add_key()


@pytest.fixture
async def gateway(harness: GatewayHarness, key: str) -> AsyncIterator[RunningGateway]:
    async with harness.running() as running:
        yield running


@pytest.fixture
async def client(gateway: RunningGateway, key: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        base_url=gateway.url, headers={"authorization": f"Bearer {key}"}, timeout=20
    ) as client:
        yield client


async def test_a_request_that_waits_for_its_provider_names_it_in_the_journal(
    client: httpx.AsyncClient, gateway: RunningGateway, upstream: ScriptedUpstream
) -> None:
    gate = asyncio.Event()
    upstream.enqueue(openai_stream(pause_after=0, gate=gate))
    call = asyncio.ensure_future(
        client.post("/v1/chat/completions", json={**BODY, "stream": True}, headers=CHOSEN)
    )
    await upstream.next_request()
    (waiting,) = gateway.journal.open_requests
    gate.set()
    await call
    (record,) = await gateway.journal.wait_for(1)
    assert gateway.journal.open_requests == ()
    assert waiting.event_id == record.event_id
    assert waiting.outcome is Outcome.ABANDONED
    assert (waiting.provider, waiting.route_id) == (record.provider, record.route_id) != ("", "")
    assert waiting.model_served == "upstream-name"
    assert waiting.tokens_output == 50
    assert waiting.usage_source == "estimated"
    assert waiting.tags == {"team": "blue"}


async def test_a_stranger_cannot_choose_what_is_written_down(
    gateway: RunningGateway, key: str
) -> None:
    async with httpx.AsyncClient(base_url=gateway.url, headers=CHOSEN) as plain:
        for headers in ({}, {"authorization": "Bearer tw-wrong"}):
            reply = await plain.post("/v1/chat/completions", json=BODY, headers=headers)
            assert reply.status_code == 401
    for record in await gateway.journal.wait_for(2):
        assert record.status == 401
        assert (record.tags, record.session_id) == ({}, "")
        assert (record.client_name, record.client_version) == ("", "")


async def test_a_known_caller_that_is_refused_is_written_down_with_his_words(
    client: httpx.AsyncClient, gateway: RunningGateway
) -> None:
    reply = await client.post("/v1/chat/completions", json={}, headers=CHOSEN)
    assert reply.status_code == 400
    (record,) = await gateway.journal.wait_for(1)
    assert record.tags == {"team": "blue"}
    assert (record.client_name, record.client_version) == ("Acme", "1.2")
