import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.wire.codec import WireTarget
from adapters.wire.gemini_generate.dialect import GeminiCodec
from adapters.wire.gemini_generate.wire import GeminiWire
from adapters.wire.upstream_errors import MessageScrubber
from application.ports.dialect import PublicError
from application.ports.provider import ReplyScanner, ReplySummary
from domain.accounting.usage import TokenUsage
from domain.errors import (
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)
from domain.inference.head import RequestHead
from tests.unit.wire.gemini_generate.answers import (
    COUNTED,
    ERROR,
    OVERLOADED,
    USAGE,
    answer,
    call,
    candidate,
    event,
    text,
)

WIRE = GeminiWire()
SCRUBBER = MessageScrubber()
TARGET = WireTarget(model="m")
WHOLE = answer(candidate(text("Hello"), call(), finish="STOP"))
STREAM = (
    event(answer(candidate(text("Hel"))))
    + b": hush\r\n\r\n"
    + event(answer(candidate(text("lo"))))
    + event(answer(candidate(text(""), finish="STOP")))
)
CUT = event(answer(candidate(text("Hel"))))


def reply_scanner(limit: int = 1 << 20) -> ReplyScanner:
    return WIRE.reply_scanner(max_bytes=limit, scrubber=SCRUBBER)


def stream_scanner(choices: int = 1) -> ReplyScanner:
    head = RequestHead(model="m", stream=True, choices=choices)
    return WIRE.stream_scanner(head, TARGET, scrubber=SCRUBBER)


def passed(scanner: ReplyScanner, *chunks: bytes) -> bytes:
    return b"".join([scanner.feed(chunk) for chunk in chunks]) + scanner.finish()


def test_a_whole_answer_passes_as_it_came_and_is_summed_up() -> None:
    body = json.dumps(WHOLE).encode()
    scanner = reply_scanner()
    assert scanner.feed(body[:9]) == b""
    assert passed(scanner, body[9:]) == body
    assert scanner.summary == ReplySummary(
        usage=TokenUsage(**COUNTED),
        finish_reason="STOP",
        model="gemini-2.5-flash",
        content_started=True,
        output_characters=len("Hello") + len("look") + len('{"at": 1}'),
    )


def test_the_first_candidates_finish_reason_counts() -> None:
    second = candidate(text("a"), finish="SAFETY", index=1)
    scanner = reply_scanner()
    passed(scanner, json.dumps(answer(second, candidate(finish="MAX_TOKENS"))).encode())
    assert scanner.summary.finish_reason == "MAX_TOKENS"


def test_an_answer_that_was_blocked_passes() -> None:
    body = json.dumps({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": USAGE})
    scanner = reply_scanner()
    assert passed(scanner, body.encode()) == body.encode()
    assert scanner.summary.finish_reason == "SAFETY"
    assert not scanner.summary.content_started


def test_a_count_of_tokens_passes() -> None:
    assert passed(reply_scanner(), b'{"totalTokens":31}') == b'{"totalTokens":31}'


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"{}", b"[]", b'"x"', b'{"candidates":[', b'{"candidates":{}}', b"\xff", b"[1]"],
)  # fmt: skip
def test_what_is_no_answer_is_a_protocol_error(body: bytes) -> None:
    with pytest.raises(UpstreamProtocolError):
        passed(reply_scanner(), body)


def test_an_answer_beyond_the_bound_is_a_protocol_error() -> None:
    with pytest.raises(UpstreamProtocolError, match="invalid answer"):
        reply_scanner(10).feed(b"x" * 11)


@pytest.mark.parametrize("body", [ERROR, [ERROR]])
def test_an_error_in_a_good_answer_is_an_error(body: Any) -> None:
    with pytest.raises(UpstreamRejected, match="No such thing"):
        passed(reply_scanner(), json.dumps(body).encode())


@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_a_stream_passes_byte_for_byte(cuts: list[int]) -> None:
    bounds = sorted({0, len(STREAM), *cuts})
    scanner = stream_scanner()
    chunks = [STREAM[start:end] for start, end in itertools.pairwise(bounds)]
    assert passed(scanner, *chunks) == STREAM
    assert scanner.summary == ReplySummary(
        usage=TokenUsage(**COUNTED),
        finish_reason="STOP",
        model="gemini-2.5-flash",
        content_started=True,
        output_characters=5,
        terminated=True,
    )


def test_a_preamble_is_no_content_and_any_part_is() -> None:
    scanner = stream_scanner()
    scanner.feed(event(answer(candidate(text("")))))
    assert not scanner.summary.content_started
    for part in (call(), {"inlineData": {"data": "AA"}}, {"executableCode": {"code": "1"}}):
        scanner = stream_scanner()
        scanner.feed(event(answer(candidate(part))))
        assert scanner.summary.content_started


