"""What every `Provider` built by a `ProviderFactory` promises, its `UpstreamReply` and scanner too.

The providers that talk HTTP answer from a scripted server on real sockets, over both transports.
"""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable

import pytest

from adapters.providers.factory import ProvidersByKind
from adapters.upstream.http11 import Http11Transport
from adapters.upstream.httpx_transport import HttpxTransport
from adapters.upstream.options import TransportOptions
from application.ports.provider import Provider, ProviderFactory, ReplyScanner, UpstreamReply
from application.ports.upstream import UpstreamTransport
from domain.accounting.usage import TokenUsage
from domain.errors import (
    InvalidRequest,
    UpstreamFailure,
    UpstreamProtocolError,
    UpstreamRejected,
)
from domain.routing.address_policy import AddressPolicy
from domain.routing.catalog import ProviderKind, ProviderSpec
from tests.support.answers import Answer, answer, stream
from tests.support.openai_bodies import completion, completion_events, openai_error
from tests.support.provider_calls import (
    StoppedClock,
    cipher,
    frames,
    provider_call,
    provider_spec,
    relayed,
)
from tests.support.scripted_upstream import ReceivedRequest, ScriptedUpstream

OPTIONS = TransportOptions(address_policy=AddressPolicy.allowing(["127.0.0.0/8"]))


def http11(_: ProviderSpec, proxy: str | None) -> UpstreamTransport:
    return Http11Transport(OPTIONS)


def httpx(_: ProviderSpec, proxy: str | None) -> UpstreamTransport:
    return HttpxTransport(OPTIONS)


def factory(
    transport: Callable[[ProviderSpec, str | None], UpstreamTransport] = http11,
) -> ProviderFactory:
    return ProvidersByKind(cipher(), transport, StoppedClock())


def respond(request: ReceivedRequest) -> Answer:
    """Play OpenAI, as far as this suite needs it."""
    body = request.json()
    if not body.get("messages"):
        return openai_error(400, "No messages.", kind="invalid_request_error", param="messages")
    if not body.get("stream"):
        return answer(200, body=completion(model=body["model"]))
    events = completion_events(model=body["model"])
    if "include_usage" not in body.get("stream_options", ()):
        events = completion_events(model=body["model"], usage=None)
    return stream(events)


@contextlib.asynccontextmanager
async def scripted(
    kind: ProviderKind, transport: Callable[[ProviderSpec, str | None], UpstreamTransport]
) -> AsyncGenerator[Provider]:
    async with ScriptedUpstream() as upstream:
        upstream.always(respond)
        spec = provider_spec(kind, base_url=upstream.base_url, credentials={"api_key": "sk-test-1"})
        provider = factory(transport).build(spec)
        yield provider
        await provider.aclose()


@contextlib.asynccontextmanager
async def demo() -> AsyncGenerator[Provider]:
    provider = factory().build(provider_spec(ProviderKind.DEMO))
    yield provider
    await provider.aclose()


@pytest.fixture(
    params=[
        pytest.param(demo, id="demo"),
        pytest.param(lambda: scripted(ProviderKind.OPENAI, http11), id="openai-http11"),
        pytest.param(lambda: scripted(ProviderKind.OPENAI, httpx), id="openai-httpx"),
        pytest.param(
            lambda: scripted(ProviderKind.OPENAI_COMPATIBLE, http11), id="openai_compatible-http11"
        ),
    ]
)
async def provider(request: pytest.FixtureRequest) -> AsyncIterator[Provider]:
    async with request.param() as built:
        yield built


async def test_a_whole_answer_arrives_with_its_summary(provider: Provider) -> None:
    reply: UpstreamReply = await provider.open(provider_call())
    assert reply.status == 200
    assert dict(reply.headers)[b"content-type"].startswith(b"application/json")
    scanner: ReplyScanner = reply.scanner
    assert scanner.summary.usage is None

    (body,) = frames(await relayed(reply))

    assert body["object"] == "chat.completion"
    assert body["model"] == "upstream-model"
    assert isinstance(body["choices"][0]["message"]["content"], str)
    summary = scanner.summary
    assert summary.usage is not None
    assert summary.usage.total == body["usage"]["total_tokens"]
    assert (summary.finish_reason, summary.model) == ("stop", "upstream-model")
    assert summary.output_characters == len(body["choices"][0]["message"]["content"])


