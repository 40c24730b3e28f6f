import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from adapters.wire.openai_chat.scanners import ChatReplyScanner, ChatStreamScanner
from adapters.wire.upstream_errors import MessageScrubber
from application.ports.provider import ReplySummary
from domain.accounting.usage import TokenUsage
from domain.errors import (
    UpstreamCredentialRejected,
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)

CASSETTES = Path(__file__).parents[2] / "cassettes" / "openai"
STREAMS = sorted(path.stem for path in CASSETTES.glob("*.sse"))
WHOLE = sorted(path.stem for path in CASSETTES.glob("*.json"))
SCRUBBER = MessageScrubber()

SUMMARIES: dict[str, ReplySummary] = {
    "text.json": ReplySummary(
        usage=TokenUsage(input_uncached=19, output=10),
        finish_reason="stop",
        model="gpt-4.1-2025-04-14",
        content_started=True,
        output_characters=34,
    ),
    "tools.json": ReplySummary(
        usage=TokenUsage(input_uncached=82, output=17),
        finish_reason="tool_calls",
        model="gpt-4.1-2025-04-14",
        content_started=True,
        output_characters=59,
    ),
    "reasoning.json": ReplySummary(
        usage=TokenUsage(input_uncached=30, output=14, reasoning=1192),
        finish_reason="stop",
        model="o3-2025-04-16",
        content_started=True,
        output_characters=2,
    ),
    "cached.json": ReplySummary(
        usage=TokenUsage(input_uncached=86, cache_read=1920, output=300),
        finish_reason="stop",
        model="gpt-4.1-2025-04-14",
        content_started=True,
        output_characters=10,
    ),
    "audio.json": ReplySummary(
        usage=TokenUsage(input_uncached=20, cache_read=10, audio_in=60, output=10, audio_out=30),
        finish_reason="stop",
        model="gpt-4o-audio-preview-2025-06-03",
        content_started=True,
    ),
    "content_filter.json": ReplySummary(
        usage=TokenUsage(input_uncached=12),
        finish_reason="content_filter",
        model="gpt-4.1-2025-04-14",
    ),
    "two_choices.json": ReplySummary(
        usage=TokenUsage(input_uncached=12, output=4),
        finish_reason="stop",
        model="gpt-4.1-2025-04-14",
        content_started=True,
        output_characters=8,
    ),
    "text.sse": ReplySummary(
        finish_reason="stop",
        model="gpt-4o-mini-2024-07-18",
        content_started=True,
        output_characters=19,
    ),
    "text_usage.sse": ReplySummary(
        usage=TokenUsage(input_uncached=19, output=10),
        finish_reason="stop",
        model="gpt-4o-mini-2024-07-18",
        content_started=True,
        output_characters=19,
    ),
    "tools_usage.sse": ReplySummary(
        usage=TokenUsage(input_uncached=80, output=30),
        finish_reason="tool_calls",
        model="gpt-4o-mini-2024-07-18",
        content_started=True,
        output_characters=32,
    ),
    "refusal_usage.sse": ReplySummary(
        usage=TokenUsage(input_uncached=20, output=5),
        finish_reason="stop",
        model="gpt-4o-mini-2024-07-18",
        content_started=True,
        output_characters=14,
    ),
    "reasoning_usage.sse": ReplySummary(
        usage=TokenUsage(input_uncached=30, output=14, reasoning=1192),
        finish_reason="stop",
        model="o3-2025-04-16",
        content_started=True,
        output_characters=2,
    ),
    "two_choices_usage.sse": ReplySummary(
        usage=TokenUsage(input_uncached=12, output=4),
        finish_reason="stop",
        model="gpt-4o-mini-2024-07-18",
        content_started=True,
        output_characters=8,
    ),
}


def stream_scanner(choices: int = 1, *, strip: bool = False) -> ChatStreamScanner:
    return ChatStreamScanner(choices=choices, strip_usage=strip, scrubber=SCRUBBER)


