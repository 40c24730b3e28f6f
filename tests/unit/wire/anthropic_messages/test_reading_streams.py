import itertools
import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from adapters.wire.anthropic_messages.dialect import AnthropicMessagesCodec
from adapters.wire.anthropic_messages.wire import AnthropicMessagesWire
from adapters.wire.codec import StreamDecoder
from adapters.wire.upstream_errors import MessageScrubber
from domain.accounting.usage import TokenUsage
from domain.errors import (
    UpstreamFailure,
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamUnavailable,
)
from domain.inference.conversation import (
    Citation,
    OpaqueState,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    VendorPart,
)
from domain.inference.dialect import WireFormat
from domain.inference.events import BlockDelta, Finished, StreamEvent
from domain.inference.head import RequestHead
from domain.inference.response import Candidate, FinishReason, InferenceResponse
from tests.support.canonical import replies
from tests.support.canonical_events import events_of
from tests.support.collected import collected
from tests.unit.wire.anthropic_messages.reaches import REPLIES, context
from tests.unit.wire.anthropic_messages.recorded import (
    ALL,
    CITATION,
    SEARCH,
    TEXT,
    Frame,
    begun,
    block,
    called,
    ended,
    said,
    sse,
)

CODEC = AnthropicMessagesCodec()
WIRE = AnthropicMessagesWire()
SCRUBBER = MessageScrubber()
OWN = WireFormat.ANTHROPIC_MESSAGES


def decoder() -> StreamDecoder:
    return WIRE.stream_decoder(RequestHead(model="m"), scrubber=SCRUBBER)


def read(raw: bytes, cuts: Iterable[int] = ()) -> list[StreamEvent]:
    reader = decoder()
    events: list[StreamEvent] = []
    for start, end in itertools.pairwise([0, *cuts, len(raw)]):
        events += reader.feed(raw[start:end])
    return events + reader.finish()


def whole(raw: bytes) -> Candidate:
    return collected(read(raw)).candidates[0]


EXPECTED: dict[str, Candidate] = {
    "text": Candidate(parts=(TextPart(text="Hello there, Zoë 🙂"),), finish=FinishReason.STOP),
    "tools": Candidate(
        parts=(
            TextPart(text="Looking."),
            ToolCallPart(id="toolu_1", name="weather", arguments='{"city": "Paris", "days": 3}'),
            ToolCallPart(id="toolu_2", name="now", arguments="{}"),
        ),
        finish=FinishReason.TOOL_CALLS,
    ),
    "thinking": Candidate(
        parts=(
            ThinkingPart(
                text="Let me see.", state=OpaqueState(origin=OWN, data="EqQBCgIYAhIM+/==")
            ),
            ThinkingPart(state=OpaqueState(origin=OWN, data="EmwKAhgB+/=="), redacted=True),
            TextPart(text="42"),
        ),
        finish=FinishReason.STOP,
    ),
    "hosted": Candidate(
        parts=(
            VendorPart(
                origin=OWN,
                kind="server_tool_use",
                raw={
                    "type": "server_tool_use",
                    "id": "srvtoolu_1",
                    "name": "web_search",
                    "input": {"query": "Paris"},
                },
            ),
            VendorPart(origin=OWN, kind="web_search_tool_result", raw=SEARCH),
            TextPart(
                text="It rains.",
                citations=(
                    Citation(
                        url="https://weather.example/paris",
                        title="Weather",
                        cited_text="Rain in Paris",
                        origin=OWN,
                        raw=CITATION,
                    ),
                ),
            ),
        ),
        finish=FinishReason.PAUSE,
    ),
}


@pytest.mark.parametrize("name", ALL)
def test_a_stream_adds_up_to_its_answer(name: str) -> None:
    reply = collected(read(ALL[name]))
    assert reply.candidates == (EXPECTED[name],)
    assert (reply.id, reply.model) == ("msg_01", "claude-sonnet-4-5-20250929")


def test_the_usage_of_the_end_completes_that_of_the_start() -> None:
    assert collected(read(ALL["hosted"])).usage == TokenUsage(
        input_uncached=90, cache_read=16, cache_write_5m=8, output=15
    )


@settings(deadline=None)
@given(name=st.sampled_from(sorted(ALL)), data=st.data())
def test_a_stream_split_at_any_byte_in_any_spelling_gives_the_same_events(
    name: str, data: st.DataObject
) -> None:
    end = data.draw(st.sampled_from([b"\n", b"\r\n", b"\r"]))
    raw = ALL[name].replace(b"\n\n", b"\n: comment\nid: 3\n\n")
    if data.draw(st.booleans()):
        raw = raw.replace(b"data: ", b"data:")
    if data.draw(st.booleans()):
        raw = raw.replace(b', "index"', b',\ndata: "index"')
    raw = raw.replace(b"\n", end)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(raw) - 1), max_size=9)))
    assert read(raw, cuts) == read(ALL[name])


def test_a_stream_of_single_bytes_gives_the_same_events() -> None:
    assert read(TEXT, range(1, len(TEXT))) == read(TEXT)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), reply=replies(REPLIES))
