import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from adapters.wire.anthropic_messages.wire import AnthropicMessagesWire
from adapters.wire.codec import WireTarget
from adapters.wire.upstream_errors import MessageScrubber
from application.ports.provider import ReplyScanner, ReplySummary
from domain.accounting.usage import TokenUsage
from domain.errors import (
    UpstreamFailure,
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)
from domain.inference.head import RequestHead
from tests.unit.wire.anthropic_messages.recorded import (
    ALL,
    TEXT,
    begun,
    block,
    called,
    said,
    sse,
)

WIRE = AnthropicMessagesWire()
SCRUBBER = MessageScrubber()
MODEL = "claude-sonnet-4-5-20250929"
SUMMARIES = {
    "text": ReplySummary(
        usage=TokenUsage(input_uncached=25, output=15),
        finish_reason="end_turn",
        output_characters=18,
    ),
    "tools": ReplySummary(
        usage=TokenUsage(input_uncached=25, output=15),
        finish_reason="tool_use",
        output_characters=len("Looking.weathernow") + len('{"city": "Paris", "days": 3}'),
    ),
    "thinking": ReplySummary(
        usage=TokenUsage(input_uncached=25, output=6, reasoning=9),
        finish_reason="end_turn",
        output_characters=len("Let me see.42") + 9,
    ),
    "hosted": ReplySummary(
        usage=TokenUsage(input_uncached=90, cache_read=16, cache_write_5m=8, output=15),
        finish_reason="pause_turn",
        output_characters=len('web_search{"query": "Paris"}It rains.'),
    ),
}


def stream_scanner() -> ReplyScanner:
    return WIRE.stream_scanner(RequestHead(model="m"), WireTarget(model="m"), scrubber=SCRUBBER)


def reply_scanner(max_bytes: int = 10_000) -> ReplyScanner:
    return WIRE.reply_scanner(max_bytes=max_bytes, scrubber=SCRUBBER)


def through(scanner: ReplyScanner, raw: bytes) -> bytes:
    return scanner.feed(raw) + scanner.finish()


@pytest.mark.parametrize("name", ALL)
def test_a_stream_passes_as_it_is_and_tells_what_it_was(name: str) -> None:
    scanner = stream_scanner()
    assert scanner.feed(ALL[name]) + scanner.finish() == ALL[name]
    assert scanner.summary == structs.replace(
        SUMMARIES[name], model=MODEL, content_started=True, terminated=True
    )


@settings(deadline=None)
@given(name=st.sampled_from(sorted(ALL)), data=st.data())
def test_a_stream_cut_anywhere_passes_as_it_is(name: str, data: st.DataObject) -> None:
    raw = ALL[name]
    end = data.draw(st.sampled_from([b"\n", b"\r\n", b"\r"]))
    raw = raw.replace(b"\n\n", b"\n: comment\n\n").replace(b"\n", end)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(raw) - 1), max_size=9)))
    scanner = stream_scanner()
    chunks = [raw[a:b] for a, b in itertools.pairwise([0, *cuts, len(raw)])]
    out = b"".join([scanner.feed(chunk) for chunk in chunks]) + scanner.finish()
    assert out == raw
    assert scanner.summary.usage == SUMMARIES[name].usage
    assert scanner.summary.output_characters == SUMMARIES[name].output_characters


def test_events_nobody_knows_yet_pass_unseen() -> None:
    strange = b'event: from_the_future\ndata: not even json\n\nid: 7\ndata: {"type":"new"}\n\n'
    scanner = stream_scanner()
    assert scanner.feed(strange + TEXT) + scanner.finish() == strange + TEXT


def test_known_events_of_unknown_shape_still_count() -> None:
    odd: dict[str, Any] = {"type": "content_block_delta", "index": "0", "delta": {"text": ["a"]}}
    scanner = stream_scanner()
    raw = sse(*begun(), odd)
    assert scanner.feed(raw) == raw
    assert scanner.summary.content_started
    assert scanner.summary.output_characters > 0


def test_half_a_character_in_an_escape_is_no_error() -> None:
    raw = TEXT.replace(b'"Hello"', b'"He\\ud83d"')
    scanner = stream_scanner()
    assert scanner.feed(raw) + scanner.finish() == raw


@pytest.mark.parametrize(
    ("frames", "started"),
    [
        (begun(), False),
        ([*begun(), *said(0)], False),
        ([*begun(), *said(0, "a")], True),
        ([*begun(), *called(0, "c", "now")], True),
        ([*begun(), *block(0, {"type": "thinking", "thinking": "", "signature": ""})], False),
        ([*begun(), *block(0, {"type": "redacted_thinking", "data": "a"})], True),
    ],
)
def test_content_starts_with_the_first_thing_that_was_generated(
    frames: list[dict[str, Any]], started: bool
) -> None:
    scanner = stream_scanner()
    scanner.feed(sse(*frames))
    assert scanner.summary.content_started is started


def test_thoughts_that_are_not_shown_are_content_by_their_signature() -> None:
    scanner = stream_scanner()
    start = {"type": "thinking", "thinking": "", "signature": ""}
    scanner.feed(sse(*block(0, start, {"type": "signature_delta", "signature": "Eq"})))
    assert scanner.summary.content_started


ERROR = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


