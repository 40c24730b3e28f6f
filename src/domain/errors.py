"""Errors that end a request, each with a stable `code` and fields; HTTP statuses live at the edge.

```
DomainError
├── AuthenticationFailed
│   ├── CredentialMissing          no key in any of the four headers
│   ├── CredentialConflict         two different keys in one request
│   ├── CredentialInvalid          malformed, bad checksum or unknown
│   ├── KeyRevoked
│   ├── KeyExpired                 past its expiry, its grace end or its inactivity limit
│   └── OwnerInactive              the user behind the key was deactivated
├── AccessDenied
│   ├── SurfaceNotAllowed
│   ├── ModelNotAllowed
│   ├── AddressNotAllowed          the key's IP allow-list does not cover the client
│   ├── PermissionDenied           no role allows it, or one denies it
│   ├── BeyondOwnRights            it would give somebody more than the actor may do
│   ├── TokenRequired              console call without a session or token
│   └── SingleSignOnFailed         an identity provider's answer, or what it says, is not good enough
├── InvalidRequest                 the caller's body or parameters; `param` names the field
│   ├── BodyTooLarge
│   ├── BodyTimeout                the body did not arrive in time
│   ├── UnsupportedField
│   └── PreviousResponseNotFound   an answer to go on from is not known, or somebody else's
├── NotFound
│   ├── ModelNotFound
│   └── ResponseNotFound           a kept answer is not known, or somebody else's
├── Conflict                       unique name taken, concurrent edit
│   └── PreconditionFailed         not the version the caller said it has seen
├── LimitExceeded                  a rate rule, budget or concurrency cap; `label` names it
├── UpstreamFailure
│   ├── UpstreamRejected           the provider's own 4xx for this request
│   ├── UpstreamRateLimited        the provider's 429
│   ├── UpstreamCredentialRejected the provider refused our credential
│   ├── UpstreamUnavailable        connect error, reset, 5xx
│   ├── UpstreamTimeout            a phase of the exchange took too long
│   ├── UpstreamProtocolError      an answer that is not what the wire format says
│   └── NoRouteAvailable           no provider of the model can be asked now
├── ServiceUnavailable             a store of ours is down or a queue is full
│   └── LimitStoreUnavailable      counters cannot be asked; whether a step happened is unknown
└── ClientDisconnected             the caller hung up
```
"""

from collections.abc import Sequence


class DomainError(Exception):
    """Base of everything that may be told to a caller. `message` is safe to show."""

    code = "internal_error"

    def __init__(self, message: str) -> None:
        """`message` is one sentence for the caller, without internals."""
        super().__init__(message)
        self.message = message


class AuthenticationFailed(DomainError):
    """The caller is not known."""

    code = "invalid_api_key"


class CredentialMissing(AuthenticationFailed):
    """No API key in `Authorization`, `x-api-key`, `api-key` or `x-goog-api-key`."""

    code = "missing_api_key"

    def __init__(self) -> None:
        """Fixed text: the mend is always the same."""
        super().__init__(
            "No API key was sent. Send it as 'Authorization: Bearer tw-...', 'x-api-key', "
            "'api-key' or 'x-goog-api-key'."
        )


class CredentialConflict(AuthenticationFailed):
    """Two credential headers carry different keys; guessing would be a hole."""

    code = "conflicting_api_keys"

    def __init__(self) -> None:
        """Fixed text."""
        super().__init__("Two different API keys were sent in one request. Send exactly one.")


class CredentialInvalid(AuthenticationFailed):
    """Malformed or unknown key. One text for both, so that nothing can be probed."""

    def __init__(self) -> None:
        """Fixed text."""
        super().__init__("Incorrect API key provided. Check the key, or create one in the console.")


class KeyRevoked(AuthenticationFailed):
    """The key was revoked."""

    code = "api_key_revoked"

    def __init__(self) -> None:
        """Fixed text."""
        super().__init__("This API key has been revoked.")


class KeyExpired(AuthenticationFailed):
    """The key is past its expiry, its rotation grace or its inactivity limit."""

    code = "api_key_expired"

    def __init__(self, message: str = "This API key has expired.") -> None:
        """`message` says which of the three ended it."""
        super().__init__(message)


class OwnerInactive(AuthenticationFailed):
    """The owner of the key is deactivated or deleted."""

    code = "owner_inactive"

    def __init__(self) -> None:
        """Fixed text."""
        super().__init__("The owner of this API key is not active.")


class AccessDenied(DomainError):
    """The caller is known and may not do this."""

    code = "permission_denied"


class SurfaceNotAllowed(AccessDenied):
    """The key is not valid on this surface."""

    code = "surface_not_allowed"

    def __init__(self, surface: str) -> None:
        """`surface` is the surface that was asked for, e.g. `ai_gateway`."""
        super().__init__(f"This API key is not allowed on the surface '{surface}'.")
        self.surface = surface


