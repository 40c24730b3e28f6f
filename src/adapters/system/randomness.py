"""Randomness of the operating system."""

import secrets

from application.ports.clock import Randomness

_BITS = 53  # a double holds 53 bits exactly, so `roll` is uniform over all it can return


class SystemRandomness(Randomness):
    """The kernel's generator, for secrets and dice alike."""

    def token_bytes(self, count: int) -> bytes:
        """Return unpredictable bytes."""
        return secrets.token_bytes(count)

    def roll(self) -> float:
        """Return a number in [0, 1)."""
        return secrets.randbits(_BITS) / (1 << _BITS)
