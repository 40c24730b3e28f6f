"""Servers that speak OpenAI's format their own way: no usage, no ids, thoughts in the open."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from domain.records.events import Outcome
from tests.support.answers import Answer, answer, stream
from tests.support.gateway_harness import GatewayHarness, RunningGateway
from tests.support.openai_bodies import completion, completion_events
from tests.support.scripted_upstream import ScriptedUpstream

MODEL = "local"
TEXT = "The answer is in the book on the second shelf, as far as anybody can remember."
OPENAI: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "Where?"}]}
ANTHROPIC: dict[str, Any] = OPENAI | {"max_tokens": 100}
PATHS = {"/v1/chat/completions": OPENAI, "/v1/messages": ANTHROPIC}


@pytest.fixture
def harness(upstream: ScriptedUpstream) -> GatewayHarness:
    harness = GatewayHarness()
    harness.add_model(MODEL, harness.add_openai(upstream.base_url))
    return harness


@pytest.fixture
async def client(
    harness: GatewayHarness,
) -> AsyncIterator[tuple[httpx.AsyncClient, RunningGateway]]:
    key = harness.add_key()
    async with (
        harness.running() as running,
        httpx.AsyncClient(
            base_url=running.url, headers={"authorization": f"Bearer {key}"}, timeout=20
        ) as http,
    ):
        yield http, running


def whole(**message: Any) -> Answer:
    body = completion(TEXT, usage=None)
    body.pop("usage", None)
    body["choices"][0]["message"].update(message)
    return answer(200, body=body)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("streaming", [False, True])
async def test_a_complete_answer_without_usage_is_estimated_and_says_so(
    client: tuple[httpx.AsyncClient, RunningGateway],
    upstream: ScriptedUpstream,
    path: str,
    streaming: bool,
) -> None:
    http, gateway = client
    events = completion_events((TEXT[:20], TEXT[20:]), usage=None)
    upstream.enqueue(stream(events) if streaming else whole())
    reply = await http.post(path, json=PATHS[path] | {"stream": streaming})
    assert reply.status_code == 200, reply.text
    (record,) = await gateway.journal.wait_for(1)
    assert (record.outcome, record.usage_source) == (Outcome.OK, "estimated")
    assert 10 <= record.tokens_output <= 30
    assert 5 <= record.tokens_input_uncached <= 60
    assert record.cost_nano_usd > 0


async def test_a_picture_is_not_charged_by_its_length_where_usage_is_estimated(
    client: tuple[httpx.AsyncClient, RunningGateway], upstream: ScriptedUpstream
) -> None:
    http, gateway = client
    url = {"url": "data:image/png;base64," + "A" * 400_000}
    content = [{"type": "image_url", "image_url": url}, {"type": "text", "text": "What?"}]
    upstream.enqueue(whole())
    await http.post(
        "/v1/chat/completions", json=OPENAI | {"messages": [{"role": "user", "content": content}]}
    )
    (record,) = await gateway.journal.wait_for(1)
    assert record.usage_source == "estimated"
    assert record.tokens_input_uncached < 3_000


async def test_thoughts_in_reasoning_content_reach_clients_of_both_formats(
    client: tuple[httpx.AsyncClient, RunningGateway], upstream: ScriptedUpstream
) -> None:
    http, _ = client
    upstream.enqueue(whole(reasoning_content="Let me think."))
    own = await http.post("/v1/chat/completions", json=OPENAI)
    assert own.json()["choices"][0]["message"]["reasoning_content"] == "Let me think."

    upstream.enqueue(whole(reasoning_content="Let me think."))
    other = await http.post("/v1/messages", json=ANTHROPIC)
    blocks = other.json()["content"]
    assert [block["type"] for block in blocks] == ["thinking", "text"]
    assert blocks[0]["thinking"] == "Let me think."


async def test_a_stream_without_ids_and_done_is_whole_all_the_same(
    client: tuple[httpx.AsyncClient, RunningGateway], upstream: ScriptedUpstream
) -> None:
    """llama.cpp and older proxies leave out what they have no use for."""
    http, gateway = client
    chunks: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": {"content": "Hi"}}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    ]
    events = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
    for count, (path, body) in enumerate(PATHS.items(), start=1):
        upstream.enqueue(stream(events))
        reply = await http.post(path, json=body | {"stream": True})
        assert "Hi" in reply.text
        assert "error" not in reply.text
        assert (await gateway.journal.wait_for(count))[-1].outcome is Outcome.OK