def play(scanner: ChatStreamScanner | ChatReplyScanner, *chunks: bytes) -> bytes:
    return b"".join([*(scanner.feed(chunk) for chunk in chunks), scanner.finish()])


def event(**members: Any) -> bytes:
    return b"data: " + json.dumps(members).encode() + b"\n\n"


def delta(content: str = "Hi", **members: Any) -> bytes:
    return event(choices=[{"index": 0, "delta": {"content": content}} | members])


STOP = event(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
DONE = b"data: [DONE]\n\n"
ROLE = event(choices=[{"index": 0, "delta": {"role": "assistant", "content": ""}}])


@pytest.mark.parametrize("name", [name for name in SUMMARIES if name.endswith(".sse")])
def test_a_stream_is_summed_up(name: str) -> None:
    scanner = stream_scanner(2 if "two" in name else 1)
    play(scanner, (CASSETTES / name).read_bytes())
    assert scanner.summary == structs.replace(SUMMARIES[name], terminated=True)


@pytest.mark.parametrize("name", [name for name in SUMMARIES if name.endswith(".json")])
def test_an_answer_is_summed_up(name: str) -> None:
    scanner = ChatReplyScanner(max_bytes=1 << 20, scrubber=SCRUBBER)
    play(scanner, (CASSETTES / name).read_bytes())
    assert scanner.summary == SUMMARIES[name]


@pytest.mark.parametrize("name", WHOLE)
def test_an_answer_passes_byte_for_byte_and_only_when_it_is_whole(name: str) -> None:
    body = (CASSETTES / f"{name}.json").read_bytes()
    scanner = ChatReplyScanner(max_bytes=1 << 20, scrubber=SCRUBBER)
    assert [scanner.feed(body[:200]), scanner.feed(body[200:])] == [b"", b""]
    assert scanner.finish() == body


@pytest.mark.parametrize("name", STREAMS)
@given(cuts=st.lists(st.integers(0, 5000), max_size=12))
def test_a_stream_passes_byte_for_byte_however_it_is_cut(name: str, cuts: list[int]) -> None:
    stream = (CASSETTES / f"{name}.sse").read_bytes()
    bounds = sorted({0, len(stream), *(cut % len(stream) for cut in cuts)})
    chunks = [stream[start:end] for start, end in itertools.pairwise(bounds)]
    whole, cut = stream_scanner(), stream_scanner()
    assert play(cut, *chunks) == play(whole, stream) == stream
    assert cut.summary == whole.summary


def test_a_stream_is_as_if_usage_had_not_been_asked_for() -> None:
    with_usage = (CASSETTES / "text_usage.sse").read_bytes()
    scanner = stream_scanner(strip=True)
    assert play(scanner, with_usage) == (CASSETTES / "text.sse").read_bytes()
    assert scanner.summary == structs.replace(SUMMARIES["text_usage.sse"], terminated=True)


def test_only_the_frame_with_nothing_but_usage_is_taken_out() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 1}
    in_last_choice = event(
        choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}], usage=usage
    )
    filters = event(choices=[], prompt_filter_results=[{"prompt_index": 0}])
    scanner = stream_scanner(strip=True)
    stream = filters + delta() + in_last_choice + DONE
    assert play(scanner, stream) == stream
    assert scanner.summary.usage == TokenUsage(input_uncached=1, output=1)


def test_a_moderation_frame_survives_the_taking_out_of_usage() -> None:
    stream = (CASSETTES / "moderated_usage.sse").read_bytes()
    assert b'"moderation"' in play(stream_scanner(strip=True), stream)


