"""Whatever the provider said and however it cut it, OpenAI's own client reads it from us."""

from typing import Any, cast

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import to_jsonable_python

from adapters.wire.opaque_state import split_id
from domain.inference.conversation import Part, RefusalPart, TextPart, ThinkingPart, ToolCallPart
from domain.inference.dialect import WireFormat
from domain.inference.events import StreamEvent
from domain.inference.response import InferenceResponse
from tests.support.canonical import replies
from tests.support.canonical_events import events_of
from tests.unit.wire.openai_chat import sdk
from tests.unit.wire.openai_chat.reaches import CODEC, REPLIES, context

STREAMED = replies(REPLIES).flatmap(lambda reply: st.tuples(st.just(reply), events_of(reply)))

# Parts in any order and signed, as Anthropic and Gemini give them.
MIXED = msgspec.structs.replace(
    REPLIES,
    ordered=False,
    state_origin=WireFormat.GEMINI_GENERATE,
    state_on_calls=True,
    state_on_texts=True,
    fields=REPLIES.fields | {"thinking.state"},
)
STREAMED_MIXED = replies(MIXED).flatmap(lambda reply: st.tuples(st.just(reply), events_of(reply)))


def expected(parts: tuple[Part, ...]) -> dict[str, Any]:
    """Return what the client is to find in a message of these parts."""
    texts = [part.text for part in parts if isinstance(part, TextPart)]
    refusals = [part.text for part in parts if isinstance(part, RefusalPart)]
    thoughts = [part.text for part in parts if isinstance(part, ThinkingPart)]
    return {
        "content": "".join(texts) or None,
        "refusal": "".join(refusals) or None,
        "reasoning_content": "".join(thoughts) or None,
        "urls": [
            citation.url
            for part in parts
            if isinstance(part, TextPart)
            for citation in part.citations
        ],
        "calls": [
            (part.id, part.name, part.arguments) for part in parts if isinstance(part, ToolCallPart)
        ],
    }


def found(message: Any) -> dict[str, Any]:
    """Return the same of a message as the client has it."""
    return {
        "content": message.content,
        "refusal": message.refusal,
        "reasoning_content": getattr(message, "reasoning_content", None),
        "urls": [each.url_citation.url for each in message.annotations or ()],
        "calls": [_call(call) for call in message.tool_calls or ()],
    }


def _call(call: Any) -> tuple[str, str, str]:
    if call.type == "custom":
        given = cast("dict[str, str]", to_jsonable_python(call.custom))
        return (call.id, given["name"], given["input"])
    return (call.id, call.function.name, call.function.arguments)


def totals(reply: InferenceResponse) -> tuple[int, int] | None:
    """Return input and output tokens."""
    return (reply.usage.input_total, reply.usage.output_total) if reply.usage else None


@settings(deadline=None)
@given(replies(REPLIES))
def test_a_whole_answer_is_read(reply: InferenceResponse) -> None:
    read = sdk.whole(CODEC.encode_reply(reply, context(candidates=len(reply.candidates))))

    assert read.object == "chat.completion"
    assert [choice.index for choice in read.choices] == list(range(len(reply.candidates)))
    for choice, candidate in zip(read.choices, reply.candidates, strict=True):
        assert found(choice.message) == expected(candidate.parts)
        assert choice.finish_reason == candidate.finish.value
    usage = read.usage
    assert (usage and (usage.prompt_tokens, usage.completion_tokens)) == totals(reply)


@settings(deadline=None)
@given(STREAMED)
def test_a_streamed_answer_is_put_together(
    streamed: tuple[InferenceResponse, list[StreamEvent]],
) -> None:
    reply, events = streamed
    writer = CODEC.stream_encoder(context(candidates=len(reply.candidates)))
    body = b"".join([writer.encode(event) for event in events]) + writer.finish()

    read = sdk.streamed(body)

    assert (read.id, read.model, read.created) == (reply.id, "public", reply.created_s)
    assert [choice.index for choice in read.choices] == list(range(len(reply.candidates)))
    for choice, candidate in zip(read.choices, reply.candidates, strict=True):
        assert found(choice.message) == expected(candidate.parts)
        assert choice.finish_reason == candidate.finish.value
    usage = read.usage
    assert (usage and (usage.prompt_tokens, usage.completion_tokens)) == totals(reply)


@settings(deadline=None)
@given(STREAMED_MIXED)
def test_parts_in_any_order_are_put_together(
    streamed: tuple[InferenceResponse, list[StreamEvent]],
) -> None:
    reply, events = streamed
    writer = CODEC.stream_encoder(context(candidates=len(reply.candidates)))
    body = b"".join([writer.encode(event) for event in events]) + writer.finish()

    for choice, candidate in zip(sdk.streamed(body).choices, reply.candidates, strict=True):
        read = found(choice.message)
        read["calls"] = [(split_id(call_id)[0], *rest) for call_id, *rest in read["calls"]]
        assert read == expected(candidate.parts)


@settings(deadline=None)
@given(STREAMED)
def test_each_call_goes_on_until_the_next_one_begins(
    streamed: tuple[InferenceResponse, list[StreamEvent]],
) -> None:
    reply, events = streamed
    writer = CODEC.stream_encoder(context(candidates=len(reply.candidates)))
    body = b"".join([writer.encode(event) for event in events]) + writer.finish()

    indexes: dict[int, list[int]] = {}
    for chunk in sdk.chunks(body):
        for choice in chunk.choices:
            for call in choice.delta.tool_calls or ():
                indexes.setdefault(choice.index, []).append(call.index)
    for of_choice in indexes.values():
        assert of_choice == sorted(of_choice)
        assert set(of_choice) == set(range(max(of_choice) + 1))
