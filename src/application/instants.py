"""Instants: Unix milliseconds inside, `datetime` in UTC where they are shown (RFC 3339)."""

from datetime import UTC, datetime, timedelta

from domain.errors import InvalidRequest

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def instant(at_ms: int) -> datetime:
    """Return the instant of Unix milliseconds. Raises `OverflowError` beyond the year 9999."""
    return _EPOCH + timedelta(milliseconds=at_ms)


def instant_or_none(at_ms: int | None) -> datetime | None:
    """Return the instant of Unix milliseconds, or None for none."""
    return None if at_ms is None else instant(at_ms)


def instant_text(at_ms: int) -> str:
    """Return Unix milliseconds as RFC 3339 text in UTC."""
    return instant(at_ms).isoformat().replace("+00:00", "Z")


def milliseconds(at: datetime, field: str) -> int:
    """Return the Unix milliseconds of an instant that somebody gave as `field`.

    Raises:
        InvalidRequest: it has no time zone, or is beyond the years 1 to 9999 in UTC; `param` names
            the field.
    """
    if at.tzinfo is None:
        raise InvalidRequest(
            f"'{field}' needs a time zone, e.g. 2030-01-01T00:00:00Z.", param=field
        )
    try:
        in_utc = at.astimezone(UTC)
    except OverflowError as error:
        raise InvalidRequest(f"'{field}' is out of range.", param=field) from error
    return (in_utc - _EPOCH) // timedelta(milliseconds=1)
