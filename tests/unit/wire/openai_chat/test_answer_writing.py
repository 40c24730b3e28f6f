"""How answers of any provider are written for clients of Chat Completions."""

import json
from typing import Any

import openai
import pytest

from adapters.wire.opaque_state import split_id
from application.ports.dialect import PublicError, ReplyContext
from domain.accounting.usage import TokenUsage
from domain.errors import UpstreamUnavailable
from domain.inference.conversation import (
    AudioPart,
    Citation,
    ImagePart,
    Media,
    OpaqueState,
    Part,
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
    CitationAdded,
    Finished,
    LogprobsAdded,
    Started,
    StreamEvent,
    UsageKnown,
)
from domain.inference.request import CustomTool
from domain.inference.response import Candidate, FinishReason, InferenceResponse
from tests.unit.wire.openai_chat import sdk
from tests.unit.wire.openai_chat.reaches import CODEC, context

CUSTOM = (CustomTool(name="shell"),)
DONE = "data: [DONE]"
STOP = Finished(reason=FinishReason.STOP)
ANTHROPIC = WireFormat.ANTHROPIC_MESSAGES


def answer(
    *parts: Part,
    finish: FinishReason = FinishReason.STOP,
    given: ReplyContext | None = None,
    **of: Any,
) -> dict[str, Any]:
    """Return a whole answer of these parts as it is written."""
    candidate = Candidate(parts=parts, finish=finish)
    reply = InferenceResponse(id="", model="", candidates=(candidate,), usage=None)
    for name, value in of.items():
        reply = InferenceResponse(**{**_members(reply), name: value})
    return json.loads(CODEC.encode_reply(reply, given or context()))


def _members(reply: InferenceResponse) -> dict[str, Any]:
    return {name: getattr(reply, name) for name in reply.__struct_fields__}


def message(*parts: Part, **of: Any) -> dict[str, Any]:
    return answer(*parts, **of)["choices"][0]["message"]


def written(*events: StreamEvent, given: ReplyContext | None = None) -> bytes:
    """Return the stream of these events, started and finished."""
    writer = CODEC.stream_encoder(given or context())
    return b"".join([writer.encode(event) for event in (Started(), *events)]) + writer.finish()


def frames(*events: StreamEvent, given: ReplyContext | None = None) -> list[Any]:
    """Return the frames of a stream of these events, parsed; the terminator is checked."""
    lines = written(*events, given=given).decode().split("\n\n")
    assert lines[-2:] == [DONE, ""]
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-2]]


def deltas(*events: StreamEvent, given: ReplyContext | None = None) -> list[Any]:
    """Return the deltas between the one that says who speaks and the last one."""
    return [
        frame["choices"][0]["delta"] for frame in frames(*events, given=given) if frame["choices"]
    ][1:-1]


def call(index: int, name: str, *pieces: str, **start: Any) -> tuple[StreamEvent, ...]:
    return (
        BlockStarted(index=index, kind="tool_call", id=f"id{index}", name=name, **start),
        *(BlockDelta(index=index, text=piece) for piece in pieces),
        BlockEnded(index=index),
    )


def test_an_answer_without_id_and_time_has_those_of_its_context() -> None:
    body = answer(TextPart(text="Hi"))

    assert body == {
        "id": "chatcmpl-r1",
        "object": "chat.completion",
        "created": 1_750_000_000,
        "model": "public",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hi", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
    }


def test_usage_is_written_with_its_parts_included_in_their_wholes() -> None:
    usage = TokenUsage(
        input_uncached=1,
        cache_read=2,
        cache_write_5m=4,
        cache_write_1h=8,
        audio_in=16,
        output=32,
        reasoning=64,
        audio_out=128,
    )

    assert answer(TextPart(text="x"), usage=usage)["usage"] == {
        "prompt_tokens": 31,
        "completion_tokens": 224,
        "total_tokens": 255,
        "prompt_tokens_details": {
            "cached_tokens": 2,
            "audio_tokens": 16,
            "cache_write_tokens": 12,
        },
        "completion_tokens_details": {
            "reasoning_tokens": 64,
            "audio_tokens": 128,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


@pytest.mark.parametrize(
    ("tier", "name"), [("standard", "default"), ("priority", "priority"), ("batch", None)]
)
def test_the_tier_is_named_openais_way(tier: str, name: str | None) -> None:
    assert answer(TextPart(text="x"), service_tier=tier).get("service_tier") == name


def test_texts_become_one_and_the_places_of_sources_count_from_its_start() -> None:
    cited = TextPart(
        text="def",
        citations=(
            Citation(url="https://a.example", title="A", start=1, end=2),
            Citation(url="https://b.example", title="B"),
            Citation(cited_text="of a document"),
        ),
    )

    whole = message(TextPart(text="abc"), cited)

    assert whole["content"] == "abcdef"
    assert [annotation["url_citation"] for annotation in whole["annotations"]] == [
        {"url": "https://a.example", "title": "A", "start_index": 4, "end_index": 5},
        {"url": "https://b.example", "title": "B", "start_index": 3, "end_index": 6},
    ]


def test_sounds_images_and_what_only_its_own_format_knows() -> None:
    whole = message(
        VendorPart(origin=ANTHROPIC, kind="server_tool_use", raw={}),
        ImagePart(source=Media(media_type="image/png", data="iVBO")),
        AudioPart(source=Media(data="AAAA"), transcript="Hi"),
    )

    assert whole["images"] == [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}}
    ]
    assert whole["audio"] == {
        "id": "audio",
        "data": "AAAA",
        "transcript": "Hi",
        "expires_at": 1_750_000_000,
    }
    assert whole["content"] is None


