import itertools
import json
from typing import Any, cast

import pytest
from botocore.eventstream import EventStreamBuffer
from botocore.exceptions import ClientError, EventStreamError
from hypothesis import given

from adapters.wire.bedrock_converse.dialect import BedrockConverseCodec
from application.ports.dialect import PublicError, RequestTarget, StreamEncoder
from domain.accounting.usage import TokenUsage
from domain.inference.conversation import (
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
    Started,
    StreamEvent,
    UsageKnown,
)
from domain.inference.response import Candidate, FinishReason, InferenceResponse
from tests.support.canonical import replies
from tests.support.canonical_events import event_sequences
from tests.support.collected import collected
from tests.unit.wire.bedrock_converse import sdk
from tests.unit.wire.bedrock_converse.reaches import REPLIES, context, conversational

CODEC = BedrockConverseCodec()


def written(events: list[StreamEvent], encoder: StreamEncoder | None = None) -> bytes:
    encoder = encoder or CODEC.stream_encoder(context())
    return b"".join([encoder.encode(event) for event in events]) + encoder.finish()


def blocks(*parts: Part) -> list[dict[str, Any]]:
    """Return the blocks that the client should see, in JSON."""
    reply = InferenceResponse(
        id="", model="", candidates=(Candidate(parts=parts, finish=FinishReason.STOP),), usage=None
    )
    body = json.loads(CODEC.encode_reply(reply, context()))
    return body["output"]["message"]["content"]


@conversational
@given(reply=replies(REPLIES))
def test_the_official_client_reads_every_member_of_an_answer(reply: InferenceResponse) -> None:
    body = CODEC.encode_reply(reply, context())
    # A member that the service model does not know would be missing.
    assert sdk.plain(sdk.whole(body)) == json.loads(body)


@conversational
@given(events=event_sequences(REPLIES))
def test_the_official_client_adds_a_stream_up_to_the_whole_answer(
    events: list[StreamEvent],
) -> None:
    reply = collected(events)
    stream = sdk.plain(sdk.added_up(sdk.events(written(events), chunk=50)))
    whole = json.loads(CODEC.encode_reply(reply, context()))
    assert stream == {name: whole[name] for name in ("output", "stopReason", "usage")}


@conversational
@given(events=event_sequences(REPLIES))
def test_blocks_never_overlap_and_are_numbered_without_gaps(events: list[StreamEvent]) -> None:
    found = [next(iter(event.items())) for event in sdk.events(written(events))]
    kinds = [kind for kind, _ in found]
    assert kinds[0] == "messageStart"
    assert kinds.count("messageStart") == 1
    assert kinds[-2:] == ["messageStop", "metadata"]
    current: int | None = None
    count = 0
    for kind, value in found[1:-2]:
        number = value["contentBlockIndex"]
        if current is None:
            assert number == count
            current, count = count, count + 1
        assert number == current
        if kind == "contentBlockStart":
            assert list(value["start"]) == ["toolUse"]
        elif kind == "contentBlockStop":
            current = None
    assert current is None


def call(index: int, name: str, *pieces: str, custom: bool = False) -> list[StreamEvent]:
    start = BlockStarted(index=index, kind="tool_call", id=f"c{index}", name=name, custom=custom)
    return [start, *(BlockDelta(index=index, text=piece) for piece in pieces)]


def added_up(*events: StreamEvent) -> dict[str, Any]:
    return sdk.plain(sdk.added_up(sdk.events(written([Started(), *events]))))


def content(*events: StreamEvent) -> list[dict[str, Any]]:
    return added_up(*events)["output"]["message"]["content"]


def test_mixed_parallel_calls_are_told_one_after_the_other() -> None:
    first, second = call(0, "a", '{"x":', "1}"), call(1, "b", "{}")
    mixed = [*itertools.chain(*zip(first, [*second, BlockEnded(index=1)], strict=True))]
    answer = added_up(*mixed, BlockEnded(index=0), Finished(reason=FinishReason.TOOL_CALLS))
    assert answer["output"]["message"]["content"] == [
        {"toolUse": {"toolUseId": "c0", "name": "a", "input": {"x": 1}}},
        {"toolUse": {"toolUseId": "c1", "name": "b", "input": {}}},
    ]


def test_what_is_not_ended_is_ended_with_the_answer() -> None:
    answer = added_up(*call(0, "a", "{}"), *call(1, "b", '{"y":2}'))
    assert [block["toolUse"]["name"] for block in answer["output"]["message"]["content"]] == [
        "a",
        "b",
    ]
    assert answer["stopReason"] == "tool_use"


