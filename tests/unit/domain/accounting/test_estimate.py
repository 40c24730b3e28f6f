"""Estimates are guesses from above."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.accounting.estimate import (
    DEFAULT_OUTPUT_TOKENS,
    TOKENS_PER_IMAGE,
    estimate,
    estimate_input,
    estimate_output,
)


def test_ascii_counts_two_bytes_a_token_and_the_rest_one() -> None:
    assert estimate_input(b"abcde") == 3
    assert estimate_input("日本".encode()) == 6
    assert estimate_input("ab日".encode()) == 4


def test_inline_media_count_by_part_and_not_by_size() -> None:
    body = b"x" * 100 + b"A" * 1_000_000
    assert estimate_input(body, images=1, image_bytes=1_000_000) == 50 + TOKENS_PER_IMAGE


def test_inline_sound_counts_by_its_length_far_below_text() -> None:
    body = b"x" * 100 + b"A" * 16_000
    assert estimate_input(body, audio_bytes=16_000) == 50 + 1_000


@given(text=st.text(max_size=200), more=st.text(max_size=50))
def test_a_longer_body_is_never_estimated_lower(text: str, more: str) -> None:
    assert estimate_input(text.encode()) <= estimate_input((text + more).encode())


@pytest.mark.parametrize(
    ("asked", "cap", "choices", "expected"),
    [
        (100, None, 1, 100),
        (100, 50, 1, 50),
        (None, 50, 1, 50),
        (None, None, 1, DEFAULT_OUTPUT_TOKENS),
        (100, 500, 3, 300),
        (0, 500, 1, 0),
        (-5, None, 0, 0),
    ],
)
def test_output_is_bounded_by_request_and_model(
    asked: int | None, cap: int | None, choices: int, expected: int
) -> None:
    assert estimate_output(asked, cap, choices=choices) == expected


def test_the_context_window_bounds_the_input() -> None:
    usage = estimate(b"x" * 10_000, context_window=1_000, max_output_tokens=7)
    assert (usage.input_total, usage.output_total) == (1_000, 7)
