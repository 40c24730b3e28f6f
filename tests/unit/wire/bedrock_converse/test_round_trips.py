"""What Converse can carry comes back as it was, in both roles and through both."""

import base64
import itertools
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from adapters.wire.bedrock_converse.dialect import BedrockConverseCodec
from adapters.wire.bedrock_converse.wire import BedrockConverseWire
from adapters.wire.codec import WireTarget
from adapters.wire.upstream_errors import MessageScrubber
from application.ports.dialect import RequestTarget
from domain.accounting.usage import TokenUsage
from domain.inference.conversation import (
    AudioPart,
    DocumentPart,
    Media,
    Message,
    OpaqueState,
    Part,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
)
from domain.inference.dialect import WireFormat
from domain.inference.events import StreamEvent
from domain.inference.head import RequestHead
from domain.inference.request import InferenceRequest, ToolChoice
from domain.inference.response import Candidate, FinishReason, InferenceResponse
from tests.support.canonical import STATES, replies
from tests.support.canonical_events import event_sequences, events_of
from tests.support.collected import collected
from tests.unit.wire.bedrock_converse import sdk
from tests.unit.wire.bedrock_converse.reaches import (
    MODEL,
    OWN_REQUESTS,
    REPLIES,
    context,
    conversational,
)

CODEC = BedrockConverseCodec()
WIRE = BedrockConverseWire()
SCRUBBER = MessageScrubber()


def in_form(request: InferenceRequest) -> InferenceRequest:
    """Return the request in the form in which the decoder leaves it.

    Every document has a name, schemas of answers have no `strict`, a tool has parameters, sounds no
    words beside them; cache marks stand behind results, not inside; what `toolChoice` cannot say is
    said in Claude's own member, with its mode.
    """
    names = (f"paper {number}" for number in itertools.count())

    def formed(part: Part) -> Any:
        match part:
            case DocumentPart():
                return structs.replace(part, name=next(names))
            case AudioPart():
                return AudioPart(source=part.source)
            case ToolResultPart():
                inside = tuple(formed(each) for each in part.content)
                marks = [mark for each in part.content if (mark := getattr(each, "cache", None))]
                unmarked = tuple(
                    structs.replace(each, cache=None) if hasattr(each, "cache") else each
                    for each in inside
                )
                mark = part.cache or next(iter(marks), None)
                return structs.replace(part, content=unmarked, cache=mark)
            case _:
                return part

    shape = request.response_format
    choice = request.tool_choice
    if (choice is not None and choice.mode == "none") or request.parallel_tool_calls is not None:
        # Claude's own member keeps one choice only: none, or whichever with its parallel flag.
        keeps = choice is not None and choice.mode == "none"
        choice = ToolChoice(mode="none") if keeps else None
    return structs.replace(
        request,
        messages=tuple(
            structs.replace(each, parts=tuple(formed(part) for part in each.parts))
            for each in request.messages
        ),
        response_format=shape and structs.replace(shape, strict=None),
        tool_choice=choice,
        parallel_tool_calls=None
        if choice is not None and choice.mode == "none"
        else request.parallel_tool_calls,
    )


def decoded(body: bytes, request: InferenceRequest) -> InferenceRequest:
    return CODEC.decode(body, RequestTarget(model=request.model, stream=request.stream))


@conversational
@given(request=OWN_REQUESTS)
def test_a_request_that_is_written_and_read_again_is_the_same(request: InferenceRequest) -> None:
    request = in_form(request)
    encoded = WIRE.encode_request(request, WireTarget(model=MODEL))
    assert encoded.dropped == ()
    assert decoded(encoded.body, request) == request


@conversational
@given(reply=replies(REPLIES))
def test_an_answer_that_is_written_and_read_again_is_the_same(reply: InferenceResponse) -> None:
    body = CODEC.encode_reply(reply, context(reply.model))
    assert WIRE.decode_reply(body, scrubber=SCRUBBER) == as_read(reply)


def as_read(reply: InferenceResponse) -> InferenceResponse:
    """Return the answer without what this format does not tell."""
    usage = reply.usage or TokenUsage()
    return structs.replace(reply, id="", model="", created_s=0, usage=usage)


def read(stream: bytes, *cuts: int) -> list[StreamEvent]:
    decoder = WIRE.stream_decoder(RequestHead(model="m", stream=True), scrubber=SCRUBBER)
    bounds = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    found: list[StreamEvent] = []
    for start, end in itertools.pairwise(bounds):
        found += decoder.feed(stream[start:end])
    found += decoder.finish()
    assert decoder.terminated
    return found


def written(events: list[StreamEvent], *paths: str) -> bytes:
    encoder = CODEC.stream_encoder(context(paths=paths))
    return b"".join([encoder.encode(event) for event in events]) + encoder.finish()


@conversational
@given(events=event_sequences(REPLIES))
def test_a_stream_that_is_written_and_read_again_adds_up_to_the_same(
    events: list[StreamEvent],
) -> None:
    assert collected(read(written(events))) == as_read(collected(events))