class ModelNotAllowed(AccessDenied):
    """The key's model list does not cover the model."""

    code = "model_not_allowed"

    def __init__(self, model: str) -> None:
        """`model` is the name the caller asked for."""
        super().__init__(f"This API key is not allowed to use the model '{model}'.")
        self.model = model


class AddressNotAllowed(AccessDenied):
    """The key may not be used from the client's address."""

    code = "address_not_allowed"

    def __init__(self) -> None:
        """Fixed text: the allow-list is not for the caller to read."""
        super().__init__("This API key may not be used from this address.")


class PermissionDenied(AccessDenied):
    """No role of the actor allows this, or one denies it."""

    def __init__(self, permission: str) -> None:
        """`permission` is what was needed, e.g. `keys:rotate`."""
        super().__init__(f"You need the permission '{permission}' for this.")
        self.permission = permission


class BeyondOwnRights(AccessDenied):
    """Nobody can give, assign, reset or attach more than his own rights."""

    code = "beyond_own_rights"

    def __init__(self, beyond: Sequence[str]) -> None:
        """`beyond` is what the actor does not have, one line each."""
        shown = ", ".join(beyond[:5]) + (", …" if len(beyond) > 5 else "")
        super().__init__(f"This reaches beyond your own rights: {shown}.")
        self.beyond = tuple(beyond)


class TokenRequired(AccessDenied):
    """A console call came without a valid token."""

    code = "token_required"

    def __init__(self) -> None:
        """Fixed text."""
        super().__init__("Sign in, or send a valid bearer token.")


class SingleSignOnFailed(AccessDenied):
    """A sign-in through an identity provider did not work out.

    Attributes:
        reason: why, from a closed list (`domain.access.sso_failures`); for the log and for tests.
        detail: more for the log and for administrators; it may quote the provider's own words.
        recorded: it is in the audit trail already.
    """

    code = "single_sign_on_failed"

    def __init__(self, reason: str, message: str, *, detail: str = "") -> None:
        """`message` is a safe sentence for whoever signs in."""
        super().__init__(message)
        self.reason = reason
        self.detail = detail
        self.recorded = False


class InvalidRequest(DomainError):
    """The request itself is wrong; repeating it cannot help."""

    code = "invalid_request"

    def __init__(self, message: str, *, param: str | None = None) -> None:
        """`param` names the offending field, where one can be named."""
        super().__init__(message)
        self.param = param


class BodyTooLarge(InvalidRequest):
    """The body is over the configured limit (bytes)."""

    code = "request_too_large"

    def __init__(self, limit: int) -> None:
        """`limit` is the largest accepted body in bytes."""
        super().__init__(f"The request body is larger than the limit of {limit} bytes.")
        self.limit = limit


class BodyTimeout(InvalidRequest):
    """The caller was too slow in sending the body."""

    code = "request_timeout"

    def __init__(self) -> None:
        """Fixed text."""
        super().__init__("The request body did not arrive in time.")


class UnsupportedField(InvalidRequest):
    """A field (or object kind) that would have to be dropped; it is refused by name instead."""

    code = "unsupported"


class PreviousResponseNotFound(InvalidRequest):
    """The answer to go on from is not known, or belongs to somebody else."""

    code = "previous_response_not_found"

    def __init__(self, response_id: str) -> None:
        """`response_id` is what the caller asked for."""
        super().__init__(
            f"Previous response with id '{response_id}' not found.", param="previous_response_id"
        )


class NotFound(DomainError):
    """The addressed thing does not exist, or the caller may not know that it does."""

    code = "not_found"


class ModelNotFound(NotFound):
    """No model of that name."""

    code = "model_not_found"

    def __init__(self, model: str) -> None:
        """`model` is the name the caller asked for."""
        super().__init__(f"The model '{model}' does not exist or you do not have access to it.")
        self.model = model


class ResponseNotFound(NotFound):
    """A kept answer is not known, or belongs to somebody else."""

    code = "response_not_found"

    def __init__(self, response_id: str) -> None:
        """`response_id` is what the caller asked for."""
        super().__init__(f"Response with id '{response_id}' not found.")


class Conflict(DomainError):
    """A unique name is taken, or somebody else changed the object first."""

    code = "conflict"


class PreconditionFailed(Conflict):
    """The object is not in the version the caller wants to change."""

    code = "precondition_failed"


class ValidationFailed(InvalidRequest):
    """Several faults of one document at once, e.g. of an `apply` file."""

    code = "validation_failed"

    def __init__(self, faults: Sequence[str]) -> None:
        """`faults` is one line per fault, each naming the object."""
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)


