"""What a provider's error means, whatever its format, and how its message is made presentable.

A provider's error message is the one text of its answer that a client may see (it says which
parameter was wrong). It is cut to size and freed of addresses, credentials and account ids first.
"""

import re
from collections.abc import Iterable

from domain.errors import (
    UpstreamCredentialRejected,
    UpstreamFailure,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)

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


def classify_failure(
    status: int,
    scrubber: MessageScrubber,
    *,
    message: str | None = None,
    kind: str | int | None = None,
    param: str | None = None,
    code: str | int | None = None,
    retry_after_ms: int | None = None,
) -> UpstreamFailure:
    """Return the failure for a provider's error status, 400 to 599 (data-plane.md section 6).

    `message`, `kind`, `param` and `code` are the parsed fields of its error; they are kept only
    where the provider judged the request itself.
    """
    if status in _ACCOUNT_STATUSES:
        return UpstreamCredentialRejected(status=status)
    if status in _LIMIT_STATUSES:
        return UpstreamRateLimited(retry_after_ms, status=status)
    if status >= 500 or status in _RETRYABLE_CLIENT_STATUSES:
        return UpstreamUnavailable(
            status=status, error_class="server_error", retry_after_ms=retry_after_ms
        )
    if not message or not (shown := scrubber.scrub(message)):
        return UpstreamRejected(status, f"The model provider rejected the request ({status}).")
    return UpstreamRejected(
        status, shown, kind=_field(kind), param=_field(param), upstream_code=_field(code)
    )


def _field(value: str | int | None) -> str | None:
    """Return a short plain identifier, or None for anything else."""
    text = str(value) if value is not None else ""
    return text if len(text) <= _LONGEST_FIELD and _FIELD.fullmatch(text) else None
