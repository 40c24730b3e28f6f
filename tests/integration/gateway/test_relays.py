"""Operations beyond conversations, through the whole gateway app and the official SDK."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest

from domain.records.events import Outcome
from tests.support.answers import Drop, answer, stream
from tests.support.gateway_harness import UPSTREAM_KEY, GatewayHarness, RunningGateway
from tests.support.openai_bodies import error
from tests.support.scripted_upstream import ScriptedUpstream

JSON = [("content-type", "application/json")]


@pytest.fixture
def harness(upstream: ScriptedUpstream) -> GatewayHarness:
    harness = GatewayHarness()
    harness.add_model("m", harness.add_openai(upstream.base_url), upstream_model="upstream-name")
    harness.add_model("demo", harness.add_demo())
    return harness


@pytest.fixture
def alone(harness: GatewayHarness) -> None:
    """No second attempt hides what became of the first."""
    harness.judge_every_answer_alone()


@pytest.fixture
def key(harness: GatewayHarness) -> str:
    return harness.add_key()


@pytest.fixture
async def gateway(harness: GatewayHarness, key: str) -> AsyncIterator[RunningGateway]:
    async with harness.running() as running:
        yield running


@pytest.fixture
async def sdk(gateway: RunningGateway, key: str) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(
        base_url=f"{gateway.url}/v1", api_key=key, max_retries=0, timeout=20
    ) as sdk:
        yield sdk


def given(body: dict[str, Any]) -> Any:
    return answer(200, body=body, headers=JSON)


async def test_embeddings_are_relayed_and_accounted(
    sdk: openai.AsyncOpenAI, gateway: RunningGateway, upstream: ScriptedUpstream
) -> None:
    upstream.enqueue(
        given(
            {
                "object": "list",
                "model": "upstream-name",
                "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 1.5]}],
                "usage": {"prompt_tokens": 8, "total_tokens": 8},
            }
        )
    )
    found = await sdk.embeddings.create(model="m", input="Hello", encoding_format="float")
    assert found.data[0].embedding == [0.5, 1.5]
    request = await upstream.next_request()
    assert request.path == "/v1/embeddings"
    assert request.header("authorization") == f"Bearer {UPSTREAM_KEY}"
    assert request.json()["model"] == "upstream-name"
    (record,) = await gateway.journal.wait_for(1)
    assert (record.operation, record.outcome) == ("embeddings", Outcome.OK)
    assert (record.tokens_input_uncached, record.usage_source) == (8, "provider")


async def test_a_form_reaches_the_provider_with_its_own_boundary(
    sdk: openai.AsyncOpenAI, gateway: RunningGateway, upstream: ScriptedUpstream
) -> None:
    upstream.enqueue(given({"text": "hello", "usage": {"type": "duration", "seconds": 3}}))
    found = await sdk.audio.transcriptions.create(model="m", file=("a.wav", b"RIFF\x00\xff" * 50))
    assert found.text == "hello"
    request = await upstream.next_request()
    assert request.path == "/v1/audio/transcriptions"
    assert b"RIFF\x00\xff" * 50 in request.body
    assert b"upstream-name" in request.body
    content_type = request.header("content-type") or ""
    assert content_type.partition("boundary=")[2].encode() in request.body
    (record,) = await gateway.journal.wait_for(1)
    assert record.operation == "audio.transcriptions"


async def test_a_sound_is_passed_on_as_it_comes(
    sdk: openai.AsyncOpenAI, upstream: ScriptedUpstream
) -> None:
    sound = bytes(range(256)) * 100
    upstream.enqueue(answer(200, body=sound, headers=[("content-type", "audio/mpeg")]))
    spoken = await sdk.audio.speech.create(model="m", voice="alloy", input="Hi")
    assert spoken.content == sound
    assert spoken.response.headers["content-type"] == "audio/mpeg"


async def test_a_sound_that_breaks_off_looks_broken(
    sdk: openai.AsyncOpenAI, gateway: RunningGateway, upstream: ScriptedUpstream
) -> None:
    upstream.enqueue(stream([b"x" * 10, Drop()], headers=[("content-type", "audio/mpeg")]))
    with pytest.raises(openai.APIError):
        await sdk.audio.speech.create(model="m", voice="alloy", input="Hi")
    (record,) = await gateway.journal.wait_for(1)
    assert record.outcome is Outcome.UPSTREAM_ERROR


async def test_legacy_completions_stream_with_usage(
    sdk: openai.AsyncOpenAI, gateway: RunningGateway, upstream: ScriptedUpstream
) -> None:
    chunk = b'data: {"id":"c","object":"text_completion","created":1,"model":"x","choices":[{"text":"Hi","index":0,"finish_reason":"stop","logprobs":null}]}\n\n'
    usage = b'data: {"id":"c","object":"text_completion","created":1,"model":"x","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}\n\n'
    upstream.enqueue(stream([chunk, usage, b"data: [DONE]\n\n"]))
    answered = await sdk.completions.create(model="m", prompt="Say hi", stream=True)
    assert "".join([c.choices[0].text async for c in answered if c.choices]) == "Hi"
    (record,) = await gateway.journal.wait_for(1)
    assert (record.tokens_input_uncached, record.tokens_output) == (3, 1)


async def test_images_and_moderations_and_reranking_pass(
    sdk: openai.AsyncOpenAI, gateway: RunningGateway, key: str, upstream: ScriptedUpstream
) -> None:
    upstream.enqueue(
        given(
            {
                "created": 1,
                "data": [{"b64_json": "aGk="}],
                "usage": {
                    "input_tokens": 10,
                    "output_tokens": 20,
                    "total_tokens": 30,
                    "input_tokens_details": {"text_tokens": 10, "image_tokens": 0},
                },
            }
        )
    )
    made = await sdk.images.generate(model="m", prompt="a cat")
    assert made.data is not None
    assert made.data[0].b64_json == "aGk="
    upstream.enqueue(given({"id": "mod", "model": "x", "results": []}))
    await sdk.moderations.create(model="m", input="hello")
    upstream.enqueue(given({"results": [{"index": 0, "relevance_score": 0.5}]}))
    async with httpx.AsyncClient(base_url=gateway.url, headers={"x-api-key": key}) as client:
        ranked = await client.post("/v1/rerank", json={"model": "m", "query": "q", "documents": []})
    assert ranked.json()["results"][0]["relevance_score"] == 0.5
    records = await gateway.journal.wait_for(3)
    assert [r.operation for r in records] == ["images.generations", "moderations", "rerank"]
    assert (records[0].tokens_input_uncached, records[0].tokens_output) == (10, 20)


async def test_what_the_provider_cannot_do_is_said(
    sdk: openai.AsyncOpenAI, gateway: RunningGateway
) -> None:
    with pytest.raises(openai.BadRequestError, match="does not offer"):
        await sdk.embeddings.create(model="demo", input="Hello")
    (record,) = await gateway.journal.wait_for(1)
    assert record.outcome is Outcome.INVALID


@pytest.mark.usefixtures("alone")
async def test_errors_of_relays_have_the_shape_and_status_of_the_api(
    sdk: openai.AsyncOpenAI, upstream: ScriptedUpstream
) -> None:
    upstream.enqueue(answer(429, body=error(kind="rate_limit_error")))
    with pytest.raises(openai.RateLimitError):
        await sdk.embeddings.create(model="m", input="Hello")
    upstream.enqueue(answer(200, body=b"<html>", headers=JSON))
    with pytest.raises(openai.InternalServerError):
        await sdk.embeddings.create(model="m", input="Hello")
    with pytest.raises(openai.NotFoundError):
        await sdk.embeddings.create(model="nothing", input="Hello")
