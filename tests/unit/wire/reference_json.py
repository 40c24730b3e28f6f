"""A slow and obviously right reading of where the members of a JSON object stand."""

import json
from typing import Any, cast

_DECODER = json.JSONDecoder()
_SPACE = " \t\n\r"


def members(text: str) -> list[tuple[str, int, int]]:
    """Return (name, start, end) of every top-level member's value, in order, duplicates kept."""
    found: list[tuple[str, int, int]] = []
    at = _skip(text, 0)
    assert text[at] == "{"
    at = _skip(text, at + 1)
    while text[at] != "}":
        name, at = _DECODER.raw_decode(text, at)
        at = _skip(text, at)
        assert text[at] == ":"
        start = _skip(text, at + 1)
        _, end = _DECODER.raw_decode(text, start)
        found.append((name, start, end))
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return found


def depth(value: Any) -> int:
    """Return how deeply objects and arrays nest."""
    if isinstance(value, dict):
        return 1 + max(map(depth, cast("dict[str, Any]", value).values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, cast("list[Any]", value)), default=0)
    return 0


def _skip(text: str, at: int) -> int:
    while text[at] in _SPACE:
        at += 1
    return at
