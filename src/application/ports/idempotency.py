"""What became of requests that carry an `Idempotency-Key`."""

from abc import abstractmethod
from typing import Protocol

from msgspec import Struct


class KeptAnswer(Struct, frozen=True, kw_only=True):
    """An answer to give again: no secrets are in it."""

    status: int
    body: bytes
    headers: dict[str, str] = {}


class KeyClaim(Struct, frozen=True, kw_only=True):
    """The one request a key stands for.

    Attributes:
        operation: of whom; the same key may be used for another operation.
        digest: of the request's content, keyed.
        claim_id: who carries it out.
        claimed_at_ms: when, in Unix milliseconds.
        answer: None while it runs, and for good when its process died.
    """

    key: str
    operation: str
    digest: str
    claim_id: str
    claimed_at_ms: int
    answer: KeptAnswer | None = None


class IdempotencyKeys(Protocol):
    """Claims by key and operation. Each raises `ServiceUnavailable` when the store is away."""

    @abstractmethod
    async def claim(self, claim: KeyClaim, *, expired_before_ms: int) -> KeyClaim | None:
        """Store the claim unless there is one of its key and operation; return what is there then.

        Of concurrent claims one is stored. Claims made before `expired_before_ms` do not count,
        and some of them are deleted. None: the claim that was there was released meanwhile.
        """
        ...

    @abstractmethod
    async def complete(self, claim: KeyClaim, answer: KeptAnswer) -> None:
        """Keep the answer, if the claim is still there."""
        ...

    @abstractmethod
    async def release(self, claim: KeyClaim) -> None:
        """Forget the claim: nothing was done for it."""
        ...
