"""What generateContent can carry comes back as it was, in both roles and through both."""

import itertools
import json
from typing import Any

import msgspec
from google.genai import types
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from adapters.wire.codec import WireTarget
from adapters.wire.gemini_generate.dialect import GeminiCodec
from adapters.wire.gemini_generate.wire import GeminiWire
from adapters.wire.upstream_errors import MessageScrubber
from application.ports.dialect import RequestTarget
from domain.inference.conversation import (
    AudioPart,
    DocumentPart,
    ImagePart,
    Media,
    OpaqueState,
    Part,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
    VideoPart,
)
from domain.inference.dialect import WireFormat
from domain.inference.events import StreamEvent
from domain.inference.head import RequestHead
from domain.inference.request import InferenceRequest
from domain.inference.response import Candidate, FinishReason, InferenceResponse
from tests.support.canonical import STATES, replies
from tests.support.canonical_events import event_sequences, events_of
from tests.support.collected import collected
from tests.unit.wire.gemini_generate import sdk
from tests.unit.wire.gemini_generate.reaches import (
    REPLIES,
    WITH_BUDGETS,
    WITH_LEVELS,
    context,
)

CODEC = GeminiCodec()
WIRE = GeminiWire()
SCRUBBER = MessageScrubber()
TYPES = {
    ImagePart: "image/jpeg",
    DocumentPart: "application/pdf",
    AudioPart: "audio/mpeg",
    VideoPart: "video/mp4",
}


def typed(part: Any) -> Any:
    """Return media with the type that is said for URLs of unknown content."""
    source: Media = part.source
    media_type = source.media_type or TYPES[type(part)]
    return structs.replace(part, source=structs.replace(source, media_type=media_type))


def in_form(part: Part) -> Any:
    """Return the part in the form in which the decoder leaves it.

    Of a result the texts come first; an object that tells an error says so in its member `error`,
    and one without members is no content.
    """
    match part:
        case ImagePart() | DocumentPart() | AudioPart() | VideoPart():
            return typed(part)
        case ToolResultPart():
            texts = [each for each in part.content if isinstance(each, TextPart)]
            media = [typed(each) for each in part.content if not isinstance(each, TextPart)]
            content = (*texts, *media)
            if part.structured:
                found = json.loads(texts[0].text)
                if part.is_error:
                    found = {"error": found}
                text = msgspec.json.encode(found).decode()
                content = (TextPart(text=text),) if found else ()
            return structs.replace(
                part, content=content, structured=part.structured and bool(content)
            )
        case _:
            return part


def formed(request: InferenceRequest) -> InferenceRequest:
    messages = tuple(
        structs.replace(each, parts=tuple(in_form(part) for part in each.parts))
        for each in request.messages
    )
    return structs.replace(request, messages=messages)


def decoded(body: bytes, request: InferenceRequest) -> InferenceRequest:
    return CODEC.decode(body, RequestTarget(model=request.model, stream=request.stream))


def unsigned(request: InferenceRequest) -> InferenceRequest:
    """Return the request without the signatures of calls."""
    messages = tuple(
        structs.replace(
            each,
            parts=tuple(
                structs.replace(part, state=None) if isinstance(part, ToolCallPart) else part
                for part in each.parts
            ),
        )
        for each in request.messages
    )
    return structs.replace(request, messages=messages)


@given(request=WITH_BUDGETS)
def test_a_request_to_gemini_2_5_that_is_written_and_read_again_is_the_same(
    request: InferenceRequest,
) -> None:
    request = formed(request)
    encoded = WIRE.encode_request(request, WireTarget(model="gemini-2.5-flash"))
    assert decoded(encoded.body, request) == request
    assert encoded.dropped == ()


@given(request=WITH_LEVELS)
def test_a_request_to_gemini_3_that_is_written_and_read_again_is_the_same(
    request: InferenceRequest,
) -> None:
    request = formed(request)
    encoded = WIRE.encode_request(request, WireTarget(model="gemini-3-flash-preview"))
    assert encoded.dropped == ()
    # Calls may have got the dummy signature on the way.
    assert unsigned(decoded(encoded.body, request)) == unsigned(request)


