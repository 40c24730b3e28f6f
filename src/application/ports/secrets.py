"""Sealing of provider credentials."""

from abc import abstractmethod
from typing import Protocol

from domain.secret import Secret


class SecretCipher(Protocol):
    """Authenticated encryption with a key ring: the first key seals, any key opens."""

    @abstractmethod
    def seal(self, plaintext: Secret, *, context: str) -> str:
        """Return an envelope (text) bound to `context`, e.g. `provider:<id>`."""
        ...

    @abstractmethod
    def open(self, envelope: str, *, context: str) -> Secret:
        """Return the plaintext.

        Raises:
            InvalidRequest: wrong context, altered envelope, or a key that is not in the ring.
        """
        ...