REASONS: list[tuple[FinishReason, tuple[Part, ...], str]] = [
    (FinishReason.STOP, (TextPart(text="x"),), "stop"),
    (FinishReason.STOP, (ToolCallPart(id="a", name="f", arguments="{}"),), "tool_calls"),
    (FinishReason.STOP_SEQUENCE, (TextPart(text="x"),), "stop"),
    (FinishReason.LENGTH, (ToolCallPart(id="a", name="f", arguments="{"),), "length"),
    (FinishReason.CONTENT_FILTER, (), "content_filter"),
    (FinishReason.REFUSAL, (RefusalPart(text="No."),), "stop"),
    (FinishReason.REFUSAL, (), "content_filter"),
    (FinishReason.PAUSE, (TextPart(text="x"),), "length"),
    (FinishReason.CONTEXT_WINDOW, (TextPart(text="x"),), "length"),
    (FinishReason.MALFORMED_TOOL_CALL, (), "length"),
]


@pytest.mark.parametrize(("reason", "parts", "word"), REASONS)
def test_every_reason_has_a_word_that_clients_know(
    reason: FinishReason, parts: tuple[Part, ...], word: str
) -> None:
    assert answer(*parts, finish=reason)["choices"][0]["finish_reason"] == word
    events: list[StreamEvent] = []
    for index, part in enumerate(parts):
        match part:
            case ToolCallPart():
                events += call(index, part.name, part.arguments)
            case TextPart() | RefusalPart():
                kind = "text" if isinstance(part, TextPart) else "refusal"
                events += (
                    BlockStarted(index=index, kind=kind),
                    BlockDelta(index=index, text=part.text),
                    BlockEnded(index=index),
                )
            case _:
                raise AssertionError
    assert frames(*events, Finished(reason=reason))[-1]["choices"][0]["finish_reason"] == word


def test_every_reason_is_among_those() -> None:
    assert {reason for reason, _, _ in REASONS} == set(FinishReason) - {
        FinishReason.TOOL_CALLS,
        FinishReason.ERROR,
    }


def test_an_answer_that_ended_in_an_error_is_not_written_as_one() -> None:
    with pytest.raises(UpstreamUnavailable):
        answer(TextPart(text="half"), finish=FinishReason.ERROR)
    with pytest.raises(UpstreamUnavailable):
        written(Finished(reason=FinishReason.ERROR))


def test_the_first_chunk_says_who_speaks_and_the_last_one_what_was_used() -> None:
    usage = TokenUsage(input_uncached=3, output=4)
    text = (
        BlockStarted(index=0, kind="text"),
        BlockDelta(index=0, text="Hi"),
        BlockEnded(index=0),
        STOP,
        UsageKnown(usage=usage, service_tier="standard"),
    )

    said = frames(*text)

    assert [frame["choices"][0]["delta"] for frame in said[:3]] == [
        {"role": "assistant"},
        {"content": "Hi"},
        {},
    ]
    assert said[-1]["choices"] == []
    assert said[-1]["usage"]["total_tokens"] == 7
    assert said[-1]["service_tier"] == "default"
    assert all(frame["usage"] is None for frame in said[:-1])
    unasked = frames(*text, given=context(include_usage=False))
    assert len(unasked) == len(said) - 1
    assert not any("usage" in frame for frame in unasked)


def test_usage_known_from_the_start_is_told_when_no_other_came() -> None:
    writer = CODEC.stream_encoder(context())
    body = writer.encode(Started(usage=TokenUsage(input_uncached=5)))
    body += writer.encode(STOP) + writer.finish()

    assert b'"prompt_tokens":5' in body


