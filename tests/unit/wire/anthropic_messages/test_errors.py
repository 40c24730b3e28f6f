import json
from typing import Any

import anthropic
import pytest

from adapters.wire.anthropic_messages.dialect import AnthropicMessagesCodec
from adapters.wire.anthropic_messages.wire import AnthropicMessagesWire
from adapters.wire.upstream_errors import MessageScrubber
from application.ports.dialect import PublicError
from domain.errors import (
    UpstreamCredentialRejected,
    UpstreamFailure,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)
from tests.unit.wire.anthropic_messages import sdk

CODEC = AnthropicMessagesCodec()
WIRE = AnthropicMessagesWire()


def error(status: int, kind: str, **members: Any) -> PublicError:
    return PublicError(
        status=status, kind=kind, code="code", message="No.", request_id="req-1", **members
    )


@pytest.mark.parametrize(
    ("status", "kind", "name", "raised"),
    [
        (400, "invalid_request", "invalid_request_error", anthropic.BadRequestError),
        (401, "authentication", "authentication_error", anthropic.AuthenticationError),
        (403, "permission", "permission_error", anthropic.PermissionDeniedError),
        (404, "not_found", "not_found_error", anthropic.NotFoundError),
        (413, "too_large", "request_too_large", anthropic.APIStatusError),
        (429, "rate_limit", "rate_limit_error", anthropic.RateLimitError),
        (429, "quota", "billing_error", anthropic.RateLimitError),
        (503, "overloaded", "overloaded_error", anthropic.InternalServerError),
        (504, "timeout", "timeout_error", anthropic.InternalServerError),
        (502, "upstream", "api_error", anthropic.InternalServerError),
        (500, "internal", "api_error", anthropic.InternalServerError),
    ],
)
def test_the_official_client_raises_the_error_for_each_kind(
    status: int, kind: str, name: str, raised: type[anthropic.APIStatusError]
) -> None:
    given = error(status, kind)
    headers = {name.decode(): value.decode() for name, value in CODEC.error_headers(given)}
    reader = sdk.client(
        CODEC.error_body(given),
        status=CODEC.error_status(given),
        content_type="application/json",
        headers=headers,
    )
    with pytest.raises(raised) as caught:
        reader.messages.create(model="m", max_tokens=1, messages=[{"role": "user", "content": "a"}])
    assert caught.value.error_code == "code"
    assert caught.value.body == {
        "type": "error",
        "error": {"type": name, "message": "No.", "details": {"error_code": "code"}},
        "request_id": "req-1",
    }


def test_overload_has_a_status_of_its_own() -> None:
    assert CODEC.error_status(error(503, "overloaded")) == 529
    assert CODEC.error_status(error(503, "upstream")) == 503


def test_a_spent_budget_is_not_to_be_repeated() -> None:
    assert CODEC.error_headers(error(429, "quota")) == [(b"x-should-retry", b"false")]
    assert CODEC.error_headers(error(429, "rate_limit")) == []


def test_the_limit_that_refused_is_named() -> None:
    body = json.loads(CODEC.error_body(error(429, "rate_limit", limit="user:requests/1m")))
    assert body["error"]["limit"] == "user:requests/1m"


@pytest.mark.parametrize(
    ("upstream_kind", "name"),
    [
        ("conflict_error", "conflict_error"),
        ("request_too_large", "request_too_large"),
        ("insufficient_quota", "invalid_request_error"),
        ("INVALID_ARGUMENT", "invalid_request_error"),
    ],
)
def test_the_providers_own_type_is_kept_if_it_is_one_of_this_dialect(
    upstream_kind: str, name: str
) -> None:
    given = error(400, "invalid_request", upstream_kind=upstream_kind)
    assert json.loads(CODEC.error_body(given))["error"]["type"] == name


def test_an_error_in_a_stream_is_an_event_without_an_end() -> None:
    assert CODEC.stream_error(error(502, "upstream")) == (
        b'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"No.",'
        b'"details":{"error_code":"code"}},"request_id":"req-1"}\n\n'
    )


def failure(status: int, body: bytes, **members: Any) -> UpstreamFailure:
    return WIRE.failure(status, body, scrubber=MessageScrubber(), **members)


def test_the_providers_verdict_on_a_request_keeps_its_type_and_message() -> None:
    body = {
        "type": "error",
        "error": {"type": "invalid_request_error", "message": "max_tokens: Field required"},
        "request_id": "req_011",
    }
    found = failure(400, json.dumps(body).encode())
    assert isinstance(found, UpstreamRejected)
    assert found.message == "max_tokens: Field required"
    assert found.kind == "invalid_request_error"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, UpstreamCredentialRejected),
        (402, UpstreamCredentialRejected),
        (403, UpstreamCredentialRejected),
        (404, UpstreamRejected),
        (413, UpstreamRejected),
        (429, UpstreamRateLimited),
        (500, UpstreamUnavailable),
        (504, UpstreamUnavailable),
        (529, UpstreamRateLimited),
    ],
)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Bad Gateway</html>",
        b'{"error":',
        b'{"error":"text"}',
        b'{"type":"error","error":{"type":5,"message":[]}}',
        b"\xff\xfe",
        b"[" * 5000,
    ],
)
def test_a_status_decides_whatever_the_body_is(
    status: int, kind: type[UpstreamFailure], body: bytes
) -> None:
    assert isinstance(failure(status, body), kind)


def test_the_wait_the_provider_asks_for_is_kept() -> None:
    found = failure(429, b"{}", retry_after_ms=1500)
    assert isinstance(found, UpstreamRateLimited)
    assert found.retry_after_ms == 1500
