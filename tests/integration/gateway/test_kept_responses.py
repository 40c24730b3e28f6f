"""Responses that a provider keeps: gone on from, shown and deleted by their owner only."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import msgspec
import openai
import pytest

from domain.identifiers import UserId
from domain.routing.catalog import ProviderKind
from tests.support.answers import Stall, Wait, answer, stream
from tests.support.gateway_harness import GatewayHarness, RunningGateway
from tests.support.scripted_upstream import ScriptedUpstream


def response(response_id: str) -> Any:
    return answer(
        200,
        body={
            "id": response_id,
            "object": "response",
            "created_at": 1,
            "model": "gpt-5",
            "status": "completed",
            "output": [
                {
                    "type": "message",
                    "id": "msg_1",
                    "role": "assistant",
                    "status": "completed",
                    "content": [{"type": "output_text", "text": "Hi", "annotations": []}],
                }
            ],
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "usage": {
                "input_tokens": 3,
                "output_tokens": 1,
                "total_tokens": 4,
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens_details": {"reasoning_tokens": 0},
            },
        },
        headers=[("content-type", "application/json")],
    )


@pytest.fixture
async def other() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as running:
        yield running


@pytest.fixture
def harness(upstream: ScriptedUpstream, other: ScriptedUpstream) -> GatewayHarness:
    harness = GatewayHarness()
    first = harness.add_openai(upstream.base_url, name="first", kind=ProviderKind.OPENAI)
    second = harness.add_openai(other.base_url, name="second", kind=ProviderKind.OPENAI)
    harness.add_model("gpt-5", first, second)
    return harness


@pytest.fixture
async def gateway(harness: GatewayHarness) -> AsyncIterator[RunningGateway]:
    async with harness.running() as running:
        yield running


Sdk = Callable[[str], openai.AsyncOpenAI]


@pytest.fixture
async def sdk(gateway: RunningGateway) -> AsyncIterator[Sdk]:
    """Return what makes a client of a key."""
    async with contextlib.AsyncExitStack() as stack:
        http = await stack.enter_async_context(openai.DefaultAsyncHttpxClient())

        def of_key(key: str) -> openai.AsyncOpenAI:
            return openai.AsyncOpenAI(
                base_url=f"{gateway.url}/v1",
                api_key=key,
                max_retries=0,
                timeout=20,
                http_client=http,
            )

        yield of_key


async def test_a_conversation_goes_on_at_the_provider_that_keeps_it(
    harness: GatewayHarness,
    gateway: RunningGateway,
    sdk: Sdk,
    upstream: ScriptedUpstream,
    other: ScriptedUpstream,
) -> None:
    client = sdk(harness.add_key())
    upstream.enqueue(answer(500))  # the first provider fails, so the second one keeps the answer
    other.enqueue(response("resp_a"))
    first = await client.responses.create(model="gpt-5", input="Hello")
    assert first.output_text == "Hi"
    other.enqueue(response("resp_b"))
    await client.responses.create(model="gpt-5", input="And?", previous_response_id="resp_a")
    await other.next_request()
    assert (await other.next_request()).json()["previous_response_id"] == "resp_a"

    other.enqueue(response("resp_a"))
    shown = await client.responses.retrieve("resp_a")
    assert shown.id == "resp_a"
    assert (await other.next_request()).target == "/v1/responses/resp_a"
    other.enqueue(
        answer(
            200,
            body={"object": "list", "data": [], "has_more": False, "first_id": "", "last_id": ""},
            headers=[("content-type", "application/json")],
        )
    )
    await client.responses.input_items.list("resp_a", limit=2)
    assert (await other.next_request()).target == "/v1/responses/resp_a/input_items?limit=2"
    other.enqueue(
        answer(
            200,
            body={"id": "resp_a", "object": "response", "deleted": True},
            headers=[("content-type", "application/json")],
        )
    )
    await client.responses.delete("resp_a")
    gone = await other.next_request()
    assert (gone.method, gone.target) == ("DELETE", "/v1/responses/resp_a")
    with pytest.raises(openai.NotFoundError):
        await client.responses.retrieve("resp_a")
    records = await gateway.journal.wait_for(6)
    assert [record.operation for record in records] == [
        "chat",
        "chat",
        "responses.retrieve",
        "responses.input_items",
        "responses.delete",
        "responses.retrieve",
    ]
    assert all(record.model_requested == "gpt-5" for record in records[:5])
    assert records[2].weighted_tokens == 0


async def test_only_what_the_api_knows_of_a_query_goes_on(
    harness: GatewayHarness, gateway: RunningGateway, sdk: Sdk, upstream: ScriptedUpstream
) -> None:
    key = harness.add_key()
    client = sdk(key)
    upstream.enqueue(response("resp_a"), response("resp_a"))
    await client.responses.create(model="gpt-5", input="Hello")
    await upstream.next_request()
    query = (
        f"key={key}&include[]=reasoning.encrypted_content&api-version=1&include%5B%5D=message"
        f"&starting_after=3%26stream=true&{key}&stream"
    )
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {key}"}) as http:
        shown = await http.get(f"{gateway.url}/v1/responses/resp_a?{query}")
    assert shown.status_code == 200
    assert (await upstream.next_request()).target == (
        "/v1/responses/resp_a?include%5B%5D=reasoning.encrypted_content&include%5B%5D=message"
    )


async def test_nobody_else_may_see_it(
    harness: GatewayHarness, sdk: Sdk, upstream: ScriptedUpstream
) -> None:
    upstream.enqueue(response("resp_mine"))
    await sdk(harness.add_key()).responses.create(model="gpt-5", input="Hello")
    stranger = sdk(harness.add_key(user_id=UserId("user-2")))
    with pytest.raises(openai.NotFoundError):
        await stranger.responses.retrieve("resp_mine")
    with pytest.raises(openai.NotFoundError):
        await stranger.responses.delete("resp_mine")
    with pytest.raises(openai.BadRequestError) as refusal:
        await stranger.responses.create(
            model="gpt-5", input="And?", previous_response_id="resp_mine"
        )
    assert refusal.value.code == "previous_response_not_found"
    assert refusal.value.param == "previous_response_id"
    colleague_key = harness.add_key()  # another key of the same user
    upstream.enqueue(response("resp_mine"))
    assert (await sdk(colleague_key).responses.retrieve("resp_mine")).id == "resp_mine"


async def test_what_was_not_to_be_kept_is_not_looked_for(
    harness: GatewayHarness, sdk: Sdk, upstream: ScriptedUpstream
) -> None:
    client = sdk(harness.add_key())
    upstream.enqueue(response("resp_brief"))
    await client.responses.create(model="gpt-5", input="Hello", store=False)
    with pytest.raises(openai.NotFoundError):
        await client.responses.retrieve("resp_brief")


def in_background(status: str, **usage: int) -> dict[str, Any]:
    told = {
        "input_tokens": usage["given"],
        "output_tokens": usage["made"],
        "total_tokens": usage["given"] + usage["made"],
        "input_tokens_details": {"cached_tokens": usage.get("cached", 0)},
        "output_tokens_details": {"reasoning_tokens": usage.get("reasoning", 0)},
    }
    return {
        "id": "resp_slow",
        "object": "response",
        "created_at": 1,
        "model": "gpt-5",
        "status": status,
        "background": True,
        "output": [],
        "usage": told if status == "completed" else None,
    }


async def test_what_is_made_in_the_background_is_charged_once_when_its_use_is_told(
    harness: GatewayHarness, gateway: RunningGateway, sdk: Sdk, upstream: ScriptedUpstream
) -> None:
    client = sdk(harness.add_key())
    use = {"given": 300, "made": 9000, "cached": 100, "reasoning": 8000}
    json = [("content-type", "application/json")]
    upstream.enqueue(answer(200, body=in_background("queued", **use), headers=json))
    await client.responses.create(model="gpt-5", input="Think " * 40, background=True)
    for status in ("in_progress", "completed", "completed"):
        upstream.enqueue(answer(200, body=in_background(status, **use), headers=json))
        assert (await client.responses.retrieve("resp_slow")).status == status
    made, *shown = await gateway.journal.wait_for(4)
    assert (made.usage_source, made.tokens_output) == ("estimated", 0)
    assert 0 < made.tokens_input_uncached < 300
    assert [record.weighted_tokens for record in shown] == [0, 9300 - made.weighted_tokens, 0]
    assert (shown[1].tokens_output, shown[1].tokens_reasoning) == (1000, 8000)
    assert (shown[1].tokens_cache_read, shown[1].usage_source) == (100, "provider")


async def test_what_a_client_left_early_is_charged_when_the_stream_is_taken_up_again(
    harness: GatewayHarness, gateway: RunningGateway, sdk: Sdk, upstream: ScriptedUpstream
) -> None:
    client = sdk(harness.add_key())
    use = {"given": 300, "made": 9000}

    def events(*statuses: str) -> list[bytes]:
        parts = [
            b"event: response.%b\ndata: %b\n\n"
            % (
                status.encode(),
                msgspec.json.encode(
                    {"type": f"response.{status}", "response": in_background(status, **use)}
                ),
            )
            for status in statuses
        ]
        delta = b'data: {"type":"response.output_text.delta","delta":"Hi"}\n\n'
        return [parts[0], delta, *parts[1:]]

    upstream.enqueue(stream([*events("in_progress"), Stall()]))
    begun = await client.responses.create(model="gpt-5", input="Hi", background=True, stream=True)
    assert (await anext(aiter(begun))).type == "response.in_progress"
    await begun.close()
    await gateway.journal.wait_for(1)
    upstream.enqueue(stream(events("in_progress", "completed")))
    again = await client.responses.retrieve("resp_slow", stream=True, starting_after=0)
    assert [event.type async for event in again][-1] == "response.completed"
    left, shown = await gateway.journal.wait_for(2)
    assert left.outcome == "client_cancelled"
    assert shown.weighted_tokens == 9300 - left.weighted_tokens


async def test_who_leaves_a_kept_stream_before_its_end_is_charged_all_the_same(
    harness: GatewayHarness, gateway: RunningGateway, sdk: Sdk, upstream: ScriptedUpstream
) -> None:
    client = sdk(harness.add_key())
    use = {"given": 300, "made": 9000}
    json = [("content-type", "application/json")]
    upstream.enqueue(answer(200, body=in_background("queued", **use), headers=json))
    await client.responses.create(model="gpt-5", input="Hi", background=True)
    delta = {"type": "response.output_text.delta", "delta": "Hi"}
    end = {"type": "response.completed", "response": in_background("completed", **use)}
    told, begun = (b"data: %b\n\n" % msgspec.json.encode(event) for event in (end, delta))
    left = asyncio.Event()
    upstream.enqueue(stream([begun, Wait(left), told]))
    again = await client.responses.retrieve("resp_slow", stream=True)
    assert (await anext(aiter(again))).type == "response.output_text.delta"
    await again.close()
    await asyncio.sleep(0.2)  # for the gateway to notice
    left.set()
    made, shown = await gateway.journal.wait_for(2)
    assert shown.outcome == "client_cancelled"
    assert shown.weighted_tokens == 9300 - made.weighted_tokens