def test_a_call_without_arguments_is_an_empty_object() -> None:
    assert content(*call(0, "now"), BlockEnded(index=0))[0]["toolUse"]["input"] == {}


def test_free_text_of_a_custom_tool_becomes_its_one_argument() -> None:
    found = content(*call(0, "sql", "select ", '"1"', custom=True), BlockEnded(index=0))
    assert found[0]["toolUse"]["input"] == {"input": 'select "1"'}


def test_a_call_ends_the_answer_with_tool_use_whatever_the_provider_said() -> None:
    answer = added_up(*call(0, "a", "{}"), BlockEnded(index=0), Finished(reason=FinishReason.STOP))
    assert answer["stopReason"] == "tool_use"


def test_the_latest_usage_counts_and_comes_last() -> None:
    early, late = TokenUsage(input_uncached=3), TokenUsage(input_uncached=3, output=7, cache_read=2)
    events = sdk.events(
        written([Started(usage=early), Finished(reason=FinishReason.STOP), UsageKnown(usage=late)])
    )
    assert list(events[-1]) == ["metadata"]
    assert events[-1]["metadata"]["usage"] == {
        "inputTokens": 3,
        "outputTokens": 7,
        "totalTokens": 12,
        "cacheReadInputTokens": 2,
        "cacheWriteInputTokens": 0,
    }


def test_an_answer_of_nothing_is_complete_all_the_same() -> None:
    assert [list(event) for event in sdk.events(written([]))] == [
        ["messageStart"],
        ["messageStop"],
        ["metadata"],
    ]


def test_only_the_first_candidate_is_told() -> None:
    events: list[StreamEvent] = []
    for candidate in (0, 1):
        events += [
            BlockStarted(index=0, kind="text", candidate=candidate),
            BlockDelta(index=0, text=f"answer {candidate}", candidate=candidate),
            BlockEnded(index=0, candidate=candidate),
            Finished(reason=FinishReason.STOP, candidate=candidate),
        ]
    assert content(*events) == [{"text": "answer 0"}]


def test_the_stop_sequence_is_told_to_those_who_ask_for_it() -> None:
    finished = Finished(reason=FinishReason.STOP_SEQUENCE, stop_sequence="END")
    asked = CODEC.stream_encoder(context(paths=("/stop_sequence",)))
    stop = sdk.events(written([Started(), finished], asked))[-2]["messageStop"]
    assert stop == {
        "stopReason": "stop_sequence",
        "additionalModelResponseFields": {"stop_sequence": "END"},
    }
    unasked = sdk.events(written([Started(), finished]))[-2]["messageStop"]
    assert unasked == {"stopReason": "stop_sequence"}


def test_a_source_from_the_web_is_a_citation_in_both_ways_of_answering() -> None:
    source = Citation(url="https://a.example/x", title="X", cited_text="so it is")
    expected = {
        "citationsContent": {
            "content": [{"text": "So."}],
            "citations": [
                {
                    "title": "X",
                    "sourceContent": [{"text": "so it is"}],
                    "location": {"web": {"url": "https://a.example/x", "domain": ""}},
                }
            ],
        }
    }
    assert blocks(TextPart(text="So.", citations=(source,))) == [expected]
    found = content(
        BlockStarted(index=0, kind="text"),
        BlockDelta(index=0, text="So."),
        CitationAdded(index=0, citation=source),
        BlockEnded(index=0),
    )
    assert found == [expected]


def test_an_image_is_told_in_a_stream_too() -> None:
    image = ImagePart(source=Media(media_type="image/png", data="AAAA"))
    events = sdk.events(
        written(
            [
                Started(),
                BlockStarted(index=0, kind="image", image=image),
                BlockEnded(index=0),
            ]
        )
    )
    assert sdk.plain(events[1]) == {
        "contentBlockStart": {"start": {"image": {"format": "png"}}, "contentBlockIndex": 0}
    }
    assert sdk.plain(events[2]) == {
        "contentBlockDelta": {
            "delta": {"image": {"source": {"bytes": "AAAA"}}},
            "contentBlockIndex": 0,
        }
    }


def test_a_refusal_is_text_and_blocks_of_other_vendors_are_left_out() -> None:
    vendor = VendorPart(origin=WireFormat.ANTHROPIC_MESSAGES, kind="x", raw={"type": "x"})
    assert blocks(RefusalPart(text="No."), vendor) == [{"text": "No."}]


def test_what_a_spoken_answer_says_is_told_in_text() -> None:
    found = content(
        BlockStarted(index=0, kind="audio"),
        BlockDelta(index=0, text="AAAA"),
        BlockDelta(index=0, text="", transcript="Hello"),
        BlockEnded(index=0),
    )
    assert found == [{"text": "Hello"}]


