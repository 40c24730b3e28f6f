"""What differs between the dialects at the edge: lists, headers, warnings, counts, fail-over."""

import asyncio
import json
from collections.abc import AsyncIterator

import anthropic
import httpx
import pytest
from google import genai
from google.genai import types as genai_types

from domain.inference.dialect import Surface
from domain.limits.rules import Holder, HolderKind, Metric, WindowRule
from domain.limits.windows import Window
from domain.records.events import Outcome
from domain.routing.catalog import ProviderKind
from tests.support.answers import Wait, answer, stream
from tests.support.gateway_harness import GatewayHarness, RunningGateway
from tests.support.openai_bodies import openai_completion
from tests.support.scripted_upstream import ScriptedUpstream
from tests.support.vendor_faults import CLIENTS, UPSTREAMS

JSON = [("content-type", "application/json")]
MESSAGES = CLIENTS["anthropic"].body
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.fixture
async def other() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as running:
        yield running


@pytest.fixture
def harness() -> GatewayHarness:
    harness = GatewayHarness()
    harness.add_model("demo", harness.add_demo())
    return harness


def http(gateway: RunningGateway, key: str, **headers: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=gateway.url, headers={"x-api-key": key, **headers}, timeout=20
    )


async def test_each_vendors_client_lists_the_models(harness: GatewayHarness) -> None:
    key = harness.add_key()
    async with (
        harness.running() as gateway,
        anthropic.AsyncAnthropic(base_url=gateway.url, api_key=key) as claude,
    ):
        page = await claude.models.list()
        assert [model.id for model in page.data] == ["demo"]
        assert (await claude.models.retrieve("demo")).type == "model"
        options = genai_types.HttpOptions(base_url=gateway.url)
        async with genai.Client(api_key=key, http_options=options).aio as gemini:
            names = [model.name async for model in await gemini.models.list()]
            assert names == ["models/demo"]
            assert (await gemini.models.get(model="demo")).name == "models/demo"
        async with http(gateway, "tw-wrong") as client:
            refused = await client.get("/v1beta/models")
            assert (refused.status_code, refused.json()["error"]["status"]) == (
                401,
                "UNAUTHENTICATED",
            )


async def test_limits_and_request_ids_have_the_vendors_header_names(
    harness: GatewayHarness,
) -> None:
    key = harness.add_key()
    harness.limits.append(
        WindowRule(
            id="rule-1",
            holder=Holder(HolderKind.USER, "user-1"),
            surface=Surface.AI_GATEWAY,
            metric=Metric.REQUESTS,
            window=Window.MINUTE,
            limit=2,
        )
    )
    async with harness.running() as gateway, http(gateway, key) as client:
        first = await client.post(
            "/v1/messages",
            json={**MESSAGES, "model": "demo"},
            headers={"x-request-id": "my-request"},
        )
        assert first.status_code == 200
        assert first.headers["request-id"] == first.headers["x-request-id"] == "my-request"
        assert first.headers["anthropic-ratelimit-requests-limit"] == "2"
        assert first.headers["anthropic-ratelimit-requests-remaining"] == "1"
        assert first.headers["anthropic-ratelimit-requests-reset"].endswith("Z")
        second = await client.post("/model/demo/converse", json=dict(CLIENTS["converse"].body))
        assert second.headers["x-amzn-requestid"]
        assert second.headers["x-ratelimit-remaining-requests"] == "0"
        third = await client.post("/model/demo/converse", json=dict(CLIENTS["converse"].body))
        assert third.status_code == 429
        assert third.headers["x-amzn-errortype"] == "ThrottlingException"
        assert third.headers.get_list("x-amzn-requestid") == [third.headers["x-request-id"]]
        fourth = await client.post("/v1/messages", json={**MESSAGES, "model": "demo"})
        assert fourth.json()["error"]["type"] == "rate_limit_error"
        assert fourth.headers["x-thinkwatch-limit"] == "user:requests/1m"


@pytest.mark.parametrize(
    ("path", "member", "value"),
    [
        ("/v1/messages/batches", "type", "error"),
        ("/v1beta/models/m:sing", "error.status", "NOT_FOUND"),
        ("/model/m/sing", "errorCode", "unknown_url"),
        ("/v1/sing", "error.code", "unknown_url"),
    ],
)
async def test_an_unknown_url_is_told_in_the_dialect_of_its_path(
    harness: GatewayHarness, path: str, member: str, value: str
) -> None:
    async with harness.running() as gateway, http(gateway, "x") as client:
        reply = await client.post(path, json={})
        assert reply.status_code == 404
        found = reply.json()
        for name in member.split("."):
            found = found[name]
        assert found == value