@conversational
@given(events=event_sequences(REPLIES), cuts=st.lists(st.integers(0, 10_000), max_size=12))
def test_a_stream_cut_anywhere_gives_the_same_events(
    events: list[StreamEvent], cuts: list[int]
) -> None:
    stream = written(events)
    assert read(stream, *cuts) == read(stream) == read(stream, *range(len(stream)))


FOREIGN = st.sampled_from([each for each in WireFormat if each is not WireFormat.BEDROCK_CONVERSE])
_STATE = st.builds(OpaqueState, origin=st.sampled_from(WireFormat), data=STATES, id=STATES)
_SIGNED: st.SearchStrategy[Part] = st.one_of(
    st.builds(ThinkingPart, text=st.just("Hm."), state=_STATE.map(lambda s: s)),
    st.builds(ThinkingPart, state=st.builds(OpaqueState, origin=FOREIGN, data=STATES, id=STATES)),
    st.builds(
        ThinkingPart,
        redacted=st.just(value=True),
        state=st.builds(OpaqueState, origin=FOREIGN, data=STATES, id=STATES),
    ),
    st.builds(
        ThinkingPart,
        redacted=st.just(value=True),
        state=st.binary(min_size=1, max_size=9).map(
            lambda data: OpaqueState(
                origin=WireFormat.BEDROCK_CONVERSE, data=base64.b64encode(data).decode()
            )
        ),
    ),
    st.builds(
        TextPart,
        text=st.just("So."),
        state=st.none() | st.builds(OpaqueState, origin=FOREIGN, data=STATES, id=STATES),
    ),
    st.builds(
        ToolCallPart,
        id=st.just("call-1"),
        name=st.just("look"),
        arguments=st.just("{}"),
        state=st.none() | st.builds(OpaqueState, origin=FOREIGN, data=STATES, id=STATES),
    ),
)


def without_ids_of_its_own(part: Part) -> Part:
    """Bedrock's own state has no id."""
    state = getattr(part, "state", None)
    if state is None or state.origin is not WireFormat.BEDROCK_CONVERSE:
        return part
    return structs.replace(part, state=structs.replace(state, id=""))


@conversational
@given(parts=st.lists(_SIGNED, min_size=1, max_size=4), data=st.data())
def test_state_of_any_vendor_survives_two_hops_through_a_client_byte_for_byte(
    parts: list[Part], data: st.DataObject
) -> None:
    said = tuple(without_ids_of_its_own(part) for part in parts)
    reply = InferenceResponse(
        id="", model="", candidates=(Candidate(parts=said, finish=FinishReason.STOP),), usage=None
    )
    for _ in range(2):
        whole = WIRE.decode_reply(CODEC.encode_reply(reply, context()), scrubber=SCRUBBER)
        stream = written(data.draw(events_of(reply)))
        # What a client keeps of an answer is what it sends as the next request.
        for answer in (whole, client_side(stream)):
            assert answer.candidates[0].parts == said
        reply = whole


def client_side(stream: bytes) -> InferenceResponse:
    """Return the answer as a client adds it up, read as one of its messages."""
    answer = sdk.plain(sdk.added_up(sdk.events(stream)))
    return WIRE.decode_reply(json.dumps(answer).encode(), scrubber=SCRUBBER)


def test_media_on_s3_stay_where_they_are() -> None:
    part = DocumentPart(
        source=Media(media_type="application/pdf", url="s3://bucket/a.pdf"), name="a"
    )
    assert carried(part) == (part,)


def test_a_sound_keeps_its_bytes() -> None:
    part = AudioPart(source=Media(media_type="audio/wav", data="AAAA"))
    assert carried(part) == (part,)


def carried(*parts: Part) -> tuple[Part, ...]:
    template = CODEC.decode(
        b'{"messages":[{"role":"user","content":[{"text":"Hi"}]}]}', RequestTarget(model="m")
    )
    message = Message(role=template.messages[0].role, parts=parts)
    request = structs.replace(template, messages=(message,))
    encoded = WIRE.encode_request(request, WireTarget(model=MODEL))
    return decoded(encoded.body, request).messages[0].parts


def test_members_without_a_canonical_place_go_back_to_bedrock() -> None:
    body = (
        b'{"messages":[{"role":"user","content":[{"text":"Hi"}]}],'
        b'"guardrailConfig":{"guardrailIdentifier":"g","guardrailVersion":"1"},'
        b'"performanceConfig":{"latency":"optimized"},"projectIdentifier":"p",'
        b'"additionalModelRequestFields":{"top_k":5,"anthropic_beta":["x"]},'
        b'"additionalModelResponseFieldPaths":["/stop_sequence"],'
        b'"toolConfig":{"tools":[{"systemTool":{"name":"nova_grounding"}}]}}'
    )
    request = CODEC.decode(body, RequestTarget(model="m"))
    encoded = WIRE.encode_request(request, WireTarget(model=MODEL))
    assert encoded.dropped == ()
    assert decoded(encoded.body, request) == request
    assert b"anthropic_beta" in encoded.body
    assert b"guardrailIdentifier" in encoded.body
