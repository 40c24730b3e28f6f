import json
from typing import Any

import pytest

from adapters.wire.bedrock_converse.wire import BedrockConverseWire
from adapters.wire.codec import StreamDecoder
from adapters.wire.upstream_errors import MessageScrubber
from domain.accounting.usage import TokenUsage
from domain.errors import UpstreamFailure, UpstreamProtocolError
from domain.inference.conversation import (
    Citation,
    ImagePart,
    Media,
    OpaqueState,
    Part,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    VendorPart,
)
from domain.inference.dialect import WireFormat
from domain.inference.events import BlockStarted, Finished, Started, StreamEvent, UsageKnown
from domain.inference.head import RequestHead
from domain.inference.response import Candidate, FinishReason, InferenceResponse
from tests.support.collected import collected
from tests.unit.wire.bedrock_converse.streams import (
    END,
    METADATA,
    ROLE,
    TEXT,
    USAGE,
    WHOLE,
    delta,
    event,
    start,
    stop,
)
from tests.unit.wire.bedrock_converse.test_scanners import ERRORS, KINDS

WIRE = BedrockConverseWire()
SCRUBBER = MessageScrubber()
OWN = WireFormat.BEDROCK_CONVERSE


def decoder() -> StreamDecoder:
    return WIRE.stream_decoder(RequestHead(model="m", stream=True), scrubber=SCRUBBER)


def read(stream: bytes) -> list[StreamEvent]:
    reader = decoder()
    return reader.feed(stream) + reader.finish()


def parts(stream: bytes) -> tuple[Part, ...]:
    return collected(read(ROLE + stream + END)).candidates[0].parts


def whole(content: list[dict[str, Any]], **members: Any) -> InferenceResponse:
    body: dict[str, Any] = {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": "end_turn",
        "usage": USAGE,
        "metrics": {"latencyMs": 9},
    }
    return WIRE.decode_reply(json.dumps(body | members).encode(), scrubber=SCRUBBER)


def test_a_stream_is_read_with_its_usage_after_its_end() -> None:
    events = read(WHOLE)
    assert events[0] == Started()
    assert events[-2:] == [Finished(reason=FinishReason.STOP), UsageKnown(usage=KINDS)]
    assert collected(events) == InferenceResponse(
        id="",
        model="",
        candidates=(Candidate(parts=(TextPart(text="Hello you"),), finish=FinishReason.STOP),),
        usage=KINDS,
    )


