"""What an error of an attempt means: who is at fault, what may be tried next, what health learns.

| class | is | same route | next route | breaker | cool-down |
|---|---|---|---|---|---|
| `client_error` | the request's own fault (400, 404, 409, 413, 422) | no | no | excluded | no |
| `bad_credential` | 401, 402, 403 after every credential was tried | no | yes | failure | no |
| `rate_limited` | 429 | yes | yes | excluded | yes |
| `overloaded` | 503, 529 | yes | yes | failure | if asked for |
| `server_error` | other 5xx, 408, 425 | yes | yes | failure | no |
| `connect` | no connection came about; nothing was sent | yes | yes | failure | no |
| `timeout` | no answer in time | yes | yes | failure | no |
| `protocol` | an answer that is none | no | yes | failure | no |
| `reset` | cut before any content | yes | yes | failure | no |
| `after_content` | any fault of theirs once content was passed on | no | no | failure | no |
| `limited` | a limit of ours on the provider or route | no | yes | excluded | no |
| `unsupported` | their format has no place for it; nothing was sent | no | yes | excluded | no |
| `cancelled` | the client has gone | no | no | excluded | no |
| `internal` | a fault of ours | no | no | excluded | no |

The names are those of `gateway_provider_attempts_total{provider,class}` (operations.md section 5),
where `ok` stands for no failure; those the records know already are the same there.
"""

from enum import StrEnum

from msgspec import Struct

from domain.errors import (
    ClientDisconnected,
    InvalidRequest,
    LimitExceeded,
    UnsupportedField,
    UpstreamCredentialRejected,
    UpstreamFailure,
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)

ATTEMPT_OK = "ok"
"""Class of an attempt without a failure, for metrics."""


class FailureClass(StrEnum):
    """Classes of failed attempts."""

    CLIENT_ERROR = "client_error"
    BAD_CREDENTIAL = "bad_credential"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server_error"
    CONNECT = "connect"
    TIMEOUT = "timeout"
    PROTOCOL = "protocol"
    RESET = "reset"
    AFTER_CONTENT = "after_content"
    LIMITED = "limited"
    UNSUPPORTED = "unsupported"
    CANCELLED = "cancelled"
    INTERNAL = "internal"


class Vote(StrEnum):
    """What a circuit breaker makes of an outcome; `EXCLUDED` is no sign of health or illness."""

    SUCCESS = "success"
    FAILURE = "failure"
    EXCLUDED = "excluded"


class Treatment(Struct, frozen=True, kw_only=True):
    """What follows from a class of failure.

    Attributes:
        same_route: another attempt at the same route may help, after a pause.
        next_route: another route may help, at once.
        next_credential: another credential of the same provider may help; tried by the provider
            itself before the failure is seen here.
        vote: what the route's breaker learns.
        cools_down: the route is left alone for a while even when the provider named no time.
        sends: whether it was an attempt at all; what was never sent costs none.
    """

    same_route: bool = False
    next_route: bool = False
    next_credential: bool = False
    vote: Vote = Vote.EXCLUDED
    cools_down: bool = False
    sends: bool = True

    @property
    def is_final(self) -> bool:
        """Whether nothing more is to be tried for this request."""
        return not (self.same_route or self.next_route)


_AGAIN = Treatment(same_route=True, next_route=True, vote=Vote.FAILURE)
_ELSEWHERE = Treatment(next_route=True, vote=Vote.FAILURE)
_NOT_SENT = Treatment(next_route=True, sends=False)
_FINAL = Treatment()

