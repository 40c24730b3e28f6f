"""The OpenAI-format provider against a scripted server: what goes out, and what answers mean."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from adapters.providers.factory import ProvidersByKind
from adapters.upstream.http11 import Http11Transport
from adapters.upstream.options import TransportOptions
from application.ports.provider import Provider
from application.ports.upstream import UpstreamTimeouts
from domain.errors import (
    UpstreamCredentialRejected,
    UpstreamFailure,
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from domain.routing.address_policy import AddressPolicy
from domain.routing.catalog import ProviderKind
from tests.support.answers import Answer, Drop, Send, Stall, answer, stream
from tests.support.openai_bodies import (
    completion,
    completion_events,
    openai_completion,
    openai_error,
    openai_stream,
)
from tests.support.provider_calls import (
    StoppedClock,
    cipher,
    frames,
    provider_call,
    provider_spec,
    relayed,
    relayed_parts,
)
from tests.support.scripted_upstream import ScriptedUpstream

CASSETTES = {
    path.name: path.read_bytes()
    for path in sorted((Path(__file__).parents[2] / "cassettes" / "openai").iterdir())
}
WHOLE = [name for name in CASSETTES if name.endswith(".json")]
STREAMS = [name for name in CASSETTES if name.endswith(".sse")]
OPTIONS = TransportOptions(address_policy=AddressPolicy.allowing(["127.0.0.0/8"]))
PATIENT_ONCE = UpstreamTimeouts(connect=5, first_byte=0.1, idle=0.1, total=5)


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as server:
        yield server
        assert server.errors == []


def build(upstream: ScriptedUpstream, **spec: Any) -> Provider:
    given: dict[str, Any] = {"base_url": upstream.base_url} | spec
    factory = ProvidersByKind(
        cipher(), lambda _spec, _proxy: Http11Transport(OPTIONS), StoppedClock(1_445_412_440_000)
    )
    return factory.build(provider_spec(given.pop("kind", ProviderKind.OPENAI_COMPATIBLE), **given))


@pytest.fixture
async def provider(upstream: ScriptedUpstream) -> AsyncIterator[Provider]:
    built = build(upstream)
    yield built
    await built.aclose()


async def failure(provider: Provider, **call: Any) -> UpstreamFailure:
    with pytest.raises(UpstreamFailure) as caught:
        await provider.open(provider_call(**call))
    return caught.value


async def test_fields_nobody_ever_heard_of_reach_the_upstream_byte_for_byte(
    upstream: ScriptedUpstream, provider: Provider
) -> None:
    before = '{ "überraschung" : {"model":"inner",  "n": 1.500e+02},"messages":[{"role":"user",\r\n'
    after = ',\t"seed":9007199254740993, "x":[1E2,-0.0,{"stream":"\\u00e9 \\/"}], "z":"你好" }  '
    body = f'{before}"content":"\\ud83d\\ude00"}}],"model" :  "public-model"{after}'.encode()
    upstream.enqueue(openai_completion())

    await relayed(await provider.open(provider_call(body, upstream_model="org/model-7b")))

    sent = (await upstream.next_request()).body
    assert sent == body.replace(b'"public-model"', b'"org/model-7b"')


async def test_a_stream_is_asked_for_usage_and_nothing_else_changes(
    upstream: ScriptedUpstream, provider: Provider
) -> None:
    body = b'{"stream":true,"new":{"a":1},"model":"public-model","messages":[{"role":"user"}]}'
    upstream.enqueue(openai_stream())
    await relayed(await provider.open(provider_call(body)))
    sent = (await upstream.next_request()).body
    assert sent == body.replace(
        b'"public-model"', b'"upstream-model","stream_options":{"include_usage":true}'
    )


async def test_a_client_that_asks_for_usage_itself_is_forwarded_unchanged(
    upstream: ScriptedUpstream, provider: Provider
) -> None:
    body = b'{"stream":true,"stream_options":{ "include_usage" : true },"model":"m","messages":[1]}'
    upstream.enqueue(openai_stream())
    relayed_bytes = await relayed(await provider.open(provider_call(body, upstream_model="m")))
    assert (await upstream.next_request()).body == body
    assert relayed_bytes == b"".join(completion_events())


async def test_usage_is_not_asked_for_where_the_server_cannot(upstream: ScriptedUpstream) -> None:
    provider = build(upstream, options={"stream_usage": False})
    upstream.enqueue(openai_stream(usage=None))
    reply = await provider.open(provider_call(stream=True))
    assert await relayed(reply) == b"".join(completion_events(usage=None))
    assert "stream_options" not in (await upstream.next_request()).json()
    await provider.aclose()


@pytest.mark.parametrize("name", WHOLE)
async def test_answers_come_back_byte_for_byte(
    name: str, upstream: ScriptedUpstream, provider: Provider
) -> None:
    body = CASSETTES[name][:-3] + b',"new_field":{"a":[1.50, 1e3]} }\n'
    upstream.enqueue(Answer(answer(200, body=body, chunked=True).steps))
    assert await relayed(await provider.open(provider_call())) == body


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("piece", [1, 7, 64])
async def test_streams_come_back_byte_for_byte_whatever_the_segments(
    name: str, piece: int, upstream: ScriptedUpstream, provider: Provider
) -> None:
    body = CASSETTES[name].replace(b'"created":', b'"new":{"a": 1.50},"created":')
    whole = stream([body]).steps
    cut = [Send(step.data, piece) if isinstance(step, Send) else step for step in whole]
    upstream.enqueue(Answer(tuple(cut)))
    n = 2 if "two" in name else 1
    call = provider_call(stream=True, stream_options={"include_usage": True}, n=n)
    assert await relayed(await provider.open(call)) == body


async def test_only_our_own_headers_go_out(upstream: ScriptedUpstream) -> None:
    provider = build(
        upstream,
        kind=ProviderKind.OPENAI,
        credentials={"api_key": "sk-test-123"},
        options={
            "organization": "org-1",
            "project": "proj_1",
            "headers": {"X-Title": "ThinkWatch gateway"},
        },
    )
    for streaming, accept in ((False, "application/json"), (True, "text/event-stream")):
        upstream.enqueue(openai_stream() if streaming else openai_completion())
        await relayed(await provider.open(provider_call(stream=streaming, request_id="req-77")))
        request = await upstream.next_request()
        headers = {name.lower(): value for name, value in request.headers}
        assert (request.method, request.target) == ("POST", "/v1/chat/completions")
        assert headers.pop("host") == f"127.0.0.1:{upstream.port}"
        assert headers.pop("content-length") == str(len(request.body))
        headers.pop("connection", None)
        assert headers == {
            "authorization": "Bearer sk-test-123",
            "openai-organization": "org-1",
            "openai-project": "proj_1",
            "x-title": "ThinkWatch gateway",
            "user-agent": "ThinkWatch",
            "content-type": "application/json",
            "accept-encoding": "identity",
            "accept": accept,
            "x-request-id": "req-77",
        }
    await provider.aclose()


async def test_a_server_without_key_gets_no_authorization(
    upstream: ScriptedUpstream, provider: Provider
) -> None:
    upstream.enqueue(openai_completion())
    await relayed(await provider.open(provider_call()))
    assert (await upstream.next_request()).header("authorization") is None


async def test_only_listed_response_headers_are_shown(
    upstream: ScriptedUpstream, provider: Provider
) -> None:
    shown = (("content-type", "application/json; charset=utf-8"), ("openai-version", "2020-10-01"))
    hidden = (
        ("openai-organization", "acme"),
        ("set-cookie", "a=b"),
        ("x-request-id", "theirs"),
        ("server", "vllm"),
    )
    upstream.enqueue(answer(200, body=completion(), headers=(*shown, *hidden)))
    reply = await provider.open(provider_call())
    await reply.aclose()
    assert list(reply.headers) == [(name.encode(), value.encode()) for name, value in shown]


async def test_a_compressed_answer_is_read_all_the_same(
    upstream: ScriptedUpstream, provider: Provider
) -> None:
    body = json.dumps(completion()).encode()
    headers = (("content-type", "application/json"), ("content-encoding", "gzip"))
    upstream.enqueue(answer(200, body=gzip.compress(body), headers=headers))
    reply = await provider.open(provider_call())
    assert b"content-encoding" not in dict(reply.headers)
    assert await relayed(reply) == body


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, UpstreamRejected),
        (401, UpstreamCredentialRejected),
        (403, UpstreamCredentialRejected),
        (404, UpstreamRejected),
        (408, UpstreamUnavailable),
        (409, UpstreamRejected),
        (413, UpstreamRejected),
        (422, UpstreamRejected),
        (429, UpstreamRateLimited),
        (500, UpstreamUnavailable),
        (502, UpstreamUnavailable),
        (503, UpstreamUnavailable),
        (529, UpstreamRateLimited),
        (302, UpstreamProtocolError),
        (304, UpstreamProtocolError),
    ],
)
async def test_statuses_become_failures(
    status: int, expected: type[Exception], upstream: ScriptedUpstream, provider: Provider
) -> None:
    for streaming in (False, True):
        steps = answer(status, body=b"") if status == 304 else openai_error(status, "Too bad.")
        upstream.enqueue(steps)
        found = await failure(provider, stream=streaming)
        assert type(found) is expected
        if isinstance(found, UpstreamRejected | UpstreamUnavailable):
            assert found.status == status
        if isinstance(found, UpstreamRejected):
            assert found.message == "Too bad."
        if isinstance(found, UpstreamUnavailable):
            assert found.error_class == "server_error"


async def test_a_redirect_is_not_followed(upstream: ScriptedUpstream, provider: Provider) -> None:
    upstream.enqueue(answer(307, body=b"", headers=(("location", f"{upstream.url}/elsewhere"),)))
    assert isinstance(await failure(provider), UpstreamProtocolError)
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ((("retry-after", "7"),), 7000),
        ((("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT"),), 40_000),
        ((("retry-after", "60"), ("retry-after-ms", "1250")), 1250),
        ((), None),
    ],
)
async def test_a_rate_limit_says_how_long(
    headers: tuple[tuple[str, str], ...],
    expected: int | None,
    upstream: ScriptedUpstream,
    provider: Provider,
) -> None:
    upstream.enqueue(openai_error(429, headers=headers))
    found = await failure(provider)
    assert isinstance(found, UpstreamRateLimited)
    assert found.retry_after_ms == expected


async def test_a_rejection_tells_nothing_of_the_installation(upstream: ScriptedUpstream) -> None:
    provider = build(
        upstream, credentials={"api_key": "very-private-key"}, options={"organization": "acme-corp"}
    )
    message = f"acme-corp very-private-key at 127.0.0.1 ({upstream.url}/v1) sent a bad 'n'."
    upstream.enqueue(openai_error(400, message, param="n"))
    found = await failure(provider)
    assert found.message == "[removed] [removed] at [removed] ([removed] sent a bad 'n'."
    await provider.aclose()


@pytest.mark.parametrize(
    "body", [b"<html>secret-host</html>", b"", b'{"error":{"message":"' + b"x" * 70_000 + b'"}}']
)
async def test_an_error_in_no_known_shape_or_size_gets_a_fixed_sentence(
    body: bytes, upstream: ScriptedUpstream, provider: Provider
) -> None:
    upstream.enqueue(answer(400, body=body))
    assert (await failure(provider)).message == "The model provider rejected the request (400)."


@pytest.mark.parametrize("end", [Stall(), Drop()])
async def test_an_error_body_that_does_not_come_costs_only_the_message(
    end: Stall | Drop, upstream: ScriptedUpstream, provider: Provider
) -> None:
    upstream.enqueue(stream([b'{"error":', end], status=422, terminated=False))
    found = await failure(provider, timeouts=PATIENT_ONCE)
    assert isinstance(found, UpstreamRejected)
    assert found.status == 422


@pytest.mark.parametrize(
    ("streaming", "content_type", "body"),
    [
        (True, "text/html", b"<html>Sign in</html>"),
        (True, "application/json", json.dumps(completion()).encode()),
        (False, "text/event-stream", b"data: [DONE]\n\n"),
        (False, "text/html", b"<html>Sign in</html>"),
        (False, "text/plain", b"{}"),
    ],
)
async def test_an_answer_of_the_wrong_type_is_refused(
    streaming: bool,
    content_type: str,
    body: bytes,
    upstream: ScriptedUpstream,
    provider: Provider,
) -> None:
    upstream.enqueue(answer(200, body=body, headers=(("content-type", content_type),)))
    assert isinstance(await failure(provider, stream=streaming), UpstreamProtocolError)


@pytest.mark.parametrize("status", [200, 302, 400, 500])
async def test_a_refused_answer_gives_its_connection_up(
    status: int, upstream: ScriptedUpstream
) -> None:
    transport = Http11Transport(
        TransportOptions(address_policy=AddressPolicy.allowing(["127.0.0.0/8"]), max_connections=1)
    )
    factory = ProvidersByKind(cipher(), lambda _spec, _proxy: transport, StoppedClock())
    provider = factory.build(provider_spec(base_url=upstream.base_url))
    html = (("content-type", "text/html"),)
    endless = stream([b"x" * 70_000, Stall()], status=status, headers=html, terminated=False)
    upstream.enqueue(endless, openai_completion())
    await failure(provider)
    await upstream.next_disconnect()
    assert frames(await relayed(await provider.open(provider_call())))
    await provider.aclose()


async def test_an_error_with_status_200_is_an_error_in_either_mode(
    upstream: ScriptedUpstream, provider: Provider
) -> None:
    upstream.enqueue(openai_error(200, "Slow down.", kind="requests", code="rate_limit_exceeded"))
    assert isinstance(await failure(provider, stream=True), UpstreamRateLimited)

    upstream.enqueue(openai_error(200, "Slow down.", kind="requests", code="rate_limit_exceeded"))
    reply = await provider.open(provider_call())
    with pytest.raises(UpstreamRateLimited):
        await relayed(reply)


async def test_a_missing_content_type_is_forgiven(
    upstream: ScriptedUpstream, provider: Provider
) -> None:
    upstream.enqueue(stream(completion_events(), headers=()))
    reply = await provider.open(provider_call(stream=True))
    assert dict(reply.headers) == {b"content-type": b"text/event-stream"}
    assert frames(await relayed(reply))[-1] == "[DONE]"


async def test_a_stream_that_is_cut_is_an_error_and_the_content_before_it_is_not_lost(
    upstream: ScriptedUpstream, provider: Provider
) -> None:
    events = completion_events()[:3]
    upstream.enqueue(stream([*events, Drop()], terminated=False))
    reply = await provider.open(provider_call(stream=True, stream_options={"include_usage": True}))
    parts = relayed_parts(reply)
    received = b""
    while len(received) < len(b"".join(events)):
        received += await anext(parts)
    assert received == b"".join(events)
    with pytest.raises(UpstreamUnavailable):
        await anext(parts)


async def test_a_properly_ended_body_without_the_terminator_is_an_error(
    upstream: ScriptedUpstream, provider: Provider
) -> None:
    upstream.enqueue(stream(completion_events()[:3]))
    reply = await provider.open(provider_call(stream=True))
    with pytest.raises(UpstreamProtocolError):
        await relayed(reply)


async def test_nobody_there_is_an_unavailable_provider(upstream: ScriptedUpstream) -> None:
    provider = build(upstream, base_url="http://127.0.0.1:1/v1")
    assert isinstance(await failure(provider), UpstreamUnavailable)
    await provider.aclose()


async def test_a_silent_server_is_a_timeout(upstream: ScriptedUpstream, provider: Provider) -> None:
    upstream.enqueue(Answer((Stall(),)))
    found = await failure(provider, timeouts=PATIENT_ONCE)
    assert isinstance(found, UpstreamTimeout)
    assert found.phase == "first_byte"


async def test_cancelling_while_an_error_body_is_read_closes_the_connection(
    upstream: ScriptedUpstream, provider: Provider
) -> None:
    begun = asyncio.Event()

    def responder(_: object) -> Answer:
        begun.set()
        return stream([b'{"error":', Stall()], status=400, terminated=False)

    upstream.enqueue(responder)
    task = asyncio.ensure_future(provider.open(provider_call()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await upstream.next_disconnect()
