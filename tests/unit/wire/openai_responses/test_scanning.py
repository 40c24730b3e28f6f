import itertools
import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.wire.codec import WireTarget
from application.ports.provider import ReplyScanner, ReplySummary
from domain.accounting.usage import TokenUsage
from domain.errors import (
    UpstreamFailure,
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)
from tests.unit.wire.openai_responses.reaches import HEAD, SCRUBBER, WIRE
from tests.unit.wire.openai_responses.recorded import (
    ALL,
    USAGE,
    Frame,
    begun,
    called,
    ended,
    message,
    response,
    said,
    searched,
    sse,
    text_part,
    thought,
)

USED = TokenUsage(input_uncached=25, cache_read=20, cache_write_5m=5, output=18, reasoning=12)


def streaming() -> ReplyScanner:
    return WIRE.stream_scanner(HEAD, WireTarget(model="m"), scrubber=SCRUBBER)


def scanned(raw: bytes, cuts: Iterable[int] = ()) -> tuple[bytes, ReplySummary]:
    scanner = streaming()
    edges = [0, *cuts, len(raw)]
    out = b"".join(scanner.feed(raw[start:end]) for start, end in itertools.pairwise(edges))
    return out + scanner.finish(), scanner.summary


def whole(body: bytes, max_bytes: int = 1 << 20) -> tuple[bytes, ReplySummary]:
    scanner = WIRE.reply_scanner(max_bytes=max_bytes, scrubber=SCRUBBER)
    out = b"".join(scanner.feed(body[start : start + 7]) for start in range(0, len(body), 7))
    return out + scanner.finish(), scanner.summary


def answer(*output: Frame, status: str = "completed", **more: Any) -> bytes:
    return json.dumps(response(status, output, **more)).encode()


@pytest.mark.parametrize(
    ("name", "finish", "characters"),
    [
        ("text", "completed", 14),
        ("refused", "completed", 9),
        ("thought", "completed", 25),
        ("called", "completed", 23),
        ("custom", "completed", 27),
        ("searched", "completed", 6),
        ("cut", "max_output_tokens", 5),
        ("filtered", "content_filter", 0),
    ],
)
def test_a_stream_tells_what_was_used_and_how_it_ended(
    name: str, finish: str, characters: int
) -> None:
    out, summary = scanned(ALL[name])
    assert out == ALL[name]
    assert summary == ReplySummary(
        usage=USED,
        finish_reason=finish,
        model="gpt-5.1-2025-11-13",
        content_started=name != "filtered",
        output_characters=characters,
        terminated=True,
    )


@pytest.mark.parametrize("name", sorted(ALL))
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_a_stream_split_anywhere_is_passed_on_byte_for_byte(name: str, data: st.DataObject) -> None:
    end = data.draw(st.sampled_from([b"\n", b"\r\n", b"\r"]))
    raw = ALL[name].replace(b"\n\n", b"\n: comment\nid: 3\n\n").replace(b"\n", end)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(raw) - 1), max_size=9)))
    out, summary = scanned(raw, cuts)
    assert out == raw
    assert summary == scanned(ALL[name])[1]


def test_a_chunk_of_whole_events_is_passed_on_as_the_object_it_is() -> None:
    assert streaming().feed(ALL["text"]) is ALL["text"]


def test_events_of_kinds_unknown_so_far_are_passed_on() -> None:
    new: Frame = {
        "type": "response.telepathy",
        "item": 5,
        "response": [],
        "error": "none",
        "message": 7,
    }
    raw = sse(*begun(), new, *said(0, "Yes."), ended())
    assert scanned(raw)[0] == raw


def test_content_starts_with_what_the_model_makes() -> None:
    starts: list[tuple[list[Frame], int]] = [
        (said(0, "Yes."), 3),
        (thought(0, "Hm."), 3),
        (thought(0), 2),
        (called(0, "f", "{}"), 1),
        (searched(0), 1),
    ]
    for frames, first in starts:
        scanner = streaming()
        scanner.feed(sse(*begun()))
        assert not scanner.summary.content_started
        scanner.feed(sse(*frames[: first - 1]))
        assert not scanner.summary.content_started, frames[:first]
        scanner.feed(sse(frames[first - 1]))
        assert scanner.summary.content_started, frames[first - 1]


def test_a_stored_answer_is_known_by_its_id_from_the_first_event_on() -> None:
    scanner = streaming()
    scanner.feed(sse({"type": "response.created", "response": response("queued", store=True)}))
    assert scanner.summary.reply_id == "resp_68af4b"


def test_an_answer_that_does_not_say_whether_it_is_stored_may_be() -> None:
    kept = response("completed")
    del kept["store"]
    assert whole(json.dumps(kept).encode())[1].reply_id == "resp_68af4b"
    assert whole(answer(store=False))[1].reply_id == ""


def test_a_whole_answer_is_passed_on_byte_for_byte_once_it_is_known_to_be_one() -> None:
    call: Frame = {"type": "function_call", "name": "look", "arguments": '{"a":1}'}
    body = answer(message(text_part("Yes.")), call, usage=USAGE)
    scanner = WIRE.reply_scanner(max_bytes=1 << 20, scrubber=SCRUBBER)
    assert scanner.feed(body) == b""
    assert scanner.finish() == body
    assert scanner.summary == ReplySummary(
        usage=USED,
        finish_reason="completed",
        model="gpt-5.1-2025-11-13",
        content_started=True,
        output_characters=15,
    )


