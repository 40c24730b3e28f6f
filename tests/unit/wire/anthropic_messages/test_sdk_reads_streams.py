import json
from typing import Any, cast

import pytest
from anthropic import APIStatusError
from hypothesis import given, settings

from adapters.wire.anthropic_messages.dialect import AnthropicMessagesCodec
from adapters.wire.opaque_state import NO_STATE, wrap_state
from application.ports.dialect import NOT_IN_URL, PublicError
from domain.accounting.usage import TokenUsage
from domain.errors import UpstreamUnavailable
from domain.inference.conversation import (
    ImagePart,
    Media,
    OpaqueState,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    VendorPart,
)
from domain.inference.dialect import WireFormat
from domain.inference.events import (
    BlockDelta,
    BlockEnded,
    BlockStarted,
    Finished,
    Started,
    StreamEvent,
    UsageKnown,
)
from domain.inference.response import FinishReason
from tests.support.canonical_events import event_sequences
from tests.support.collected import collected
from tests.unit.wire.anthropic_messages import sdk
from tests.unit.wire.anthropic_messages.reaches import REPLIES, context

CODEC = AnthropicMessagesCodec()


def written(events: list[StreamEvent]) -> bytes:
    encoder = CODEC.stream_encoder(context())
    return b"".join([encoder.encode(event) for event in events]) + encoder.finish()


def frames(body: bytes) -> list[dict[str, Any]]:
    return [
        json.loads(line.removeprefix(b"data: "))
        for line in body.split(b"\n")
        if line.startswith(b"data: ")
    ]


def as_blocks(parts: tuple[Any, ...]) -> list[dict[str, Any]]:
    """Return the blocks that the client should see."""
    blocks: list[dict[str, Any]] = []
    for part in parts:
        match part:
            case TextPart() | RefusalPart():
                blocks.append({"type": "text", "text": part.text})
            case ThinkingPart(redacted=True, state=OpaqueState() as state):
                blocks.append({"type": "redacted_thinking", "data": state.data})
            case ThinkingPart():
                signature = part.state.data if part.state else wrap_state(NO_STATE)
                blocks.append({"type": "thinking", "thinking": part.text, "signature": signature})
            case ToolCallPart():
                blocks.append(
                    {
                        "type": "tool_use",
                        "id": part.id,
                        "name": part.name,
                        "input": json.loads(part.arguments),
                    }
                )
            case _:
                raise AssertionError(part)
    return blocks


@settings(max_examples=60, deadline=None)
@given(events=event_sequences(REPLIES))
def test_the_official_client_adds_up_any_stream_to_the_answer_it_stands_for(
    events: list[StreamEvent],
) -> None:
    reply = collected(events)
    message = sdk.streamed(written(events))
    parts = reply.candidates[0].parts
    assert [block.to_dict() for block in message.content] == as_blocks(parts)
    usage = reply.usage
    if usage is not None:
        assert message.usage.input_tokens == usage.input_uncached
        assert message.usage.output_tokens == usage.output_total
        assert message.usage.cache_read_input_tokens == usage.cache_read
    called = any(isinstance(part, ToolCallPart) for part in parts)
    assert (message.stop_reason == "tool_use") == called


@settings(max_examples=60, deadline=None)
@given(events=event_sequences(REPLIES))
def test_blocks_never_overlap_and_are_numbered_without_gaps(events: list[StreamEvent]) -> None:
    kinds = [frame["type"] for frame in frames(written(events))]
    assert kinds.count("message_start") == 1
    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]
    current: int | None = None
    count = 0
    for frame in frames(written(events)):
        match frame["type"]:
            case "content_block_start":
                assert current is None
                assert frame["index"] == count
                current, count = count, count + 1
            case "content_block_delta":
                assert frame["index"] == current
            case "content_block_stop":
                assert frame["index"] == current
                current = None
            case _:
                assert current is None


def calls(*order: int) -> list[StreamEvent]:
    """Two calls begin, then their arguments come in pieces in this order."""
    starts: list[StreamEvent] = [
        BlockStarted(index=index, kind="tool_call", id=f"call-{index}", name="look")
        for index in (0, 1)
    ]
    pieces = {0: iter(('{"a":', "1}")), 1: iter(('{"b"', ":2}"))}
    deltas: list[StreamEvent] = [
        BlockDelta(index=index, text=next(pieces[index])) for index in order
    ]
    return [Started(id="msg_1"), *starts, *deltas]