@pytest.mark.parametrize(
    ("name", "failure"),
    [
        ("overloaded_error", UpstreamRateLimited),
        ("rate_limit_error", UpstreamRateLimited),
        ("invalid_request_error", UpstreamRejected),
        ("api_error", UpstreamUnavailable),
        ("from_the_future", UpstreamUnavailable),
    ],
)
def test_an_error_before_content_is_what_its_status_would_be(
    name: str, failure: type[UpstreamFailure]
) -> None:
    error = {"type": "error", "error": {"type": name, "message": "Sorry"}}
    with pytest.raises(failure):
        stream_scanner().feed(sse(*begun(), error))


def test_an_error_after_content_comes_after_the_content() -> None:
    scanner = stream_scanner()
    content = sse(*begun(), *said(0, "Hello"))
    assert scanner.feed(content + sse(ERROR)) == content
    with pytest.raises(UpstreamUnavailable):
        scanner.feed(b"")
    with pytest.raises(UpstreamUnavailable):
        scanner.finish()


@pytest.mark.parametrize("data", [b"{}", b'{"error":"no"}', b'{"type":"error","error":7}'])
def test_an_error_event_of_any_shape_is_an_error(data: bytes) -> None:
    with pytest.raises(UpstreamUnavailable):
        stream_scanner().feed(b"event: error\ndata: " + data + b"\n\n")


@pytest.mark.parametrize("cut", range(1, len(TEXT), 37))
def test_a_cut_stream_is_no_answer(cut: int) -> None:
    scanner = stream_scanner()
    with pytest.raises(UpstreamProtocolError):
        through(scanner, TEXT[:cut])


def test_a_last_event_without_its_empty_line_counts() -> None:
    scanner = stream_scanner()
    raw = TEXT.removesuffix(b"\n")
    assert scanner.feed(raw) + scanner.finish() == raw


@pytest.mark.parametrize(
    "raw",
    [
        b"<html>Bad Gateway</html>\n\n",
        b"event: message_start\ndata: {\n\n",
        b"event: message_start\ndata: []\n\n",
        b"event: message_start\ndata: \xff\n\n",
        b"event: message_start\ndata: " + b"[" * 5000 + b"\n\n",
        b"data: " + b"x" * (17 << 20),
    ],
)
def test_what_is_no_stream_of_this_format_is_a_protocol_error(raw: bytes) -> None:
    scanner = stream_scanner()
    with pytest.raises(UpstreamProtocolError):
        through(scanner, raw)


REPLY: dict[str, Any] = {
    "model": MODEL,
    "id": "msg_01",
    "type": "message",
    "role": "assistant",
    "content": [
        {"type": "thinking", "thinking": "Hm.", "signature": "Eq"},
        {"type": "text", "text": "Hi"},
        {"type": "tool_use", "id": "toolu_1", "name": "now", "input": {}},
        {"type": "tool_use", "id": "toolu_2", "name": "look", "input": {"a": 1}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {"input_tokens": 9, "output_tokens": 30},
}


def scanned(body: bytes) -> ReplySummary:
    scanner = reply_scanner()
    assert b"".join([scanner.feed(body[:7]), scanner.feed(body[7:])]) == b""
    assert scanner.finish() == body
    return scanner.summary


def test_a_whole_answer_passes_as_it_is_and_tells_what_it_was() -> None:
    assert scanned(json.dumps(REPLY).encode()) == ReplySummary(
        usage=TokenUsage(input_uncached=9, output=30),
        finish_reason="tool_use",
        model=MODEL,
        content_started=True,
        output_characters=len("Hm.Hinowlook") + len('{"a": 1}'),
    )


def test_a_whole_answer_of_unknown_shape_still_counts() -> None:
    summary = scanned(json.dumps(REPLY | {"content": [{"type": "text", "text": 7}]}).encode())
    assert summary.usage == TokenUsage(input_uncached=9, output=30)
    assert summary.content_started


@pytest.mark.parametrize(
    ("content", "started"),
    [
        ([], False),
        ([{"type": "text", "text": ""}], False),
        ([{"type": "redacted_thinking", "data": ""}], True),
    ],
)
def test_an_answer_of_nothing_has_no_content(content: list[Any], started: bool) -> None:
    summary = scanned(json.dumps(REPLY | {"content": content}).encode())
    assert summary.content_started is started


def test_an_error_in_place_of_an_answer_is_an_error() -> None:
    scanner = reply_scanner()
    scanner.feed(json.dumps(ERROR).encode())
    with pytest.raises(UpstreamRateLimited):
        scanner.finish()


@pytest.mark.parametrize(
    "body",
    [b"", b"<html/>", b"{}", b"[]", b'{"content":', b'{"content":null}', b"\xff", b"[" * 5000],
)
def test_what_is_no_answer_is_a_protocol_error(body: bytes) -> None:
    scanner = reply_scanner()
    scanner.feed(body)
    with pytest.raises(UpstreamProtocolError):
        scanner.finish()


def test_an_answer_that_is_too_large_is_not_held() -> None:
    scanner = reply_scanner(max_bytes=10)
    scanner.feed(b"0123456789")
    with pytest.raises(UpstreamProtocolError):
        scanner.feed(b"0")


def test_nothing_after_the_end_is_looked_at() -> None:
    scanner = stream_scanner()
    tail = b"event: error\ndata: {}\n\n"
    assert scanner.feed(TEXT) + scanner.feed(tail) + scanner.finish() == TEXT + tail
