"""What the Responses format can carry comes back as it was, in both roles and through both."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from adapters.wire.codec import WireTarget
from application.ports.dialect import NOT_IN_URL
from domain.inference.conversation import (
    Message,
    OpaqueState,
    Part,
    RefusalPart,
    Role,
    TextPart,
    ThinkingPart,
)
from domain.inference.dialect import WireFormat
from domain.inference.request import InferenceRequest
from domain.inference.response import Candidate, FinishReason, InferenceResponse
from tests.support.canonical import replies, requests
from tests.support.canonical_events import events_of
from tests.support.collected import collected
from tests.unit.wire.openai_responses.reaches import (
    CODEC,
    ORDERLY,
    REACH,
    REASONINGS,
    REPLIES,
    SCRUBBER,
    WIRE,
    context,
    read,
    written,
)

FOREIGN = st.one_of(
    replies(replace(REACH, state_origin=WireFormat.ANTHROPIC_MESSAGES, url_citations=False)),
    replies(
        replace(
            REACH,
            state_origin=WireFormat.GEMINI_GENERATE,
            state_on_calls=True,
            state_on_texts=True,
            url_citations=False,
        )
    ),
    replies(replace(REACH, state_origin=None, bare_thinking=True, url_citations=False)),
)


def without_ids(reply: InferenceResponse) -> InferenceResponse:
    """Return the reply with its reasoning unnamed, as it is generated."""

    def unnamed(part: Part) -> Part:
        if not isinstance(part, ThinkingPart) or part.state is None:
            return part
        return replace(part, state=replace(part.state, id=""))

    candidates = (replace(each, parts=tuple(map(unnamed, each.parts))) for each in reply.candidates)
    return replace(reply, candidates=tuple(candidates))


def as_written(reply: InferenceResponse) -> InferenceResponse:
    """Return the reply in this API's words, with the model that the client asked for."""
    return replace(reply, id=f"resp_{reply.id}", model="gpt-public", service_tier="default")


def returned(output: list[dict[str, Any]]) -> tuple[Message, ...]:
    """Return the messages of a client that goes on from an answer."""
    body = {"model": "m", "input": [{"role": "user", "content": "Hi"}, *output]}
    return CODEC.decode(json.dumps(body).encode(), NOT_IN_URL).messages


def items_of(stream: bytes) -> list[dict[str, Any]]:
    last: dict[str, Any] = json.loads(stream.strip().rpartition(b"data: ")[2])
    return last["response"]["output"]


@settings(deadline=None)
@given(requests(ORDERLY, reasoning=REASONINGS))
def test_a_request_the_format_can_carry_comes_back_as_it_was(request: InferenceRequest) -> None:
    encoded = WIRE.encode_request(request, WireTarget(model=request.model))
    assert encoded.dropped == ()
    assert CODEC.decode(encoded.body, NOT_IN_URL) == request


@settings(deadline=None)
@given(REPLIES)
def test_an_answer_the_format_can_carry_comes_back_as_it_was(reply: InferenceResponse) -> None:
    body = CODEC.encode_reply(reply, context())
    assert without_ids(WIRE.decode_reply(body, scrubber=SCRUBBER)) == as_written(reply)


@settings(deadline=None)
@given(st.data())
def test_a_streamed_answer_adds_up_to_the_same_as_a_whole_one(data: st.DataObject) -> None:
    reply = data.draw(REPLIES)
    stream = written(data.draw(events_of(reply)))
    expected = as_written(reply)
    if reply.usage is None:  # which the tier goes with
        expected = replace(expected, service_tier=None)
    assert without_ids(collected(read(stream))) == expected


@settings(deadline=None)
@given(st.data())
def test_streamed_and_whole_answers_have_the_same_items(data: st.DataObject) -> None:
    reply = data.draw(FOREIGN)
    stream = written(data.draw(events_of(reply)))
    assert items_of(stream) == json.loads(CODEC.encode_reply(reply, context()))["output"]


@settings(deadline=None)
@given(FOREIGN)
def test_an_answer_of_any_provider_comes_back_whole_with_the_next_turn(
    reply: InferenceResponse,
) -> None:
    output = json.loads(CODEC.encode_reply(reply, context()))["output"]
    (_, turn) = returned(output)
    assert turn.role is Role.ASSISTANT
    assert turn.parts == reply.candidates[0].parts


@settings(deadline=None)
@given(st.data())
def test_a_streamed_answer_of_any_provider_comes_back_whole_with_the_next_turn(
    data: st.DataObject,
) -> None:
    reply = data.draw(FOREIGN)
    (_, turn) = returned(items_of(written(data.draw(events_of(reply)))))
    assert turn.parts == reply.candidates[0].parts


def test_redacted_thinking_of_another_vendor_is_redacted_when_it_comes_back() -> None:
    state = OpaqueState(origin=WireFormat.ANTHROPIC_MESSAGES, data="EmwKAhgB+/==")
    parts = (ThinkingPart(redacted=True, state=state), TextPart(text="Hello"))
    reply = InferenceResponse(
        id="m1",
        model="c",
        usage=None,
        candidates=(Candidate(parts=parts, finish=FinishReason.STOP),),
    )
    (_, turn) = returned(json.loads(CODEC.encode_reply(reply, context()))["output"])
    assert turn.parts == parts


def test_a_refusal_is_a_refusal_and_why_the_answer_ends() -> None:
    parts = (RefusalPart(text="I cannot help with that."),)
    reply = InferenceResponse(
        id="m1",
        model="c",
        usage=None,
        candidates=(Candidate(parts=parts, finish=FinishReason.STOP),),
    )
    body = CODEC.encode_reply(reply, context())
    (candidate,) = WIRE.decode_reply(body, scrubber=SCRUBBER).candidates
    assert candidate == Candidate(parts=parts, finish=FinishReason.REFUSAL)