def test_an_answer_made_in_the_background_is_passed_on_before_it_is_one() -> None:
    body = answer(status="queued", background=True, store=True)
    out, summary = whole(body)
    assert out == body
    assert (summary.reply_id, summary.usage, summary.content_started) == (
        "resp_68af4b",
        None,
        False,
    )


def test_odd_members_of_a_whole_answer_do_not_cost_it() -> None:
    odd: list[Frame] = [
        {"type": "mcp_call", "name": "look", "arguments": {"a": 1}},
        {"type": "message", "content": "text"},
        {"type": "shell_call", "content": [5]},
    ]
    body = answer(*odd, created_at="now", output_text=5)
    assert whole(body)[0] == body


ERRORS: list[tuple[Frame, type[UpstreamFailure]]] = [
    (
        {"type": "error", "error": {"code": "rate_limit_exceeded", "message": "Slow."}},
        UpstreamRateLimited,
    ),
    ({"type": "error", "code": "invalid_prompt", "message": "No."}, UpstreamRejected),
    ({"type": "error", "message": "Oops."}, UpstreamUnavailable),
    (
        {
            "type": "response.failed",
            "response": response("failed", error={"code": "invalid_image", "message": "No."}),
        },
        UpstreamRejected,
    ),
]


@pytest.mark.parametrize(("frame", "expected"), ERRORS)
def test_an_error_before_content_is_the_failure_it_means(
    frame: Frame, expected: type[UpstreamFailure]
) -> None:
    with pytest.raises(UpstreamFailure) as raised:
        scanned(sse(*begun(), frame))
    assert type(raised.value) is expected


@pytest.mark.parametrize(("frame", "expected"), ERRORS)
def test_an_error_after_content_is_the_provider_s_fault_and_comes_after_what_was_said(
    frame: Frame,
    expected: type[UpstreamFailure],
) -> None:
    scanner = streaming()
    before = sse(*begun(), *said(0, "Yes.")[:3])
    assert scanner.feed(before + sse(frame)) == before
    with pytest.raises(UpstreamUnavailable):
        scanner.feed(b"")
    with pytest.raises(UpstreamUnavailable):
        scanner.finish()
    assert not scanner.summary.terminated


def test_an_error_object_instead_of_a_stream_s_event_is_a_failure() -> None:
    with pytest.raises(UpstreamRateLimited):
        scanned(b'data: {"error": {"message": "Slow.", "type": "rate_limit_error"}}\n\n')


def test_a_failed_whole_answer_is_the_failure_its_code_means() -> None:
    with pytest.raises(UpstreamRateLimited):
        whole(answer(status="failed", error={"code": "rate_limit_exceeded", "message": "Slow."}))
    with pytest.raises(UpstreamRejected):
        whole(b'{"error": {"type": "invalid_request_error", "message": "No."}}')


def test_a_stream_cut_anywhere_is_broken() -> None:
    raw = ALL["called"]
    for cut in range(0, len(raw) - 2, 3):
        with pytest.raises(UpstreamProtocolError):
            scanned(raw[:cut])


def test_a_last_event_without_its_empty_line_counts() -> None:
    raw = ALL["text"].rstrip()
    out, summary = scanned(raw)
    assert out == raw
    assert summary.terminated


def test_the_terminator_of_chat_completions_ends_nothing_here() -> None:
    with pytest.raises(UpstreamProtocolError):
        scanned(sse(*begun(), *said(0, "Yes.")) + b"data: [DONE]\n\n")


@pytest.mark.parametrize(
    "raw",
    [
        b"data: <html>\n\n",
        b"data: {\n\n",
        b"data: \xff\n\n",
        b'data: {"type": 5}\n\n',
        b'data: {"type": "response.completed", "response": 5}\n\n',
        b"data: " + b"[" * 10 + b"{" * 100_000 + b"\n\n",
        b"data: " + b'{"a":' * 100_000 + b"\n\n",
    ],
)
def test_events_that_are_not_what_the_format_says_are_broken(raw: bytes) -> None:
    with pytest.raises(UpstreamProtocolError):
        scanned(raw)


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"null", b"{}", b'{"output": 5}', b'{"output": [', b'{"a":' * 100_000],
)
def test_a_whole_answer_that_is_none_is_broken(body: bytes) -> None:
    with pytest.raises(UpstreamProtocolError):
        whole(body)


def test_an_answer_larger_than_the_bound_is_refused() -> None:
    with pytest.raises(UpstreamProtocolError):
        whole(answer(), max_bytes=100)
    scanner = streaming()
    for _ in range(16):
        scanner.feed(b"a" * (1 << 20))
    with pytest.raises(UpstreamProtocolError):
        scanner.feed(b"a")


def test_half_a_character_in_an_event_does_not_cost_the_stream() -> None:
    raw = ALL["text"].replace(b'"It "', b'"\\ud83d "')
    assert scanned(raw)[0] == raw
