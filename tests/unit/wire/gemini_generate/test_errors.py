import json
from typing import Any

import pytest
from google.genai import errors

from adapters.wire.gemini_generate.dialect import GeminiCodec
from adapters.wire.gemini_generate.wire import GeminiWire
from adapters.wire.upstream_errors import MessageScrubber
from application.ports.dialect import PublicError
from domain.errors import (
    UpstreamCredentialRejected,
    UpstreamFailure,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)
from tests.unit.wire.gemini_generate import sdk

CODEC = GeminiCodec()
WIRE = GeminiWire()
SCRUBBER = MessageScrubber(["secret-host"])
TYPE = "type.googleapis.com/google.rpc."


def failure(status: int, body: Any, **more: Any) -> UpstreamFailure:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return WIRE.failure(status, raw, scrubber=SCRUBBER, **more)


def google(code: int, status: str, *details: dict[str, Any]) -> dict[str, Any]:
    return {"error": {"code": code, "message": "Bad.", "status": status, "details": list(details)}}


def test_a_rejected_request_keeps_the_providers_words() -> None:
    violation = {"field": "generation_config.top_k", "description": "too big"}
    bad = {"@type": TYPE + "BadRequest", "fieldViolations": [violation]}
    found = failure(400, google(400, "INVALID_ARGUMENT", bad))
    assert isinstance(found, UpstreamRejected)
    assert (found.message, found.kind, found.param) == (
        "Bad.",
        "INVALID_ARGUMENT",
        "generation_config.top_k",
    )


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, google(401, "UNAUTHENTICATED")),
        (403, google(403, "PERMISSION_DENIED")),
        (400, google(400, "INVALID_ARGUMENT", {"@type": TYPE + "ErrorInfo", "reason": "API_KEY_INVALID"})),
        (400, google(400, "FAILED_PRECONDITION")),
    ],
)  # fmt: skip
def test_faults_of_the_account_are_not_the_callers(status: int, body: Any) -> None:
    assert isinstance(failure(status, body), UpstreamCredentialRejected)


@pytest.mark.parametrize(
    ("delay", "ms"),
    [("34s", 34_000), ("34.07s", 34_070), ("0.000000001s", 1), ("1.5", None), (None, None)],
)
def test_a_rate_limit_says_when_to_come_back(delay: str | None, ms: int | None) -> None:
    info = {"@type": TYPE + "RetryInfo", "retryDelay": delay}
    found = failure(429, google(429, "RESOURCE_EXHAUSTED", {"@type": "other"}, info))
    assert isinstance(found, UpstreamRateLimited)
    assert found.retry_after_ms == ms


def test_the_header_goes_before_the_body() -> None:
    info = {"@type": TYPE + "RetryInfo", "retryDelay": "34s"}
    found = failure(429, google(429, "RESOURCE_EXHAUSTED", info), retry_after_ms=5)
    assert isinstance(found, UpstreamRateLimited)
    assert found.retry_after_ms == 5


@pytest.mark.parametrize("status", [500, 503, 504])
def test_faults_of_the_provider_can_be_retried(status: int) -> None:
    assert isinstance(failure(status, google(status, "UNAVAILABLE")), UpstreamUnavailable)


def test_an_error_in_an_array_is_an_error() -> None:
    assert failure(400, [google(400, "INVALID_ARGUMENT")]).message == "Bad."


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"null", b'{"error":"no"}', b'{"error":{"code":"x"}}', b"\xff"]
)
def test_an_error_of_any_other_shape_is_told_by_its_status(body: bytes) -> None:
    found = failure(422, body)
    assert isinstance(found, UpstreamRejected)
    assert found.message == "The model provider rejected the request (422)."


def test_internals_of_the_provider_stay_there() -> None:
    body = {"error": {"code": 400, "message": "see secret-host", "status": "INVALID_ARGUMENT"}}
    assert "secret-host" not in failure(400, body).message


@pytest.mark.parametrize(
    ("status", "kind", "code", "name"),
    [
        (400, "invalid_request", 400, "INVALID_ARGUMENT"),
        (401, "authentication", 401, "UNAUTHENTICATED"),
        (403, "permission", 403, "PERMISSION_DENIED"),
        (404, "not_found", 404, "NOT_FOUND"),
        (413, "too_large", 413, "INVALID_ARGUMENT"),
        (429, "rate_limit", 429, "RESOURCE_EXHAUSTED"),
        (402, "quota", 402, "RESOURCE_EXHAUSTED"),
        (500, "internal", 500, "INTERNAL"),
        (502, "upstream", 502, "UNAVAILABLE"),
        (503, "overloaded", 503, "UNAVAILABLE"),
        (529, "overloaded", 503, "UNAVAILABLE"),
        (504, "timeout", 504, "DEADLINE_EXCEEDED"),
    ],
)
def test_errors_have_googles_names(status: int, kind: str, code: int, name: str) -> None:
    error = PublicError(status=status, kind=kind, code="c", message="m")
    found = json.loads(CODEC.error_body(error))["error"]
    assert (found["code"], found["status"], found["message"]) == (code, name, "m")
    assert CODEC.error_status(error) == code
    assert CODEC.error_headers(error) == []


@pytest.mark.parametrize(
    ("given", "name"),
    [("FAILED_PRECONDITION", "FAILED_PRECONDITION"), ("overloaded_error", "INVALID_ARGUMENT")],
)
def test_the_providers_own_name_is_kept_if_it_is_googles(given: str, name: str) -> None:
    error = PublicError(
        status=400, kind="invalid_request", code="c", message="m", upstream_kind=given
    )
    assert json.loads(CODEC.error_body(error))["error"]["status"] == name


def test_what_is_ours_stands_in_typed_details() -> None:
    error = PublicError(
        status=429,
        kind="rate_limit",
        code="rate_limit_exceeded",
        message="m",
        param="contents",
        limit="user:requests/1m",
        request_id="req-1",
        retry_after_ms=1500,
    )
    details = json.loads(CODEC.error_body(error))["error"]["details"]
    assert {each["@type"].removeprefix(TYPE): each for each in details} == {
        "ErrorInfo": {
            "@type": TYPE + "ErrorInfo",
            "reason": "RATE_LIMIT_EXCEEDED",
            "domain": "thinkwatch",
            "metadata": {"code": "rate_limit_exceeded", "limit": "user:requests/1m"},
        },
        "BadRequest": {
            "@type": TYPE + "BadRequest",
            "fieldViolations": [{"field": "contents", "description": "m"}],
        },
        "RetryInfo": {"@type": TYPE + "RetryInfo", "retryDelay": "1.500s"},
        "RequestInfo": {"@type": TYPE + "RequestInfo", "requestId": "req-1"},
    }


BROKE = PublicError(status=503, kind="overloaded", code="c", message="It broke.\n")


def test_the_official_client_raises_on_an_error() -> None:
    with pytest.raises(errors.ServerError, match="It broke") as caught:
        sdk.whole(CODEC.error_body(BROKE), status=CODEC.error_status(BROKE))
    assert (caught.value.code, caught.value.status) == (503, "UNAVAILABLE")


@pytest.mark.parametrize("before", [b"", CODEC.keep_alive])
def test_the_official_client_raises_on_an_error_in_a_stream(before: bytes) -> None:
    with pytest.raises(errors.APIError, match="It broke"):
        sdk.streamed(before + CODEC.stream_error(BROKE))


def test_an_error_is_the_last_element_of_an_array() -> None:
    expected = json.loads(CODEC.error_body(BROKE))
    first = GeminiCodec(array=True)
    assert json.loads(first.keep_alive + first.stream_error(BROKE)) == [expected]
