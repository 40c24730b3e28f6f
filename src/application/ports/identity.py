"""Proof of identity."""

from abc import abstractmethod
from typing import Protocol

from domain.secret import Secret


class PasswordHasher(Protocol):
    """Slow, salted hashing of passwords, off the event loop."""

    @abstractmethod
    async def hash(self, password: Secret) -> str:
        """Return a PHC string with a fresh salt."""
        ...

    @abstractmethod
    async def verify(self, password: Secret, password_hash: str) -> bool:
        """Tell whether `password` belongs to the PHC string; False for a string that is none."""
        ...