def without_vendors_objects(reply: InferenceResponse) -> InferenceResponse:
    """Return the answer with citations as they were before they were written."""

    def plain(part: Part) -> Any:
        if not isinstance(part, TextPart):
            return part
        citations = tuple(structs.replace(each, origin=None, raw={}) for each in part.citations)
        return structs.replace(part, citations=citations)

    candidates = tuple(
        structs.replace(each, parts=tuple(plain(part) for part in each.parts))
        for each in reply.candidates
    )
    return structs.replace(reply, candidates=candidates)


@given(reply=replies(REPLIES))
def test_an_answer_that_is_written_and_read_again_is_the_same(reply: InferenceResponse) -> None:
    body = CODEC.encode_reply(reply, context())
    again = WIRE.decode_reply(body, scrubber=SCRUBBER)
    assert without_vendors_objects(again) == structs.replace(reply, created_s=0)


UNCITED = structs.replace(REPLIES, url_citations=False, fields=REPLIES.fields - {"thinking.state"})


def read(stream: bytes, *cuts: int) -> list[StreamEvent]:
    decoder = WIRE.stream_decoder(RequestHead(model="m", stream=True), scrubber=SCRUBBER)
    bounds = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    found: list[StreamEvent] = []
    for start, end in itertools.pairwise(bounds):
        found += decoder.feed(stream[start:end])
    return found + decoder.finish()


def written(events: list[StreamEvent], *, show: bool = True, array: bool = False) -> bytes:
    encoder = GeminiCodec(array=array).stream_encoder(context(show=show))
    return b"".join([encoder.encode(event) for event in events]) + encoder.finish()


@given(events=event_sequences(UNCITED))
def test_a_stream_that_is_written_and_read_again_adds_up_to_the_same(
    events: list[StreamEvent],
) -> None:
    assert merged(collected(read(written(events)))) == merged(
        structs.replace(collected(events), created_s=0)
    )


def merged(reply: InferenceResponse) -> InferenceResponse:
    """Return the answer with calls in the order of their ids: they go out when they are whole."""
    candidates = tuple(
        structs.replace(
            each,
            parts=(
                *joined(part for part in each.parts if not isinstance(part, ToolCallPart)),
                *sorted(
                    (part for part in each.parts if isinstance(part, ToolCallPart)),
                    key=lambda part: part.id,
                ),
            ),
        )
        for each in reply.candidates
    )
    return structs.replace(reply, candidates=candidates)


def joined(parts: Any) -> list[Part]:
    """Return parts with texts and thoughts that follow one another joined; a signature ends one."""
    found: list[Part] = []
    for part in parts:
        last = found[-1] if found else None
        if (
            isinstance(part, TextPart | ThinkingPart)
            and type(last) is type(part)
            and last is not None
            and getattr(last, "state", None) is None
        ):
            text = last.text + part.text  # type: ignore[union-attr]
            found[-1] = structs.replace(part, text=text)
        else:
            found.append(part)
    return found


@settings(max_examples=40)
@given(events=event_sequences(UNCITED), cuts=st.lists(st.integers(0, 10_000), max_size=12))
def test_a_stream_cut_anywhere_gives_the_same_events(
    events: list[StreamEvent], cuts: list[int]
) -> None:
    stream = written(events)
    assert read(stream, *cuts) == read(stream) == read(stream, *range(len(stream)))


def disguised(stream: bytes, end: bytes) -> bytes:
    """Return the same events in other words: line ends, comments, names, data over two lines."""
    events = stream.split(b"\n\n")[:-1]
    out = [b"retry: 5" + end + end, b":" + end]
    for event in events:
        data = event.removeprefix(b"data: ")
        out.append(b": c" + end + b"id: 7" + end + b"data:{" + end + b"data: " + data[1:] + end)
        out.append(b"unknown" + end + end)
    return b"".join(out)


