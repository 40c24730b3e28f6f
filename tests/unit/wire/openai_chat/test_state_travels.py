"""What only a provider can read passes through a client of Chat Completions byte for byte."""

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.wire.translating import TranslatingStreamScanner
from application.ports.dialect import NOT_IN_URL
from domain.inference.conversation import OpaqueState, Part, TextPart, ThinkingPart, ToolCallPart
from domain.inference.dialect import WireFormat
from domain.inference.events import StreamEvent
from domain.inference.response import Candidate, FinishReason, InferenceResponse
from tests.support.canonical import ARGUMENTS, NAMES, STATES, TEXTS
from tests.support.canonical_events import events_of
from tests.unit.wire.openai_chat import sdk
from tests.unit.wire.openai_chat.reaches import CODEC, SCRUBBER, WIRE, context, head

STATE = st.builds(
    OpaqueState,
    origin=st.sampled_from([WireFormat.ANTHROPIC_MESSAGES, WireFormat.GEMINI_GENERATE]),
    data=STATES,
    id=st.just("") | NAMES,
)
SIGNED = st.builds(ThinkingPart, text=TEXTS, state=STATE)
REDACTED = st.builds(ThinkingPart, state=STATE, redacted=st.just(value=True))


@st.composite
def turns(draw: st.DrawFn) -> tuple[Part, ...]:
    """Return thoughts, a text, a call, and more thoughts and calls in any order."""
    before = draw(st.lists(SIGNED | REDACTED, max_size=2))
    text = draw(st.lists(st.builds(TextPart, text=TEXTS), max_size=1))
    calls = st.builds(
        ToolCallPart, id=NAMES, name=NAMES, arguments=ARGUMENTS, state=st.none() | STATE
    )
    more = draw(st.lists(SIGNED | calls, max_size=3).map(lambda parts: [*parts, draw(calls)]))
    parts = [*before, *text, draw(calls), *more]
    numbered = [
        msgspec.structs.replace(part, id=f"{part.id}_{number}")
        if isinstance(part, ToolCallPart)
        else part
        for number, part in enumerate(parts)
    ]
    return tuple(numbered)


def sent_back(message: Any) -> tuple[Part, ...]:
    """Return the turn that a client sends when it gives back what it got."""
    body = {"model": "public", "messages": [message.to_dict()]}
    return CODEC.decode(msgspec.json.encode(body), NOT_IN_URL).messages[0].parts


def reply_of(parts: tuple[Part, ...]) -> InferenceResponse:
    candidate = Candidate(parts=parts, finish=FinishReason.TOOL_CALLS)
    return InferenceResponse(id="msg_1", model="m", candidates=(candidate,), usage=None)


@settings(deadline=None)
@given(turns())
def test_state_in_a_whole_answer_comes_back_in_its_place(parts: tuple[Part, ...]) -> None:
    read = sdk.whole(CODEC.encode_reply(reply_of(parts), context()))

    assert sent_back(read.choices[0].message) == parts


@settings(deadline=None)
@given(turns().flatmap(lambda parts: st.tuples(st.just(parts), events_of(reply_of(parts)))))
def test_state_in_a_streamed_answer_comes_back_in_its_place(
    streamed: tuple[tuple[Part, ...], list[StreamEvent]],
) -> None:
    parts, events = streamed
    writer = CODEC.stream_encoder(context())
    body = b"".join([writer.encode(event) for event in events]) + writer.finish()

    assert sent_back(sdk.streamed(body).choices[0].message) == parts


@settings(deadline=None)
@given(turns())
def test_state_survives_a_second_gateway_on_the_way(parts: tuple[Part, ...]) -> None:
    first = CODEC.encode_reply(reply_of(parts), context())
    second = CODEC.encode_reply(WIRE.decode_reply(first, scrubber=SCRUBBER), context())

    back = CODEC.decode(
        msgspec.json.encode(
            {"model": "m", "messages": [sdk.whole(second).choices[0].message.to_dict()]}
        ),
        NOT_IN_URL,
    )

    calls = [part for part in back.messages[0].parts if isinstance(part, ToolCallPart)]
    assert [part.arguments for part in calls] == [
        part.arguments for part in parts if isinstance(part, ToolCallPart)
    ]


def test_a_stream_translated_to_its_own_format_says_the_same() -> None:
    writer = CODEC.stream_encoder(context())
    reply = reply_of((TextPart(text="Hello"), ToolCallPart(id="a", name="f", arguments="{}")))
    whole = sdk.whole(CODEC.encode_reply(reply, context()))
    body = (
        b'data: {"id":"msg_1","choices":[{"index":0,"delta":{"content":"Hello"}}]}\n\n'
        b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","function":'
        b'{"name":"f"}}]},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    )
    scanner = TranslatingStreamScanner(WIRE.stream_decoder(head(), scrubber=SCRUBBER), writer)

    read = sdk.streamed(scanner.feed(body))

    assert read.choices[0].finish_reason == "tool_calls"
    assert read.choices[0].message.content == whole.choices[0].message.content
    assert scanner.summary.terminated
