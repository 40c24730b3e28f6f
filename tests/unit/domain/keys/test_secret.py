"""The form of a key: anyone can tell a mistyped one, nobody can guess one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.keys.secret import KEY_LENGTH, display_prefix, is_well_formed, key_hash, mint

KEY = mint(bytes(range(48))).reveal()


@given(st.binary(min_size=48, max_size=48))
def test_every_minted_key_is_well_formed_and_of_one_length(random_bytes: bytes) -> None:
    key = mint(random_bytes).reveal()
    assert is_well_formed(key)
    assert len(key) == KEY_LENGTH
    assert key.startswith("tw-")


@given(st.binary(min_size=48, max_size=48), st.binary(min_size=48, max_size=48))
def test_different_randomness_makes_different_keys(one: bytes, other: bytes) -> None:
    assert (mint(one) == mint(other)) == (one == other)


def test_no_single_wrong_character_goes_unnoticed() -> None:
    for place in range(3, KEY_LENGTH):
        other = "a" if KEY[place] != "a" else "b"
        assert not is_well_formed(KEY[:place] + other + KEY[place + 1 :])


@pytest.mark.parametrize("key", ["", "tw-", KEY[:-1], KEY + "0", "sk-" + KEY[3:], KEY[:-1] + "é"])
def test_another_form_is_no_key(key: str) -> None:
    assert not is_well_formed(key)


@pytest.mark.parametrize("count", [0, 47, 49])
def test_a_key_needs_exactly_48_random_bytes(count: int) -> None:
    with pytest.raises(ValueError, match="48"):
        mint(bytes(count))


def test_a_key_that_is_not_even_text_can_be_looked_up() -> None:
    assert len(key_hash("\ud800")) == 32
    assert display_prefix(KEY) == KEY[:11]