@pytest.mark.parametrize(
    ("stream", "part"),
    [
        (
            start(0, toolUse={"toolUseId": "t-1", "name": "look"})
            + delta(0, toolUse={"input": '{"a"'})
            + delta(0, toolUse={"input": ": 1.0}"})
            + stop(0),
            ToolCallPart(id="t-1", name="look", arguments='{"a": 1.0}'),
        ),
        (
            start(0, toolUse={"toolUseId": "t-1", "name": "now"})
            + delta(0, toolUse={"input": ""})
            + stop(0),
            ToolCallPart(id="t-1", name="now", arguments="{}"),
        ),
        (
            start(0, toolUse={"toolUseId": "t-1", "name": "now"}),
            ToolCallPart(id="t-1", name="now", arguments="{}"),
        ),
        (
            delta(0, reasoningContent={"text": "Hm"})
            + delta(0, reasoningContent={"text": "m"})
            + delta(0, reasoningContent={"signature": "EqQ="})
            + stop(0),
            ThinkingPart(text="Hmm", state=OpaqueState(origin=OWN, data="EqQ=")),
        ),
        (
            delta(0, reasoningContent={"signature": "EqQ="}) + stop(0),
            ThinkingPart(state=OpaqueState(origin=OWN, data="EqQ=")),
        ),
        (
            delta(0, reasoningContent={"redactedContent": "AAECAw=="}) + stop(0),
            ThinkingPart(redacted=True, state=OpaqueState(origin=OWN, data="AAECAw==")),
        ),
        (
            delta(0, reasoningContent={"redactedContent": "AAE="})
            + delta(0, reasoningContent={"redactedContent": "AgM="})
            + stop(0),
            ThinkingPart(redacted=True, state=OpaqueState(origin=OWN, data="AAECAw==")),
        ),
        (
            delta(0, reasoningContent={"redactedContent": "é"})
            + delta(0, reasoningContent={"redactedContent": "AgM="})
            + stop(0),
            ThinkingPart(redacted=True, state=OpaqueState(origin=OWN, data="éAgM=")),
        ),
        (
            start(0, image={"format": "png"})
            + delta(0, image={"source": {"bytes": "AAE="}})
            + delta(0, image={"source": {"bytes": "AgM="}})
            + stop(0),
            ImagePart(source=Media(media_type="image/png", data="AAECAw==")),
        ),
        (
            start(0, toolUse={"toolUseId": "s", "name": "grounding", "type": "server_tool_use"})
            + delta(0, toolUse={"input": '{"q":1}'})
            + stop(0),
            VendorPart(
                origin=OWN,
                kind="toolUse",
                raw={
                    "toolUse": {
                        "toolUseId": "s",
                        "name": "grounding",
                        "type": "server_tool_use",
                        "input": {"q": 1},
                    }
                },
            ),
        ),
        (
            start(0, toolResult={"toolUseId": "s", "type": "nova_grounding_result"})
            + delta(0, toolResult=[{"json": {"x": 1}}])
            + delta(0, toolResult=[{"text": "y"}])
            + stop(0),
            VendorPart(
                origin=OWN,
                kind="toolResult",
                raw={
                    "toolResult": {
                        "toolUseId": "s",
                        "type": "nova_grounding_result",
                        "content": [{"json": {"x": 1}}, {"text": "y"}],
                    }
                },
            ),
        ),
    ],
)
def test_a_streamed_block_is_the_part_it_stands_for(stream: bytes, part: Part) -> None:
    if isinstance(part, ImagePart):  # not something the events' checker adds up
        found = [each for each in read(ROLE + stream + END) if isinstance(each, BlockStarted)]
        assert [each.image for each in found] == [part]
    else:
        assert parts(stream) == (part,)


def test_a_citation_belongs_to_the_text_of_its_block() -> None:
    raw: dict[str, Any] = {
        "title": "Paper",
        "sourceContent": [{"text": "as it is"}],
        "location": {"documentPage": {"documentIndex": 0, "start": 1, "end": 2}},
    }
    part = TextPart(
        text="So.",
        citations=(Citation(title="Paper", cited_text="as it is", origin=OWN, raw=raw),),
    )
    assert parts(delta(0, text="So.") + delta(0, citation=raw) + stop(0)) == (part,)
    block = {"citationsContent": {"content": [{"text": "So."}], "citations": [raw]}}
    assert whole([block]).candidates[0].parts == (part,)


def test_blocks_whose_stops_were_forgotten_do_not_overlap() -> None:
    found = parts(
        delta(0, reasoningContent={"text": "Hm"})
        + delta(1, text="So")
        + start(2, toolUse={"toolUseId": "t", "name": "f"})
        + delta(2, toolUse={"input": "{}"})
    )
    assert [type(part) for part in found] == [ThinkingPart, TextPart, ToolCallPart]


def test_two_texts_are_told_apart_though_the_stop_between_them_was_forgotten() -> None:
    assert parts(delta(0, text="a") + delta(1, text="b")) == (
        TextPart(text="a"),
        TextPart(text="b"),
    )


def test_calls_that_run_side_by_side_keep_their_own_input() -> None:
    found = parts(
        start(0, toolUse={"toolUseId": "a", "name": "f"})
        + start(1, toolUse={"toolUseId": "b", "name": "g"})
        + delta(0, toolUse={"input": "[0]"})
        + delta(1, toolUse={"input": "[1]"})
        + stop(0)
        + stop(1)
    )
    assert found == (
        ToolCallPart(id="a", name="f", arguments="[0]"),
        ToolCallPart(id="b", name="g", arguments="[1]"),
    )


