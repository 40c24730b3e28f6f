"""How long a provider asks us to wait."""

from email.utils import parsedate_to_datetime

from application.ports.upstream import Headers

# Nobody waits longer for one provider; a larger number is a mistake of the server.
_LONGEST_MS = 24 * 60 * 60 * 1000


def retry_after_ms(headers: Headers, now_ms: int) -> int | None:
    """Return the wait asked for in milliseconds, 0 to one day, or None when there is none.

    Reads `retry-after-ms` (OpenAI) before `retry-after`, which holds seconds or an HTTP date
    (RFC 9110 section 10.2.3).
    """
    given = dict(headers)
    exact = _number(given.get(b"retry-after-ms"))
    if exact is not None:
        return _bounded(exact)
    value = given.get(b"retry-after")
    seconds = _number(value)
    if seconds is not None:
        return _bounded(seconds * 1000)
    if value is None:
        return None
    try:
        date = parsedate_to_datetime(value.decode("latin-1"))
        return _bounded(date.timestamp() * 1000 - now_ms)
    except (ValueError, OverflowError):
        return None


def _number(value: bytes | None) -> float | None:
    """Return a plain decimal number; the RFC has whole seconds, some providers send fractions."""
    if value is None or len(value) > 20 or not value.replace(b".", b"", 1).isdigit():
        return None
    return float(value)


def _bounded(milliseconds: float) -> int:
    return int(min(max(milliseconds, 0), _LONGEST_MS))