def test_what_our_writer_writes_our_reader_reads(
    data: st.DataObject, reply: InferenceResponse
) -> None:
    encoder = CODEC.stream_encoder(context(reply.model))
    events = data.draw(events_of(reply))
    raw = b"".join([encoder.encode(event) for event in events]) + encoder.finish()
    counted = structs.replace(reply, created_s=0, usage=reply.usage or TokenUsage())
    assert collected(read(raw)) == counted


def test_events_come_as_soon_as_their_frames_are_complete() -> None:
    reader = decoder()
    reader.feed(sse(*begun(), *said(0)[:1]))
    delta = sse(said(0, "Hello")[1])
    assert reader.feed(delta[:-1]) == []
    assert reader.feed(delta[-1:]) == [BlockDelta(index=0, text="Hello")]
    assert not reader.terminated


def test_arguments_that_come_whole_with_the_start_are_not_lost() -> None:
    start: Frame = {"type": "tool_use", "id": "c", "name": "look", "input": {"a": 1}}
    call = ToolCallPart(id="c", name="look", arguments='{"a": 1}')
    assert whole(sse(*begun(), *block(0, start), *ended("tool_use"))).parts == (call,)


def test_texts_and_thoughts_that_come_with_the_start_are_not_lost() -> None:
    thinking: Frame = {"type": "thinking", "thinking": "Hm", "signature": "Eq"}
    more = {"type": "thinking_delta", "thinking": "m."}
    text: Frame = {"type": "text", "text": "Hi", "citations": [CITATION]}
    frames = [*block(0, thinking, more), *block(1, text)]
    thought, said_ = whole(sse(*begun(), *frames, *ended("end_turn"))).parts
    assert thought == ThinkingPart(text="Hmm.", state=OpaqueState(origin=OWN, data="Eq"))
    assert isinstance(said_, TextPart)
    assert (said_.text, len(said_.citations)) == ("Hi", 1)


def test_arguments_need_not_be_json() -> None:
    raw = sse(*begun(), *called(0, "c", "look", '{"a": "unfini'), *ended("max_tokens"))
    (call,) = whole(raw).parts
    assert call == ToolCallPart(id="c", name="look", arguments='{"a": "unfini')


def test_unfinished_input_of_a_hosted_tool_is_kept() -> None:
    start: Frame = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    delta = {"type": "input_json_delta", "partial_json": '{"query": "Pa'}
    (part,) = whole(sse(*begun(), *block(0, start, delta), *ended("max_tokens"))).parts
    assert isinstance(part, VendorPart)
    assert part.raw["input"] == {"arguments": '{"query": "Pa'}


def test_a_call_made_by_code_is_kept_whole() -> None:
    start: Frame = {
        "type": "tool_use",
        "id": "c",
        "name": "look",
        "input": {},
        "caller": {"type": "code_execution_20250825", "tool_id": "s"},
    }
    delta = {"type": "input_json_delta", "partial_json": '{"a": 1}'}
    raw = sse(*begun(), *block(0, start, delta), *ended("pause_turn"))
    assert whole(raw).parts == (
        VendorPart(origin=OWN, kind="tool_use", raw={**start, "input": {"a": 1}}),
    )


def test_a_summary_of_the_context_is_kept_whole() -> None:
    delta = {"type": "compaction_delta", "content": "So far …", "encrypted_content": "Ab+/"}
    raw = sse(
        *begun(),
        *block(0, {"type": "compaction", "content": None}, delta),
        *ended("compaction"),
    )
    candidate = whole(raw)
    assert candidate.finish is FinishReason.PAUSE
    assert candidate.parts == (
        VendorPart(
            origin=OWN,
            kind="compaction",
            raw={"type": "compaction", "content": "So far …", "encrypted_content": "Ab+/"},
        ),
    )


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", FinishReason.STOP),
        ("max_tokens", FinishReason.LENGTH),
        ("stop_sequence", FinishReason.STOP_SEQUENCE),
        ("tool_use", FinishReason.TOOL_CALLS),
        ("pause_turn", FinishReason.PAUSE),
        ("refusal", FinishReason.REFUSAL),
        ("model_context_window_exceeded", FinishReason.CONTEXT_WINDOW),
        ("from_the_future", FinishReason.STOP),
    ],
)
def test_stop_reasons_are_read(reason: str, finish: FinishReason) -> None:
    assert whole(sse(*begun(), *said(0, "a"), *ended(reason))).finish is finish


def test_a_stop_sequence_is_named() -> None:
    frames = [*begun(), *said(0, "a"), *ended("stop_sequence")]
    frames[-2]["delta"]["stop_sequence"] = "END"
    assert whole(sse(*frames)).stop_sequence == "END"


def test_an_end_without_a_reason_goes_by_the_content() -> None:
    end: Frame = {"type": "message_stop"}
    assert whole(sse(*begun(), *said(0, "a"), end)).finish is FinishReason.STOP
    assert whole(sse(*begun(), *called(0, "c", "now"), end)).finish is FinishReason.TOOL_CALLS


