import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.accounting.usage import TokenUsage
from domain.errors import (
    UpstreamCredentialRejected,
    UpstreamFailure,
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)
from domain.inference.conversation import RefusalPart, TextPart, ToolCallPart, VendorPart
from domain.inference.dialect import WireFormat
from domain.inference.response import FinishReason, InferenceResponse
from tests.unit.wire.openai_responses.reaches import SCRUBBER, WIRE
from tests.unit.wire.openai_responses.recorded import (
    ALL,
    NOTE,
    SEARCH,
    USAGE,
    Frame,
    message,
    response,
    text_part,
)


def decoded(*output: Frame, status: str = "completed", **more: Any) -> InferenceResponse:
    body = json.dumps(response(status, output, **more)).encode()
    return WIRE.decode_reply(body, scrubber=SCRUBBER)


def finish(*output: Frame, **more: Any) -> FinishReason:
    return decoded(*output, **more).candidates[0].finish


CALL: Frame = {
    "id": "fc_1",
    "type": "function_call",
    "call_id": "call_1",
    "name": "look",
    "arguments": "",
}


@pytest.mark.parametrize(
    ("status", "details", "expected"),
    [
        ("completed", None, FinishReason.STOP),
        ("incomplete", {"reason": "max_output_tokens"}, FinishReason.LENGTH),
        ("incomplete", {"reason": "content_filter"}, FinishReason.CONTENT_FILTER),
        ("incomplete", {"reason": "steered"}, FinishReason.LENGTH),
        ("incomplete", None, FinishReason.LENGTH),
    ],
)
def test_a_status_says_why_the_answer_ended(
    status: str, details: Frame | None, expected: FinishReason
) -> None:
    answer = [message(text_part("Yes."))]
    assert finish(*answer, status=status, incomplete_details=details) is expected


def test_an_answer_with_calls_ended_for_them_unless_it_was_cut() -> None:
    assert finish(CALL) is FinishReason.TOOL_CALLS
    cut = {"reason": "max_output_tokens"}
    assert finish(CALL, status="incomplete", incomplete_details=cut) is FinishReason.LENGTH


def test_a_call_has_the_id_that_its_result_is_found_by() -> None:
    (part,) = decoded(CALL).candidates[0].parts
    assert part == ToolCallPart(id="call_1", name="look", arguments="{}")


def test_a_call_without_any_id_is_named_by_its_place() -> None:
    bare = {"type": "function_call", "name": "look", "arguments": "{}"}
    parts = decoded(bare, bare).candidates[0].parts
    ids = [part.id for part in parts if isinstance(part, ToolCallPart)]
    assert ids == ["call_0", "call_1"]


def test_a_call_in_a_namespace_has_one_name() -> None:
    (part,) = decoded(CALL | {"namespace": "crm"}).candidates[0].parts
    assert isinstance(part, ToolCallPart)
    assert part.name == "crm__look"


def test_several_messages_are_several_parts_and_empty_ones_none() -> None:
    refusal: Frame = {"type": "refusal", "refusal": "No."}
    answer = decoded(message(text_part("a"), text_part("")), message(refusal))
    assert answer.candidates[0].parts == (TextPart(text="a"), RefusalPart(text="No."))


def test_citations_of_files_keep_the_vendor_s_object() -> None:
    note: Frame = {"type": "file_citation", "file_id": "file-1", "filename": "a.pdf", "index": 3}
    (part,) = decoded(message(text_part("a", [NOTE, note]))).candidates[0].parts
    assert isinstance(part, TextPart)
    page, file = part.citations
    assert (page.url, page.origin) == ("https://media.example/w", None)
    assert (file.title, file.raw) == ("a.pdf", note)


def test_log_probabilities_are_those_of_all_texts() -> None:
    one: Frame = {"token": "a", "logprob": -1, "bytes": [], "top_logprobs": []}
    two = one | {"token": "b"}
    parts = [text_part("a") | {"logprobs": [one]}, text_part("b") | {"logprobs": [two]}]
    assert decoded(message(*parts)).candidates[0].logprobs == {"content": [one, two]}


def test_work_of_the_vendor_is_kept_whole() -> None:
    (part,) = decoded(SEARCH).candidates[0].parts
    assert part == VendorPart(
        origin=WireFormat.OPENAI_RESPONSES, kind="web_search_call", raw=SEARCH
    )


