"""Domain errors -> HTTP status and public words, for every dialect of the gateway."""

from application.ports.dialect import PublicError
from domain.errors import (
    AccessDenied,
    AuthenticationFailed,
    BodyTimeout,
    BodyTooLarge,
    ClientDisconnected,
    DomainError,
    InvalidRequest,
    LimitExceeded,
    NoRouteAvailable,
    NotFound,
    ServiceUnavailable,
    UpstreamCredentialRejected,
    UpstreamFailure,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
)

LONGEST_WAIT_OF_SDKS_MS = 60_000
OVERLOADED = 529
"""Anthropic's status for more load than it can take; a client of its API is told so again."""

# First match wins: subclasses stand before their bases.
_STATUSES: tuple[tuple[type[DomainError], int, str], ...] = (
    (AuthenticationFailed, 401, "authentication"),
    (AccessDenied, 403, "permission"),
    (BodyTooLarge, 413, "too_large"),
    (BodyTimeout, 408, "timeout"),
    (InvalidRequest, 400, "invalid_request"),
    (NotFound, 404, "not_found"),
    (UpstreamRateLimited, 429, "rate_limit"),
    (UpstreamCredentialRejected, 502, "upstream"),
    (UpstreamTimeout, 504, "timeout"),
    (NoRouteAvailable, 503, "overloaded"),
    (UpstreamFailure, 502, "upstream"),
    (ServiceUnavailable, 503, "overloaded"),
    (ClientDisconnected, 499, "invalid_request"),
)


def describe_error(error: BaseException, request_id: str) -> PublicError:
    """Return what a client may know of `error`; anything but a `DomainError` stays internal."""
    if isinstance(error, UpstreamRejected):
        return PublicError(
            status=error.status,
            kind="not_found" if error.status == 404 else "invalid_request",
            code=error.upstream_code or error.code,
            message=error.message,
            param=error.param,
            request_id=request_id,
            upstream_kind=error.kind,
        )
    if isinstance(error, LimitExceeded):
        return PublicError(
            status=429,
            kind="quota" if error.over_budget else "rate_limit",
            code=error.code,
            message=error.message,
            limit=error.label,
            request_id=request_id,
            retry_after_ms=error.retry_after_ms,
        )
    if isinstance(error, UpstreamRateLimited) and error.status == OVERLOADED:
        return PublicError(
            status=503,
            kind="overloaded",
            code=error.code,
            message="The model provider is overloaded. Try again later.",
            request_id=request_id,
            retry_after_ms=error.retry_after_ms,
        )
    for kind, status, name in _STATUSES:
        if isinstance(error, kind):
            return PublicError(
                status=status,
                kind=name,
                code=error.code,
                message=error.message,
                param=error.param if isinstance(error, InvalidRequest) else None,
                request_id=request_id,
                retry_after_ms=getattr(error, "retry_after_ms", None),
            )
    return PublicError(
        status=500,
        kind="internal",
        code="internal_error",
        message="The gateway failed to process the request.",
        request_id=request_id,
    )


def public_http_error(status: int, request_id: str, path: str, method: str) -> PublicError:
    """Return the error for an HTTP-level refusal by the router (404, 405)."""
    if status == 405:
        return PublicError(
            status=405,
            kind="invalid_request",
            code="method_not_allowed",
            message=f"The method {method} is not allowed for {path}.",
            request_id=request_id,
        )
    return PublicError(
        status=404,
        kind="not_found",
        code="unknown_url",
        message=f"Unknown request URL: {method} {path}.",
        request_id=request_id,
    )


def refusal_headers(error: PublicError) -> list[tuple[bytes, bytes]]:
    """Return `Retry-After` (whole seconds, rounded up), and what says more of a limit.

    `x-should-retry: false` keeps the official SDKs from repeating what cannot succeed so soon: they
    obey a `Retry-After` of up to a minute only, and try sooner when it is longer.
    """
    headers: list[tuple[bytes, bytes]] = []
    if error.retry_after_ms is not None:
        headers.append((b"retry-after", b"%d" % max(1, -(-error.retry_after_ms // 1000))))
    if error.limit is not None:
        headers.append((b"x-thinkwatch-limit", error.limit.encode()))
        if error.retry_after_ms is None or error.retry_after_ms > LONGEST_WAIT_OF_SDKS_MS:
            headers.append((b"x-should-retry", b"false"))
    return headers
