"""Whatever goes wrong: the right status, OpenAI's error shape, the request id, nothing internal."""

import asyncio
import json
import uuid
from typing import Any

import httpx
import pytest

from tests.support.answers import Answer, Drop, Reset, Wait, raw, stream
from tests.support.installation import DEAD_MODEL, MODEL, OTHER_MODEL, UPSTREAM_KEY, Installation
from tests.support.openai_bodies import (
    completion_events,
    openai_completion,
    openai_error,
    rate_limited,
)
from tests.support.program import wait_until
from tests.support.scripted_upstream import ScriptedUpstream

BODY: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}]}


def _checked(reply: httpx.Response, installation: Installation) -> dict[str, Any]:
    """Return the error of an answer that has every mark of a good one."""
    assert reply.headers["content-type"].startswith("application/json")
    assert reply.headers["x-request-id"]
    body = reply.json()
    assert body.keys() == {"error"}
    assert body["error"].keys() >= {"message", "type", "param", "code"}
    assert body["error"]["message"]
    for internal in ("Traceback", "127.0.0.1", str(installation.upstream_port), UPSTREAM_KEY):
        assert internal not in reply.text
    return body["error"]


async def _post(
    installation: Installation, content: bytes, key: str | None = None
) -> httpx.Response:
    async with installation.client(key) as client:
        return await client.post(
            "/chat/completions", content=content, headers={"content-type": "application/json"}
        )


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ("", "missing_api_key"),
        ("tw-wrong", "invalid_api_key"),
        ("sk-somebody-elses", "invalid_api_key"),
        ("tw-" + "A" * 71, "invalid_api_key"),
    ],
)
async def test_a_caller_without_a_good_key_gets_401(
    installation: Installation, key: str, code: str
) -> None:
    reply = await _post(installation, json.dumps(BODY).encode(), key)
    assert (reply.status_code, _checked(reply, installation)["code"]) == (401, code)


@pytest.mark.parametrize(
    ("name", "options", "status", "code"),
    [
        ("other-surface", ("--surface", "mcp_gateway"), 403, "surface_not_allowed"),
        ("other-models", ("--model", "claude-*"), 403, "model_not_allowed"),
        ("other-network", ("--ip", "192.0.2.0/24"), 403, "address_not_allowed"),
    ],
)
async def test_a_key_that_may_not_do_this_gets_403(
    installation: Installation, name: str, options: tuple[str, ...], status: int, code: str
) -> None:
    key = installation.new_key(name, *options)
    reply = await _post(installation, json.dumps(BODY).encode(), key)
    assert (reply.status_code, _checked(reply, installation)["code"]) == (status, code)


async def test_an_expired_key_gets_401(installation: Installation) -> None:
    key = installation.new_key("short-lived", "--expires-in", "1s")

    def answer() -> httpx.Response | None:
        reply = httpx.post(
            f"{installation.base_url}/chat/completions",
            headers={"authorization": f"Bearer {key}"},
            json=BODY | {"model": "no-such-model"},
        )
        return reply if reply.status_code == 401 else None

    expired = wait_until(answer, what="the expiry of the key")
    assert expired is not None
    assert _checked(expired, installation)["code"] == "api_key_expired"


DEEP = b'{"model":"%s","messages":' % MODEL.encode() + b"[" * 100 + b"]" * 100 + b"}"


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"{not json", 400, "invalid_request"),
        (b"", 400, "invalid_request"),
        (b"[]", 400, "invalid_request"),
        (b'{"messages":[]}', 400, "invalid_request"),
        (b'{"model":7,"messages":[]}', 400, "invalid_request"),
        (b'{"model":"gpt-4o","messages":[],"x":"\xff\xfe"}', 400, "invalid_request"),
        (DEEP, 400, "invalid_request"),
        (b'{"model":"no-such-model","messages":[]}', 404, "model_not_found"),
    ],
    ids=["not JSON", "empty", "no object", "no model", "model of another type", "not UTF-8",
         "100 deep", "unknown model"],
)  # fmt: skip
async def test_a_bad_request_is_told_what_is_wrong(
    installation: Installation, content: bytes, status: int, code: str
) -> None:
    reply = await _post(installation, content)
    assert (reply.status_code, _checked(reply, installation)["code"]) == (status, code)


async def test_a_body_over_the_limit_gets_413(installation: Installation) -> None:
    content = b'{"model":"%s","messages":[],"x":"' % MODEL.encode() + b"x" * (33 << 20) + b'"}'
    reply = await _post(installation, content)
    assert (reply.status_code, _checked(reply, installation)["code"]) == (413, "request_too_large")


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/chat/completions", 405), ("POST", "/nothing", 404)]
)
async def test_an_unknown_url_gets_openai_s_error_too(
    installation: Installation, method: str, path: str, status: int
) -> None:
    async with installation.client() as client:
        reply = await client.request(method, path)
    assert reply.status_code == status
    _checked(reply, installation)


