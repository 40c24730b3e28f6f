"""Errors in Google's shape: `{"error": {code, message, status, details}}`.

https://cloud.google.com/apis/design/errors has the names of the statuses and the types of details,
https://ai.google.dev/gemini-api/docs/troubleshooting what Gemini means by them.
"""

import re

import msgspec
from msgspec import Raw

from adapters.wire.schemas.gemini_generate import (
    ErrorBody,
    ErrorDetail,
    ErrorInfo,
    MaybeRaw,
    PublicErrorBody,
    PublicErrorDetail,
)
from adapters.wire.upstream_errors import MessageScrubber, classify_failure
from application.ports.dialect import PublicError
from domain.errors import UpstreamCredentialRejected, UpstreamFailure

_ENCODER = msgspec.json.Encoder()
_BODY: msgspec.json.Decoder[ErrorBody | list[ErrorBody]] = msgspec.json.Decoder(
    ErrorBody | list[ErrorBody]
)
_DETAIL = msgspec.json.Decoder(ErrorDetail)
_DETAILS = msgspec.json.Decoder(list[ErrorInfo])
_TYPES = "type.googleapis.com/google.rpc."
_DELAY = re.compile(r"(\d{1,9})(?:\.(\d{1,9}))?s")
_CREDENTIAL_REASONS = frozenset({"API_KEY_INVALID", "API_KEY_EXPIRED"})
# Billing is off, or the service is not offered where the account is: no caller can mend that.
_FAILED_PRECONDITION = "FAILED_PRECONDITION"

_STATUS_OF_NAME = {
    "INVALID_ARGUMENT": 400,
    _FAILED_PRECONDITION: 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ABORTED": 409,
    "ALREADY_EXISTS": 409,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "INTERNAL": 500,
    "UNKNOWN": 500,
    "DATA_LOSS": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
_NAME_OF_STATUS = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_OVERLOADED = 529


def parse_error_body(body: bytes) -> ErrorDetail | None:
    """Return the error of an answer, or None when the body is not in Google's shape.

    Streams without `alt=sse` put it into an array.
    """
    try:
        found = _BODY.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if isinstance(found, list):
        return found[0].error if found else None
    return found.error


def parse_error(value: MaybeRaw) -> ErrorDetail:
    """Return an `error` member; an empty detail when it has another shape."""
    try:
        return _DETAIL.decode(value) if isinstance(value, Raw) else ErrorDetail()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ErrorDetail()


def status_of(error: ErrorDetail) -> int:
    """Return the HTTP status an error inside a 200 answer stands for; 500 when it does not say."""
    if error.code is not None and 400 <= error.code <= 599:
        return error.code
    return _STATUS_OF_NAME.get(error.status or "", 500)


def failure_for(
    status: int,
    error: ErrorDetail | None,
    scrubber: MessageScrubber,
    *,
    retry_after_ms: int | None = None,
) -> UpstreamFailure:
    """Return the failure for an error status, 400 to 599, and what the body said, if anything.

    A wrong API key is a 400 here, told by its reason only.
    """
    found = error or ErrorDetail()
    details = _details(found.details)
    account = found.status == _FAILED_PRECONDITION or any(
        entry.reason in _CREDENTIAL_REASONS for entry in details
    )
    if status == 400 and account:
        return UpstreamCredentialRejected(status=status)
    return classify_failure(
        status,
        scrubber,
        message=found.message,
        kind=found.status,
        param=_field(details),
        code=found.code,
        retry_after_ms=_retry_delay(details) if retry_after_ms is None else retry_after_ms,
    )


def public_error_body(error: PublicError) -> bytes:
    """Return the error as Google would, with what is ours in its typed details."""
    status = public_status(error)
    detail = PublicErrorDetail(
        code=status, message=error.message, status=_name(error, status), details=_public(error)
    )
    return _ENCODER.encode(PublicErrorBody(detail))


def public_status(error: PublicError) -> int:
    """Return the HTTP status; 529 is unknown to Google's clients, who take 503 for overload."""
    return 503 if error.status == _OVERLOADED else error.status


def _name(error: PublicError, status: int) -> str:
    if error.upstream_kind in _STATUS_OF_NAME:
        return error.upstream_kind
    if error.kind == "quota":
        return "RESOURCE_EXHAUSTED"
    name = _NAME_OF_STATUS.get(status)
    return name or ("INVALID_ARGUMENT" if status < 500 else "INTERNAL")


def _public(error: PublicError) -> list[dict[str, object]]:
    facts = {"code": error.code}
    if error.limit:
        facts["limit"] = error.limit
    details: list[dict[str, object]] = [
        {
            "@type": _TYPES + "ErrorInfo",
            "reason": error.code.upper(),
            "domain": "thinkwatch",
            "metadata": facts,
        }
    ]
    if error.param:
        violation = {"field": error.param, "description": error.message}
        details.append({"@type": _TYPES + "BadRequest", "fieldViolations": [violation]})
    if error.retry_after_ms is not None:
        seconds, milliseconds = divmod(error.retry_after_ms, 1000)
        delay = f"{seconds}.{milliseconds:03}s" if milliseconds else f"{seconds}s"
        details.append({"@type": _TYPES + "RetryInfo", "retryDelay": delay})
    if error.request_id:
        details.append({"@type": _TYPES + "RequestInfo", "requestId": error.request_id})
    return details


def _details(value: MaybeRaw) -> list[ErrorInfo]:
    try:
        return _DETAILS.decode(value) if isinstance(value, Raw) else []
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []


def _field(details: list[ErrorInfo]) -> str | None:
    for entry in details:
        for violation in entry.field_violations or ():
            if violation.field:
                return violation.field
    return None


def _retry_delay(details: list[ErrorInfo]) -> int | None:
    """Return the milliseconds of a `RetryInfo`, rounded up."""
    for entry in details:
        delay = _DELAY.fullmatch(entry.retry_delay or "")
        if delay is not None:
            nanoseconds = int((delay[2] or "").ljust(9, "0"))
            return int(delay[1]) * 1000 - (-nanoseconds // 1_000_000)
    return None