@settings(max_examples=40)
@given(
    events=event_sequences(UNCITED),
    end=st.sampled_from([b"\r", b"\n", b"\r\n"]),
    cuts=st.lists(st.integers(0, 10_000), max_size=6),
)
def test_the_spelling_of_events_does_not_matter(
    events: list[StreamEvent], end: bytes, cuts: list[int]
) -> None:
    stream = written(events)
    assert read(disguised(stream, end), *cuts) == read(stream)


@settings(max_examples=40)
@given(events=event_sequences(REPLIES))
def test_a_stream_as_an_array_has_the_same_chunks(events: list[StreamEvent]) -> None:
    chunks = [json.loads(event[6:]) for event in written(events).split(b"\n\n")[:-1]]
    assert json.loads(written(events, array=True)) == chunks


STATE = st.builds(OpaqueState, origin=st.sampled_from(WireFormat), data=STATES, id=STATES)


def of_its_own(state: OpaqueState) -> OpaqueState:
    """Gemini's own state has no id, and what is base64 stays the same in either alphabet."""
    if state.origin is not WireFormat.GEMINI_GENERATE:
        return state
    return OpaqueState(origin=state.origin, data="c2ln" + "QUJD" * len(state.data))


_STATES = STATE.map(of_its_own)
SIGNED: st.SearchStrategy[Part] = st.one_of(
    st.builds(ThinkingPart, text=st.sampled_from(["Hm.", "Let me see.", ""]), state=_STATES),
    st.builds(ThinkingPart, redacted=st.just(value=True), state=_STATES),
    st.builds(TextPart, text=st.sampled_from(["So.", "Well: é"]), state=st.none() | _STATES),
    st.builds(
        ToolCallPart,
        id=st.uuids().map(str),
        name=st.just("look"),
        arguments=st.just('{"a":1}'),
        state=st.none() | _STATES,
    ),
)


@settings(deadline=None, max_examples=50)
@given(said=st.lists(SIGNED, min_size=1, max_size=5), show=st.booleans(), data=st.data())
def test_state_of_any_vendor_survives_two_hops_through_a_client_byte_for_byte(
    said: list[Part], show: bool, data: st.DataObject
) -> None:
    reply = InferenceResponse(
        id="", model="", candidates=(Candidate(parts=tuple(said), finish=FinishReason.STOP),),
        usage=None,
    )  # fmt: skip
    for _ in range(2):
        events = data.draw(events_of(reply, interleaved=False))
        heard: list[Part] = []
        for parts in (
            sdk.parts_of([sdk.whole(CODEC.encode_reply(reply, context(show=show)))]),
            sdk.parts_of(sdk.streamed(written(events, show=show))),
        ):
            # What the client keeps of an answer is what it sends as the next request.
            heard = as_history(parts)
            assert heard == joined(said)
        candidate = Candidate(parts=tuple(heard), finish=FinishReason.STOP)
        reply = structs.replace(reply, candidates=(candidate,))


def as_history(parts: list[types.Part]) -> list[Part]:
    body = {"contents": [{"role": "model", "parts": sdk.replayed(parts)}]}
    request = CODEC.decode(json.dumps(body).encode(), RequestTarget(model="m"))
    return joined(part for message in request.messages for part in message.parts)


@settings(deadline=None, max_examples=50)
@given(said=st.lists(SIGNED, min_size=1, max_size=5))
def test_clients_that_leave_thoughts_away_give_the_state_back_all_the_same(
    said: list[Part],
) -> None:
    reply = InferenceResponse(
        id="", model="", candidates=(Candidate(parts=tuple(said), finish=FinishReason.STOP),),
        usage=None,
    )  # fmt: skip
    parts = sdk.parts_of([sdk.whole(CODEC.encode_reply(reply, context()))])
    assert as_history([part for part in parts if not part.thought]) == joined(said)