async def test_a_provider_that_is_down_is_a_502(installation: Installation) -> None:
    reply = await _post(installation, json.dumps(BODY | {"model": DEAD_MODEL}).encode())
    assert (reply.status_code, _checked(reply, installation)["code"]) == (
        502,
        "upstream_unavailable",
    )
    record = installation.record(reply.headers["x-request-id"])
    assert (record["outcome"], record["status"]) == ("upstream_error", 502)


HTML = raw(
    b"HTTP/1.1 503 Busy\r\ncontent-type: text/html\r\ncontent-length: 17\r\n\r\n<h1>10.1.2.3</h1>"
)


@pytest.mark.parametrize(
    ("scripted", "status", "code"),
    [
        (
            openai_error(
                400, "max_tokens is too large", kind="invalid_request_error", code="too_large"
            ),
            400,
            "too_large",
        ),
        (openai_error(401, f"Incorrect API key {UPSTREAM_KEY}"), 502, None),
        (openai_error(500, "stack trace of host db.internal"), 502, "upstream_unavailable"),
        (HTML, 502, "upstream_unavailable"),
        (raw(b"not http at all\r\n\r\n"), 502, "upstream_protocol_error"),
        (raw(Reset()), 502, "upstream_unavailable"),
        (raw(Drop()), 502, "upstream_unavailable"),
    ],
    ids=["400", "401", "500", "HTML", "not HTTP", "reset", "closed"],
)
async def test_a_provider_s_failure_is_told_without_its_internals(
    installation: Installation,
    upstream: ScriptedUpstream,
    scripted: Answer,
    status: int,
    code: str | None,
) -> None:
    upstream.always(scripted)
    reply = await _post(installation, json.dumps(BODY).encode())
    error = _checked(reply, installation)
    assert reply.status_code == status
    assert code is None or error["code"] == code
    for internal in ("db.internal", "10.1.2.3", "<h1>"):
        assert internal not in reply.text


async def test_a_provider_s_rate_limit_is_passed_on_with_its_wait(
    installation: Installation, upstream: ScriptedUpstream
) -> None:
    upstream.always(rate_limited(7))
    reply = await _post(installation, json.dumps(BODY | {"model": OTHER_MODEL}).encode())
    assert reply.status_code == 429
    assert _checked(reply, installation)["code"] == "upstream_rate_limited"
    assert reply.headers["retry-after"] == "7"


@pytest.mark.parametrize("end", [Drop(), Reset()], ids=["closed", "reset"])
async def test_a_stream_that_is_cut_ends_in_an_error_and_never_in_done(
    installation: Installation, upstream: ScriptedUpstream, end: Drop | Reset
) -> None:
    held = asyncio.Event()
    first = completion_events()[:3]
    upstream.always(stream([*first, Wait(held), end], terminated=False))
    async with (
        installation.client() as client,
        client.stream("POST", "/chat/completions", json=BODY | {"stream": True}) as reply,
    ):
        assert reply.status_code == 200
        received = b""
        async for piece in reply.aiter_raw():
            received += piece
            held.set()  # the client has content: now the provider goes away
    events = [line for line in received.decode().split("\n\n") if line]
    assert "[DONE]" not in received.decode()
    error = json.loads(events[-1].removeprefix("data: "))["error"]
    assert error["code"] in {"upstream_unavailable", "upstream_protocol_error"}
    record = installation.record(reply.headers["x-request-id"])
    assert record["outcome"] == "upstream_error"


async def test_the_connection_to_a_client_survives_its_errors(
    installation: Installation, upstream: ScriptedUpstream
) -> None:
    upstream.always(openai_completion("fine"))
    async with installation.client(limits=httpx.Limits(max_connections=1)) as client:
        assert (await client.post("/chat/completions", content=b"{")).status_code == 400
        reply = await client.post("/chat/completions", json=BODY)
        assert reply.json()["choices"][0]["message"]["content"] == "fine"


async def test_a_request_id_of_the_caller_is_used_everywhere(
    installation: Installation, upstream: ScriptedUpstream
) -> None:
    upstream.always(openai_completion("fine"))
    request_id = f"caller-{uuid.uuid4()}"
    async with installation.client() as client:
        reply = await client.post(
            "/chat/completions", json=BODY, headers={"x-request-id": request_id}
        )
    assert reply.headers["x-request-id"] == request_id
    assert (await upstream.next_request()).header("x-request-id") == request_id
    assert installation.record(request_id)["status"] == 200