async def test_a_stream_arrives_frame_by_frame_with_its_summary(provider: Provider) -> None:
    reply = await provider.open(provider_call(stream=True))
    assert dict(reply.headers)[b"content-type"].startswith(b"text/event-stream")

    events = frames(await relayed(reply))

    assert events[-1] == "[DONE]"
    deltas = [event["choices"][0]["delta"] for event in events[:-1]]
    text = "".join(delta.get("content") or "" for delta in deltas)
    assert deltas[0]["role"] == "assistant"
    assert events[-2]["choices"][0]["finish_reason"] == "stop"
    summary = reply.scanner.summary
    assert summary.content_started
    assert summary.output_characters == len(text)
    assert isinstance(summary.usage, TokenUsage)


async def test_usage_is_streamed_only_to_who_asked_for_it(provider: Provider) -> None:
    plain = await provider.open(provider_call(stream=True))
    events = frames(await relayed(plain))[:-1]
    assert all("usage" not in event and event["choices"] for event in events)

    asked = await provider.open(provider_call(stream=True, stream_options={"include_usage": True}))
    *others, last = frames(await relayed(asked))[:-1]
    assert last["choices"] == []
    assert asked.scanner.summary.usage is not None
    assert last["usage"]["total_tokens"] == asked.scanner.summary.usage.total
    assert all(event["usage"] is None for event in others)
    assert plain.scanner.summary.usage == asked.scanner.summary.usage


async def test_a_request_the_provider_rejects_says_why(provider: Provider) -> None:
    for streaming in (False, True):
        with pytest.raises(UpstreamRejected) as caught:
            await provider.open(provider_call(messages=[], stream=streaming))
        assert caught.value.status == 400
        assert caught.value.kind == "invalid_request_error"
        assert caught.value.param == "messages"
        assert caught.value.message


async def test_a_reply_may_be_left_at_any_point(provider: Provider) -> None:
    unread = await provider.open(provider_call(stream=True))
    await unread.aclose()
    await unread.aclose()

    begun = await provider.open(provider_call(stream=True))
    chunks = begun.chunks()
    begun.scanner.feed(await anext(chunks))
    await begun.aclose()
    with contextlib.suppress(UpstreamFailure):
        assert [chunk async for chunk in chunks] == []
    with pytest.raises(UpstreamProtocolError):
        begun.scanner.finish()

    after = await provider.open(provider_call())
    assert frames(await relayed(after))


async def test_several_calls_run_side_by_side(provider: Provider) -> None:
    replies = [await provider.open(provider_call(stream=True)) for _ in range(5)]
    bodies = [await relayed(reply) for reply in reversed(replies)]
    assert len(set(bodies)) == 1


async def test_a_plain_answer_over_the_limit_is_refused(provider: Provider) -> None:
    reply = await provider.open(provider_call(max_reply_bytes=100))
    with pytest.raises(UpstreamProtocolError):
        await relayed(reply)


async def test_closing_twice_is_safe(provider: Provider) -> None:
    await provider.aclose()
    await provider.aclose()


@pytest.mark.parametrize("kind", list(ProviderKind))
def test_an_unknown_option_is_refused_by_name(kind: ProviderKind) -> None:
    spec = provider_spec(kind, options={"colour": "blue"})
    with pytest.raises(InvalidRequest) as caught:
        factory().build(spec)
    assert caught.value.param == "options.colour"


def test_transport_options_that_cannot_work_are_refused() -> None:
    def broken(_: ProviderSpec, proxy: str | None) -> UpstreamTransport:
        return Http11Transport(TransportOptions(ca_pem="not a certificate"))

    spec = provider_spec(base_url="http://localhost:1/v1")
    with pytest.raises(InvalidRequest) as caught:
        factory(broken).build(spec)
    assert caught.value.param == "options"
