"""Calendar periods partition time in every zone."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidRequest
from domain.limits.periods import Period, period_at, periods_around, zone

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",  # midnight did not exist until 2018
    "Asia/Beirut",  # midnight does not exist once a year
    "Africa/Cairo",
    "America/Havana",  # 01:00 goes back to 00:00
    "America/St_Johns",  # 00:01 went back to 23:01 of the day before until 2011
    "Asia/Kathmandu",
    "Australia/Lord_Howe",  # steps of half an hour
    "Pacific/Apia",  # skipped 2011-12-30
    "Pacific/Chatham",
    "Antarctica/Troll",
)
HOUR_MS = 3_600_000


def _around_an_hour_of_2011(picked: tuple[int, int]) -> int:
    hours, offset = picked
    return 1_293_840_000_000 + hours * HOUR_MS + offset


instants = st.one_of(
    st.integers(1_000_000_000_000, 2_200_000_000_000),
    st.tuples(st.integers(0, 9_000), st.sampled_from([-1, 0, 1])).map(_around_an_hour_of_2011),
)


def ms(text: str, tz: str, fold: int = 0) -> int:
    moment = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(tz), fold=fold)
    return int(moment.timestamp() * 1000)


@given(instant=instants, period=st.sampled_from(Period), tz=st.sampled_from(ZONES))
def test_every_instant_lies_in_its_period_and_neighbours_adjoin(
    instant: int, period: Period, tz: str
) -> None:
    span = period_at(period, instant, tz)
    assert span.start_ms <= instant < span.end_ms
    assert period_at(period, span.start_ms, tz) == span
    assert period_at(period, span.end_ms - 1, tz) == span
    following, previous = (
        period_at(period, span.end_ms, tz),
        period_at(period, span.start_ms - 1, tz),
    )
    assert following.start_ms == span.end_ms
    assert following.id > span.id
    assert previous.end_ms == span.start_ms
    assert len({previous.id, span.id, following.id}) == 3


@given(instant=instants, period=st.sampled_from(Period), tz=st.sampled_from(ZONES))
def test_the_pair_adjoins_and_covers_half_a_period_of_skew(
    instant: int, period: Period, tz: str
) -> None:
    pair = periods_around(period, instant, tz)
    assert pair.before.end_ms == pair.after.start_ms
    assert pair.at(instant) == period_at(period, instant, tz)
    assert instant < pair.valid_until_ms
    for skewed in (instant - 6 * HOUR_MS, instant + 6 * HOUR_MS):
        assert pair.at(skewed) == period_at(period, skewed, tz)


@pytest.mark.parametrize(
    ("period", "instant", "tz", "expected"),
    [
        (Period.DAILY, "2026-11-23T10:00", "UTC", "2026-11-23"),
        (Period.WEEKLY, "2026-11-23T10:00", "UTC", "2026-W48"),
        (Period.MONTHLY, "2026-11-23T10:00", "UTC", "2026-11"),
        (Period.WEEKLY, "2027-01-03T23:59", "UTC", "2026-W53"),
        (Period.WEEKLY, "2024-12-30T00:00", "UTC", "2025-W01"),
        (Period.MONTHLY, "2026-12-31T23:59", "UTC", "2026-12"),
        (Period.DAILY, "2026-11-24T01:00", "Asia/Kathmandu", "2026-11-24"),
    ],
)
def test_period_ids(period: Period, instant: str, tz: str, expected: str) -> None:
    assert period_at(period, ms(instant, tz), tz).id == expected


@pytest.mark.parametrize(
    ("day", "tz", "hours"),
    [
        ("2026-03-29", "Europe/Berlin", 23),
        ("2026-10-25", "Europe/Berlin", 25),
        ("2026-11-23", "Europe/Berlin", 24),
        ("2018-11-04", "America/Sao_Paulo", 23),
        ("2026-11-01", "America/Havana", 25),
        ("2026-04-05", "Australia/Lord_Howe", 24.5),
    ],
)
def test_days_have_the_length_the_zone_gives_them(day: str, tz: str, hours: float) -> None:
    span = period_at(Period.DAILY, ms(f"{day}T12:00", tz), tz)
    assert span.id == day
    assert (span.end_ms - span.start_ms) / HOUR_MS == hours


def test_a_day_without_midnight_starts_at_the_jump() -> None:
    span = period_at(Period.DAILY, ms("2018-11-04T12:00", "America/Sao_Paulo"), "America/Sao_Paulo")
    local = datetime.fromtimestamp(span.start_ms / 1000, ZoneInfo("America/Sao_Paulo"))
    assert (local.hour, local.day) == (1, 4)


def test_the_day_a_zone_skipped_has_no_period() -> None:
    before = period_at(Period.DAILY, ms("2011-12-29T12:00", "Pacific/Apia"), "Pacific/Apia")
    assert period_at(Period.DAILY, before.end_ms, "Pacific/Apia").id == "2011-12-31"


def test_a_date_that_comes_back_after_midnight_does_not_reopen_its_period() -> None:
    tz = "America/St_Johns"
    first_midnight = ms("2010-11-07T00:00", tz)
    assert period_at(Period.DAILY, first_midnight, tz).id == "2010-11-07"
    an_hour_on = first_midnight + timedelta(minutes=30) // timedelta(milliseconds=1)
    assert period_at(Period.DAILY, an_hour_on, tz).id == "2010-11-07"


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../etc/passwd", "Europe", "x" * 500, "a\0b"])
def test_an_unknown_zone_is_refused_by_name(name: str) -> None:
    with pytest.raises(InvalidRequest):
        zone(name)