async def test_what_is_left_out_is_named_in_the_callers_words(
    harness: GatewayHarness, upstream: ScriptedUpstream
) -> None:
    harness.add_model("m", harness.add_openai(upstream.base_url))
    key = harness.add_key()
    upstream.enqueue(openai_completion())
    async with harness.running() as gateway, http(gateway, key) as client:
        reply = await client.post(
            "/v1beta/models/m:generateContent",
            json={
                **CLIENTS["gemini"].body,
                "safetySettings": [
                    {"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}
                ],
            },
        )
        assert reply.status_code == 200, reply.text
        assert "safetySettings dropped" in reply.headers["x-thinkwatch-warnings"]


async def test_what_one_provider_has_no_place_for_another_one_serves(
    harness: GatewayHarness, upstream: ScriptedUpstream, other: ScriptedUpstream
) -> None:
    chat = harness.add_openai(upstream.base_url, name="chat")
    base_url = other.base_url.removesuffix("/v1")
    claude = harness.add_openai(base_url, name="claude", kind=ProviderKind.ANTHROPIC)
    harness.add_model("m", chat, claude)
    harness.add_model("chat-only", chat)
    key = harness.add_key()
    said = {"type": "text", "text": "Hi"}
    other.always(
        answer(
            200,
            body={
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": "x",
                "content": [said],
                "stop_reason": "end_turn",
                "stop_sequence": None,
                "usage": {"input_tokens": 1, "output_tokens": 1},
            },
            headers=JSON,
        )
    )
    body = {
        **CLIENTS["responses"].body,
        "input": [
            {
                "role": "user",
                "content": [
                    {"type": "input_file", "file_url": "https://example.com/a.pdf"},
                    {"type": "input_text", "text": "What is it?"},
                ],
            }
        ],
    }
    async with harness.running() as gateway, http(gateway, key) as client:
        served = await client.post("/v1/responses", json=body)
        assert served.status_code == 200, served.text
        sent = (await other.next_request()).json()
        assert sent["messages"][0]["content"][0]["source"]["url"] == "https://example.com/a.pdf"
        refused = await client.post("/v1/responses", json={**body, "model": "chat-only"})
        assert refused.status_code == 400
        assert "file_url" in refused.json()["error"]["message"]
        records = await gateway.journal.wait_for(2)
        assert [r.outcome for r in records] == [Outcome.OK, Outcome.INVALID]
        assert records[0].provider == "claude"


async def test_tokens_are_counted_by_the_provider_or_here_and_marked(
    harness: GatewayHarness, upstream: ScriptedUpstream
) -> None:
    base_url = upstream.base_url.removesuffix("/v1")
    harness.add_model(
        "claude",
        harness.add_openai(base_url, kind=ProviderKind.ANTHROPIC),
        upstream_model="claude-x",
    )
    key = harness.add_key()
    upstream.enqueue(answer(200, body={"input_tokens": 1234}, headers=JSON))
    asked = {"messages": [{"role": "user", "content": "Hello, how many tokens is this?"}]}
    async with harness.running() as gateway, http(gateway, key) as client:
        relayed = await client.post("/v1/messages/count_tokens", json={**asked, "model": "claude"})
        assert relayed.json() == {"input_tokens": 1234}
        request = await upstream.next_request()
        assert request.path == "/v1/messages/count_tokens"
        assert request.json() == {**asked, "model": "claude-x"}
        assert "x-thinkwatch-warnings" not in relayed.headers
        here = await client.post("/v1/messages/count_tokens", json={**asked, "model": "demo"})
        assert 8 <= here.json()["input_tokens"] <= 16
        assert here.headers["x-thinkwatch-warnings"] == "input tokens estimated"
        gemini = await client.post("/v1beta/models/demo:countTokens", json=GEMINI_COUNT)
        assert gemini.json()["totalTokens"] > 2
        records = await gateway.journal.wait_for(3)
        assert {(r.operation, r.weighted_tokens) for r in records} == {("count_tokens", 0)}


GEMINI_COUNT = {
    "generateContentRequest": {
        "model": "models/demo",
        "contents": CLIENTS["gemini"].body["contents"],
    }
}


@pytest.mark.parametrize(("on_disconnect", "tokens"), [("drain", 5), ("cancel", None)])
async def test_an_answer_is_read_to_its_end_only_for_providers_that_say_so(
    harness: GatewayHarness, upstream: ScriptedUpstream, on_disconnect: str, tokens: int | None
) -> None:
    options: dict[str, object] = {"on_disconnect": on_disconnect}
    harness.add_model("m", harness.add_openai(upstream.base_url, options=options))
    key = harness.add_key()
    gone = asyncio.Event()
    events = UPSTREAMS["chat"].events
    steps = [*events[:3], Wait(gone), *events[3:]]
    upstream.enqueue(stream(steps))
    async with harness.running() as gateway, http(gateway, key) as client:
        body = dict(CLIENTS["chat"].stream_body)
        async with client.stream("POST", "/v1/chat/completions", json=body) as reply:
            async for line in reply.aiter_lines():
                if "content" in line:
                    break
        if on_disconnect == "drain":
            gone.set()
        (record,) = await gateway.journal.wait_for(1)
        gone.set()
    assert record.outcome is Outcome.CLIENT_CANCELLED
    if tokens is None:
        assert record.usage_source == "estimated"
    else:
        assert (record.tokens_output, record.usage_source) == (tokens, "provider")


async def test_an_image_is_byte_identical_at_any_provider(
    harness: GatewayHarness, upstream: ScriptedUpstream
) -> None:
    harness.add_model("m", harness.add_openai(upstream.base_url))
    key = harness.add_key()
    upstream.enqueue(openai_completion())
    image = {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": PIXEL},
    }
    async with harness.running() as gateway, http(gateway, key) as client:
        reply = await client.post(
            "/v1/messages", json={**MESSAGES, "messages": [{"role": "user", "content": [image]}]}
        )
        assert reply.status_code == 200, reply.text
    sent = json.dumps((await upstream.next_request()).json())
    assert f"data:image/png;base64,{PIXEL}" in sent