def test_a_stream_that_says_nothing_is_an_empty_answer() -> None:
    writer = CODEC.stream_encoder(context(candidates=2))

    read = sdk.streamed(writer.finish())

    assert [choice.finish_reason for choice in read.choices] == ["stop", "stop"]
    assert read.id == "chatcmpl-r1"


def test_mixed_calls_are_written_one_after_the_other_and_each_at_once() -> None:
    writer = CODEC.stream_encoder(context())

    def told(event: StreamEvent) -> list[tuple[int, str]]:
        lines = writer.encode(event).decode().split("\n\n")[:-1]
        pieces = [json.loads(line.removeprefix("data: "))["choices"][0]["delta"] for line in lines]
        return [
            (each["index"], each["function"]["arguments"])
            for piece in pieces
            for each in piece.get("tool_calls", [])
        ]

    assert told(Started()) == []
    assert told(BlockStarted(index=0, kind="tool_call", id="a", name="f")) == [(0, "")]
    assert told(BlockStarted(index=1, kind="tool_call", id="b", name="g")) == []
    assert told(BlockDelta(index=1, text='{"b":')) == []
    assert told(BlockDelta(index=0, text='{"a":1}')) == [(0, '{"a":1}')]
    assert told(BlockDelta(index=1, text="2}")) == []
    assert told(BlockEnded(index=1)) == []
    assert told(BlockEnded(index=0)) == [(1, ""), (1, '{"b":'), (1, "2}")]


def test_a_call_without_arguments_has_an_empty_object() -> None:
    read = sdk.streamed(written(*call(0, "f"), Finished(reason=FinishReason.TOOL_CALLS)))

    found = (read.choices[0].message.tool_calls or [])[0]
    assert found.type == "function"
    assert found.function.arguments == "{}"
    whole = message(ToolCallPart(id="a", name="f", arguments=""))
    assert whole["tool_calls"][0]["function"]["arguments"] == "{}"


def test_a_call_whose_end_is_missing_loses_nothing() -> None:
    events = (
        BlockStarted(index=0, kind="tool_call", id="a", name="f"),
        BlockStarted(index=1, kind="tool_call", id="b", name="g"),
        BlockDelta(index=1, text='{"b":2}'),
    )

    read = sdk.streamed(written(*events))

    calls: list[Any] = list(read.choices[0].message.tool_calls or ())
    assert [(each.id, each.function.arguments) for each in calls] == [
        ("a", "{}"),
        ("b", '{"b":2}'),
    ]


def test_a_custom_tool_that_a_provider_took_for_a_function_is_custom_again() -> None:
    given = context(tools=CUSTOM)
    expected = {"type": "custom", "custom": {"name": "shell", "input": "ls"}}

    whole = message(ToolCallPart(id="a", name="shell", arguments='{"input":"ls"}'), given=given)
    assert whole["tool_calls"] == [{"id": "a", **expected}]
    native = message(ToolCallPart(id="a", name="shell", arguments="ls", custom=True), given=given)
    assert native["tool_calls"] == [{"id": "a", **expected}]

    streamed = deltas(*call(0, "shell", '{"inp', 'ut":"ls"}'), STOP, given=given)
    assert [delta["tool_calls"][0]["custom"] for delta in streamed] == [
        {"name": "shell", "input": ""},
        {"input": "ls"},
    ]


def test_a_caller_of_functions_is_answered_with_one() -> None:
    given = context(legacy_functions=True)
    part = ToolCallPart(id="a", name="f", arguments='{"x":1}')

    body = answer(part, given=given, finish=FinishReason.TOOL_CALLS)["choices"][0]
    assert body["message"]["function_call"] == {"name": "f", "arguments": '{"x":1}'}
    assert body["finish_reason"] == "function_call"
    assert "tool_calls" not in body["message"]

    body = written(*call(0, "f", '{"x":', "1}"), STOP, given=given)
    choice = sdk.streamed(body).choices[0]
    assert choice.message.function_call is not None
    assert choice.message.function_call.arguments == '{"x":1}'
    assert choice.finish_reason == "function_call"


def test_more_calls_than_a_caller_of_functions_can_read_are_not_lost() -> None:
    given = context(legacy_functions=True)
    parts = (
        ToolCallPart(id="a", name="f", arguments="{}"),
        ToolCallPart(id="b", name="g", arguments="{}"),
    )

    whole = message(*parts, given=given)
    assert whole["function_call"]["name"] == "f"
    assert [each["id"] for each in whole["tool_calls"]] == ["b"]
    streamed = sdk.streamed(written(*call(0, "f", "{}"), *call(1, "g", "{}"), STOP, given=given))
    assert [each.id for each in streamed.choices[0].message.tool_calls or ()] == ["id1"]


