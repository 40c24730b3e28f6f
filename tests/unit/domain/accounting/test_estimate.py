"""Estimates are guesses from above."""

import json

import pytest
from bpe_openai import get_encoding
from hypothesis import given
from hypothesis import strategies as st

from domain.accounting.estimate import (
    DEFAULT_OUTPUT_TOKENS,
    TOKENS_PER_IMAGE,
    estimate,
    estimate_input,
    estimate_output,
    likely_usage,
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


SAMPLES = {
    "english": "The committee will meet on Thursday to discuss the proposed changes to the budget.",
    "german": "Der Ausschuss tritt am Donnerstag zusammen, um über die Änderungen zu beraten.",
    "chinese": "委员会将于星期四开会讨论预算的拟议修改。不能出席的成员应以书面形式提交意见。",
    "japanese": "委員会は木曜日に会合を開き、予算の修正案について話し合います。",
    "korean": "위원회는 목요일에 모여 예산 변경안을 논의할 예정입니다.",
    "arabic": "ستجتمع اللجنة يوم الخميس لمناقشة التعديلات المقترحة على الميزانية.",
    "russian": "Комитет соберётся в четверг, чтобы обсудить предлагаемые изменения бюджета.",
    "code": "    for each in held:\n        queue.settle(each, actual, at_ms=now_ms)\n    return None\n",
}


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("escaped", [False, True])
def test_likely_usage_is_near_what_a_vocabulary_says(sample: str, escaped: bool) -> None:
    text = SAMPLES[sample] * 20
    true = len(get_encoding("o200k_base").encode_ordinary(text))
    body = json.dumps({"messages": [{"content": text}]}, ensure_ascii=escaped).encode()
    usage = likely_usage(body, len(text))
    assert 0.7 * true < usage.input_total < 2.1 * true
    assert 0.7 * true < usage.output_total < 2.1 * true


def test_likely_usage_of_media_does_not_count_their_bytes_as_text() -> None:
    plain = likely_usage(b"x" * 400, 0)
    image = likely_usage(b"x" * 400 + b"A" * 4_000_000, 0, images=1, image_bytes=4_000_000)
    assert plain.input_total == 100
    assert image.input_total == 100 + TOKENS_PER_IMAGE
    assert likely_usage(b"A" * 16_000, 0, audio_bytes=16_000).input_total == 1_000


@given(st.binary(max_size=300), st.integers(0, 10_000), st.integers(0, 400))
def test_likely_usage_of_anything_is_possible(body: bytes, characters: int, media: int) -> None:
    usage = likely_usage(body, characters, image_bytes=media, audio_bytes=media)
    assert usage.input_total >= 0
    assert -(-characters // 4) <= usage.output_total <= characters
    assert (usage.output_total == 0) == (characters == 0)
