"""ConversationCodec and StreamEncoder: what one writes, the same format's reader understands."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from adapters.wire.anthropic_messages.dialect import AnthropicMessagesCodec
from adapters.wire.anthropic_messages.wire import AnthropicMessagesWire
from adapters.wire.bedrock_converse.dialect import BedrockConverseCodec
from adapters.wire.bedrock_converse.wire import BedrockConverseWire
from adapters.wire.codec import WireCodec, WireTarget
from adapters.wire.gemini_generate.dialect import GeminiCodec
from adapters.wire.gemini_generate.wire import GeminiWire
from adapters.wire.openai_chat.dialect import OpenAIChatCodec
from adapters.wire.openai_chat.wire import OpenAIChatWire
from adapters.wire.openai_responses.dialect import OpenAIResponsesCodec
from adapters.wire.openai_responses.wire import OpenAIResponsesWire
from adapters.wire.upstream_errors import MessageScrubber
from application.ports.dialect import (
    NOT_IN_URL,
    ConversationCodec,
    CountingCodec,
    ReplyContext,
    RequestTarget,
    StreamEncoder,
)
from application.ports.provider import RelayingCodec
from domain.accounting.usage import TokenUsage
from domain.errors import InvalidRequest
from domain.inference.conversation import Part, Role, TextPart, ToolCallPart
from domain.inference.events import (
    BlockDelta,
    BlockEnded,
    BlockStarted,
    Finished,
    Started,
    StreamEvent,
    UsageKnown,
)
from domain.inference.fields import CANONICAL_FIELDS
from domain.inference.head import RequestHead
from domain.inference.request import InferenceRequest
from domain.inference.response import Candidate, FinishReason, InferenceResponse

SCRUBBER = MessageScrubber()
USAGE = TokenUsage(input_uncached=7, cache_read=3, output=5)
PARTS: tuple[Part, ...] = (
    TextPart(text="Let me look. é"),
    ToolCallPart(id="call_1", name="get_weather", arguments='{"city":"Paris"}'),
    ToolCallPart(id="call_2", name="get_time", arguments="{}"),
)
IN_URL = RequestTarget(model="m", stream=False)


@dataclass(frozen=True)
class Sample:
    """A dialect, the same format towards providers, and a request that says Hi."""

    codec: ConversationCodec
    wire: WireCodec
    body: dict[str, Any]
    target: RequestTarget = NOT_IN_URL

    def request(self, **changes: Any) -> InferenceRequest:
        return self.codec.decode(json.dumps(self.body | changes).encode(), self.target)

    def context(self) -> ReplyContext:
        return ReplyContext(
            request=self.request(), model="m", reply_id="r-1", created_s=1, include_usage=True
        )


CHAT = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
GEMINI = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
CONVERSE = {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}
SAMPLES = {
    "chat": Sample(OpenAIChatCodec(), OpenAIChatWire(), CHAT),
    "responses": Sample(
        OpenAIResponsesCodec(), OpenAIResponsesWire(), {"model": "m", "input": "Hi"}
    ),
    "anthropic": Sample(
        AnthropicMessagesCodec(), AnthropicMessagesWire(), {**CHAT, "max_tokens": 9}
    ),
    "gemini": Sample(GeminiCodec(), GeminiWire(), GEMINI, IN_URL),
    "converse": Sample(BedrockConverseCodec(), BedrockConverseWire(), CONVERSE, IN_URL),
}
every_dialect = pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES.keys())


@every_dialect
def test_a_request_is_decoded(sample: Sample) -> None:
    request = sample.request()
    assert request.source is sample.codec.dialect
    assert request.model == "m"
    assert [(m.role, m.parts) for m in request.messages] == [(Role.USER, (TextPart(text="Hi"),))]
    assert request.extensions == {}


@every_dialect
def test_a_member_nobody_knows_is_kept_or_named_never_lost(sample: Sample) -> None:
    request = sample.request(unheard={"x": 1})
    assert request.extensions == {"unheard": {"x": 1}}
    other = next(s for s in SAMPLES.values() if s.codec.dialect is not sample.codec.dialect)
    encoded = other.wire.encode_request(request, WireTarget(model="u"))
    (field,) = (name for name in encoded.dropped if "unheard" in name)
    assert sample.codec.field_name(field) == "unheard"


@every_dialect
def test_what_has_the_wrong_type_is_refused_by_name(sample: Sample) -> None:
    member = next(name for name in ("messages", "input", "contents") if name in sample.body)
    with pytest.raises(InvalidRequest) as refusal:
        sample.request(**{member: [7]})
    assert (refusal.value.param or "").startswith(member)


@every_dialect
def test_every_canonical_field_has_a_name(sample: Sample) -> None:
    assert all(sample.codec.field_name(field) for field in CANONICAL_FIELDS)


def _kept(parts: tuple[Part, ...]) -> list[tuple[str, ...]]:
    """What every format keeps of an answer; arguments as values, ids where there are any."""
    return [
        ("text", part.text)
        if isinstance(part, TextPart)
        else ("call", part.name, json.dumps(json.loads(part.arguments)))
        for part in parts
        if isinstance(part, TextPart | ToolCallPart)
    ]


@every_dialect
def test_an_answer_is_read_back_as_it_was_written(sample: Sample) -> None:
    reply = InferenceResponse(
        id="x",
        model="m",
        candidates=(Candidate(parts=PARTS, finish=FinishReason.TOOL_CALLS),),
        usage=USAGE,
    )
    body = sample.codec.encode_reply(reply, sample.context())
    again = sample.wire.decode_reply(body, scrubber=SCRUBBER)
    (candidate,) = again.candidates
    assert _kept(candidate.parts) == _kept(PARTS)
    assert candidate.finish is FinishReason.TOOL_CALLS
    assert again.usage == USAGE


def _events() -> list[StreamEvent]:
    events: list[StreamEvent] = [Started(id="x", model="m")]
    for index, part in enumerate(PARTS):
        if isinstance(part, TextPart):
            events.append(BlockStarted(index=index, kind="text"))
            text = part.text
        else:
            assert isinstance(part, ToolCallPart)
            start = BlockStarted(index=index, kind="tool_call", id=part.id, name=part.name)
            events.append(start)
            text = part.arguments
        events += [BlockDelta(index=index, text=piece) for piece in (text[:4], text[4:]) if piece]
        events.append(BlockEnded(index=index))
    return [*events, Finished(reason=FinishReason.TOOL_CALLS), UsageKnown(usage=USAGE)]


@every_dialect
def test_a_stream_is_read_back_as_it_was_written(sample: Sample) -> None:
    encoder: StreamEncoder = sample.codec.stream_encoder(sample.context())
    written = b"".join([*(encoder.encode(event) for event in _events()), encoder.finish()])
    decoder = sample.wire.stream_decoder(RequestHead(model="m", stream=True), scrubber=SCRUBBER)
    events: list[StreamEvent] = []
    for start in range(0, len(written), 5):
        events += decoder.feed(written[start : start + 5])
    events += decoder.finish()
    texts: dict[int, list[str]] = {}
    for event in events:
        if isinstance(event, BlockStarted):
            texts[event.index] = [event.name]
        elif isinstance(event, BlockDelta):
            texts[event.index].append(event.text)
    said, *called = ("".join(pieces) for _, pieces in sorted(texts.items()))
    assert said == "Let me look. é"
    assert called[0] == 'get_weather{"city":"Paris"}'
    assert called[1] in ("get_time{}", "get_time")  # no arguments are none, or an empty object
    assert [e.reason for e in events if isinstance(e, Finished)] == [FinishReason.TOOL_CALLS]
    assert [e.usage for e in events if isinstance(e, UsageKnown)][-1] == USAGE


@every_dialect
def test_input_tokens_are_counted_where_the_api_can(sample: Sample) -> None:
    if isinstance(sample.codec, CountingCodec):
        counted = json.loads(sample.codec.encode_count(42))
        assert 42 in counted.values()
    else:
        assert sample.codec.dialect.value in ("openai_chat", "openai_responses", "bedrock_converse")


def test_a_relayed_stream_has_the_form_that_was_asked_for() -> None:
    wire = GeminiWire()
    event = (
        b'data: {"candidates":[{"content":{"parts":[{"text":"Hi"}]},"finishReason":"STOP"}]}\n\n'
    )
    for codec, opening in ((GeminiCodec(), b"data: "), (GeminiCodec(array=True), b"[")):
        assert isinstance(codec, RelayingCodec)
        head = RequestHead(model="m", stream=True)
        own = wire.stream_scanner(head, WireTarget(model="m"), scrubber=SCRUBBER)
        scanner = codec.relay(own)
        shown = scanner.feed(event) + scanner.finish()
        assert shown.startswith(opening)
        assert scanner.summary.content_started
    assert json.loads(shown)[0]["candidates"][0]["finishReason"] == "STOP"