def test_thoughts_ride_on_the_id_of_the_call_after_them() -> None:
    signed = ThinkingPart(text="Rome?", state=OpaqueState(origin=ANTHROPIC, data="c2ln"))
    redacted = ThinkingPart(state=OpaqueState(origin=ANTHROPIC, data="cmVk"), redacted=True)
    own = OpaqueState(origin=WireFormat.GEMINI_GENERATE, data="dGg=")
    events = (
        BlockStarted(index=0, kind="redacted_thinking", state=redacted.state),
        BlockEnded(index=0),
        BlockStarted(index=1, kind="thinking"),
        BlockDelta(index=1, text="Ro"),
        BlockDelta(index=1, text="me?"),
        BlockEnded(index=1, state=signed.state),
        *call(2, "f", "{}"),
        *call(3, "g", "{}", state=own),
        STOP,
    )
    whole = message(
        redacted,
        signed,
        ToolCallPart(id="id2", name="f", arguments="{}"),
        ToolCallPart(id="id3", name="g", arguments="{}", state=own),
    )

    streamed = sdk.streamed(written(*events)).choices[0].message
    ids = [each.id for each in streamed.tool_calls or ()]

    assert ids == [each["id"] for each in whole["tool_calls"]]
    assert [split_id(each)[0] for each in ids] == ["id2", "id3"]
    assert split_id(ids[0])[1].thinking == (redacted, signed)
    assert split_id(ids[1])[1].state == own
    assert whole["reasoning_content"] == "Rome?"
    assert getattr(streamed, "reasoning_content", None) == "Rome?"


def test_thoughts_nobody_wants_back_make_ids_no_longer() -> None:
    parts = (ThinkingPart(text="hm"), ToolCallPart(id="a", name="f", arguments="{}"))

    assert message(*parts)["tool_calls"][0]["id"] == "a"


def test_sources_of_several_texts_are_put_together_by_the_client() -> None:
    def text(index: int, words: str, url: str) -> tuple[StreamEvent, ...]:
        return (
            BlockStarted(index=index, kind="text"),
            BlockDelta(index=index, text=words),
            CitationAdded(index=index, citation=Citation(url=url)),
            BlockEnded(index=index),
        )

    read = sdk.streamed(
        written(*text(0, "abc", "https://a.example"), *text(1, "de", "https://b.example"), STOP)
    )

    found = [each.url_citation for each in read.choices[0].message.annotations or ()]
    assert [(each.url, each.start_index, each.end_index) for each in found] == [
        ("https://a.example", 0, 3),
        ("https://b.example", 3, 5),
    ]


def test_sounds_and_images_are_streamed() -> None:
    image = ImagePart(source=Media(media_type="image/png", data="iVBO"))
    said = deltas(
        BlockStarted(index=0, kind="audio", id="audio_1"),
        BlockDelta(index=0, text="AAAA"),
        BlockDelta(index=0, text="", transcript="Hi"),
        BlockEnded(index=0),
        BlockStarted(index=1, kind="image", image=image),
        BlockEnded(index=1),
        BlockStarted(
            index=2,
            kind="vendor",
            vendor=VendorPart(origin=ANTHROPIC, kind="server_tool_use", raw={}),
        ),
        BlockEnded(index=2),
        STOP,
    )

    assert said == [
        {"audio": {"id": "audio_1"}},
        {"audio": {"data": "AAAA"}},
        {"audio": {"transcript": "Hi"}},
        {"images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}}]},
    ]


def test_log_probabilities_are_told_with_their_choice() -> None:
    tokens: dict[str, object] = {"content": [{"token": "a", "logprob": -0.1}], "refusal": None}

    said = frames(LogprobsAdded(logprobs=tokens, candidate=1), given=context(candidates=2))

    (frame,) = [each for each in said if each["choices"][0]["logprobs"]]
    assert frame["choices"][0]["index"] == 1
    assert frame["choices"][0]["logprobs"] == tokens


def test_an_error_in_a_stream_is_raised_by_the_client_and_nothing_follows_it() -> None:
    error = PublicError(status=502, kind="upstream", code="upstream_error", message="Gone.")
    writer = CODEC.stream_encoder(context())
    body = writer.encode(Started()) + CODEC.stream_error(error)

    with pytest.raises(openai.APIError, match="Gone"):
        sdk.chunks(body)
    assert b"[DONE]" not in body
