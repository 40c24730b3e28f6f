"""Idempotency keys in process memory."""

from msgspec.structs import replace

from application.ports.idempotency import IdempotencyKeys, KeptAnswer, KeyClaim


class MemoryIdempotencyKeys(IdempotencyKeys):
    """A dictionary by key and operation."""

    def __init__(self) -> None:
        """Start empty."""
        self._claims: dict[tuple[str, str], KeyClaim] = {}

    async def claim(self, claim: KeyClaim, *, expired_before_ms: int) -> KeyClaim | None:
        """See `IdempotencyKeys`."""
        self._claims = {
            name: each
            for name, each in self._claims.items()
            if each.claimed_at_ms >= expired_before_ms
        }
        return self._claims.setdefault((claim.key, claim.operation), claim)

    async def complete(self, claim: KeyClaim, answer: KeptAnswer) -> None:
        """See `IdempotencyKeys`."""
        if self._is_there(claim):
            self._claims[claim.key, claim.operation] = replace(claim, answer=answer)

    async def release(self, claim: KeyClaim) -> None:
        """See `IdempotencyKeys`."""
        if self._is_there(claim):
            del self._claims[claim.key, claim.operation]

    def _is_there(self, claim: KeyClaim) -> bool:
        found = self._claims.get((claim.key, claim.operation))
        return found is not None and found.claim_id == claim.claim_id