INVOICES: list[tuple[object, TokenUsage | None]] = [
    (
        USAGE,
        TokenUsage(input_uncached=25, cache_read=20, cache_write_5m=5, output=18, reasoning=12),
    ),
    (
        {"input_tokens": 81, "output_tokens": 1035},
        TokenUsage(input_uncached=81, output=1035),
    ),
    (
        {
            "input_tokens": 2006,
            "input_tokens_details": {"cached_tokens": 1920},
            "output_tokens": 300,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 2306,
        },
        TokenUsage(input_uncached=86, cache_read=1920, output=300),
    ),
    (
        {
            "input_tokens": 100,
            "input_tokens_details": {
                "cached_tokens": 10,
                "cache_write_tokens": 60,
                "cache_write_tokens_details": {"ttl_12h_tokens": 40, "ttl_30m_tokens": 20},
            },
            "output_tokens": 7,
        },
        TokenUsage(
            input_uncached=30, cache_read=10, cache_write_5m=20, cache_write_1h=40, output=7
        ),
    ),
    (
        {
            "input_tokens": 5,
            "input_tokens_details": {"cached_tokens": 9, "cache_write_tokens": 9},
            "output_tokens": 5,
            "output_tokens_details": {"reasoning_tokens": 9},
        },
        TokenUsage(cache_read=5, reasoning=5),
    ),
    ({"input_tokens": -1, "output_tokens": 1e300}, TokenUsage()),
    ({"input_tokens": 3.0, "output_tokens": None}, TokenUsage(input_uncached=3)),
    ({}, None),
    (None, None),
    ("12", None),
    ({"input_tokens": "12"}, None),
]


@pytest.mark.parametrize(("usage", "expected"), INVOICES)
def test_usage_is_taken_apart_into_kinds_that_add_up(
    usage: object, expected: TokenUsage | None
) -> None:
    assert decoded(usage=usage).usage == expected


def test_a_failed_response_is_the_failure_its_code_means() -> None:
    with pytest.raises(UpstreamRateLimited):
        decoded(status="failed", error={"code": "rate_limit_exceeded", "message": "Slow."})
    with pytest.raises(UpstreamUnavailable):
        decoded(status="failed", error=None)
    with pytest.raises(UpstreamRejected, match="Too big"):
        decoded(error={"code": "image_too_large", "message": "Too big."})


@pytest.mark.parametrize("status", ["queued", "in_progress", "cancelled"])
def test_an_answer_that_is_not_finished_is_none(status: str) -> None:
    with pytest.raises(UpstreamProtocolError):
        decoded(status=status)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Bad gateway</html>",
        b"null",
        b"[]",
        b"{}",
        b'{"output": null}',
        b'{"output": {}}',
        b'{"output": [5]}',
        b'{"output": [{"type": "message", "content": "text"}]}',
        b'{"output": [{"type": "function_call", "call_id": "c"}]}',
        b'{"output": [{"type": "reasoning", "summary": [5]}]}',
        b'{"output": [], "created_at": "now"}',
        b'{"output": []',
        b'{"id": "\xff", "output": []}',
        b"[" * 100_000,
    ],
)
def test_an_answer_that_is_not_what_the_format_says_is_broken(body: bytes) -> None:
    with pytest.raises(UpstreamProtocolError):
        WIRE.decode_reply(body, scrubber=SCRUBBER)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_damaged_answer_is_read_or_broken_and_nothing_else(data: st.DataObject) -> None:
    raw = ALL[data.draw(st.sampled_from(sorted(ALL)))]
    last = json.loads(raw.strip().rpartition(b"data: ")[2])["response"]
    body = bytearray(json.dumps(last).encode())
    for place in data.draw(st.lists(st.integers(0, len(body) - 1), max_size=4)):
        body[place] = data.draw(st.integers(0, 255))
    try:
        reply = WIRE.decode_reply(bytes(body), scrubber=SCRUBBER)
    except UpstreamFailure:
        return
    assert len(reply.candidates) == 1


def test_a_time_that_is_none_is_no_time() -> None:
    assert decoded(created_at=1764000000.9).created_s == 1764000000
    assert decoded(created_at=-5).created_s == 0
    assert decoded(created_at=1e300).created_s == 0


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (401, b'{"error": {"message": "Incorrect API key"}}', UpstreamCredentialRejected),
        (429, b"", UpstreamRateLimited),
        (400, b'{"error": {"message": "No such tool.", "param": "tools"}}', UpstreamRejected),
        (400, b"<html>", UpstreamRejected),
        (500, b'{"error": null}', UpstreamUnavailable),
        (503, b"[" * 100_000, UpstreamUnavailable),
    ],
)
def test_an_error_status_is_the_failure_it_means(
    status: int, body: bytes, expected: type[UpstreamFailure]
) -> None:
    failure = WIRE.failure(status, body, scrubber=SCRUBBER, retry_after_ms=1500)
    assert type(failure) is expected
    if isinstance(failure, UpstreamRateLimited):
        assert failure.retry_after_ms == 1500
