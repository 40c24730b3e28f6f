"""Rules for passwords of local accounts (console.md section 2)."""

from domain.secret import Secret

SHORTEST = 8
LONGEST = 128


def password_faults(password: str, *, shortest: int = SHORTEST) -> list[str]:
    """Return what is wrong with a new password, one clause per fault; empty when it is fine."""
    faults: list[str] = []
    if len(password) < shortest:
        faults.append(f"must have at least {shortest} characters")
    if len(password) > LONGEST:
        faults.append(f"must have at most {LONGEST} characters")
    if not any(character.isupper() for character in password):
        faults.append("must contain an upper-case letter")
    if not any(character.islower() for character in password):
        faults.append("must contain a lower-case letter")
    if not any(character.isdigit() for character in password):
        faults.append("must contain a digit")
    return faults


_LOWER, _UPPER, _DIGITS = "abcdefghijkmnopqrstuvwxyz", "ABCDEFGHJKLMNPQRSTUVWXYZ", "23456789"
# One of each class, as the rules for passwords want, and 17 of any: over 2^110. Letters and digits
# that look alike are left out.
_PATTERN = (_UPPER, _LOWER, _DIGITS, *[_LOWER + _UPPER + _DIGITS] * 17)
_BYTES_PER_LETTER = 4  # makes the bias of the remainder negligible
PASSWORD_BYTES = _BYTES_PER_LETTER * len(_PATTERN)


def made_up_password(randomness: bytes) -> Secret:
    """Return a password from `PASSWORD_BYTES` random bytes."""
    return Secret(
        "".join(
            letters[int.from_bytes(randomness[at : at + _BYTES_PER_LETTER], "big") % len(letters)]
            for letters, at in zip(
                _PATTERN, range(0, PASSWORD_BYTES, _BYTES_PER_LETTER), strict=True
            )
        )
    )
