"""What every `Provider` built by a `ProviderFactory` promises, its `UpstreamReply` and scanner too.

The providers that talk HTTP answer from a scripted server on real sockets, over both transports.
"""

import contextlib
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

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
from tests.support.model import anthropic, chat, converse, gemini, responses
from tests.support.model.talk import Conversation, Tokens, Turn
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

MODEL = "upstream-model"
UNKNOWN_MODEL = "unknown-model"
TURN = Turn(text="Hello there.", tokens=Tokens(uncached=9, output=4), id="1")
OPTIONS = TransportOptions(address_policy=AddressPolicy.allowing(["127.0.0.0/8"]))


def http11(_: ProviderSpec, proxy: str | None) -> UpstreamTransport:
    return Http11Transport(OPTIONS)


def httpx(_: ProviderSpec, proxy: str | None) -> UpstreamTransport:
    return HttpxTransport(OPTIONS)


def factory(
    transport: Callable[[ProviderSpec, str | None], UpstreamTransport] = http11,
) -> ProviderFactory:
    return ProvidersByKind(cipher(), transport, StoppedClock())


def refuses(request: ReceivedRequest) -> bool:
    """Tell whether this is the request that upstreams refuse in this suite."""
    return UNKNOWN_MODEL in request.target or UNKNOWN_MODEL.encode() in request.body


def openai(request: ReceivedRequest) -> Answer:
    """Play OpenAI, as far as this suite needs it."""
    body = request.json()
    if refuses(request):
        return openai_error(400, "No such model.", kind="invalid_request_error", param="model")
    if not body.get("stream"):
        return answer(200, body=completion(model=body["model"]))
    events = completion_events(model=body["model"])
    if "include_usage" not in body.get("stream_options", ()):
        events = completion_events(model=body["model"], usage=None)
    return stream(events)


def vendor(
    path: str,
    whole: Callable[[], dict[str, Any]],
    events: Callable[[], Iterable[bytes]],
    refusal: dict[str, Any],
    content_type: str = "text/event-stream",
) -> Callable[[ReceivedRequest], Answer]:
    """Play a vendor whose operations are at `path`; the one for streams may be another."""

    def respond(request: ReceivedRequest) -> Answer:
        assert re.fullmatch(path, request.target), request.target
        if refuses(request):
            return answer(400, body=refusal)
        if re.search("-stream$|:stream", request.target) or request.json().get("stream"):
            return stream(events(), headers=[("content-type", content_type)])
        return answer(200, body=whole())

    return respond


def asked(api: str) -> Conversation:
    return Conversation(api, MODEL, "", (), stream=True, gives_state=False, wants_thinking=False)


def responses_whole() -> dict[str, Any]:
    conversation = asked("responses")
    items = responses.output(TURN, conversation, {})
    return responses.response("resp_1", items, conversation, {}, TURN.tokens)


def responses_events() -> Iterable[bytes]:
    conversation = asked("responses")
    items = responses.output(TURN, conversation, {})
    return responses.events("resp_1", items, conversation, {}, TURN.tokens)


class Kind(NamedTuple):
    """A kind of provider at an upstream of its vendor's shape; `own`: it speaks the client's."""

    kind: ProviderKind
    path: str
    respond: Callable[[ReceivedRequest], Answer]
    credentials: dict[str, Any] | None
    options: dict[str, object]
    own: bool = True


