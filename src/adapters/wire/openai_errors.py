"""Errors in OpenAI's shape: reading a provider's, deciding what they mean, making them presentable.

A provider's error message is the one text of its answer that a client may see (it says which
parameter was wrong). It is cut to size and freed of addresses, credentials and account ids first.
"""

import re
from collections.abc import Iterable

import msgspec
from msgspec import Raw

from adapters.wire.schemas.openai_chat import ErrorBody, ErrorDetail, MaybeRaw
from domain.errors import (
    UpstreamCredentialRejected,
    UpstreamFailure,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)

_BODY = msgspec.json.Decoder(ErrorBody)
_DETAIL = msgspec.json.Decoder(ErrorDetail)

_REMOVED = "[removed]"
_LONGEST_MESSAGE = 1000
_LONGEST_FIELD = 100
_FIELD = re.compile(r"[\w.\[\]$ -]+")
# Fault of the operator's account, not of the caller: 402 is an empty balance.
_ACCOUNT_STATUSES = frozenset({401, 402, 403})
_LIMIT_STATUSES = frozenset({429, 529})
_RETRYABLE_CLIENT_STATUSES = frozenset({408, 425})

_INTERNAL = re.compile(
    r"""
      \b[a-z][a-z0-9+.-]*://\S+                                    # URL
    | \b(?:[a-z0-9_-]+\.)+(?:com|net|org|io|ai|dev|cloud|co|app|local|internal|intranet|lan|corp
        |home|svc|localdomain)\b(?::\d+)?                          # host name
    | \blocalhost\b(?::\d+)?
    | \b\d{1,3}(?:\.\d{1,3}){3}\b(?::\d+)?                         # IPv4
    | \[[0-9a-f:]*:[0-9a-f:]*:[0-9a-f:.]*\](?::\d+)?               # IPv6
    | \b(?:sk|pk|rk|tw|org|proj|asst|key|sess)[-_](?=[\w*-]*[\d*])[\w*-]{6,}  # keys, account ids
    | \borg-\w+
    | \bbearer\s+\S+
    | \b(?=[\w+-]*\d)(?=[\w+-]*[a-z])[\w+-]{32,}={0,2}             # long random tokens
    | (?<![\w/.])/(?!v\d)(?:[\w.@-]+/)+[\w.@-]*                    # paths of files
    """,
    re.VERBOSE | re.IGNORECASE,
)

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
}


class MessageScrubber:
    """Makes a provider's message fit for clients."""

    def __init__(self, private: Iterable[str] = ()) -> None:
        """`private` are exact texts of this provider that must not appear: host, key, account."""
        self._private = sorted({text for text in private if len(text) >= 4}, key=len, reverse=True)

    def scrub(self, message: str) -> str:
        """Return at most 1,000 characters on one line, with internals replaced."""
        # Cut before searching as well: the patterns need not run over 64 KiB.
        text = " ".join(message[: 4 * _LONGEST_MESSAGE].split())
        text = "".join(char for char in text if char.isprintable())
        for private in self._private:
            text = text.replace(private, _REMOVED)
        text = _INTERNAL.sub(_REMOVED, text)
        if len(text) > _LONGEST_MESSAGE:
            text = text[: _LONGEST_MESSAGE - 1] + "…"
        return text


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
    """Return the failure for a provider's error status, 400 to 599 (data-plane.md section 6)."""
    if status in _ACCOUNT_STATUSES:
        return UpstreamCredentialRejected(status=status)
    if status in _LIMIT_STATUSES:
        return UpstreamRateLimited(retry_after_ms, status=status)
    if status >= 500 or status in _RETRYABLE_CLIENT_STATUSES:
        return UpstreamUnavailable(status=status, error_class="server_error")
    if error is None or not error.message or not (message := scrubber.scrub(error.message)):
        return UpstreamRejected(status, f"The model provider rejected the request ({status}).")
    return UpstreamRejected(
        status,
        message,
        kind=_field(error.type),
        param=_field(error.param),
        upstream_code=_field(error.code),
    )


def _field(value: str | int | None) -> str | None:
    """Return a short plain identifier, or None for anything else."""
    text = str(value) if value is not None else ""
    return text if len(text) <= _LONGEST_FIELD and _FIELD.fullmatch(text) else None
