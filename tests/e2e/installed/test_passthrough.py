"""Bytes go through as they are: fields this code never heard of included."""

import json

import pytest

from tests.support.answers import Answer, answer, chunk, head_bytes, raw
from tests.support.installation import MODEL, UPSTREAM_KEY, UPSTREAM_MODEL, Installation
from tests.support.openai_bodies import completion_events, openai_stream
from tests.support.scripted_upstream import ScriptedUpstream

# Odd but valid: unknown fields, key order, white space, escapes, numbers that floats cannot hold.
REQUEST = (
    '{ "zz_unknown":{"deep":[1,2,{"x":null}]},\r\n\t"messages" : [{"role":"user",'
    '"content":"caf\\u00e9 \\ud83d\\ude00 ü \\/"}],\n"seed":12345678901234567890123,'
    '"temperature":1.0e-07,  "model":"%s" ,"reasoning_effort":"low","x":{"model":"untouched"},'
    '"stream":%s}'
)
ANSWER = (
    '{"id":"chatcmpl-1" , "new_field":{"nested":[true,1.50]},"object":"chat.completion",\n'
    '"created":1741570283,"model":"gpt-4o-2024-08-06","choices":[{"index":0,"message":{"role":'
    '"assistant","content":"\\u00fc \\/ ok","audio":null,"novel":1},"finish_reason":"stop"}],'
    '"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7,"novel_tokens":3}}\n'
)


def _whole(body: str) -> Answer:
    return answer(200, body=body, headers=[("content-type", "application/json")])


async def test_a_request_reaches_the_upstream_unchanged_but_for_model_and_credentials(
    installation: Installation, upstream: ScriptedUpstream
) -> None:
    upstream.enqueue(_whole(ANSWER))
    sent = (REQUEST % (MODEL, "false")).encode()
    async with installation.client() as client:
        reply = await client.post(
            "/chat/completions",
            content=sent,
            headers={"content-type": "application/json", "x-api-key": installation.key},
        )
    received = await upstream.next_request()
    assert reply.status_code == 200
    assert received.path == "/v1/chat/completions"
    assert received.body == (REQUEST % (UPSTREAM_MODEL, "false")).encode()
    assert received.header("authorization") == f"Bearer {UPSTREAM_KEY}"
    assert installation.key not in str(received.headers)
    assert received.header("x-request-id") == reply.headers["x-request-id"]


async def test_an_answer_reaches_the_client_byte_for_byte(
    installation: Installation, upstream: ScriptedUpstream
) -> None:
    upstream.enqueue(_whole(ANSWER))
    async with installation.client() as client:
        reply = await client.post("/chat/completions", content=REQUEST % (MODEL, "false"))
    assert reply.content == ANSWER.encode()
    assert reply.headers["content-type"] == "application/json"


@pytest.mark.parametrize("every", [1, 7, 1000])
async def test_a_stream_reaches_the_client_byte_for_byte_however_it_is_cut(
    installation: Installation, upstream: ScriptedUpstream, every: int
) -> None:
    upstream.enqueue(openai_stream(("Grüße", " 😀", "!")).split(every))
    body = {
        "model": MODEL,
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "unheard_of": [1],
    }
    async with installation.client() as client:
        reply = await client.post("/chat/completions", json=body)
    assert reply.content == b"".join(completion_events(("Grüße", " 😀", "!")))
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert (await upstream.next_request()).json() == body | {"model": UPSTREAM_MODEL}


async def test_usage_is_asked_for_and_kept_from_a_client_that_did_not_ask(
    installation: Installation, upstream: ScriptedUpstream
) -> None:
    upstream.enqueue(openai_stream(("one", "two")))
    body = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}], "stream": True}
    async with installation.client() as client:
        reply = await client.post("/chat/completions", json=body)
    asked = (await upstream.next_request()).json()
    assert asked["stream_options"] == {"include_usage": True}
    events = [line.removeprefix("data: ") for line in reply.text.split("\n\n") if line]
    assert events[-1] == "[DONE]"
    chunks = [json.loads(event) for event in events[:-1]]
    assert "".join(c["choices"][0]["delta"].get("content", "") for c in chunks) == "onetwo"
    assert [c for c in chunks if c.get("usage")] == []
    record = installation.record(reply.headers["x-request-id"])
    assert (record["tokens_input_uncached"], record["tokens_cache_read"]) == (15, 4)
    assert record["tokens_output"] + record["tokens_reasoning"] == 10
    assert record["outcome"] == "ok"
    assert record["cost_nano_usd"] > 0


async def test_headers_of_one_hop_stay_on_that_hop(
    installation: Installation, upstream: ScriptedUpstream
) -> None:
    body = ANSWER.encode()
    head = head_bytes(
        200,
        [
            ("content-type", "application/json"),
            ("transfer-encoding", "chunked"),
            ("set-cookie", "session=of-the-provider"),
            ("openai-organization", "org-of-the-operator"),
            ("server", "internal-proxy"),
        ],
    )
    upstream.enqueue(raw(head + chunk(body) + b"0\r\n\r\n", keep_alive=True))
    async with installation.client() as client:
        reply = await client.post(
            "/chat/completions",
            content=REQUEST % (MODEL, "false"),
            headers={"cookie": "of=the-client", "connection": "keep-alive, x-hop", "x-hop": "1"},
        )
    assert reply.content == body
    for private in ("set-cookie", "openai-organization"):
        assert private not in reply.headers
    assert reply.headers.get("server") != "internal-proxy"
    received = await upstream.next_request()
    assert received.header("cookie") is None
    assert received.header("x-hop") is None