KEY = {"api_key": "sk-test-1"}
KINDS = {
    "openai": Kind(ProviderKind.OPENAI, "/v1", openai, KEY, {}),
    "openai_compatible": Kind(ProviderKind.OPENAI_COMPATIBLE, "/v1", openai, None, {}),
    "azure_openai": Kind(ProviderKind.AZURE_OPENAI, "", openai, KEY, {}),
    "azure_openai-dated": Kind(
        ProviderKind.AZURE_OPENAI, "", openai, KEY, {"api_version": "2024-10-21"}
    ),
    "responses": Kind(
        ProviderKind.OPENAI_COMPATIBLE,
        "/v1",
        vendor(
            "/v1/responses",
            responses_whole,
            responses_events,
            chat.refusal(400, "No such model."),
        ),
        KEY,
        {"api": "responses"},
        own=False,
    ),
    "anthropic": Kind(
        ProviderKind.ANTHROPIC,
        "",
        vendor(
            "/v1/messages",
            lambda: anthropic.whole(TURN, asked("anthropic")),
            lambda: anthropic.events(TURN, asked("anthropic")),
            anthropic.refusal(400, "No such model."),
        ),
        KEY,
        {},
        own=False,
    ),
    "gemini": Kind(
        ProviderKind.GEMINI,
        "",
        vendor(
            r"/v1beta/models/[a-z-]+:(generateContent|streamGenerateContent\?alt=sse)",
            lambda: gemini.whole(TURN, asked("gemini")),
            lambda: gemini.events(TURN, asked("gemini")),
            gemini.refusal(400, "No such model."),
        ),
        KEY,
        {},
        own=False,
    ),
    "bedrock": Kind(
        ProviderKind.BEDROCK,
        "",
        vendor(
            "/model/[a-z-]+/converse(-stream)?",
            lambda: converse.whole(TURN),
            lambda: converse.events(TURN),
            converse.refusal(400, "No such model.")[1],
            "application/vnd.amazon.eventstream",
        ),
        {"access_key_id": "AKIDEXAMPLE0000000", "secret_access_key": "wJalrXUtnFEMI/K7MDENG"},
        {"region": "us-east-1"},
        own=False,
    ),
}


class Subject(NamedTuple):
    """A provider under test.

    Attributes:
        own: it answers in the client's format, byte for byte.
        refuses: there is a request it refuses.
    """

    provider: Provider
    own: bool = True
    refuses: bool = True


@contextlib.asynccontextmanager
async def scripted(
    name: str, transport: Callable[[ProviderSpec, str | None], UpstreamTransport]
) -> AsyncGenerator[Subject]:
    kind = KINDS[name]
    async with ScriptedUpstream() as upstream:
        upstream.always(kind.respond)
        spec = provider_spec(
            kind.kind,
            base_url=upstream.url + kind.path,
            credentials=kind.credentials,
            options=kind.options,
        )
        provider = factory(transport).build(spec)
        yield Subject(provider, own=kind.own)
        await provider.aclose()
        assert upstream.errors == []


@contextlib.asynccontextmanager
async def demo() -> AsyncGenerator[Subject]:
    provider = factory().build(provider_spec(ProviderKind.DEMO))
    yield Subject(provider, refuses=False)
    await provider.aclose()


@pytest.fixture(
    params=[
        pytest.param(demo, id="demo"),
        *(pytest.param(partial(scripted, name, http11), id=f"{name}-http11") for name in KINDS),
        pytest.param(partial(scripted, "openai", httpx), id="openai-httpx"),
        pytest.param(partial(scripted, "bedrock", httpx), id="bedrock-httpx"),
    ]
)
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    async with request.param() as built:
        yield built


@pytest.fixture
def provider(subject: Subject) -> Provider:
    return subject.provider


async def test_a_whole_answer_arrives_with_its_summary(subject: Subject) -> None:
    reply: UpstreamReply = await subject.provider.open(provider_call())
    assert reply.status == 200
    assert dict(reply.headers)[b"content-type"].startswith(b"application/json")
    scanner: ReplyScanner = reply.scanner
    assert scanner.summary.usage is None

    (body,) = frames(await relayed(reply))

    assert body["object"] == "chat.completion"
    assert body["model"] == (MODEL if subject.own else "public-model")
    assert isinstance(body["choices"][0]["message"]["content"], str)
    summary = scanner.summary
    assert summary.usage is not None
    assert summary.usage.total == body["usage"]["total_tokens"]
    assert summary.finish_reason == "stop"
    assert summary.model in (MODEL, "")  # Bedrock does not say
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


async def test_a_request_the_provider_rejects_says_why(subject: Subject) -> None:
    if not subject.refuses:
        pytest.skip("this provider takes every request")
    for streaming in (False, True):
        call = provider_call(stream=streaming, upstream_model=UNKNOWN_MODEL)
        with pytest.raises(UpstreamRejected) as caught:
            await subject.provider.open(call)
        assert caught.value.status == 400
        assert caught.value.message == "No such model."
        # What one vendor calls things means nothing to clients of another.
        named = (caught.value.kind, caught.value.param)
        assert named == (("invalid_request_error", "model") if subject.own else (None, None))


async def test_the_demo_rejects_like_a_provider_what_makes_no_sense() -> None:
    async with demo() as subject:
        with pytest.raises(UpstreamRejected) as caught:
            await subject.provider.open(provider_call(messages=[]))
    assert (caught.value.kind, caught.value.param) == ("invalid_request_error", "messages")


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
