"""OpenAI's own client accepts what we write: whole answers, streams, and errors."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.accounting.usage import TokenUsage
from domain.inference.conversation import (
    Citation,
    Part,
    RefusalPart,
    TextPart,
    ToolCallPart,
)
from domain.inference.dialect import WireFormat
from domain.inference.events import (
    BlockDelta,
    BlockEnded,
    BlockStarted,
    CitationAdded,
    LogprobsAdded,
    StreamEvent,
    UsageKnown,
)
from domain.inference.request import (
    CustomTool,
    Effort,
    FunctionTool,
    Reasoning,
    ResponseFormat,
    Sampling,
    ToolChoice,
)
from domain.inference.response import FinishReason, InferenceResponse
from tests.support.canonical import replies
from tests.support.canonical_events import event_sequences, events_of
from tests.unit.wire.openai_responses import sdk
from tests.unit.wire.openai_responses.answers import reply, stream
from tests.unit.wire.openai_responses.reaches import CODEC, REACH, context, written

ANY_REPLY = replies(
    replace(
        REACH,
        state_origin=WireFormat.GEMINI_GENERATE,
        bare_thinking=True,
        state_on_calls=True,
        state_on_texts=True,
        finishes=(
            FinishReason.STOP,
            FinishReason.STOP_SEQUENCE,
            FinishReason.LENGTH,
            FinishReason.PAUSE,
            FinishReason.REFUSAL,
        ),
    )
)


BARE = replace(REACH, state_origin=None, bare_thinking=True)


COMPLETE = replies(
    replace(REACH, state_origin=WireFormat.GEMINI_GENERATE, finishes=(FinishReason.STOP,))
)


@settings(deadline=None)
@given(ANY_REPLY)
def test_every_whole_answer_has_what_the_types_of_the_client_demand(
    reply: InferenceResponse,
) -> None:
    body = CODEC.encode_reply(reply, context())
    sdk.check_whole(body)
    texts = [part.text for part in reply.candidates[0].parts if isinstance(part, TextPart)]
    assert sdk.whole(body).output_text == "".join(texts)


@settings(deadline=None)
@given(event_sequences(BARE))
def test_every_stream_has_what_the_types_of_the_client_demand(events: list[StreamEvent]) -> None:
    body = written(events)
    sdk.check(body)
    parsed = sdk.events(body)
    assert [event.sequence_number for event in parsed] == list(range(len(parsed)))
    assert [event.type for event in parsed[:2]] == ["response.created", "response.in_progress"]
    added = [e.output_index for e in parsed if e.type == "response.output_item.added"]
    done = [e.output_index for e in parsed if e.type == "response.output_item.done"]
    assert added == list(range(len(added)))
    assert sorted(done) == added


@settings(deadline=None)
@given(st.data())
def test_the_accumulator_of_the_client_arrives_at_the_answer(data: st.DataObject) -> None:
    whole = data.draw(COMPLETE)
    body = written(data.draw(events_of(whole)))
    final = sdk.streamed(body)
    expected = sdk.whole(CODEC.encode_reply(whole, context()))
    assert _plain(final) == _plain(expected)


def _plain(response: Any) -> dict[str, Any]:
    """Return a response without what the accumulator adds to texts and arguments."""
    dumped = response.to_dict()
    for item in dumped["output"]:
        item.pop("parsed_arguments", None)
        for part in item.get("content") or ():
            part.pop("parsed", None)
    return dumped


@settings(deadline=None)
@given(event_sequences(BARE))
def test_the_deltas_of_an_item_add_up_to_it(events: list[StreamEvent]) -> None:
    told: dict[tuple[int, int], str] = {}
    for frame in sdk.frames(written(events)):
        if frame["type"].endswith(".delta"):
            place = (frame["output_index"], frame.get("content_index", 0))
            told[place] = told.get(place, "") + frame["delta"]
    last = sdk.frames(written(events))[-1]["response"]["output"]
    for index, item in enumerate(last):
        parts = item.get("content") or item.get("summary") or [item]
        for number, part in enumerate(parts):
            said = next(
                part[name]
                for name in ("text", "refusal", "arguments", "input", "summary")
                if name in part
            )
            assert told.get((index, number), "") == (said or "")


def test_a_whole_answer_repeats_the_request() -> None:
    asked = context(
        FunctionTool(name="look", parameters={"type": "object"}, strict=True),
        CustomTool(name="patch", format={"type": "text"}),
        tool_choice=ToolChoice(mode="named", name="patch"),
        response_format=ResponseFormat(kind="json_schema", name="shape", schema={"type": "object"}),
        reasoning=Reasoning(effort=Effort.LOW, summary="auto"),
        sampling=Sampling(temperature=0.5, top_p=0.25),
        parallel_tool_calls=False,
        max_output_tokens=77,
        verbosity="low",
        metadata={"team": "a"},
        end_user="u1",
        cache_key="k1",
        store=True,
    )
    body = CODEC.encode_reply(reply(TextPart(text="Hi")), asked)
    sdk.check_whole(body)
    answer = sdk.whole(body)
    assert answer.model == "gpt-public"
    assert [tool.type for tool in answer.tools] == ["function", "custom"]
    assert answer.tool_choice.to_dict() == {"type": "custom", "name": "patch"}  # type: ignore[union-attr]
    assert answer.text is not None
    assert answer.text.verbosity == "low"
    assert answer.text.format is not None
    assert answer.text.format.type == "json_schema"
    assert answer.reasoning is not None
    assert answer.reasoning.effort == "low"
    assert (answer.temperature, answer.top_p) == (0.5, 0.25)
    assert answer.parallel_tool_calls is False
    assert answer.max_output_tokens == 77
    assert answer.metadata == {"team": "a"}
    assert (answer.safety_identifier, answer.prompt_cache_key) == ("u1", "k1")


def test_an_answer_of_ours_is_never_said_to_be_stored() -> None:
    body = json.loads(CODEC.encode_reply(reply(TextPart(text="Hi")), context(store=True)))
    assert body["store"] is False


@pytest.mark.parametrize(
    ("finish", "parts", "status", "reason"),
    [
        (FinishReason.STOP, (TextPart(text="a"),), "completed", None),
        (FinishReason.STOP_SEQUENCE, (TextPart(text="a"),), "completed", None),
        (FinishReason.LENGTH, (TextPart(text="a"),), "incomplete", "max_output_tokens"),
        (FinishReason.CONTEXT_WINDOW, (TextPart(text="a"),), "incomplete", "max_output_tokens"),
        (FinishReason.CONTENT_FILTER, (), "incomplete", "content_filter"),
        (FinishReason.REFUSAL, (RefusalPart(text="No."),), "completed", None),
        (FinishReason.REFUSAL, (), "incomplete", "content_filter"),
        (FinishReason.ERROR, (TextPart(text="a"),), "failed", None),
        (FinishReason.MALFORMED_TOOL_CALL, (), "failed", None),
    ],
)
def test_why_an_answer_ended_is_told_whole_and_streamed(
    finish: FinishReason, parts: tuple[Part, ...], status: str, reason: str | None
) -> None:
    told = json.loads(CODEC.encode_reply(reply(*parts, finish=finish), context()))
    assert told["status"] == status
    assert (told["incomplete_details"] or {}).get("reason") == reason
    assert (told["error"] is not None) == (status == "failed")
    blocks: list[StreamEvent] = []
    for index, part in enumerate(parts):
        assert isinstance(part, TextPart | RefusalPart)
        kind = "text" if isinstance(part, TextPart) else "refusal"
        blocks += [
            BlockStarted(index=index, kind=kind),
            BlockDelta(index=index, text=part.text),
            BlockEnded(index=index),
        ]
    body = written(stream(*blocks, finish=finish))
    sdk.check(body)
    last = sdk.frames(body)[-1]
    assert last["type"] == f"response.{status}"
    assert last["response"] == told


def test_an_answer_cut_by_its_limit_has_an_incomplete_last_item() -> None:
    parts = (TextPart(text="a"), ToolCallPart(id="c1", name="f", arguments='{"a":'))
    told = sdk.whole(CODEC.encode_reply(reply(*parts, finish=FinishReason.LENGTH), context()))
    assert [item.status for item in told.output] == ["completed", "incomplete"]  # type: ignore[union-attr]


def test_usage_is_told_with_its_parts() -> None:
    usage = TokenUsage(
        input_uncached=10, cache_read=20, cache_write_5m=3, cache_write_1h=4, output=5, reasoning=6
    )
    answer = sdk.whole(CODEC.encode_reply(reply(TextPart(text="a"), usage=usage), context()))
    assert answer.usage is not None
    assert answer.usage.input_tokens == 37
    assert answer.usage.input_tokens_details.cached_tokens == 20
    assert answer.usage.input_tokens_details.cache_write_tokens == 7
    assert answer.usage.output_tokens == 11
    assert answer.usage.output_tokens_details.reasoning_tokens == 6
    assert answer.usage.total_tokens == 48


def test_usage_that_comes_after_the_end_is_in_the_last_event() -> None:
    usage = TokenUsage(input_uncached=1, output=2)
    events = [*stream(), UsageKnown(usage=usage, service_tier="priority")]
    last = sdk.frames(written(events))[-1]["response"]
    assert last["usage"]["total_tokens"] == 3
    assert last["service_tier"] == "priority"


def test_sources_are_told_as_annotations_and_stay_with_their_text() -> None:
    page = Citation(url="https://media.example/a", title="A", start=0, end=2)
    book = Citation(title="A book", cited_text="no page of the web")
    body = written(
        stream(
            BlockStarted(index=0, kind="text"),
            BlockDelta(index=0, text="It is."),
            CitationAdded(index=0, citation=page),
            CitationAdded(index=0, citation=book),
            BlockEnded(index=0),
        )
    )
    sdk.check(body)
    (note,) = [e for e in sdk.events(body) if e.type == "response.output_text.annotation.added"]
    assert note.annotation_index == 0
    (part,) = sdk.streamed(body).output[0].content  # type: ignore[union-attr]
    assert [note.url for note in part.annotations] == ["https://media.example/a"]  # type: ignore[union-attr]


def test_log_probabilities_are_with_the_text_they_belong_to() -> None:
    token = {"token": "It", "bytes": [73, 116], "logprob": -0.5, "top_logprobs": []}
    told: list[StreamEvent] = [
        BlockStarted(index=0, kind="text"),
        BlockDelta(index=0, text="It"),
        LogprobsAdded(logprobs={"content": [token]}),
        BlockEnded(index=0),
    ]
    late = [*told[:2], told[3], told[2]]
    for events in (told, late):
        body = written(stream(*events))
        sdk.check(body)
        (part,) = sdk.streamed(body).output[0].content  # type: ignore[union-attr]
        assert [each.token for each in part.logprobs] == ["It"]  # type: ignore[union-attr]


def test_calls_told_in_turns_are_items_of_their_own() -> None:
    body = written(
        stream(
            BlockStarted(index=0, kind="tool_call", id="a", name="f"),
            BlockDelta(index=0, text='{"x"'),
            BlockStarted(index=1, kind="tool_call", id="b", name="g"),
            BlockDelta(index=1, text='{"y":2}'),
            BlockDelta(index=0, text=":1}"),
            BlockEnded(index=1),
            BlockEnded(index=0),
            finish=FinishReason.TOOL_CALLS,
        )
    )
    sdk.check(body)
    calls = [(item.call_id, item.name, item.arguments) for item in sdk.streamed(body).output]  # type: ignore[union-attr]
    assert calls == [("a", "f", '{"x":1}'), ("b", "g", '{"y":2}')]


def test_a_call_without_arguments_has_an_empty_object() -> None:
    body = written(
        stream(
            BlockStarted(index=0, kind="tool_call", id="a", name="f"),
            BlockEnded(index=0),
        )
    )
    (call,) = sdk.streamed(body).output
    assert call.arguments == "{}"  # type: ignore[union-attr]


def test_an_answer_without_any_content_is_an_answer() -> None:
    for events in ([], stream()):
        body = written(events)
        sdk.check(body)
        assert sdk.streamed(body).output == []


def test_blocks_that_were_never_ended_are_ended_with_the_answer() -> None:
    body = written(
        [
            BlockStarted(index=0, kind="text"),
            BlockDelta(index=0, text="It is"),
        ]
    )
    sdk.check(body)
    assert sdk.streamed(body).output_text == "It is"


def test_a_custom_tool_that_was_offered_as_a_function_is_called_as_a_custom_tool() -> None:
    patch = CustomTool(
        name="apply_patch",
        format={"type": "grammar", "syntax": "lark", "definition": "start: /.+/"},
    )
    call = ToolCallPart(id="c1", name="apply_patch", arguments='{"input":"*** Begin\\n+ä"}')
    whole = sdk.whole(CODEC.encode_reply(reply(call), context(patch)))
    body = written(
        stream(
            BlockStarted(index=0, kind="tool_call", id="c1", name="apply_patch"),
            BlockDelta(index=0, text='{"input":"*** Be'),
            BlockDelta(index=0, text='gin\\n+ä"}'),
            BlockEnded(index=0),
        ),
        context(patch),
    )
    sdk.check(body)
    (told,) = sdk.streamed(body).output
    assert told.type == "custom_tool_call"
    assert told.input == "*** Begin\n+ä"
    assert told.to_dict() == whole.output[0].to_dict()
    deltas = [
        e.delta for e in sdk.events(body) if e.type == "response.custom_tool_call_input.delta"
    ]
    assert deltas == ["*** Begin\n+ä"]


def test_arguments_that_are_not_those_of_a_custom_tool_become_its_input_as_they_are() -> None:
    call = ToolCallPart(id="c1", name="apply_patch", arguments='{"patch":"x"}')
    told = json.loads(CODEC.encode_reply(reply(call), context(CustomTool(name="apply_patch"))))
    assert told["output"][0]["input"] == '{"patch":"x"}'


def test_a_tool_in_a_namespace_is_called_by_its_name_in_there() -> None:
    tool = FunctionTool(name="mcp__mail__send", namespace="mcp__mail__")
    call = ToolCallPart(id="c1", name="mcp__mail__send", arguments="{}")
    body = CODEC.encode_reply(reply(call), context(tool))
    sdk.check_whole(body)
    (told,) = json.loads(body)["output"]
    assert (told["namespace"], told["name"]) == ("mcp__mail__", "send")
    frames = sdk.frames(
        written(
            stream(
                BlockStarted(index=0, kind="tool_call", id="c1", name="mcp__mail__send"),
                BlockEnded(index=0),
            ),
            context(tool),
        )
    )
    assert frames[-1]["response"]["output"] == [told]
