"""Instants that people give are kept as milliseconds, and can be shown again."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.instants import instant, instant_text, milliseconds
from domain.errors import InvalidRequest

FIELD = "expires_at"


@given(st.datetimes(timezones=st.timezones()))
def test_what_is_taken_can_be_shown(at: datetime) -> None:
    try:
        at_ms = milliseconds(at, FIELD)
    except InvalidRequest:
        return  # a zone may lead out of the years that there are
    assert timedelta() <= at - instant(at_ms) < timedelta(milliseconds=1)
    assert instant_text(at_ms).endswith("Z")


@pytest.mark.parametrize(
    "at",
    [
        datetime(2030, 1, 1),  # noqa: DTZ001 - that is what is wrong with it
        datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone(timedelta(hours=-1))),
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
    ],
)
def test_what_is_no_instant_is_refused_by_the_name_of_its_field(at: datetime) -> None:
    with pytest.raises(InvalidRequest, match=FIELD) as refused:
        milliseconds(at, FIELD)
    assert refused.value.param == FIELD


def test_the_last_instant_there_is() -> None:
    last = datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)
    assert instant(milliseconds(last, FIELD)) == last