TREATMENTS: dict[FailureClass, Treatment] = {
    FailureClass.CLIENT_ERROR: _FINAL,
    FailureClass.BAD_CREDENTIAL: Treatment(
        next_route=True, next_credential=True, vote=Vote.FAILURE
    ),
    FailureClass.RATE_LIMITED: Treatment(
        same_route=True, next_route=True, next_credential=True, cools_down=True
    ),
    FailureClass.OVERLOADED: _AGAIN,
    FailureClass.SERVER_ERROR: _AGAIN,
    FailureClass.CONNECT: _AGAIN,
    FailureClass.TIMEOUT: _AGAIN,
    FailureClass.PROTOCOL: _ELSEWHERE,
    FailureClass.RESET: _AGAIN,
    FailureClass.AFTER_CONTENT: Treatment(vote=Vote.FAILURE),
    FailureClass.LIMITED: _NOT_SENT,
    FailureClass.UNSUPPORTED: _NOT_SENT,
    FailureClass.CANCELLED: _FINAL,
    FailureClass.INTERNAL: _FINAL,
}


class Failure(Struct, frozen=True, kw_only=True):
    """A failed attempt, understood.

    Attributes:
        kind: its class.
        treatment: what follows from it.
        retry_after_ms: how long the provider (or our limit) asks to wait; None when it did not say.
        fault: class it would have had before content; for the record of a cut answer.
    """

    kind: FailureClass
    treatment: Treatment
    retry_after_ms: int | None = None
    fault: FailureClass | None = None

    @property
    def asks_to_wait(self) -> bool:
        """Whether the provider itself named a time before which it wants no more requests."""
        return self.retry_after_ms is not None and self.treatment.vote is Vote.FAILURE


_OVERLOADED_STATUSES = frozenset({503, 529})
# What a transport calls an error without a status -> its class; anything else is a server's fault.
_TRANSPORT = {"connect": FailureClass.CONNECT, "reset": FailureClass.RESET}


# The first that fits: an UnsupportedField is an InvalidRequest, but another provider may have a place
# for what the request holds.
_CLASSES: tuple[tuple[type[BaseException], FailureClass], ...] = (
    (UpstreamRejected, FailureClass.CLIENT_ERROR),
    (UpstreamCredentialRejected, FailureClass.BAD_CREDENTIAL),
    (UpstreamTimeout, FailureClass.TIMEOUT),
    (UpstreamProtocolError, FailureClass.PROTOCOL),
    (UpstreamFailure, FailureClass.SERVER_ERROR),
    (LimitExceeded, FailureClass.LIMITED),
    (UnsupportedField, FailureClass.UNSUPPORTED),
    (InvalidRequest, FailureClass.CLIENT_ERROR),
    (ClientDisconnected, FailureClass.CANCELLED),
    (Exception, FailureClass.INTERNAL),
)
_STOPPED = FailureClass.CANCELLED  # a cancelled task raises what is no Exception


def understand(error: BaseException, *, content_started: bool = False) -> Failure:
    """Return what `error`, raised by an attempt, means.

    Args:
        error: as the provider port raised it.
        content_started: whether generated content has been passed on, after which nothing may be
            tried again: the client would see it twice.
    """
    kind = _class_of(error)
    fault = None
    if content_started and isinstance(error, UpstreamFailure):
        kind, fault = FailureClass.AFTER_CONTENT, kind
    return Failure(
        kind=kind,
        treatment=TREATMENTS[kind],
        retry_after_ms=_retry_after_ms(error),
        fault=fault,
    )


def _class_of(error: BaseException) -> FailureClass:
    match error:
        case UpstreamRateLimited(status=status):
            overloaded = status in _OVERLOADED_STATUSES
            return FailureClass.OVERLOADED if overloaded else FailureClass.RATE_LIMITED
        case UpstreamUnavailable(status=status, error_class=name):
            if status in _OVERLOADED_STATUSES:
                return FailureClass.OVERLOADED
            return _TRANSPORT.get(name, FailureClass.SERVER_ERROR)
        case UpstreamTimeout(phase="connect"):
            return FailureClass.CONNECT
        case _:
            return next((known for kind, known in _CLASSES if isinstance(error, kind)), _STOPPED)


def _retry_after_ms(error: BaseException) -> int | None:
    if isinstance(error, UpstreamRateLimited | UpstreamUnavailable | LimitExceeded):
        return error.retry_after_ms
    return None