@pytest.mark.parametrize(
    "frame",
    [
        b'data: {"choices":[{"index":0,"delta":{"content":",\\"usage\\":null"}}],"usage": null}\n\n',
        b'data: {"usage":null,"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n',
        b'data: {"choices":[{"index":0,"usage":null,"delta":{"content":"a"}}]}\n\n',
        b'data: {"choices":[{"index":0,"delta":{"content":"a"},"usage":null}],"usage" :null}\n\n',
    ],
)
def test_a_null_usage_spelled_otherwise_stays(frame: bytes) -> None:
    assert stream_scanner(strip=True).feed(frame) == frame


def test_a_null_usage_is_taken_out_anywhere_at_top_level() -> None:
    frame = b'data: {"a":1,"usage":null,"choices":[{"index":0,"delta":{"content":"x"}}]}\n\n'
    assert stream_scanner(strip=True).feed(frame) == frame.replace(b',"usage":null', b"")


def test_content_starts_with_the_first_generated_piece() -> None:
    for piece in (
        {"content": "x"},
        {"refusal": "x"},
        {"reasoning_content": "x"},
        {"reasoning": "x"},
        {"tool_calls": [{"index": 0, "function": {"name": "f"}}]},
        {"function_call": {"name": "f"}},
        {"audio": {"id": "a"}},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "x"}]}]},
    ):
        scanner = stream_scanner()
        scanner.feed(ROLE + b": keep-alive\n\n" + event(choices=[]))
        assert not scanner.summary.content_started
        scanner.feed(event(choices=[{"index": 0, "delta": piece}]))
        assert scanner.summary.content_started, piece


def test_half_a_surrogate_pair_does_not_stop_a_stream() -> None:
    halves = b"".join(
        b'data: {"choices":[{"index":0,"delta":{"content":"\\u%s"}}]}\n\n' % half
        for half in (b"d83d", b"de00", b"D83D")
    )
    scanner = stream_scanner()
    assert play(scanner, halves + STOP) == halves + STOP
    assert scanner.summary.content_started


def test_usage_is_found_where_other_servers_put_it() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 4}
    kinds = TokenUsage(input_uncached=3, output=4)
    last: dict[str, Any] = {"index": 0, "delta": {}, "finish_reason": "stop"}
    for frame in (
        event(choices=[last], x_groq={"id": "r", "usage": usage}),
        event(choices=[last | {"usage": usage}]),
        event(choices=[last], timings={"prompt_n": 3, "predicted_n": 4}),
        event(choices=[last], usage=usage),
    ):
        scanner = stream_scanner()
        play(scanner, delta() + frame)
        assert scanner.summary.usage == kinds


def test_running_totals_are_not_added_up() -> None:
    scanner = stream_scanner()
    for tokens in (1, 2, 3):
        scanner.feed(
            event(
                choices=[{"index": 0, "delta": {"content": "x"}}],
                usage={"prompt_tokens": 9, "completion_tokens": tokens},
            )
        )
    assert scanner.summary.usage == TokenUsage(input_uncached=9, output=3)


@pytest.mark.parametrize(
    "stream",
    [
        b"",
        b": comment\n\n",
        ROLE,
        ROLE + delta(),
        ROLE + delta() + STOP[:-20],
        delta() + b"data: [DON",
        STOP + event(choices=[{"index": 1, "delta": {"content": "x"}}]),
    ],
)
def test_a_stream_that_just_stops_is_an_error(stream: bytes) -> None:
    scanner = stream_scanner()
    scanner.feed(stream)
    with pytest.raises(UpstreamProtocolError):
        scanner.finish()


def test_every_choice_asked_for_must_finish() -> None:
    scanner = stream_scanner(choices=2)
    scanner.feed(delta() + STOP)
    with pytest.raises(UpstreamProtocolError):
        scanner.finish()


@pytest.mark.parametrize(
    "end", [DONE, STOP, STOP + DONE, STOP + b"data: [DONE]\n", STOP + b"data: [DONE]", STOP[:-1]]
)
def test_the_ends_servers_write_are_accepted(end: bytes) -> None:
    assert play(stream_scanner(), delta() + end) == delta() + end


