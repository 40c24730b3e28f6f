"""The generated conversations are what they promise: a codec's test must not blame the codec."""

from hypothesis import given
from hypothesis import strategies as st

from domain.inference.conversation import Role, ToolCallPart, ToolResultPart
from domain.inference.dialect import WireFormat
from domain.inference.events import StreamEvent
from domain.inference.fields import fields_in_use
from domain.inference.request import InferenceRequest
from domain.inference.response import InferenceResponse
from tests.support.canonical import replies, requests
from tests.support.canonical_events import events_of
from tests.support.collected import collected
from tests.support.reach import Reach

NARROW = Reach(fields=frozenset({"text", "tools.function", "tool_call", "tool_result", "stop"}))
FREE = Reach(
    system="anywhere",
    ordered=False,
    results_alone=False,
    structured_results=True,
    state_origin=WireFormat.GEMINI_GENERATE,
    state_on_calls=True,
    state_on_texts=True,
    url_citations=True,
    most_candidates=3,
)


@given(requests(NARROW))
def test_a_request_uses_only_what_is_within_reach(request: InferenceRequest) -> None:
    assert set(fields_in_use(request, WireFormat.OPENAI_CHAT)) <= NARROW.fields


@given(requests(FREE))
def test_every_call_is_answered_at_once_and_in_order(request: InferenceRequest) -> None:
    turns = [message for message in request.messages if message.role is not Role.SYSTEM]
    for turn, answer in zip(turns, [*turns[1:], None], strict=True):
        called = [part.id for part in turn.parts if isinstance(part, ToolCallPart)]
        assert len(set(called)) == len(called)
        if called:
            assert answer is not None
            results = [part for part in answer.parts if isinstance(part, ToolResultPart)]
            assert [part.call_id for part in results] == called


@given(replies(FREE).flatmap(lambda reply: st.tuples(st.just(reply), events_of(reply))))
def test_the_events_of_an_answer_are_in_order_and_add_up_to_it(
    streamed: tuple[InferenceResponse, list[StreamEvent]],
) -> None:
    reply, events = streamed

    assert collected(events) == reply
