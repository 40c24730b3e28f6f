"""SecretCipher: what is sealed opens only where it belongs, and only unaltered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.crypto.cipher import AesGcmCipher
from adapters.system.randomness import SystemRandomness
from application.ports.secrets import SecretCipher
from domain.errors import InvalidRequest
from domain.secret import Secret

OLD, NEW, FOREIGN = (bytes([number]) * 32 for number in (1, 2, 3))
CONTEXT = "provider:01"
SECRET = Secret("sk-öffne-dich")


def _cipher(*keys: bytes) -> SecretCipher:
    return AesGcmCipher(keys, SystemRandomness())


@given(st.text())
def test_a_sealed_secret_opens_again(plaintext: str) -> None:
    cipher = _cipher(NEW)
    envelope = cipher.seal(Secret(plaintext), context=CONTEXT)
    assert cipher.open(envelope, context=CONTEXT).reveal() == plaintext


def test_an_envelope_says_nothing_about_what_is_in_it() -> None:
    cipher = _cipher(NEW)
    first, second = (cipher.seal(SECRET, context=CONTEXT) for _ in range(2))
    assert first != second
    assert SECRET.reveal() not in first


def test_an_envelope_of_another_context_does_not_open() -> None:
    cipher = _cipher(NEW)
    envelope = cipher.seal(SECRET, context=CONTEXT)
    with pytest.raises(InvalidRequest):
        cipher.open(envelope, context="provider:02")


def test_after_a_rotation_old_envelopes_open_and_new_ones_need_the_new_key() -> None:
    before = _cipher(OLD).seal(SECRET, context=CONTEXT)
    rotated = _cipher(NEW, OLD)
    assert rotated.open(before, context=CONTEXT).reveal() == SECRET.reveal()
    after = rotated.seal(SECRET, context=CONTEXT)
    assert _cipher(NEW).open(after, context=CONTEXT).reveal() == SECRET.reveal()
    with pytest.raises(InvalidRequest):
        _cipher(OLD).open(after, context=CONTEXT)


def test_an_envelope_of_a_foreign_key_does_not_open() -> None:
    envelope = _cipher(FOREIGN).seal(SECRET, context=CONTEXT)
    with pytest.raises(InvalidRequest):
        _cipher(NEW, OLD).open(envelope, context=CONTEXT)


def test_no_altered_character_goes_unnoticed() -> None:
    cipher = _cipher(NEW)
    envelope = cipher.seal(SECRET, context=CONTEXT)
    for place, character in enumerate(envelope):
        for other in "AB.":
            if other == character:
                continue
            altered = envelope[:place] + other + envelope[place + 1 :]
            with pytest.raises(InvalidRequest):
                cipher.open(altered, context=CONTEXT)


@pytest.mark.parametrize("envelope", ["", "v1", "v1.a.b.c", "v2.a.b.c", "...", "v1.é.ü.ö"])
def test_what_is_no_envelope_is_refused(envelope: str) -> None:
    with pytest.raises(InvalidRequest):
        _cipher(NEW).open(envelope, context=CONTEXT)


def test_a_refusal_does_not_repeat_the_secret() -> None:
    cipher = _cipher(NEW)
    envelope = cipher.seal(SECRET, context=CONTEXT)
    with pytest.raises(InvalidRequest) as refused:
        cipher.open(envelope, context="another")
    assert SECRET.reveal() not in str(refused.value)
    assert envelope not in str(refused.value)
