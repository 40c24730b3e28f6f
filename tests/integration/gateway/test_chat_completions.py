"""Chat completions through the whole gateway app, real sockets on both sides."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import msgspec
import openai
import pytest

from domain.records.events import Outcome
from tests.support.answers import Drop, Stall, answer, stream
from tests.support.gateway_harness import UPSTREAM_KEY, GatewayHarness, RunningGateway
from tests.support.openai_bodies import (
    completion_events,
    error,
    openai_completion,
    openai_stream,
)
from tests.support.scripted_upstream import ScriptedUpstream

MODEL = "gpt-4o"
BODY = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture
def harness(upstream: ScriptedUpstream) -> GatewayHarness:
    harness = GatewayHarness()
    harness.add_model(MODEL, harness.add_openai(upstream.base_url), upstream_model="upstream-name")
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
async def client(gateway: RunningGateway, key: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        base_url=gateway.url, headers={"authorization": f"Bearer {key}"}, timeout=20
    ) as client:
        yield client


@pytest.fixture
async def sdk(gateway: RunningGateway, key: str) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(
        base_url=f"{gateway.url}/v1", api_key=key, max_retries=0, timeout=20
    ) as sdk:
        yield sdk


async def test_a_request_passes_byte_for_byte_but_for_model_and_credentials(
    client: httpx.AsyncClient, upstream: ScriptedUpstream
) -> None:
    sent = (
        b'{ "messages":[{"role":"user","content":"\xc3\xa9 \\u00e9 \\"model\\": \\"x\\""}],\n'
        b'  "never_heard_of": {"model":"nested","n":1.0e2},  "model" : "gpt-4o" , "seed":1e0 }'
    )
    given = b'{"id":"x", "choices":[{"index":0,"message":{"role":"assistant","content":"ok"},'
    given += b'"finish_reason":"stop"}],"brand_new":[1.50,  null]}'
    upstream.enqueue(answer(200, body=given, headers=[("content-type", "application/json")]))
    reply = await client.post(
        "/v1/chat/completions", content=sent, headers={"content-type": "application/json"}
    )
    request = await upstream.next_request()
    assert request.body == sent.replace(b'"model" : "gpt-4o"', b'"model" : "upstream-name"')
    assert request.path == "/v1/chat/completions"
    assert request.header("authorization") == f"Bearer {UPSTREAM_KEY}"
    assert reply.status_code == 200
    assert reply.content == given


async def test_no_credential_of_the_client_reaches_the_upstream(
    gateway: RunningGateway, key: str, upstream: ScriptedUpstream
) -> None:
    async with httpx.AsyncClient(base_url=gateway.url) as plain:
        for name in ("x-api-key", "api-key", "x-goog-api-key"):
            upstream.enqueue(openai_completion())
            reply = await plain.post("/v1/chat/completions", json=BODY, headers={name: key})
            assert reply.status_code == 200
            request = await upstream.next_request()
            assert key not in str(request.headers)


async def test_the_record_of_an_answer_has_usage_cost_and_times(
    client: httpx.AsyncClient, gateway: RunningGateway, upstream: ScriptedUpstream
) -> None:
    upstream.enqueue(openai_completion())
    reply = await client.post(
        "/v1/chat/completions",
        json=BODY,
        headers={"x-request-id": "my-id-1", "x-metadata-app": "ci", "user-agent": "Acme/Bot 1.2"},
    )
    assert reply.headers["x-request-id"] == "my-id-1"
    assert (await upstream.next_request()).header("x-request-id") == "my-id-1"
    (record,) = await gateway.journal.wait_for(1)
    assert record.outcome is Outcome.OK
    assert record.status == 200
    assert record.request_id == "my-id-1"
    # 19 prompt tokens, 4 of them cached; 10 completion tokens, 3 of them reasoning
    assert record.tokens_input_uncached == 15
    assert record.tokens_cache_read == 4
    assert record.tokens_output == 7
    assert record.tokens_reasoning == 3
    assert record.usage_source == "provider"
    # 15 x 2.50 + 4 x 1.25 + 10 x 10.00 USD per million = 142.5 millionths of a dollar
    assert record.cost_nano_usd == 142_500
    assert record.weighted_tokens == 29
    assert record.price_known
    assert record.tags == {"app": "ci"}
    assert (record.client_name, record.client_version) == ("Acme/Bot", "1.2")
    assert record.model_requested == MODEL
    assert record.provider == "upstream"
    assert [attempt.status for attempt in record.attempts] == [200]
    assert record.ttft_ms is not None
    assert 0 < record.ttft_ms <= record.duration_ms
    assert record.bytes_out == len(reply.content)
    assert gateway.journal.open_requests == ()


@pytest.mark.parametrize("ask", [False, True])
async def test_a_stream_is_relayed_and_usage_is_shown_only_to_those_who_ask(
    sdk: openai.AsyncOpenAI,
    gateway: RunningGateway,
    upstream: ScriptedUpstream,
    ask: bool,
) -> None:
    upstream.enqueue(openai_stream())
    stream = await sdk.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "Hi"}],
        stream=True,
        stream_options={"include_usage": True} if ask else openai.omit,
    )
    text, usage = "", None
    async for chunk in stream:
        text += "".join(choice.delta.content or "" for choice in chunk.choices)
        usage = chunk.usage or usage
    assert text == "Hello there!"
    assert (usage is not None) is ask
    assert (await upstream.next_request()).json()["stream_options"] == {"include_usage": True}
    (record,) = await gateway.journal.wait_for(1)
    assert record.outcome is Outcome.OK
    assert record.stream
    assert record.tokens_output == 7
    assert record.usage_source == "provider"


async def test_chunks_arrive_while_the_upstream_is_still_talking(
    client: httpx.AsyncClient, upstream: ScriptedUpstream
) -> None:
    gate = asyncio.Event()
    upstream.enqueue(openai_stream(pause_after=2, gate=gate))
    async with client.stream("POST", "/v1/chat/completions", json={**BODY, "stream": True}) as got:
        lines = got.aiter_lines()
        async with asyncio.timeout(10):
            while "Hello" not in await anext(lines):
                pass
        gate.set()
        rest = [line async for line in lines]
    assert rest[-2:] == ["data: [DONE]", ""] or "data: [DONE]" in rest


async def test_a_client_that_leaves_mid_stream_is_recorded_and_the_upstream_is_let_go(
    client: httpx.AsyncClient, gateway: RunningGateway, upstream: ScriptedUpstream
) -> None:
    upstream.enqueue(openai_stream(pause_after=3, gate=asyncio.Event()))
    async with client.stream("POST", "/v1/chat/completions", json={**BODY, "stream": True}) as got:
        async with asyncio.timeout(10):
            async for line in got.aiter_lines():
                if "Hello" in line:
                    break
    await upstream.next_disconnect()
    (record,) = await gateway.journal.wait_for(1)
    assert record.outcome is Outcome.CLIENT_CANCELLED
    assert record.status == 499
    assert record.usage_source == "estimated"
    assert record.tokens_output > 0
    assert record.cost_nano_usd > 0
    assert gateway.journal.open_requests == ()


async def test_a_client_that_leaves_before_the_first_byte_is_recorded(
    client: httpx.AsyncClient, gateway: RunningGateway, upstream: ScriptedUpstream
) -> None:
    upstream.enqueue(openai_stream(pause_after=0, gate=asyncio.Event()))
    waiting = asyncio.ensure_future(
        client.post("/v1/chat/completions", json={**BODY, "stream": True})
    )
    await upstream.next_request()
    waiting.cancel()
    await upstream.next_disconnect()
    (record,) = await gateway.journal.wait_for(1)
    assert record.outcome is Outcome.CLIENT_CANCELLED
    assert gateway.journal.open_requests == ()


async def test_tools_work_through_the_demo_provider(sdk: openai.AsyncOpenAI) -> None:
    reply = await sdk.chat.completions.create(
        model="demo",
        messages=[{"role": "user", "content": "What is the weather? Use get_weather."}],
        tools=[
            {
                "type": "function",
                "function": {
                    "name": "get_weather",
                    "parameters": {
                        "type": "object",
                        "properties": {"city": {"type": "string"}},
                        "required": ["city"],
                    },
                },
            }
        ],
    )
    calls = reply.choices[0].message.tool_calls
    assert calls is not None
    assert calls[0].type == "function"
    assert calls[0].function.name == "get_weather"
    assert reply.usage is not None


async def test_models_are_listed_and_found(sdk: openai.AsyncOpenAI) -> None:
    names = [model.id async for model in sdk.models.list()]
    assert names == ["demo", MODEL]
    assert (await sdk.models.retrieve("demo")).id == "demo"
    with pytest.raises(openai.NotFoundError):
        await sdk.models.retrieve("nope")


async def test_a_key_sees_and_uses_only_its_models(
    harness: GatewayHarness, gateway: RunningGateway
) -> None:
    key = harness.add_key(models=("gpt-*",))
    async with openai.AsyncOpenAI(
        base_url=f"{gateway.url}/v1", api_key=key, max_retries=0
    ) as limited:
        assert [model.id async for model in limited.models.list()] == [MODEL]
        with pytest.raises(openai.PermissionDeniedError) as refused:
            await limited.chat.completions.create(
                model="demo", messages=[{"role": "user", "content": "Hi"}]
            )
    assert refused.value.code == "model_not_allowed"
    (record,) = await gateway.journal.wait_for(1)
    assert (record.outcome, record.status) == (Outcome.DENIED, 403)


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(
    ("status", "seen", "outcome"),
    [
        (400, 400, Outcome.INVALID),
        (401, 502, Outcome.UPSTREAM_ERROR),
        (403, 502, Outcome.UPSTREAM_ERROR),
        (404, 404, Outcome.INVALID),
        (422, 422, Outcome.INVALID),
        (429, 429, Outcome.UPSTREAM_ERROR),
        (500, 502, Outcome.UPSTREAM_ERROR),
        (503, 502, Outcome.UPSTREAM_ERROR),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_upstream_errors_become_the_callers_errors(
    client: httpx.AsyncClient,
    gateway: RunningGateway,
    upstream: ScriptedUpstream,
    status: int,
    seen: int,
    outcome: Outcome,
    stream: bool,
) -> None:
    upstream.enqueue(answer(status, body=error("Trouble with 'top_p'.", param="top_p")))
    reply = await client.post("/v1/chat/completions", json={**BODY, "stream": stream})
    assert reply.status_code == seen
    problem = reply.json()["error"]
    assert set(problem) >= {"message", "type", "param", "code"}
    if status in (400, 422):
        assert problem["message"] == "Trouble with 'top_p'."
        assert problem["param"] == "top_p"
    (record,) = await gateway.journal.wait_for(1)
    assert (record.outcome, record.status) == (outcome, seen)
    assert record.cost_nano_usd == 0
    assert [attempt.status for attempt in record.attempts] == [status]


@pytest.mark.parametrize(
    ("content", "status", "param"),
    [
        (b"", 400, None),
        (b"{", 400, None),
        (b'{"model":"gpt-4o","messages":["\xff"]}', 400, None),
        (b'{"messages":[]}', 400, "model"),
        (b'{"model":7,"messages":[]}', 400, "model"),
        (b'{"model":"gpt-4o","x":' + b"[" * 100 + b"]" * 100 + b"}", 400, None),
        (b'{"model":"gpt-4o","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, None),
        (b'{"model":"gpt-4o","model":"demo","messages":[]}', 400, "model"),
        (b'{"model":"unheard-of","messages":[]}', 404, None),
    ],
)
async def test_bad_requests_are_refused_recorded_and_never_forwarded(
    client: httpx.AsyncClient,
    gateway: RunningGateway,
    upstream: ScriptedUpstream,
    content: bytes,
    status: int,
    param: str | None,
) -> None:
    reply = await client.post("/v1/chat/completions", content=content)
    assert reply.status_code == status
    assert reply.headers["x-request-id"]
    assert reply.json()["error"]["param"] == param or param is None
    (record,) = await gateway.journal.wait_for(1)
    assert (record.outcome, record.status) == (Outcome.INVALID, status)
    assert upstream.requests == []


async def test_an_oversized_body_is_413_declared_or_not(
    harness: GatewayHarness, key: str, upstream: ScriptedUpstream
) -> None:
    harness.settings = {"gateway.max_body_bytes": 1024}

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(4):
            yield b" " * 512

    async with harness.running() as gateway, httpx.AsyncClient(base_url=gateway.url) as client:
        for content in (b" " * 2048, pieces()):
            reply = await client.post(
                "/v1/chat/completions", content=content, headers={"x-api-key": key}
            )
            assert reply.status_code == 413
            assert reply.json()["error"]["code"] == "request_too_large"
        assert len(await gateway.journal.wait_for(2)) == 2


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "missing_api_key"),
        ({"authorization": "Bearer sk-wrong"}, "invalid_api_key"),
        ({"authorization": "Basic dXNlcjpwYXNz"}, "missing_api_key"),
    ],
)
async def test_a_bad_credential_is_401_with_a_record(
    gateway: RunningGateway, headers: dict[str, str], code: str
) -> None:
    async with httpx.AsyncClient(base_url=gateway.url) as plain:
        reply = await plain.post("/v1/chat/completions", json=BODY, headers=headers)
    assert reply.status_code == 401
    assert reply.json()["error"]["code"] == code
    (record,) = await gateway.journal.wait_for(1)
    assert (record.outcome, record.status) == (Outcome.DENIED, 401)


async def test_a_dead_route_fails_over_to_the_next_and_both_attempts_are_recorded(
    harness: GatewayHarness, key: str, upstream: ScriptedUpstream
) -> None:
    dead = harness.add_openai("http://127.0.0.1:1/v1", name="dead")
    harness.add_model("backed-up", dead, harness.add_openai(upstream.base_url))
    upstream.enqueue(openai_completion("from the second"))
    async with harness.running() as gateway, httpx.AsyncClient(base_url=gateway.url) as client:
        reply = await client.post(
            "/v1/chat/completions", json={**BODY, "model": "backed-up"}, headers={"api-key": key}
        )
        assert reply.json()["choices"][0]["message"]["content"] == "from the second"
        (record,) = await gateway.journal.wait_for(1)
    assert [attempt.provider for attempt in record.attempts] == ["dead", "upstream"]
    assert record.attempts[0].error_class == "connect"
    assert record.provider == "upstream"


async def test_an_upstream_that_is_down_is_502_without_internals(
    harness: GatewayHarness, key: str
) -> None:
    harness.add_model("down", harness.add_openai("http://127.0.0.1:1/v1", name="dead"))
    async with harness.running() as gateway, httpx.AsyncClient(base_url=gateway.url) as client:
        reply = await client.post(
            "/v1/chat/completions", json={**BODY, "model": "down"}, headers={"api-key": key}
        )
    assert reply.status_code == 502
    assert "127.0.0.1" not in reply.text


async def test_a_stream_that_breaks_after_content_ends_with_an_error_event(
    client: httpx.AsyncClient, gateway: RunningGateway, upstream: ScriptedUpstream
) -> None:
    upstream.enqueue(openai_stream(("Hello",), usage=None, done=False, then=[Drop()]))
    reply = await client.post("/v1/chat/completions", json={**BODY, "stream": True})
    assert reply.status_code == 200
    last = [line for line in reply.text.splitlines() if line][-1]
    assert last.startswith('data: {"error"')
    assert "[DONE]" not in reply.text
    (record,) = await gateway.journal.wait_for(1)
    assert record.outcome is Outcome.UPSTREAM_ERROR
    assert record.status == 200
    assert record.usage_source == "estimated"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "unknown_url"),
        ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
        ("POST", "/v1/models", 405, "method_not_allowed"),
    ],
)
async def test_router_refusals_have_the_dialects_shape(
    client: httpx.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    reply = await client.request(method, path)
    assert reply.status_code == status
    assert reply.json()["error"]["code"] == code
    assert reply.headers["x-request-id"]


async def test_health_answers_get_and_head(client: httpx.AsyncClient) -> None:
    for path in ("/health/live", "/health/ready"):
        assert (await client.get(path)).status_code == 200
        assert (await client.head(path)).status_code == 200


async def test_a_stream_is_complete_with_its_terminator_not_with_the_connection(
    client: httpx.AsyncClient, gateway: RunningGateway, upstream: ScriptedUpstream
) -> None:
    upstream.enqueue(stream([*completion_events(), Stall()], terminated=False))
    reply = await client.post("/v1/chat/completions", json={**BODY, "stream": True})
    assert reply.text.rstrip().endswith("data: [DONE]")
    (record,) = await gateway.journal.wait_for(1)
    assert record.outcome is Outcome.OK
    await upstream.next_disconnect()  # what does not end in time is closed


async def test_a_provider_that_is_replaced_while_a_body_arrives_still_serves_it(
    gateway: RunningGateway, key: str, upstream: ScriptedUpstream, harness: GatewayHarness
) -> None:
    upstream.always(openai_completion())
    arrived, go_on = asyncio.Event(), asyncio.Event()
    whole = msgspec.json.encode(BODY)

    async def slow() -> AsyncIterator[bytes]:
        yield whole[:10]
        arrived.set()
        await go_on.wait()
        yield whole[10:]

    async with httpx.AsyncClient(base_url=gateway.url, timeout=20) as plain:
        waiting = asyncio.ensure_future(
            plain.post("/v1/chat/completions", content=slow(), headers={"api-key": key})
        )
        async with asyncio.timeout(10):
            await arrived.wait()
        gateway.replace_providers(harness)
        go_on.set()
        assert (await waiting).status_code == 200
