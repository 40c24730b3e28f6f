"""What Chat Completions can carry comes back as it went, as a request, an answer and a stream."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from application.ports.dialect import NOT_IN_URL
from domain.inference.events import StreamEvent
from domain.inference.request import InferenceRequest
from domain.inference.response import InferenceResponse
from tests.support.canonical import replies, requests
from tests.support.canonical_events import events_of
from tests.support.collected import collected
from tests.unit.wire.openai_chat.reaches import (
    CODEC,
    OPENAI,
    RELATIVE,
    REPLIES,
    REQUESTS,
    SCRUBBER,
    TO_RELATIVES,
    WIRE,
    as_read,
    context,
    head,
)

STREAMED = replies(REPLIES).flatmap(lambda reply: st.tuples(st.just(reply), events_of(reply)))


def said(request: InferenceRequest, model: str) -> InferenceRequest:
    """Return the request as it is after the model was chosen."""
    return msgspec.structs.replace(request, model=model)


@settings(deadline=None)
@given(requests(REQUESTS))
def test_a_request_to_openai_comes_back_as_it_went(request: InferenceRequest) -> None:
    encoded = WIRE.encode_request(request, OPENAI)

    assert encoded.dropped == ()
    assert CODEC.decode(encoded.body, NOT_IN_URL) == said(request, OPENAI.model)


@settings(deadline=None)
@given(requests(TO_RELATIVES))
def test_a_request_to_a_relative_comes_back_but_for_the_cut_between_its_texts(
    request: InferenceRequest,
) -> None:
    encoded = WIRE.encode_request(request, RELATIVE)
    again = CODEC.decode(encoded.body, NOT_IN_URL)

    assert encoded.dropped == ()
    assert WIRE.encode_request(again, RELATIVE).body == encoded.body
    assert [message.role for message in again.messages] == [
        message.role for message in request.messages
    ]
    assert msgspec.structs.replace(again, messages=()) == msgspec.structs.replace(
        said(request, RELATIVE.model), messages=()
    )


@settings(deadline=None)
@given(replies(REPLIES))
def test_an_answer_comes_back_as_it_went(reply: InferenceResponse) -> None:
    body = CODEC.encode_reply(reply, context(candidates=len(reply.candidates)))

    assert WIRE.decode_reply(body, scrubber=SCRUBBER) == as_read(reply)


@settings(deadline=None)
@given(STREAMED, st.data())
def test_a_stream_comes_back_as_it_went_wherever_it_is_cut(
    streamed: tuple[InferenceResponse, list[StreamEvent]], data: st.DataObject
) -> None:
    reply, events = streamed
    writer = CODEC.stream_encoder(context(candidates=len(reply.candidates)))
    body = b"".join([writer.encode(event) for event in events]) + writer.finish()
    reader = WIRE.stream_decoder(head(len(reply.candidates)), scrubber=SCRUBBER)
    cut = data.draw(st.integers(0, len(body)))

    read = reader.feed(body[:cut]) + reader.feed(body[cut:])

    assert reader.terminated
    assert collected(read) == as_read(reply)