@pytest.mark.parametrize("order", [(0, 0, 1, 1), (0, 1, 0, 1), (1, 1, 0, 0), (1, 0, 0, 1)])
def test_interleaved_parallel_calls_keep_their_arguments(order: tuple[int, ...]) -> None:
    ended: list[StreamEvent] = [BlockEnded(index=1), BlockEnded(index=0)]
    message = sdk.streamed(written([*calls(*order), *ended, Finished(reason=FinishReason.STOP)]))
    assert [block.to_dict() for block in message.content] == [
        {"type": "tool_use", "id": "call-0", "name": "look", "input": {"a": 1}},
        {"type": "tool_use", "id": "call-1", "name": "look", "input": {"b": 2}},
    ]
    assert message.stop_reason == "tool_use"


def test_an_answer_without_a_finish_and_with_open_blocks_is_closed() -> None:
    message = sdk.streamed(written(calls(0, 1, 1, 0)))
    assert [block.to_dict()["input"] for block in message.content] == [{"a": 1}, {"b": 2}]
    assert message.stop_reason == "tool_use"


def test_the_first_of_two_calls_is_written_while_it_comes() -> None:
    encoder = CODEC.stream_encoder(context())
    for event in calls():
        encoder.encode(event)
    assert b'"partial_json":"{\\"a\\":"' in encoder.encode(BlockDelta(index=0, text='{"a":'))
    assert encoder.encode(BlockDelta(index=1, text='{"b":')) == b""


def test_a_call_without_arguments_has_an_empty_object() -> None:
    body = written(
        [
            Started(),
            BlockStarted(index=0, kind="tool_call", id="c", name="now"),
            BlockEnded(index=0),
            Finished(reason=FinishReason.TOOL_CALLS),
        ]
    )
    deltas = [frame for frame in frames(body) if frame["type"] == "content_block_delta"]
    assert [delta["delta"]["partial_json"] for delta in deltas] == ["{}"]
    assert sdk.streamed(body).content[0].to_dict()["input"] == {}


def test_an_answer_of_nothing_is_a_message_of_nothing() -> None:
    message = sdk.streamed(written([Started(id="msg_1"), Finished(reason=FinishReason.STOP)]))
    assert message.content == []
    assert message.stop_reason == "end_turn"
    assert message.model == "claude-public"


def test_an_answer_without_an_id_gets_one() -> None:
    assert sdk.streamed(written([Started(), Finished(reason=FinishReason.STOP)])).id == "msg_r-1"


def test_usage_that_comes_last_replaces_what_the_start_knew() -> None:
    events: list[StreamEvent] = [
        Started(usage=TokenUsage(input_uncached=3)),
        Finished(reason=FinishReason.LENGTH),
        UsageKnown(
            usage=TokenUsage(input_uncached=5, cache_read=7, output=2, reasoning=9),
            service_tier="priority",
        ),
    ]
    message = sdk.streamed(written(events))
    assert message.usage.input_tokens == 5
    assert message.usage.cache_read_input_tokens == 7
    assert message.usage.output_tokens == 11
    details = message.usage.output_tokens_details
    assert details is not None
    assert details.thinking_tokens == 9
    assert message.stop_reason == "max_tokens"


def test_the_beta_client_reads_the_same_stream() -> None:
    message = sdk.streamed_beta(written([*calls(0, 0, 1, 1)]))
    assert [block.to_dict()["input"] for block in message.content] == [{"a": 1}, {"b": 2}]


GEMINI = OpaqueState(origin=WireFormat.GEMINI_GENERATE, data="c2ln+/=")


def test_state_of_another_provider_comes_to_the_client_in_fields_he_returns() -> None:
    events: list[StreamEvent] = [
        Started(),
        BlockStarted(index=0, kind="thinking"),
        BlockDelta(index=0, text="hm"),
        BlockEnded(index=0, state=GEMINI),
        BlockStarted(index=1, kind="text"),
        BlockDelta(index=1, text="Well."),
        BlockEnded(index=1, state=GEMINI),
        BlockStarted(index=2, kind="tool_call", id="a", name="look", state=GEMINI),
        BlockDelta(index=2, text="{}"),
        BlockEnded(index=2),
        BlockStarted(index=3, kind="tool_call", id="b", name="look"),
        BlockEnded(index=3, state=GEMINI),
        Finished(reason=FinishReason.TOOL_CALLS),
    ]
    message = sdk.streamed(written(events))
    turn = {"role": "assistant", "content": [block.to_dict() for block in message.content]}
    body = json.dumps({"model": "m", "messages": [turn]}).encode()
    assert CODEC.decode(body, NOT_IN_URL).messages[0].parts == (
        ThinkingPart(text="hm", state=GEMINI),
        TextPart(text="Well.", state=GEMINI),
        ToolCallPart(id="a", name="look", arguments="{}", state=GEMINI),
        ToolCallPart(id="b", name="look", arguments="{}", state=GEMINI),
    )


