"""Errors in Anthropic's shape: read from the provider, written to clients.

https://docs.claude.com/en/api/errors
"""

import re

import msgspec
from msgspec import UNSET, Raw

from adapters.wire.governing import MaybeRaw
from adapters.wire.schemas.anthropic_messages import (
    ErrorBody,
    ErrorDetail,
    PublicErrorBody,
    PublicErrorCause,
    PublicErrorDetail,
)
from adapters.wire.upstream_errors import MessageScrubber, classify_failure
from application.ports.dialect import PublicError
from domain.errors import UpstreamFailure

_ENCODER = msgspec.json.Encoder()
_BODY = msgspec.json.Decoder(ErrorBody)
_DETAIL = msgspec.json.Decoder(ErrorDetail)
_OWN_TYPE = re.compile(r"[a-z_]{1,60}_error|request_too_large")

OVERLOADED_STATUS = 529

_STATUS_OF_TYPE = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": OVERLOADED_STATUS,
}

_TYPE_OF_KIND = {
    "invalid_request": "invalid_request_error",
    "authentication": "authentication_error",
    "permission": "permission_error",
    "not_found": "not_found_error",
    "too_large": "request_too_large",
    "rate_limit": "rate_limit_error",
    "quota": "billing_error",
    "overloaded": "overloaded_error",
    "timeout": "timeout_error",
}


def parse_error_body(body: bytes) -> ErrorDetail | None:
    """Return the error of an answer, or None when the body is not in Anthropic's shape."""
    try:
        return _BODY.decode(body).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def parse_error(value: MaybeRaw) -> ErrorDetail:
    """Return an `error` member; an empty detail when it has another shape."""
    try:
        return _DETAIL.decode(value) if isinstance(value, Raw) else ErrorDetail()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ErrorDetail()


def failure_for(
    status: int,
    error: ErrorDetail | None,
    scrubber: MessageScrubber,
    *,
    retry_after_ms: int | None = None,
) -> UpstreamFailure:
    """Return the failure for an error status, 400 to 599, and what the body said, if anything."""
    found = error or ErrorDetail()
    return classify_failure(
        status,
        scrubber,
        message=found.message,
        kind=found.type,
        retry_after_ms=retry_after_ms,
    )


def failure_inside(error: MaybeRaw, scrubber: MessageScrubber) -> UpstreamFailure:
    """Return the failure for an `error` member inside a 200 answer."""
    detail = parse_error(error)
    return failure_for(_STATUS_OF_TYPE.get(detail.type or "", 500), detail, scrubber)


def public_status(error: PublicError) -> int:
    """Return the status of an error we write: overload has one of its own at Anthropic."""
    return OVERLOADED_STATUS if error.kind == "overloaded" else error.status


def public_headers(error: PublicError) -> list[tuple[bytes, bytes]]:
    """Return what keeps the official SDKs from repeating a request over a spent budget."""
    return [(b"x-should-retry", b"false")] if error.kind == "quota" else []


def public_error_body(error: PublicError) -> bytes:
    """Return `{"type": "error", "error": {type, message, details, limit}, "request_id": …}`.

    `details.error_code` is where Anthropic names the cause, and where its SDKs look for it.
    """
    own = error.upstream_kind
    if own is None or not _OWN_TYPE.fullmatch(own):
        own = _TYPE_OF_KIND.get(error.kind, "api_error")
    detail = PublicErrorDetail(
        type=own,
        message=error.message,
        details=PublicErrorCause(error.code),
        limit=error.limit or UNSET,
    )
    return _ENCODER.encode(PublicErrorBody("error", detail, error.request_id or None))