class LimitExceeded(DomainError):
    """A rate rule, budget or concurrency cap refused the request (limits.md section 6)."""

    code = "rate_limit_exceeded"

    def __init__(
        self, label: str, *, retry_after_ms: int | None, message: str | None = None
    ) -> None:
        """`label` is e.g. `user:requests/1m`.

        Waiting `retry_after_ms` admits the same request; None: waiting never will.
        """
        super().__init__(message or f"Limit exceeded: {label}.")
        self.label = label
        self.retry_after_ms = retry_after_ms

    @property
    def over_budget(self) -> bool:
        """Whether it is a budget, which a new period frees and not a pause."""
        return ":budget/" in self.label


class UpstreamFailure(DomainError):
    """The provider did not give an answer that can be passed on."""

    code = "upstream_error"
    error_class = "upstream_error"


class UpstreamRejected(UpstreamFailure):
    """The provider's own verdict on this request (400, 404, 409, 413, 422 …).

    Only the parsed fields of the provider's error are kept: its body never reaches a client.
    """

    code = "upstream_rejected"
    error_class = "client_error"

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str | None = None,
        param: str | None = None,
        upstream_code: str | None = None,
    ) -> None:
        """`status` is the provider's HTTP status; the rest are its error's fields."""
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.param = param
        self.upstream_code = upstream_code


class UpstreamRateLimited(UpstreamFailure):
    """The provider answered 429 or 529."""

    code = "upstream_rate_limited"
    error_class = "rate_limited"

    def __init__(self, retry_after_ms: int | None = None, *, status: int = 429) -> None:
        """`retry_after_ms` is the provider's own `Retry-After`, if it gave one."""
        super().__init__("The model provider is rate limiting requests. Try again later.")
        self.retry_after_ms = retry_after_ms
        self.status = status


class UpstreamCredentialRejected(UpstreamFailure):
    """The provider refused our credential: an operator's fault, never the client's 401."""

    code = "upstream_credential_rejected"
    error_class = "bad_credential"

    def __init__(self, *, status: int = 401) -> None:
        """`status` is the provider's HTTP status, for the record."""
        super().__init__("The model provider refused the gateway's credential.")
        self.status = status


class UpstreamUnavailable(UpstreamFailure):
    """The provider could not be reached, reset the connection, or answered 5xx."""

    code = "upstream_unavailable"
    error_class = "unavailable"

    def __init__(
        self,
        message: str = "The model provider is unavailable.",
        *,
        status: int | None = None,
        error_class: str = "unavailable",
        retry_after_ms: int | None = None,
    ) -> None:
        """`error_class` is `connect`, `reset`, `server_error` or `unavailable`; it is recorded.

        `retry_after_ms` is the provider's own `Retry-After`, if it gave one.
        """
        super().__init__(message)
        self.status = status
        self.retry_after_ms = retry_after_ms
        self.error_class = error_class


class UpstreamTimeout(UpstreamFailure):
    """The provider took longer than a configured bound."""

    code = "upstream_timeout"
    error_class = "timeout"

    def __init__(self, phase: str) -> None:
        """`phase` is `connect`, `first_byte`, `idle` or `total`."""
        super().__init__("The model provider did not answer in time.")
        self.phase = phase


class UpstreamProtocolError(UpstreamFailure):
    """The provider's answer breaks HTTP or its own wire format, or ended too early."""

    code = "upstream_protocol_error"
    error_class = "protocol"

    def __init__(self, detail: str) -> None:
        """`detail` is for the record and the log; the client gets a fixed sentence."""
        super().__init__("The model provider sent an invalid answer.")
        self.detail = detail


class NoRouteAvailable(UpstreamFailure):
    """Every route of the model is out: open, cooling down, drained, or not configured to serve."""

    code = "no_route_available"
    error_class = "no_route"

    def __init__(self, model: str, *, retry_after_ms: int | None = None) -> None:
        """`retry_after_ms` is when a route may be asked again; None when waiting may not help."""
        super().__init__(f"No provider can serve the model '{model}' right now.")
        self.retry_after_ms = retry_after_ms


class ServiceUnavailable(DomainError):
    """A part of this installation cannot take the request now."""

    code = "service_unavailable"

    def __init__(self, message: str, *, retry_after_ms: int | None = None) -> None:
        """`retry_after_ms` is a hint, when waiting may help."""
        super().__init__(message)
        self.retry_after_ms = retry_after_ms


class Overloaded(ServiceUnavailable):
    """Too much of it is going on: it was refused before anything was done."""


class LimitStoreUnavailable(ServiceUnavailable):
    """The limit store did not answer in time, or answered with an error of its own.

    Never shown as it is: the failure mode decides what becomes of the request (limits.md section
    7). Whether the step was carried out is unknown.
    """

    code = "rate_limiter_unavailable"

    def __init__(self, detail: str) -> None:
        """`detail` is for the log; the client gets a fixed sentence."""
        super().__init__("The rate limiter is unavailable.")
        self.detail = detail


class ClientDisconnected(DomainError):
    """The caller hung up; nobody is left to answer."""

    code = "client_disconnected"

    def __init__(self) -> None:
        """Fixed text."""
        super().__init__("The client closed the connection.")
