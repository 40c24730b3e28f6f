"""New secrets of keys that rotated by themselves, until their owners collect them."""

from abc import abstractmethod
from collections.abc import Collection, Sequence
from typing import Protocol

from msgspec import Struct

from domain.identifiers import ApiKeyId, UserId


class KeyHandover(Struct, frozen=True, kw_only=True):
    """A secret that waits for its owner.

    Attributes:
        token_hash: SHA-256 of the token of the one-time link.
        sealed_token: the token, sealed for lists; context `key-handover:<id>:token`.
        sealed_secret: the secret, context `key-handover:<id>:secret`.
        old_works_until_ms: end of the grace period of the key before.
    """

    id: str
    key_id: ApiKeyId
    token_hash: bytes
    sealed_token: str
    sealed_secret: str
    created_at_ms: int
    old_works_until_ms: int


class KeyHandovers(Protocol):
    """Hand-overs that were not taken; one for each key."""

    @abstractmethod
    async def add(self, handover: KeyHandover) -> None:
        """Store a hand-over. Raises `Conflict`: the key has one."""
        ...

    @abstractmethod
    async def by_token(self, token_hash: bytes) -> KeyHandover | None:
        """Return the hand-over of a token; whoever else asks for it waits for this transaction."""
        ...

    @abstractmethod
    async def take(self, handover_id: str, at_ms: int) -> None:
        """Note that it was taken and forget the secret. Raises `NotFound`: it is not there."""
        ...

    @abstractmethod
    async def pending(
        self, owners: Collection[UserId], now_ms: int, *, limit: int
    ) -> Sequence[KeyHandover]:
        """Return what waits for these owners, oldest first: only for keys that are active."""
        ...

    @abstractmethod
    async def forget_dead(self, now_ms: int, *, limit: int) -> int:
        """Delete those not taken whose keys are not active any more or that expired.

        Returns how many.
        """
        ...