ERRORS: list[tuple[dict[str, Any], type[Exception]]] = [
    ({"message": "Slow down", "code": 429}, UpstreamRateLimited),
    ({"message": "Who?", "type": "authentication_error"}, UpstreamCredentialRejected),
    ({"message": "Bad n", "type": "invalid_request_error"}, UpstreamRejected),
    ({"message": "Boom", "type": "server_error"}, UpstreamUnavailable),
    ({}, UpstreamUnavailable),
]


@pytest.mark.parametrize(("error", "failure"), ERRORS)
def test_an_error_before_content_is_classified(
    error: dict[str, Any], failure: type[Exception]
) -> None:
    with pytest.raises(failure):
        stream_scanner().feed(ROLE + event(error=error))
    with pytest.raises(failure):
        play(
            ChatReplyScanner(max_bytes=1000, scrubber=SCRUBBER),
            json.dumps({"error": error}).encode(),
        )


@pytest.mark.parametrize("error", [error for error, _ in ERRORS])
def test_an_error_after_content_is_an_unavailable_provider(error: dict[str, Any]) -> None:
    scanner = stream_scanner()
    scanner.feed(delta())
    with pytest.raises(UpstreamUnavailable):
        scanner.feed(event(error=error, choices=[{"index": 0, "finish_reason": "error"}]))


@pytest.mark.parametrize("bad", [event(error={"code": 429}), b"data: oops\n\n"])
def test_content_before_an_error_in_one_chunk_still_arrives(bad: bytes) -> None:
    for ending in ("feed", "finish"):
        scanner = stream_scanner()
        assert scanner.feed(delta() + bad + delta()) == delta()
        with pytest.raises((UpstreamUnavailable, UpstreamProtocolError)):
            scanner.feed(b"") if ending == "feed" else scanner.finish()


@pytest.mark.parametrize("data", [b"oops", b"<html>", b"[1]", b"{", b"\xff", b'"x"', b"[" * 5000])
def test_frames_that_are_no_json_objects_are_an_error(data: bytes) -> None:
    with pytest.raises(UpstreamProtocolError):
        stream_scanner().feed(b"data: " + data + b"\n\n")


def test_extensions_of_the_stream_pass_unread() -> None:
    stream = (
        b"event: ping\ndata: not json\n\n: OPENROUTER PROCESSING\n\nretry: 5\n\nid: 7\ndata\n\n"
        + delta(extra={"a": [1.50, 1e3]})
        + STOP
        + DONE
        + b"data: trailing\n\n"
    )
    assert play(stream_scanner(), stream) == stream


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"{}", b'{"choices":null}', b'{"choices":{}}', b"<html>", b'{"a":"\xff"'],
)
def test_an_answer_without_choices_is_an_error(body: bytes) -> None:
    with pytest.raises(UpstreamProtocolError):
        play(ChatReplyScanner(max_bytes=1000, scrubber=SCRUBBER), body)


def test_an_answer_over_the_limit_is_an_error() -> None:
    scanner = ChatReplyScanner(max_bytes=10, scrubber=SCRUBBER)
    scanner.feed(b" " * 10)
    with pytest.raises(UpstreamProtocolError):
        scanner.feed(b" ")


def test_a_loose_answer_is_read_as_far_as_it_goes() -> None:
    body = json.dumps(
        {
            "model": "m",
            "choices": [
                {"message": {"content": [{"type": "text", "text": "Hi"}]}, "finish_reason": "stop"}
            ],
            "usage": {"prompt_tokens": 1, "completion_tokens": 2},
        }
    ).encode()
    scanner = ChatReplyScanner(max_bytes=1000, scrubber=SCRUBBER)
    assert play(scanner, body) == body
    assert scanner.summary == ReplySummary(
        usage=TokenUsage(input_uncached=1, output=2),
        finish_reason="stop",
        model="m",
        content_started=True,
        output_characters=32,
    )