def test_a_finish_reason_does_not_end_a_stream_for_some_models_give_one_with_every_chunk() -> None:
    scanner = stream_scanner()
    scanner.feed(event(answer(candidate(text("a"), finish="STOP"))))
    assert not scanner.summary.terminated
    late = {"usageMetadata": {**USAGE, "candidatesTokenCount": 70}}
    scanner.feed(event(answer(candidate(text("b"), finish="MAX_TOKENS"))) + event(late))
    scanner.finish()
    assert scanner.summary.terminated
    assert scanner.summary.finish_reason == "MAX_TOKENS"
    assert scanner.summary.usage == TokenUsage(input_uncached=8, output=70)
    assert scanner.summary.output_characters == 2


@pytest.mark.parametrize(
    "stream",
    [
        b"",
        b": nothing\n\n",
        CUT,
        event({"usageMetadata": USAGE}),
        event(answer(candidate(finish="STOP"), candidate(text("a"), index=1))),
        STREAM[:-9],
        event(b"<html>"),
        event(b"[]"),
        event(b'{"candidates":[{"content":{"parts":[{"text":7}]}}]}'),
        event(b"[DONE]"),
    ],
)
def test_a_stream_that_is_cut_or_broken_is_a_protocol_error(stream: bytes) -> None:
    with pytest.raises(UpstreamProtocolError):
        passed(stream_scanner(), stream)


def test_a_candidate_that_never_came_is_not_missed() -> None:
    assert passed(stream_scanner(choices=2), STREAM) == STREAM


def test_a_prompt_that_was_blocked_ends_a_stream() -> None:
    stream = event({"promptFeedback": {"blockReason": "OTHER"}, "usageMetadata": USAGE})
    scanner = stream_scanner()
    assert passed(scanner, stream) == stream
    assert scanner.summary.finish_reason == "OTHER"


def test_a_last_event_without_its_empty_line_counts() -> None:
    assert passed(stream_scanner(), STREAM.removesuffix(b"\r\n\r\n")) == STREAM.removesuffix(
        b"\r\n\r\n"
    )


def test_an_event_of_any_size_is_not_held() -> None:
    with pytest.raises(UpstreamProtocolError):
        stream_scanner().feed(b"data: " + b"x" * (17 << 20))


def test_half_a_surrogate_pair_is_no_reason_to_fail() -> None:
    half = event(
        b'{"candidates":[{"content":{"parts":[{"text":"\\ud83d"}]},"finishReason":"STOP"}]}'
    )
    scanner = stream_scanner()
    assert passed(scanner, half) == half
    assert scanner.summary.content_started


def test_an_error_before_content_is_what_its_status_says() -> None:
    limited = {"error": {"code": 429, "message": "Slow.", "status": "RESOURCE_EXHAUSTED"}}
    for body, kind in ((ERROR, UpstreamRejected), (limited, UpstreamRateLimited)):
        with pytest.raises(kind):
            stream_scanner().feed(event(answer(candidate(text("")))) + event(body))


def test_an_error_that_stands_bare_in_the_stream_is_an_error() -> None:
    bare = json.dumps(OVERLOADED, indent=2).encode()
    with pytest.raises(UpstreamUnavailable):
        stream_scanner().feed(bare + b"\n\n")
    with pytest.raises(UpstreamUnavailable):
        passed(stream_scanner(), b"[" + bare + b"\n]\n")


def test_an_error_after_content_comes_after_the_content() -> None:
    scanner = stream_scanner()
    assert scanner.feed(CUT + event(ERROR)) == CUT
    for _ in range(2):
        with pytest.raises(UpstreamUnavailable):
            scanner.feed(CUT)
    with pytest.raises(UpstreamUnavailable):
        scanner.finish()


@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_a_stream_that_passes_to_an_array_keeps_the_bytes_of_its_chunks(cuts: list[int]) -> None:
    bounds = sorted({0, len(STREAM), *cuts})
    scanner = GeminiCodec(array=True).relay(stream_scanner())
    chunks = [STREAM[start:end] for start, end in itertools.pairwise(bounds)]
    array = passed(scanner, *chunks)
    bodies = [line[6:] for line in STREAM.split(b"\r\n") if line.startswith(b"data: ")]
    assert (
        array
        == b"["
        + b"\n,\n".join(bodies[:1])
        + b"".join(b"\n,\n" + body for body in bodies[1:])
        + b"\n]\n"
    )
    assert len(json.loads(array)) == 3
    assert scanner.summary.terminated


def test_a_stream_of_events_is_relayed_by_its_own_scanner() -> None:
    scanner = stream_scanner()
    assert GeminiCodec().relay(scanner) is scanner


def test_an_array_that_breaks_off_says_so_in_its_last_element() -> None:
    codec = GeminiCodec(array=True)
    scanner = codec.relay(stream_scanner())
    sent = codec.keep_alive + scanner.feed(CUT) + codec.keep_alive
    with pytest.raises(UpstreamProtocolError):
        scanner.finish()
    error = PublicError(status=502, kind="upstream", code="c", message="It broke.")
    first, last = json.loads(sent + codec.stream_error(error))
    assert first["candidates"][0]["content"]["parts"] == [{"text": "Hel"}]
    assert last["error"]["message"] == "It broke."
