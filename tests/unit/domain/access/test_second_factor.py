"""Recovery codes: hard to guess, easy to read, known by their hash."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.access.second_factor import recovery_codes, recovery_hash
from domain.secret import Secret


@given(st.binary(min_size=100, max_size=100))
def test_every_code_is_recognised_in_any_spelling(randomness: bytes) -> None:
    codes = recovery_codes(randomness)
    assert len(codes) == 10
    for code in codes:
        text = code.reveal()
        assert [len(part) for part in text.split("-")] == [4, 4, 4, 4]
        digest = sha256(text.replace("-", "").encode()).digest()
        for spelling in (text, text.upper(), f" {text.replace('-', ' ')} ", text.replace("-", "")):
            assert recovery_hash(Secret(spelling)) == digest


def test_eighty_bits_make_different_codes() -> None:
    low, high = recovery_codes(bytes(100))[0], recovery_codes(b"\xff" * 100)[0]
    assert (low.reveal(), high.reveal()) == ("aaaa-aaaa-aaaa-aaaa", "9999-9999-9999-9999")
    with pytest.raises(ValueError, match="randomness"):
        recovery_codes(bytes(99))


@pytest.mark.parametrize("text", ["", "aaaa", "aaaa-aaaa-aaaa-aaa1", "a" * 17, "é" * 16])
def test_what_cannot_be_a_code_has_no_hash(text: str) -> None:
    assert recovery_hash(Secret(text)) is None