def test_numbers_with_gaps_and_blocks_that_never_began_are_no_matter() -> None:
    stream = stop(0) + delta(3, text="a") + stop(3) + stop(3) + delta(7, text="b") + stop(7)
    assert parts(stream) == (TextPart(text="a"), TextPart(text="b"))


def test_events_and_members_of_the_future_are_skipped() -> None:
    stream = event("somethingNew", x=1) + start(0, hologram={}) + delta(0, hologram={}) + TEXT
    assert parts(stream) == (TextPart(text="Hello you"),)


REASONS = [
    ("end_turn", FinishReason.STOP),
    ("tool_use", FinishReason.TOOL_CALLS),
    ("max_tokens", FinishReason.LENGTH),
    ("stop_sequence", FinishReason.STOP_SEQUENCE),
    ("guardrail_intervened", FinishReason.CONTENT_FILTER),
    ("content_filtered", FinishReason.CONTENT_FILTER),
    ("malformed_model_output", FinishReason.ERROR),
    ("malformed_tool_use", FinishReason.MALFORMED_TOOL_CALL),
    ("model_context_window_exceeded", FinishReason.CONTEXT_WINDOW),
    ("of_the_future", FinishReason.STOP),
]


@pytest.mark.parametrize(("word", "reason"), REASONS)
def test_the_reason_is_told_alike_in_both_ways_of_answering(
    word: str, reason: FinishReason
) -> None:
    fields = {"stop_sequence": "END"}
    streamed = read(
        ROLE + event("messageStop", stopReason=word, additionalModelResponseFields=fields)
    )
    assert streamed[-1] == Finished(reason=reason, stop_sequence="END")
    answer = whole([{"text": "x"}], stopReason=word, additionalModelResponseFields=fields)
    assert (answer.candidates[0].finish, answer.candidates[0].stop_sequence) == (reason, "END")


def test_the_tier_that_served_is_told() -> None:
    tier = {"type": "flex"}
    assert whole([], serviceTier=tier).service_tier == "flex"
    metadata = event("metadata", usage=USAGE, serviceTier=tier)
    assert collected(read(ROLE + END + metadata)).service_tier == "flex"


@pytest.mark.parametrize(("frame", "failure"), ERRORS)
def test_an_exception_is_raised_after_what_came_before_it(
    frame: bytes, failure: type[UpstreamFailure]
) -> None:
    with pytest.raises(failure):
        decoder().feed(frame)
    for ending in ("feed", "finish"):
        reader = decoder()
        assert len(reader.feed(ROLE + TEXT + frame + END)) == 5
        with pytest.raises(failure):
            reader.feed(b"") if ending == "feed" else reader.finish()
        assert not reader.terminated


@pytest.mark.parametrize("stream", [b"", ROLE, ROLE + TEXT, ROLE + TEXT + METADATA, WHOLE[:-1]])
def test_a_stream_that_just_stops_is_an_error(stream: bytes) -> None:
    reader = decoder()
    reader.feed(stream)
    assert not reader.terminated
    with pytest.raises(UpstreamProtocolError):
        reader.finish()


def test_a_stream_without_usage_is_complete() -> None:
    reader = decoder()
    events = reader.feed(ROLE + TEXT + END)
    assert not reader.terminated
    assert collected(events + reader.finish()).usage is None


