"""Calendar periods in a time zone: days, ISO weeks and months (limits.md section 3).

A period is an interval of instants, `[start, end)`, bounded by the first instant of its first
local day and that of the next period. So periods never overlap and leave no gap, whatever the zone
does: days of 23 or 25 hours, zones where midnight does not exist or happens twice, days that a zone
skipped altogether (their period is empty).
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

from msgspec import Struct

from domain.errors import InvalidRequest

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Period(StrEnum):
    """The budget periods there are."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


class PeriodSpan(Struct, frozen=True):
    """One period. `id` is e.g. `2026-11-23`, `2026-W48` or `2026-11`; times are Unix ms."""

    id: str
    start_ms: int
    end_ms: int


class PeriodPair(Struct, frozen=True):
    """Two adjoining periods.

    The store takes `before` until its own clock reaches `before.end_ms`, and `after` from then on.

    The pair is chosen around the boundary nearest to the caller's clock, so the caller's clock may
    be wrong by half a period without a charge going to the wrong one.
    """

    before: PeriodSpan
    after: PeriodSpan

    @property
    def valid_until_ms(self) -> int:
        """Instant at which another pair becomes the nearest one."""
        return (self.after.start_ms + self.after.end_ms) // 2

    def at(self, now_ms: int) -> PeriodSpan:
        """Return the period of the pair that `now_ms` belongs to."""
        return self.before if now_ms < self.before.end_ms else self.after


def zone(name: str) -> ZoneInfo:
    """Return the IANA time zone `name`.

    Raises:
        InvalidRequest: there is no such zone.
    """
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # malformed key, a directory, not found
        raise InvalidRequest(f"'{name}' is not a known IANA time zone.", param="timezone") from None


def period_at(period: Period, now_ms: int, timezone: str) -> PeriodSpan:
    """Return the period that contains the instant `now_ms`."""
    tz = zone(timezone)
    first = _FIRST_DAY[period]((_EPOCH + now_ms * _MILLISECOND).astimezone(tz).date())
    # Where clocks go back over midnight a local date comes twice; the instants decide.
    while now_ms < _starts_ms(first, tz):
        first = _FIRST_DAY[period](first - timedelta(days=1))
    following = _next_first(period, first)
    while now_ms >= _starts_ms(following, tz):
        first, following = following, _next_first(period, following)
    return PeriodSpan(_id(period, first), _starts_ms(first, tz), _starts_ms(following, tz))


def periods_around(period: Period, now_ms: int, timezone: str) -> PeriodPair:
    """Return the two periods around the boundary that is nearest to `now_ms`."""
    current = period_at(period, now_ms, timezone)
    if now_ms < (current.start_ms + current.end_ms) // 2:
        return PeriodPair(period_at(period, current.start_ms - 1, timezone), current)
    return PeriodPair(current, period_at(period, current.end_ms, timezone))


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


_FIRST_DAY: dict[Period, Callable[[date], date]] = {
    Period.DAILY: lambda day: day,
    Period.WEEKLY: _monday,
    Period.MONTHLY: lambda day: day.replace(day=1),
}
_LONGEST = {Period.DAILY: 1, Period.WEEKLY: 7, Period.MONTHLY: 31}


def _next_first(period: Period, first: date) -> date:
    return _FIRST_DAY[period](first + timedelta(days=_LONGEST[period]))


def _id(period: Period, first: date) -> str:
    if period is Period.DAILY:
        return first.isoformat()
    if period is Period.WEEKLY:
        year, week, _ = first.isocalendar()
        return f"{year}-W{week:02d}"
    return f"{first.year}-{first.month:02d}"


@lru_cache(maxsize=1024)
def _starts_ms(day: date, tz: ZoneInfo) -> int:
    # fold=0: of a midnight that happens twice the first, and of one that does not exist the instant
    # of the jump, because it is read with the offset from before.
    midnight = datetime(day.year, day.month, day.day, tzinfo=tz)
    return (midnight.astimezone(UTC) - _EPOCH) // _MILLISECOND
