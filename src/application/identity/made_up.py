"""Passwords that the program makes up and shows once."""

from application.ports.clock import Randomness
from domain.secret import Secret

_LOWER, _UPPER, _DIGITS = "abcdefghijkmnopqrstuvwxyz", "ABCDEFGHJKLMNPQRSTUVWXYZ", "23456789"
# One of each class, as the rules for passwords want, and 17 of any: over 2^110. Letters and digits
# that look alike are left out.
_PATTERN = (_UPPER, _LOWER, _DIGITS, *[_LOWER + _UPPER + _DIGITS] * 17)
_BYTES_PER_LETTER = 4  # makes the bias of the remainder negligible


def made_up_password(randomness: Randomness) -> Secret:
    """Return a fresh password."""
    dice = randomness.token_bytes(_BYTES_PER_LETTER * len(_PATTERN))
    return Secret(
        "".join(
            letters[int.from_bytes(dice[at : at + _BYTES_PER_LETTER], "big") % len(letters)]
            for letters, at in zip(_PATTERN, range(0, len(dice), _BYTES_PER_LETTER), strict=True)
        )
    )
