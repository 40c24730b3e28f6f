"""Errors of the console API as RFC 9457 `application/problem+json`."""

import msgspec
import structlog
from litestar.exceptions import HTTPException, ValidationException
from litestar.response import Response

from domain.access.refusals import TooManyAttempts
from domain.access.sso_failures import PROVIDER_FAULTS, SsoFailure
from domain.errors import (
    AuthenticationFailed,
    Conflict,
    DomainError,
    InvalidRequest,
    NotFound,
    Overloaded,
    PreconditionFailed,
    ServiceUnavailable,
    SingleSignOnFailed,
    TokenRequired,
    UpstreamFailure,
    UpstreamTimeout,
    ValidationFailed,
)
from entrypoints.asgi import REQUEST_ID, AnyRequest

MEDIA_TYPE = "application/problem+json"
TITLES = {
    400: "Bad request",
    401: "Authentication required",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    412: "Precondition failed",
    413: "Request too large",
    415: "Unsupported media type",
    422: "Not possible",
    429: "Too many requests",
    431: "Request header fields too large",
    500: "Internal error",
    502: "Bad gateway",
    503: "Service unavailable",
    504: "Gateway timeout",
}
_STATUSES: tuple[tuple[type[DomainError], int], ...] = (
    (TokenRequired, 401),
    (TooManyAttempts, 429),
    (AuthenticationFailed, 401),
    (InvalidRequest, 400),
    (NotFound, 404),
    (PreconditionFailed, 412),
    (Conflict, 409),
    (ServiceUnavailable, 503),
    (UpstreamTimeout, 504),
    (UpstreamFailure, 502),
)
REFUSED = "refused"
"""Key of the request's state: a list for the refusal, where somebody wants to record it."""
NOTHING_DONE = "nothing_done"
"""Key of the request's state: set when the request failed and is known to have changed nothing."""

_HTTP_CODES = {
    400: "invalid_request",
    404: "not_found",
    405: "method_not_allowed",
    413: "request_too_large",
    415: "unsupported_media_type",
}

log = structlog.get_logger(__name__)


class FieldError(msgspec.Struct, frozen=True):
    """One fault of the request: where and what."""

    field: str
    message: str


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """RFC 9457 problem details with the request id and the single faults."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    errors: list[FieldError] = []


def problem_response(request: AnyRequest, error: Exception) -> Response[Problem]:
    """Return the problem document for any error; unknown ones are logged and stay internal."""
    request_id: str = request.scope["state"][REQUEST_ID]
    status, code, detail, errors = 500, "internal_error", "The request failed.", []
    headers: dict[str, str] = {}
    if isinstance(error, DomainError):
        status = _status_of(error)
        code, detail, errors = error.code, error.message, _field_errors(error)
        if isinstance(error, SingleSignOnFailed):
            code = error.reason
        if not isinstance(error, ServiceUnavailable) or isinstance(error, Overloaded):
            request.scope["state"][NOTHING_DONE] = True
        if status == 401:
            headers["WWW-Authenticate"] = 'Bearer realm="thinkwatch console"'
        if status in {401, 403, 429}:
            request.scope["state"].get(REFUSED, []).append(error)
        if isinstance(error, TooManyAttempts | ServiceUnavailable) and error.retry_after_ms:
            headers["Retry-After"] = str(-(-error.retry_after_ms // 1000))
    elif isinstance(error, ValidationException):
        request.scope["state"][NOTHING_DONE] = True
        status, code, detail = 400, "invalid_request", error.detail
        errors = _validation_errors(error.extra)
    elif isinstance(error, HTTPException):
        request.scope["state"][NOTHING_DONE] = True
        status, detail = error.status_code, error.detail
        code = _HTTP_CODES.get(status, "http_error")
        headers = dict(error.headers or {})
    elif isinstance(error, UnicodeDecodeError | RecursionError):
        # Escape from the framework's body parsing: the caller's fault, not ours.
        request.scope["state"][NOTHING_DONE] = True
        status, code, detail = 400, "invalid_request", "The request body is not valid JSON."
    else:
        log.error("request_crashed", request_id=request_id, exc_info=error)
    return Response(
        Problem(
            type=f"urn:thinkwatch:problem:{code}",
            title=TITLES.get(status, "Error"),
            status=status,
            detail=detail,
            request_id=request_id,
            errors=errors,
        ),
        status_code=status,
        media_type=MEDIA_TYPE,
        headers=headers,
    )


def _status_of(error: DomainError) -> int:
    if isinstance(error, SingleSignOnFailed):
        if error.reason in PROVIDER_FAULTS:
            return 502
        return 409 if error.reason == SsoFailure.NOT_DISCOVERED else 403
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), 403)


def _field_errors(error: DomainError) -> list[FieldError]:
    if isinstance(error, ValidationFailed):
        return [FieldError("", fault) for fault in error.faults]
    if isinstance(error, InvalidRequest) and error.param:
        return [FieldError(error.param, error.message)]
    return []


def _validation_errors(extra: object) -> list[FieldError]:
    """Read Litestar's `extra`: a list of `{"key": …, "message": …}`."""
    try:
        faults = msgspec.convert(extra, list[dict[str, str]], strict=False)
    except msgspec.ValidationError:
        return []
    return [FieldError(fault.get("key", ""), fault.get("message", "")) for fault in faults]