def test_a_refusal_says_why() -> None:
    events: list[StreamEvent] = [
        Started(),
        BlockStarted(index=0, kind="refusal"),
        BlockDelta(index=0, text="I would rather not."),
        BlockEnded(index=0),
        Finished(reason=FinishReason.REFUSAL),
    ]
    message = sdk.streamed(written(events))
    assert message.stop_reason == "refusal"
    assert message.stop_details is not None
    assert message.stop_details.explanation == "I would rather not."
    assert [block.to_dict() for block in message.content] == [
        {"type": "text", "text": "I would rather not."}
    ]


def test_a_broken_answer_does_not_end_like_a_good_one() -> None:
    encoder = CODEC.stream_encoder(context())
    encoder.encode(Started())
    with pytest.raises(UpstreamUnavailable):
        encoder.encode(Finished(reason=FinishReason.ERROR))


def test_the_client_raises_the_error_of_a_running_stream() -> None:
    error = PublicError(
        status=502, kind="upstream", code="upstream_error", message="gone", request_id="req-7"
    )
    encoder = CODEC.stream_encoder(context())
    begun = encoder.encode(Started()) + CODEC.keep_alive + CODEC.stream_error(error)
    with pytest.raises(APIStatusError) as caught:
        sdk.streamed(begun)
    assert cast("dict[str, Any]", caught.value.body) == {
        "type": "error",
        "error": {
            "type": "api_error",
            "message": "gone",
            "details": {"error_code": "upstream_error"},
        },
        "request_id": "req-7",
    }


def test_keep_alives_are_skipped_before_and_within_the_answer() -> None:
    body = written([Started(id="msg_1"), Finished(reason=FinishReason.STOP)])
    parts = [frame + b"\n\n" for frame in body.split(b"\n\n") if frame]
    assert sdk.streamed(CODEC.keep_alive + CODEC.keep_alive.join(parts)).id == "msg_1"


def test_free_text_for_a_tool_is_an_object_when_it_is_complete() -> None:
    encoder = CODEC.stream_encoder(context())
    start = BlockStarted(index=0, kind="tool_call", id="c", name="patch", custom=True)
    begun = encoder.encode(start)
    assert encoder.encode(BlockDelta(index=0, text="*** Begin")) == b""
    assert encoder.encode(BlockDelta(index=0, text=' "Patch"')) == b""
    message = sdk.streamed(begun + encoder.encode(BlockEnded(index=0)) + encoder.finish())
    assert message.content[0].to_dict()["input"] == {"input": '*** Begin "Patch"'}


def test_nothing_is_said_in_deltas_of_nothing() -> None:
    encoder = CODEC.stream_encoder(context())
    encoder.encode(BlockStarted(index=0, kind="text"))
    assert encoder.encode(BlockDelta(index=0, text="")) == b""


def test_pictures_and_spoken_words_are_texts() -> None:
    image = ImagePart(source=Media(media_type="image/png", data="QUJD"))
    events: list[StreamEvent] = [
        Started(),
        BlockStarted(index=0, kind="image", image=image),
        BlockEnded(index=0),
        BlockStarted(index=1, kind="audio"),
        BlockDelta(index=1, text="UklG", transcript="Hello"),
        BlockEnded(index=1),
        Finished(reason=FinishReason.STOP),
    ]
    assert [block.to_dict() for block in sdk.streamed(written(events)).content] == [
        {"type": "text", "text": "![image](data:image/png;base64,QUJD)"},
        {"type": "text", "text": "Hello"},
    ]


def test_blocks_of_another_vendor_leave_no_gap() -> None:
    theirs = VendorPart(origin=WireFormat.OPENAI_RESPONSES, kind="web_search_call", raw={})
    ours: dict[str, object] = {"type": "container_upload", "file_id": "file_1"}
    own = VendorPart(origin=WireFormat.ANTHROPIC_MESSAGES, kind="container_upload", raw=ours)
    events: list[StreamEvent] = [
        Started(),
        BlockStarted(index=0, kind="vendor", vendor=theirs),
        BlockEnded(index=0),
        BlockStarted(index=1, kind="vendor", vendor=own),
        BlockEnded(index=1),
        Finished(reason=FinishReason.STOP),
    ]
    assert [block.to_dict() for block in sdk.streamed(written(events)).content] == [ours]


def test_other_candidates_than_the_first_are_not_written() -> None:
    encoder = CODEC.stream_encoder(context())
    encoder.encode(Started())
    for event in (
        BlockStarted(index=0, kind="text", candidate=1),
        BlockDelta(index=0, text="b", candidate=1),
        BlockEnded(index=0, candidate=1),
        Finished(reason=FinishReason.ERROR, candidate=1),
    ):
        assert encoder.encode(event) == b""