@pytest.mark.parametrize(
    "bad",
    [
        b"<html>0123456789",
        event("contentBlockDelta", delta="x", contentBlockIndex=0),
        event("contentBlockDelta", delta={"text": 1}, contentBlockIndex=0),
        event("contentBlockDelta", delta={"toolUse": {"input": "{}"}}, contentBlockIndex=0),
        event("contentBlockDelta", delta={"text": "x"}, contentBlockIndex="zero"),
        event("contentBlockStart", start={"toolUse": {"name": "x"}}, contentBlockIndex=0),
        event("messageStop", stopReason=1),
        event("messageStart")[:-4] + b"xxxx",
    ],
)
def test_what_is_no_event_of_this_format_is_an_error(bad: bytes) -> None:
    reader = decoder()
    reader.feed(ROLE)
    with pytest.raises(UpstreamProtocolError):
        reader.feed(bad)


def test_half_a_surrogate_pair_is_no_reason_to_stop() -> None:
    assert parts(delta(0, text="a\ud83d")) == (TextPart(text="a\ufffd"),)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"<html>",
        b'{"output":{"message":{"content":[{"text":',
        b'{"output":{}}',
        b'{"output":{"message":{"content":{}}}}',
        b'{"output":{"message":{"content":[7]}}}',
        b'{"output":{"message":{"content":[{}]}}}',
        b'{"output":{"message":{"content":[{"text":1}]}}}',
        b'{"output":{"message":{"content":[{"toolUse":{}}]}}}',
        b'{"output":{"message":{"content":[]}},"stopReason":{}}',
        b'{"output":{"message":{"content":[{"text":"\xff"}]}}}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_answer_is_a_protocol_error(body: bytes) -> None:
    with pytest.raises(UpstreamProtocolError):
        WIRE.decode_reply(body, scrubber=SCRUBBER)


INVOICES: list[tuple[dict[str, Any], TokenUsage | None]] = [
    (
        {"inputTokens": 30, "outputTokens": 628, "totalTokens": 658},
        TokenUsage(input_uncached=30, output=628),
    ),
    # Cache reads and writes come on top of the input; the total is the sum of all four.
    (
        {
            "inputTokens": 4,
            "outputTokens": 20,
            "totalTokens": 2071,
            "cacheReadInputTokens": 0,
            "cacheWriteInputTokens": 2047,
        },
        TokenUsage(input_uncached=4, output=20, cache_write_5m=2047),
    ),
    (
        {
            "inputTokens": 4,
            "outputTokens": 20,
            "totalTokens": 2071,
            "cacheReadInputTokens": 2047,
            "cacheWriteInputTokens": 0,
            "cacheDetails": [],
        },
        TokenUsage(input_uncached=4, output=20, cache_read=2047),
    ),
    (USAGE, KINDS),
    (
        {
            "inputTokens": 1,
            "outputTokens": 1,
            "cacheDetails": [{"ttl": "1h", "inputTokens": 5}, {"ttl": "5m", "inputTokens": 6}],
        },
        TokenUsage(input_uncached=1, output=1, cache_write_5m=6, cache_write_1h=5),
    ),
    # Parts never exceed their whole.
    (
        {
            "inputTokens": 1,
            "outputTokens": 1,
            "cacheWriteInputTokens": 3,
            "cacheDetails": [{"ttl": "1h", "inputTokens": 5}],
        },
        TokenUsage(input_uncached=1, output=1, cache_write_1h=3),
    ),
    ({"inputTokens": -5, "outputTokens": 1e30}, TokenUsage()),
    ({"inputTokens": 3.0, "outputTokens": None}, TokenUsage(input_uncached=3)),
    ({}, None),
    ({"inputTokens": "3"}, None),
]


@pytest.mark.parametrize(("usage", "kinds"), INVOICES)
def test_every_token_is_counted_once(usage: dict[str, Any], kinds: TokenUsage | None) -> None:
    assert whole([], usage=usage).usage == kinds
    assert collected(read(ROLE + END + event("metadata", usage=usage))).usage == kinds


@pytest.mark.parametrize("usage", [None, 7, [], "x"])
def test_a_usage_of_another_shape_is_none(usage: Any) -> None:
    assert whole([], usage=usage).usage is None