def test_bad_arguments_are_kept_as_the_text_they_are() -> None:
    use = blocks(ToolCallPart(id="c", name="f", arguments='{"a":'))[0]["toolUse"]
    assert use["input"] == {"arguments": '{"a":'}


def test_state_of_other_vendors_is_a_signature_right_after_what_it_belongs_to() -> None:
    state = OpaqueState(origin=WireFormat.GEMINI_GENERATE, data="sig")
    found = blocks(ToolCallPart(id="c0", name="f", arguments="{}", state=state))
    text = found[1]["reasoningContent"]["reasoningText"]
    assert text["text"] == ""
    assert text["signature"].startswith("previous:")
    streamed = content(*call(0, "f", "{}"), BlockEnded(index=0, state=state))
    assert streamed == found


def test_a_thought_that_nobody_signed_has_a_signature_for_the_client_and_comes_back_without() -> (
    None
):
    found = blocks(ThinkingPart(text="Hm"))
    assert found[0]["reasoningContent"]["reasoningText"]["signature"].startswith("twst1_")
    streamed = content(
        BlockStarted(index=0, kind="thinking"),
        BlockDelta(index=0, text="Hm"),
        BlockEnded(index=0),
    )
    assert streamed == found
    turns = [{"role": "assistant", "content": found}]
    asked = CODEC.decode(json.dumps({"messages": turns}).encode(), RequestTarget(model="m"))
    assert asked.messages[0].parts == (ThinkingPart(text="Hm"),)


ERRORS = [
    ("invalid_request", 400, "ValidationException"),
    ("authentication", 401, "UnrecognizedClientException"),
    ("permission", 403, "AccessDeniedException"),
    ("not_found", 404, "ResourceNotFoundException"),
    ("too_large", 413, "ValidationException"),
    ("rate_limit", 429, "ThrottlingException"),
    ("quota", 429, "ServiceQuotaExceededException"),
    ("overloaded", 503, "ServiceUnavailableException"),
    ("timeout", 504, "ModelTimeoutException"),
    ("upstream", 502, "ModelErrorException"),
    ("internal", 500, "InternalServerException"),
]


@pytest.mark.parametrize(("kind", "status", "name"), ERRORS)
def test_the_official_client_raises_the_right_exception(kind: str, status: int, name: str) -> None:
    error = PublicError(
        status=status,
        kind=kind,
        code="some_code",
        message='It "broke"\n',
        limit="user:requests/1m",
        request_id="req-1",
    )
    headers = {name.decode(): value.decode() for name, value in CODEC.error_headers(error)}
    with pytest.raises(ClientError) as caught:
        sdk.whole(CODEC.error_body(error), status=CODEC.error_status(error), headers=headers)
    response = cast("Any", caught.value).response
    assert response["Error"] == {"Code": name, "Message": 'It "broke"\n'}
    assert response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert response["ResponseMetadata"]["RequestId"] == "req-1"
    assert b"user:requests/1m" in CODEC.error_body(error)


def test_overload_is_503_as_aws_has_no_529() -> None:
    error = PublicError(status=529, kind="overloaded", code="c", message="m")
    assert CODEC.error_status(error) == 503


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("ModelNotReadyException", "ModelNotReadyException"),
        ("invalid_request_error", "ValidationException"),
        ("Evil\r\nheader: x", "ValidationException"),
    ],
)
def test_only_a_type_of_awss_own_is_passed_on(given: str, name: str) -> None:
    error = PublicError(
        status=400, kind="invalid_request", code="c", message="m", upstream_kind=given
    )
    assert (b"x-amzn-errortype", name.encode()) in CODEC.error_headers(error)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("rate_limit", "throttlingException"),
        ("overloaded", "serviceUnavailableException"),
        ("upstream", "modelStreamErrorException"),
        ("internal", "internalServerException"),
        ("invalid_request", "validationException"),
    ],
)
def test_an_error_in_a_stream_is_raised_after_what_came_before(kind: str, name: str) -> None:
    encoder = CODEC.stream_encoder(context())
    started = encoder.encode(Started()) + encoder.encode(BlockStarted(index=0, kind="text"))
    frame = CODEC.stream_error(PublicError(status=502, kind=kind, code="c", message="It broke."))
    assert sdk.events(started) == [{"messageStart": {"role": "assistant"}}]
    with pytest.raises(EventStreamError) as caught:
        sdk.events(started + frame)
    error = cast("Any", caught.value).response["Error"]
    assert error == {"Code": name, "Message": "It broke."}
    buffer: Any = EventStreamBuffer()
    buffer.add_data(frame)
    assert len(list(buffer)) == 1