def declined(*frames: Frame) -> Candidate:
    end = ended("refusal")
    end[0]["delta"]["stop_details"] = {"type": "refusal", "explanation": "Not that."}
    return whole(sse(*begun(), *frames, *end))


def test_the_explanation_of_a_refusal_is_what_the_model_says() -> None:
    assert declined().parts == (RefusalPart(text="Not that."),)
    assert declined(*said(0, "Well, no.")).parts == (TextPart(text="Well, no."),)


def test_additions_nobody_knows_yet_are_skipped() -> None:
    frames = [*begun(), *said(0, "a", "b"), *ended("end_turn")]
    frames.insert(4, {"type": "content_block_delta", "index": 0, "delta": {"type": "new_delta"}})
    frames.insert(1, {"type": "new_event", "delta": 7})
    raw = b"event: unheard_of\ndata: {\n\n" + sse(*frames)
    assert whole(raw).parts == (TextPart(text="ab"),)


def test_half_a_character_is_replaced() -> None:
    raw = TEXT.replace(b'"Hello"', b'"He\\ud83d"')
    assert whole(raw).parts == (TextPart(text="He� there, Zoë 🙂"),)


OVERLOADED: Frame = {"type": "error", "error": {"type": "overloaded_error", "message": "Busy"}}


def test_an_error_before_content_is_what_its_status_would_be() -> None:
    with pytest.raises(UpstreamRateLimited):
        decoder().feed(sse(OVERLOADED))


def test_an_error_after_content_comes_after_the_events_before_it() -> None:
    reader = decoder()
    assert len(reader.feed(sse(*begun(), *said(0, "a"), OVERLOADED))) == 4
    with pytest.raises(UpstreamUnavailable):
        reader.feed(b"")
    with pytest.raises(UpstreamUnavailable):
        reader.finish()


@pytest.mark.parametrize("name", ALL)
def test_a_cut_stream_is_never_a_short_answer(name: str) -> None:
    raw = ALL[name]
    for cut in range(0, len(raw) - 30, 61):
        reader = decoder()
        events = reader.feed(raw[:cut])
        with pytest.raises(UpstreamProtocolError):
            reader.finish()
        assert not any(isinstance(event, Finished) for event in events)


def test_nothing_after_the_end_is_looked_at() -> None:
    reader = decoder()
    reader.feed(TEXT)
    assert reader.terminated
    assert reader.feed(b"event: error\ndata: {}\n\n") == []
    assert reader.finish() == []


def broken(*frames: Frame) -> bytes:
    return sse(*begun(), *frames)


@pytest.mark.parametrize(
    "raw",
    [
        b"<html>Bad Gateway</html>\n\n",
        b"event: message_start\ndata: {\n\n",
        b"event: message_start\ndata: []\n\n",
        b"event: message_start\ndata: \xff\n\n",
        b"event: message_start\ndata: " + b"[" * 5000 + b"\n\n",
        sse({"type": "message_start"}),
        sse({"type": "message_start", "message": 5}),
        broken({"type": "content_block_start", "index": 0}),
        broken({"type": "content_block_start", "index": 0, "content_block": 5}),
        broken({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta"}}),
        broken({"type": "content_block_stop", "index": 0}),
        broken(*said(0)[:1], *said(0)[:1]),
        broken(*said(0)[:1], {"type": "content_block_delta", "index": 0}),
        broken(*called(0, "", "now")),
        broken(*called(0, "c", "now")[:1], said(0, "a")[1]),
        broken(*said(0)[:1], called(0, "c", "now", "{}")[1]),
        broken({"type": "content_block_delta", "index": 0, "delta": {"text": ["a"]}}),
    ],
)
def test_what_breaks_the_rules_of_the_format_is_a_protocol_error(raw: bytes) -> None:
    reader = decoder()
    with pytest.raises(UpstreamProtocolError):
        raise reader_failure(reader, raw)


def reader_failure(reader: StreamDecoder, raw: bytes) -> UpstreamFailure:
    """Return what a reader makes of a broken stream; events before the fault come first."""
    try:
        reader.feed(raw)
        reader.finish()
    except UpstreamFailure as failure:
        return failure
    raise AssertionError("nothing wrong with it")


FUZZED = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "text", "tool_use", "{}"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                ["type", "text", "input", "id", "name", "delta", "usage", "citations", "citation"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(
    kind=st.sampled_from(
        [
            "message_start",
            "content_block_start",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
            "error",
        ]
    ),
    members=st.dictionaries(
        st.sampled_from(["message", "content_block", "delta", "index", "usage", "error"]), FUZZED
    ),
)
def test_whatever_a_server_sends_only_domain_errors_come_of_it(
    kind: str, members: dict[str, Any]
) -> None:
    reader = decoder()
    reader.feed(sse(*begun(), *said(1)[:1]))
    try:
        reader.feed(b"data: " + json.dumps({"type": kind, **members}).encode() + b"\n\n")
        reader.finish()
    except UpstreamFailure:
        return
    assert reader.terminated
