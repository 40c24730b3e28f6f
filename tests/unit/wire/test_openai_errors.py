from typing import Any

import msgspec
import pytest

from adapters.wire.openai_errors import (
    failure_for,
    parse_error,
    parse_error_body,
    status_of,
)
from adapters.wire.schemas.openai_chat import ErrorDetail
from adapters.wire.upstream_errors import MessageScrubber
from domain.errors import (
    UpstreamCredentialRejected,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)

SCRUBBER = MessageScrubber(["vllm-17", "secret-key-value", "org-live"])


@pytest.mark.parametrize(
    "message",
    [
        "Invalid type for 'messages[0].content': expected a string, but got 12 instead.",
        "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens.",
        "Unsupported value: 'temperature' does not support 0.2 with this model.",
        "Missing required parameter: 'response_format.json_schema'.",
        "This is not a chat model and thus not supported in the v1/chat/completions endpoint.",
        "The model `gpt-4o-mini-2024-07-18` does not exist.",
        "Invalid 'tools[0].function.name': string does not match pattern '^[a-zA-Z0-9_-]+$'.",
        "tool_call_id call_abc123 of messages[2] was not found.",
        "Größe überschritten: 你好",
    ],
)
def test_helpful_messages_pass_unchanged(message: str) -> None:
    assert SCRUBBER.scrub(message) == message


@pytest.mark.parametrize(
    ("message", "private"),
    [
        ("Incorrect API key provided: sk-proj-abc123DEF456.", "sk-proj"),
        ("Incorrect API key provided: sk-ab1***************xyz9.", "xyz9"),
        ("You can find it at https://platform.openai.com/account/api-keys.", "openai.com"),
        ("Organization org-Ab12Cd34Ef56 has no access.", "org-Ab12"),
        ("Rate limit for project proj_Ab12Cd34Ef56.", "proj_Ab12"),
        ("connect to 10.2.3.4:8000 failed", "10.2.3.4"),
        ("connect to [fd00::12]:8000 failed", "fd00"),
        ("worker gpu3.cluster.internal:9000 refused", "gpu3"),
        ("see http://localhost:8000/docs", "8000"),
        ("localhost:8000 refused", "8000"),
        ("on host vllm-17", "vllm-17"),
        ("key secret-key-value is wrong", "secret-key-value"),
        ("org-live is wrong", "org-live"),
        ("Bearer abc.def is wrong", "abc.def"),
        ("token 0123456789abcdef0123456789abcdef01 is wrong", "0123456789abcdef"),
        ('File "/usr/lib/python3/site-packages/vllm/engine.py", line 3', "site-packages"),
        ("redis://user:pw@cache/0 is down", "pw@cache"),
    ],
)
def test_internals_are_taken_out_of_messages(message: str, private: str) -> None:
    scrubbed = SCRUBBER.scrub(message)
    assert private not in scrubbed
    assert "[removed]" in scrubbed


def test_a_message_is_cut_to_size_and_one_line() -> None:
    scrubbed = SCRUBBER.scrub("a\nb\x00\x1b[31m c\u202e " + "word " * 100_000)
    assert scrubbed.startswith("a b[31m c word")
    assert len(scrubbed) <= 1000


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ({"code": 429}, 429),
        ({"code": "503"}, 503),
        ({"code": 200}, 500),
        ({"code": "rate_limit_exceeded", "type": "requests"}, 429),
        ({"type": "insufficient_quota", "code": "insufficient_quota"}, 429),
        ({"type": "invalid_request_error", "code": None}, 400),
        ({"type": "BadRequestError", "code": 400}, 400),
        ({"type": "invalid_request_error", "code": "model_not_found"}, 404),
        ({"type": "authentication_error"}, 401),
        ({"type": "overloaded_error"}, 529),
        ({"type": "server_error", "message": "boom"}, 500),
        ({"code": "9" * 10_000}, 500),
        ({}, 500),
        ("just text", 500),
        ({"code": ["x"]}, 500),
    ],
)
def test_an_error_inside_an_answer_names_its_status(error: Any, status: int) -> None:
    assert status_of(parse_error(msgspec.Raw(msgspec.json.encode(error)))) == status


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (401, UpstreamCredentialRejected),
        (402, UpstreamCredentialRejected),
        (403, UpstreamCredentialRejected),
        (429, UpstreamRateLimited),
        (529, UpstreamRateLimited),
        (408, UpstreamUnavailable),
        (425, UpstreamUnavailable),
        (500, UpstreamUnavailable),
        (503, UpstreamUnavailable),
        (400, UpstreamRejected),
        (404, UpstreamRejected),
        (409, UpstreamRejected),
        (413, UpstreamRejected),
        (422, UpstreamRejected),
        (451, UpstreamRejected),
    ],
)
def test_statuses_are_classified(status: int, failure: type[Exception]) -> None:
    error = ErrorDetail(message="Too bad.")
    assert type(failure_for(status, error, SCRUBBER, retry_after_ms=5)) is failure


@pytest.mark.parametrize("status", [429, 529, 503, 500])
def test_the_time_a_provider_asks_for_is_kept(status: int) -> None:
    failure = failure_for(status, ErrorDetail(message="Too bad."), SCRUBBER, retry_after_ms=5)
    assert isinstance(failure, UpstreamRateLimited | UpstreamUnavailable)
    assert failure.retry_after_ms == 5


def test_a_rejection_keeps_the_fields_of_the_error_and_nothing_else() -> None:
    error = parse_error_body(
        b'{"error":{"message":"Invalid \'n\' at http://10.0.0.1/x.","type":"invalid_request_error",'
        b'"param":"n","code":"invalid_value","stack":["secret"]},"host":"vllm-17"}'
    )
    failure = failure_for(400, error, SCRUBBER)
    assert isinstance(failure, UpstreamRejected)
    assert vars(failure) == {
        "message": "Invalid 'n' at [removed]",
        "status": 400,
        "kind": "invalid_request_error",
        "param": "n",
        "upstream_code": "invalid_value",
    }


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>nginx/1.2 upstream vllm-17</html>",
        b'{"detail":"host vllm-17"}',
        b'{"error":"host vllm-17"}',
        b'{"error":{"message":{"host":"vllm-17"}}}',
        b'{"error":{"message":""}}',
        b'{"error":{"message":"\xff"}}',
        b"[" * 100_000,
    ],
)
def test_a_body_in_another_shape_becomes_a_fixed_sentence(body: bytes) -> None:
    failure = failure_for(400, parse_error_body(body), SCRUBBER)
    assert failure.message == "The model provider rejected the request (400)."


def test_fields_that_are_no_identifiers_are_left_out() -> None:
    error = ErrorDetail(message="No.", type="<b>", param="x" * 101, code="http://10.0.0.1")
    failure = failure_for(400, error, SCRUBBER)
    assert isinstance(failure, UpstreamRejected)
    assert (failure.kind, failure.param, failure.upstream_code) == (None, None, None)
