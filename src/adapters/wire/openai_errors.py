"""Errors in OpenAI's shape, as Chat Completions, Responses and their relatives share it."""

import msgspec
from msgspec import UNSET, Raw

from adapters.wire.governing import MaybeRaw
from adapters.wire.schemas.openai_chat import (
    ErrorBody,
    ErrorDetail,
    PublicErrorBody,
    PublicErrorDetail,
)
from adapters.wire.upstream_errors import MessageScrubber, classify_failure
from application.ports.dialect import PublicError
from domain.errors import UpstreamFailure

_ENCODER = msgspec.json.Encoder()
_QUOTA = "insufficient_quota"
_CLIENT_KINDS = frozenset(
    {"invalid_request", "authentication", "permission", "not_found", "too_large"}
)
_BODY = msgspec.json.Decoder(ErrorBody)
_DETAIL = msgspec.json.Decoder(ErrorDetail)

# What error objects inside a 200 answer say about the status the provider meant.
_STATUS_OF_NAME = {
    "authentication_error": 401,
    "invalid_api_key": 401,
    "insufficient_permissions": 403,
    "permission_error": 403,
    "billing_error": 402,
    "insufficient_quota": 429,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "requests": 429,
    "tokens": 429,
    "overloaded_error": 529,
    "invalid_request_error": 400,
    "badrequesterror": 400,
    "context_length_exceeded": 400,
    "content_filter": 400,
    "content_policy_violation": 400,
    "not_found_error": 404,
    "model_not_found": 404,
    # Of failed responses: https://platform.openai.com/docs/api-reference/responses/object
    "bio_policy": 400,
    "data_residency_mismatch": 400,
    "empty_image_file": 400,
    "failed_to_download_image": 400,
    "image_content_policy_violation": 400,
    "image_file_not_found": 400,
    "image_file_too_large": 400,
    "image_parse_error": 400,
    "image_too_large": 400,
    "image_too_small": 400,
    "invalid_base64_image": 400,
    "invalid_image": 400,
    "invalid_image_format": 400,
    "invalid_image_mode": 400,
    "invalid_image_url": 400,
    "invalid_prompt": 400,
    "misalignment_policy_violation": 400,
    "unsupported_image_media_type": 400,
}


def parse_error_body(body: bytes) -> ErrorDetail | None:
    """Return the error of an answer, or None when the body is not in OpenAI's shape."""
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


def status_of(error: ErrorDetail) -> int:
    """Return the HTTP status an error inside a 200 answer stands for; 500 when it does not say."""
    code = error.code
    if isinstance(code, str) and code.isascii() and code.isdigit():
        code = int(code[:4])
    if isinstance(code, int) and 400 <= code <= 599:
        return code
    for name in (code, error.type):
        if isinstance(name, str) and (status := _STATUS_OF_NAME.get(name.lower())) is not None:
            return status
    return 500


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
        param=found.param,
        code=found.code,
        retry_after_ms=retry_after_ms,
    )


def public_error_body(error: PublicError) -> bytes:
    """Return `{"error": {message, type, param, code, limit, request_id}}`.

    A spent budget is `insufficient_quota` in type and code, as at OpenAI
    (https://platform.openai.com/docs/guides/error-codes): clients do not wait for it to pass.
    """
    detail = PublicErrorDetail(
        message=error.message,
        type=error.upstream_kind or public_error_type(error.kind),
        param=error.param,
        code=_QUOTA if error.kind == "quota" else error.code,
        limit=error.limit or UNSET,
        request_id=error.request_id or UNSET,
    )
    return _ENCODER.encode(PublicErrorBody(detail))


def public_error_type(kind: str) -> str:
    """Return OpenAI's `type` for a category of error."""
    if kind in _CLIENT_KINDS:
        return "invalid_request_error"
    if kind == "quota":
        return _QUOTA
    if kind == "rate_limit":
        return "rate_limit_error"
    return "server_error"
