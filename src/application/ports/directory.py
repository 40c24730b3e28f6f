"""Look-up of callers by key."""

from abc import abstractmethod
from typing import Protocol

from domain.keys.api_key import Caller


class KeyDirectory(Protocol):
    """Source of truth behind the authentication cache."""

    @abstractmethod
    async def find(self, key_hash: bytes) -> Caller | None:
        """Return the caller of the key with this SHA-256 in any state, or None.

        Raises:
            ServiceUnavailable: the directory cannot be asked now.
        """
        ...

    @abstractmethod
    async def touch(self, last_used_ms: dict[str, int]) -> None:
        """Record the last use (Unix ms) of keys by id; never moves a time back."""
        ...
