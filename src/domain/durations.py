"""Durations as people write them (`90d`, `12h`) and as the program keeps them (milliseconds)."""

import re

_UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_FORM = re.compile(r"([0-9]{1,9})([smhdw])")
LONGEST_MS = 10 * 366 * _UNITS_MS["d"]


def parse_duration(text: str) -> int:
    """Return milliseconds of a whole number with a unit: s, m, h, d or w.

    Raises:
        ValueError: another form, zero, or more than ten years; the text says what is expected.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError("expected a whole number with a unit, e.g. 30s, 15m, 12h, 90d or 4w")
    milliseconds = int(found[1]) * _UNITS_MS[found[2]]
    if not 0 < milliseconds <= LONGEST_MS:
        raise ValueError("expected a duration above zero and of at most ten years")
    return milliseconds


def format_duration(milliseconds: int) -> str:
    """Return the shortest form that `parse_duration` reads back, rounded up to whole seconds."""
    for unit in ("w", "d", "h", "m"):
        if milliseconds % _UNITS_MS[unit] == 0:
            return f"{milliseconds // _UNITS_MS[unit]}{unit}"
    return f"{-(-milliseconds // _UNITS_MS['s'])}s"
