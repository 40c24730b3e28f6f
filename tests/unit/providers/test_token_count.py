"""Counting tokens here."""

import pytest

from adapters.providers.token_count import count_text

SENTENCE = "The quick brown fox jumps over the lazy dog. "


@pytest.mark.parametrize("text", [SENTENCE, "\U000130ff", "0123456789abcdef"])
def test_texts_of_any_length_are_counted(text: str) -> None:
    once = text * (30_000 // len(text))
    many = 40
    expected = count_text(once) * many
    assert count_text(once * many) == pytest.approx(expected, rel=0.01)
