"""How an error that ended a request is written in its record."""

from domain.errors import (
    AccessDenied,
    AuthenticationFailed,
    ClientDisconnected,
    DomainError,
    InvalidRequest,
    LimitExceeded,
    NotFound,
    UpstreamFailure,
    UpstreamRejected,
    UpstreamTimeout,
)
from domain.records.events import Outcome

_OUTCOMES: tuple[tuple[type[DomainError], Outcome], ...] = (
    (AuthenticationFailed, Outcome.DENIED),
    (AccessDenied, Outcome.DENIED),
    (InvalidRequest, Outcome.INVALID),
    (NotFound, Outcome.INVALID),
    (LimitExceeded, Outcome.RATE_LIMITED),
    (ClientDisconnected, Outcome.CLIENT_CANCELLED),
    (UpstreamTimeout, Outcome.TIMEOUT),
    (UpstreamRejected, Outcome.INVALID),
    (UpstreamFailure, Outcome.UPSTREAM_ERROR),
)


def outcome_of(error: BaseException) -> Outcome:
    """Return the outcome of a request that ended with `error`."""
    for kind, outcome in _OUTCOMES:
        if isinstance(error, kind):
            return outcome
    return Outcome.INTERNAL_ERROR


def error_class_of(error: BaseException) -> str:
    """Return the coarse class of an error: who was at fault, for grouping records."""
    if isinstance(error, UpstreamFailure):
        return error.error_class
    if isinstance(error, DomainError):
        return outcome_of(error).value
    return "internal"


def error_code_of(error: BaseException) -> str:
    """Return the stable code of an error."""
    return error.code if isinstance(error, DomainError) else "internal_error"
