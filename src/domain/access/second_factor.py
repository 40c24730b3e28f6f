"""The second factor of a user: one-time codes of an authenticator, and recovery codes."""

import re
from hashlib import sha256

from msgspec import Struct

from domain.identifiers import UserId
from domain.secret import Secret

STEP_MS = 30_000
"""RFC 6238: a code is of one time step."""
SECRET_BYTES = 20
"""RFC 4226 section 4: 160 bits are recommended."""
RECOVERY_CODES = 10
RECOVERY_BYTES = 10
"""80 bits of each code."""
_ALPHABET = "abcdefghjkmnpqrstuvwxyz023456789"  # 32 letters that are not taken for one another
_FORM = re.compile(rf"[{_ALPHABET}]{{16}}")


class SecondFactor(Struct, frozen=True, kw_only=True):
    """The authenticator of a user.

    Attributes:
        sealed_secret: the shared secret, sealed for `second_factor:<user id>`.
        confirmed: a code was shown; before that it protects nothing.
        last_step: the last time step whose code was accepted: only a later one is, so that nobody
            can use a code again (RFC 6238 section 5.2).
        recovery_hashes: of the recovery codes that were not used.
    """

    user_id: UserId
    sealed_secret: str
    confirmed: bool = False
    last_step: int = 0
    recovery_hashes: tuple[bytes, ...] = ()
    created_at_ms: int

    @property
    def context(self) -> str:
        """What the secret is sealed for."""
        return sealing_context(self.user_id)


def sealing_context(user_id: UserId) -> str:
    """Return what the secret of a user's authenticator is sealed for."""
    return f"second_factor:{user_id}"


def recovery_codes(randomness: bytes) -> tuple[Secret, ...]:
    """Return codes such as `abcd-efgh-jkmn-pqrs` from 100 random bytes."""
    if len(randomness) != RECOVERY_CODES * RECOVERY_BYTES:
        raise ValueError("wrong amount of randomness")
    return tuple(
        _code(int.from_bytes(randomness[at : at + RECOVERY_BYTES], "big"))
        for at in range(0, len(randomness), RECOVERY_BYTES)
    )


def recovery_hash(code: Secret) -> bytes | None:
    """Return SHA-256 of a code in any spelling; None for what cannot be one."""
    letters = code.reveal().strip().lower().replace("-", "").replace(" ", "")
    return sha256(letters.encode()).digest() if _FORM.fullmatch(letters) else None


def _code(number: int) -> Secret:
    letters = "".join(_ALPHABET[number >> shift & 31] for shift in range(75, -1, -5))
    return Secret("-".join(letters[at : at + 4] for at in range(0, 16, 4)))
