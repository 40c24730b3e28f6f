from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from adapters.wire.openai_chat.usage import parse_usage, read_usage
from domain.accounting.usage import TokenUsage


def raw(value: Any) -> Raw:
    return Raw(msgspec.json.encode(value))


count = st.one_of(st.none(), st.integers(-5, 3000), st.integers(0, 50).map(float))
details = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            ("cached_tokens", "cache_write_tokens", "audio_tokens", "reasoning_tokens"), count
        ),
    ),
)
usages = st.fixed_dictionaries(
    {"prompt_tokens": st.integers(0, 2000), "completion_tokens": st.integers(0, 2000)},
    optional={
        "total_tokens": count,
        "prompt_tokens_details": details,
        "completion_tokens_details": details,
        "prompt_cache_hit_tokens": count,
        "cached_tokens": count,
    },
)


@given(usage=usages)
def test_the_kinds_add_up_to_what_the_provider_says_was_used(usage: dict[str, Any]) -> None:
    kinds = parse_usage(raw(usage))
    assert kinds is not None  # and no kind is negative: TokenUsage refuses that
    parts = usage["prompt_tokens"] + usage["completion_tokens"]
    assert kinds.input_total == usage["prompt_tokens"]
    assert kinds.total == max(parts, int(usage.get("total_tokens") or 0))


@pytest.mark.parametrize(
    ("usage", "kinds"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 3}, TokenUsage(input_uncached=9, output=3)),
        ({"prompt_tokens": 9}, TokenUsage(input_uncached=9)),
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "total_tokens": 150,
                "prompt_tokens_details": {
                    "cached_tokens": 60,
                    "cache_write_tokens": 20,
                    "audio_tokens": 5,
                },
                "completion_tokens_details": {"reasoning_tokens": 30, "audio_tokens": 8},
            },
            TokenUsage(
                input_uncached=15,
                cache_read=60,
                cache_write_5m=20,
                audio_in=5,
                output=12,
                reasoning=30,
                audio_out=8,
            ),
        ),
        (  # DeepSeek
            {
                "prompt_tokens": 100,
                "completion_tokens": 7,
                "prompt_cache_hit_tokens": 64,
                "prompt_cache_miss_tokens": 36,
            },
            TokenUsage(input_uncached=36, cache_read=64, output=7),
        ),
        (  # Moonshot
            {"prompt_tokens": 10, "completion_tokens": 1, "cached_tokens": 4},
            TokenUsage(input_uncached=6, cache_read=4, output=1),
        ),
        (  # xAI: reasoning on top of completion, in the total only
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 215,
                "completion_tokens_details": {"reasoning_tokens": 200},
            },
            TokenUsage(input_uncached=10, output=5, reasoning=200),
        ),
        (  # Gemini: thoughts in the total only, not named
            {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 40},
            TokenUsage(input_uncached=10, output=5, reasoning=25),
        ),
        (  # parts larger than their whole
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "prompt_tokens_details": {"cached_tokens": 11, "audio_tokens": 3},
                "completion_tokens_details": {"reasoning_tokens": 6, "audio_tokens": 2},
            },
            TokenUsage(cache_read=10, reasoning=3, audio_out=2),
        ),
        ({"prompt_tokens": -4, "completion_tokens": 1e30}, TokenUsage()),
    ],
)
def test_vendors_numbers_become_disjoint_kinds(usage: dict[str, Any], kinds: TokenUsage) -> None:
    assert parse_usage(raw(usage)) == kinds


@pytest.mark.parametrize("usage", [{}, {"total_tokens": 4}, [], "none", 7, {"prompt_tokens": "9"}])
def test_unusable_usage_is_no_usage(usage: Any) -> None:
    assert parse_usage(raw(usage)) is None


def test_usage_is_found_where_vendors_put_it() -> None:
    numbers = raw({"prompt_tokens": 3, "completion_tokens": 4})
    kinds = TokenUsage(input_uncached=3, output=4)
    groq = raw({"id": "req_1", "usage": {"prompt_tokens": 3, "completion_tokens": 4}})
    llama = raw({"prompt_n": 3, "cache_n": 5, "predicted_n": 4, "predicted_ms": 1.5})
    assert read_usage(usage=numbers, timings=llama) == kinds
    assert read_usage(usage=Raw(b"null"), x_groq=groq) == kinds
    assert read_usage(timings=llama) == TokenUsage(input_uncached=3, cache_read=5, output=4)
    assert read_usage() is None
    assert read_usage(x_groq=raw({"id": "req_1"})) is None
    assert read_usage(timings=raw({"predicted_ms": 1.5})) is None
