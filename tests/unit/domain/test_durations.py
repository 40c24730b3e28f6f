"""Durations as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.durations import LONGEST_MS, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("30s", 30_000),
        ("15m", 900_000),
        ("12h", 43_200_000),
        ("90d", 7_776_000_000),
        ("1w", 604_800_000),
    ],
)
def test_a_number_with_a_unit_is_read(text: str, milliseconds: int) -> None:
    assert parse_duration(text) == milliseconds


@pytest.mark.parametrize("text", ["", "90", "d", "1.5h", "-1d", "0d", "1y", "1 d", "9999w", "1d\n"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_duration(text)


@given(st.integers(1, LONGEST_MS // 1000).map(lambda seconds: seconds * 1000))
def test_what_is_written_is_read_back(milliseconds: int) -> None:
    assert parse_duration(format_duration(milliseconds)) == milliseconds
