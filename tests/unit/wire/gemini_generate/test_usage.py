"""What Google bills, in the kinds that are accounted."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Raw

from adapters.wire.gemini_generate.usage import parse_usage, write_usage
from domain.accounting.usage import TokenUsage


def parsed(usage: Any) -> TokenUsage | None:
    return parse_usage(Raw(json.dumps(usage).encode()))


def split(**counts: int) -> list[dict[str, Any]]:
    return [{"modality": name.upper(), "tokenCount": count} for name, count in counts.items()]


INVOICES: dict[str, tuple[dict[str, Any], TokenUsage]] = {
    "text": (
        {
            "promptTokenCount": 8,
            "candidatesTokenCount": 11,
            "totalTokenCount": 19,
            "promptTokensDetails": split(text=8),
        },
        TokenUsage(input_uncached=8, output=11),
    ),
    "thoughts come on top of candidates": (
        {
            "promptTokenCount": 9,
            "candidatesTokenCount": 14,
            "thoughtsTokenCount": 1192,
            "totalTokenCount": 1215,
        },
        TokenUsage(input_uncached=9, output=14, reasoning=1192),
    ),
    "cached input is part of the prompt": (
        {
            "promptTokenCount": 5000,
            "cachedContentTokenCount": 4096,
            "candidatesTokenCount": 20,
            "totalTokenCount": 5020,
            "cacheTokensDetails": split(text=4096),
        },
        TokenUsage(input_uncached=904, cache_read=4096, output=20),
    ),
    "what tools of the provider read comes on top of the prompt": (
        {
            "promptTokenCount": 20,
            "toolUsePromptTokenCount": 1000,
            "candidatesTokenCount": 50,
            "thoughtsTokenCount": 30,
            "totalTokenCount": 1100,
        },
        TokenUsage(input_uncached=1020, output=50, reasoning=30),
    ),
    "sounds": (
        {
            "promptTokenCount": 130,
            "cachedContentTokenCount": 40,
            "candidatesTokenCount": 60,
            "totalTokenCount": 190,
            "promptTokensDetails": split(text=30, audio=100),
            "cacheTokensDetails": split(text=10, audio=30),
            "candidatesTokensDetails": split(audio=60),
        },
        TokenUsage(input_uncached=20, cache_read=40, audio_in=70, audio_out=60),
    ),
    "nothing was generated": (
        {"promptTokenCount": 7, "totalTokenCount": 7},
        TokenUsage(input_uncached=7),
    ),
    "thoughts that only the total knows": (
        {"promptTokenCount": 7, "candidatesTokenCount": 3, "totalTokenCount": 30},
        TokenUsage(input_uncached=7, output=3, reasoning=20),
    ),
    "parts beyond their whole": (
        {
            "promptTokenCount": 10,
            "cachedContentTokenCount": 99,
            "candidatesTokenCount": 5,
            "candidatesTokensDetails": split(audio=50),
        },
        TokenUsage(cache_read=10, audio_out=5),
    ),
}


@pytest.mark.parametrize("name", INVOICES)
def test_the_invoice_adds_up(name: str) -> None:
    usage, kinds = INVOICES[name]
    assert parsed(usage) == kinds


@pytest.mark.parametrize(
    "usage", [None, {}, [], {"totalTokenCount": 5}, {"promptTokenCount": "x"}, {"promptTokenCount": None}]
)  # fmt: skip
def test_what_counts_nothing_is_no_usage(usage: Any) -> None:
    assert parsed(usage) is None
    assert parse_usage(UNSET) is None


NUMBERS = st.none() | st.integers(-5, 10**15) | st.floats(allow_nan=False, allow_infinity=False)
MEMBERS = [
    "promptTokenCount",
    "cachedContentTokenCount",
    "candidatesTokenCount",
    "thoughtsTokenCount",
    "toolUsePromptTokenCount",
    "totalTokenCount",
]


@given(st.fixed_dictionaries(dict.fromkeys(MEMBERS, NUMBERS)))
def test_no_number_breaks_the_books(usage: dict[str, Any]) -> None:
    found = parsed(usage)
    assert found is None or min(found.by_kind().values()) >= 0


@given(st.builds(TokenUsage, **{name: st.integers(0, 1000) for name in TokenUsage().by_kind()}))
def test_usage_that_is_written_has_the_same_totals(usage: TokenUsage) -> None:
    again = parsed(write_usage(usage))
    assert again is not None
    assert (again.input_total, again.output_total) == (usage.input_total, usage.output_total)
    assert (again.cache_read, again.reasoning) == (usage.cache_read, usage.reasoning)
    assert again.audio_out == usage.audio_out
