import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.wire.bedrock_converse.wire import BedrockConverseWire
from adapters.wire.codec import WireTarget
from adapters.wire.upstream_errors import MessageScrubber
from application.ports.provider import ReplyScanner, ReplySummary
from domain.accounting.usage import TokenUsage
from domain.errors import (
    UpstreamCredentialRejected,
    UpstreamFailure,
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)
from domain.inference.head import RequestHead
from tests.unit.wire.bedrock_converse.streams import (
    END,
    METADATA,
    ROLE,
    TEXT,
    USAGE,
    WHOLE,
    delta,
    event,
    exception,
    start,
    stop,
)

WIRE = BedrockConverseWire()
SCRUBBER = MessageScrubber()
KINDS = TokenUsage(input_uncached=10, cache_read=70, cache_write_5m=10, cache_write_1h=20, output=5)


def stream_scanner() -> ReplyScanner:
    head = RequestHead(model="m", stream=True)
    return WIRE.stream_scanner(head, WireTarget(model="m"), scrubber=SCRUBBER)


def reply_scanner(limit: int = 1 << 20) -> ReplyScanner:
    return WIRE.reply_scanner(max_bytes=limit, scrubber=SCRUBBER)


def play(scanner: ReplyScanner, *chunks: bytes) -> bytes:
    return b"".join([*(scanner.feed(chunk) for chunk in chunks), scanner.finish()])


def test_a_stream_is_summed_up() -> None:
    scanner = stream_scanner()
    assert play(scanner, WHOLE) == WHOLE
    assert scanner.summary == ReplySummary(
        usage=KINDS,
        finish_reason="end_turn",
        content_started=True,
        output_characters=9,
        terminated=True,
    )


@settings(deadline=None)
@given(cuts=st.lists(st.integers(0, 5000), max_size=12))
def test_a_stream_passes_byte_for_byte_however_it_is_cut(cuts: list[int]) -> None:
    future = event("somethingNew", x=1) + start(1, hologram={"y": 2}) + delta(1, hologram="z")
    stream = ROLE + future + stop(1) + TEXT + END + METADATA + event("afterwards")
    bounds = sorted({0, len(stream), *(cut % len(stream) for cut in cuts)})
    scanner = stream_scanner()
    assert play(scanner, *(stream[a:b] for a, b in itertools.pairwise(bounds))) == stream
    assert scanner.summary.usage == KINDS


def test_only_whole_frames_go_out() -> None:
    scanner = stream_scanner()
    assert scanner.feed(ROLE + TEXT[:-1]) == ROLE + delta(0, text="Hello") + delta(0, text=" you")
    assert scanner.feed(TEXT[-1:]) == stop(0)


@pytest.mark.parametrize(
    ("piece", "characters"),
    [
        (delta(0, text="Hi"), 2),
        (start(0, toolUse={"toolUseId": "t", "name": "look"}), 4),
        (delta(0, toolUse={"input": '{"a":1}'}), 7),
        (delta(0, reasoningContent={"text": "Hm"}), 2),
        (delta(0, reasoningContent={"redactedContent": "AAAA"}), 4),
        (delta(0, hologram={"x": 1}), 0),
    ],
)
def test_content_starts_with_the_first_generated_piece(piece: bytes, characters: int) -> None:
    scanner = stream_scanner()
    scanner.feed(ROLE)
    assert not scanner.summary.content_started
    scanner.feed(piece)
    assert scanner.summary.content_started
    assert scanner.summary.output_characters == characters


def test_a_stream_is_over_with_its_usage_or_with_its_end() -> None:
    scanner = stream_scanner()
    scanner.feed(ROLE + TEXT + END)
    assert not scanner.summary.terminated
    assert scanner.finish() == b""
    assert scanner.summary.usage is None


@pytest.mark.parametrize(
    "stream",
    [b"", ROLE, ROLE + TEXT, WHOLE[: len(ROLE + TEXT) + 9], ROLE + TEXT + METADATA, WHOLE[:-1]],
)
def test_a_stream_that_just_stops_is_an_error(stream: bytes) -> None:
    scanner = stream_scanner()
    scanner.feed(stream)
    assert not scanner.summary.terminated
    with pytest.raises(UpstreamProtocolError):
        scanner.finish()


ERRORS: list[tuple[bytes, type[UpstreamFailure]]] = [
    (exception("throttlingException"), UpstreamRateLimited),
    (exception("validationException"), UpstreamRejected),
    (exception("internalServerException"), UpstreamUnavailable),
    (exception("serviceUnavailableException"), UpstreamUnavailable),
    (exception("modelStreamErrorException"), UpstreamUnavailable),
    (exception("modelStreamErrorException", originalStatusCode=500), UpstreamUnavailable),
    (exception("modelStreamErrorException", originalStatusCode=400), UpstreamRejected),
    (exception("accessDeniedException"), UpstreamCredentialRejected),
    (exception("ofTheFutureException", None), UpstreamUnavailable),
]


@pytest.mark.parametrize(("frame", "failure"), ERRORS)
def test_an_exception_before_content_is_classified(
    frame: bytes, failure: type[UpstreamFailure]
) -> None:
    for stream in (frame, ROLE + frame):
        with pytest.raises(failure) as caught:
            stream_scanner().feed(stream)
        assert type(caught.value) is failure


@pytest.mark.parametrize("frame", [frame for frame, _ in ERRORS])
def test_an_exception_after_content_is_an_unavailable_provider(frame: bytes) -> None:
    scanner = stream_scanner()
    scanner.feed(ROLE + TEXT)
    with pytest.raises(UpstreamUnavailable):
        scanner.feed(frame)


def test_content_before_an_exception_in_one_chunk_still_arrives() -> None:
    for ending in ("feed", "finish"):
        scanner = stream_scanner()
        assert scanner.feed(ROLE + TEXT + exception("throttlingException") + END) == ROLE + TEXT
        with pytest.raises(UpstreamUnavailable):
            scanner.feed(b"") if ending == "feed" else scanner.finish()


@pytest.mark.parametrize(
    "bad",
    [
        b"<html>nothing</html>",
        b"data: {}\n\ndata: [DONE]\n\n",
        event("contentBlockDelta")[:-4] + b"0000",
        event("contentBlockDelta", delta="text"),
        event("messageStop", stopReason=7),
        event("metadata", usage={"inputTokens": 1})[:-9] + b"}}}}}    ",
    ],
)
def test_what_is_no_event_of_this_format_is_an_error(bad: bytes) -> None:
    scanner = stream_scanner()
    with pytest.raises(UpstreamProtocolError):
        scanner.feed(bad)


def test_half_a_surrogate_pair_does_not_stop_a_stream() -> None:
    halves = delta(0, text="\ud83d") + delta(0, text="\ude00")
    scanner = stream_scanner()
    assert scanner.feed(ROLE + halves) == ROLE + halves
    assert scanner.summary.content_started


def answer(**members: Any) -> bytes:
    message = {"role": "assistant", "content": [{"text": "Hello"}]}
    body: dict[str, Any] = {
        "output": {"message": message},
        "stopReason": "end_turn",
        "usage": USAGE,
        "metrics": {"latencyMs": 9},
    }
    return json.dumps(body | members).encode()


def test_an_answer_passes_byte_for_byte_and_only_when_it_is_whole() -> None:
    body = answer(of_the_future=[1.50])
    scanner = reply_scanner()
    assert [scanner.feed(body[:40]), scanner.feed(body[40:])] == [b"", b""]
    assert scanner.finish() == body
    assert scanner.summary.usage == KINDS
    assert scanner.summary.finish_reason == "end_turn"
    assert scanner.summary.content_started
    assert scanner.summary.output_characters >= 5


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"<html>",
        b'{"output":{}}',
        b'{"output":{"message":null}}',
        b'{"output":{"message":{"content":{}}}}',
        b'{"Output":{"__type":"com.amazon.coral.service#UnknownOperationException"}}',
        answer()[:-3],
    ],
)
def test_an_answer_without_a_message_is_an_error(body: bytes) -> None:
    with pytest.raises(UpstreamProtocolError):
        play(reply_scanner(), body)


def test_an_answer_over_the_limit_is_an_error() -> None:
    scanner = reply_scanner(limit=10)
    scanner.feed(b" " * 10)
    with pytest.raises(UpstreamProtocolError):
        scanner.feed(b" ")


FAILURES: list[tuple[int, dict[str, Any] | bytes, type[UpstreamFailure]]] = [
    (400, {"message": "maxTokens is too large"}, UpstreamRejected),
    (400, {"__type": "com.amazon.x#ThrottlingException"}, UpstreamRateLimited),
    (
        403,
        {"message": "The security token included in the request is expired"},
        UpstreamCredentialRejected,
    ),
    (403, {"Message": "Authentication failed"}, UpstreamCredentialRejected),
    (404, {"message": "Could not resolve the foundation model"}, UpstreamRejected),
    (408, {"message": "The model timed out"}, UpstreamUnavailable),
    (424, {"message": "Failed", "originalStatusCode": 500}, UpstreamUnavailable),
    (424, {"message": "Failed"}, UpstreamUnavailable),
    (424, {"message": "Bad", "originalStatusCode": 400}, UpstreamRejected),
    (424, {"message": "Slow", "originalStatusCode": 429}, UpstreamRateLimited),
    (429, {"message": "Too many tokens"}, UpstreamRateLimited),
    (500, {"message": "Oops"}, UpstreamUnavailable),
    (503, b"<html>", UpstreamUnavailable),
    (400, b"\xff", UpstreamRejected),
    (422, b"[]", UpstreamRejected),
]


@pytest.mark.parametrize(("status", "body", "failure"), FAILURES)
def test_an_error_answer_is_classified(
    status: int, body: dict[str, Any] | bytes, failure: type[UpstreamFailure]
) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    assert type(WIRE.failure(status, raw, scrubber=SCRUBBER)) is failure


def test_a_rejection_keeps_the_providers_words_and_type() -> None:
    body = b'{"__type":"ValidationException","message":"1 validation error detected"}'
    failure = WIRE.failure(400, body, scrubber=SCRUBBER)
    assert isinstance(failure, UpstreamRejected)
    assert (failure.message, failure.kind) == ("1 validation error detected", "ValidationException")
