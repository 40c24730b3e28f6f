"""Requests with an `Idempotency-Key`: carried out once, answered alike for a day."""

from collections.abc import Awaitable, Callable
from hashlib import sha256

from application.ports.clock import Clock, IdGenerator
from application.ports.idempotency import IdempotencyKeys, KeptAnswer, KeyClaim
from domain.errors import Conflict, DomainError, InvalidRequest, ServiceUnavailable

KEPT_MS = 24 * 3_600_000
_LONGEST_KEY = 255


class IdempotencyKeyReused(Conflict):
    """The key stands for another request."""

    code = "idempotency_key_reused"


class OutcomeUnknown(Conflict):
    """The request of this key is running, or its process ended before its answer was kept."""

    code = "idempotency_outcome_unknown"


class IdempotentRequests:
    """A request whose outcome is not known is never carried out a second time."""

    def __init__(self, keys: IdempotencyKeys, clock: Clock, ids: IdGenerator) -> None:
        """Take the ports."""
        self._keys = keys
        self._clock = clock
        self._ids = ids

    async def once(
        self, key: str, operation: str, content: bytes, work: Callable[[], Awaitable[KeptAnswer]]
    ) -> tuple[KeptAnswer, bool]:
        """Return the answer of `work` or the one kept for `key`, and whether it is a kept one.

        A refusal is not kept: nothing was done, and the same key may try again.

        Raises:
            InvalidRequest: the key is empty, too long, or not printable ASCII.
            IdempotencyKeyReused: within 24 h the key came with other `content`.
            OutcomeUnknown: see there.
            DomainError: whatever `work` raises.
        """
        if not 0 < len(key) <= _LONGEST_KEY or not (key.isascii() and key.isprintable()):
            raise InvalidRequest(
                f"'Idempotency-Key' must be 1 to {_LONGEST_KEY} printable ASCII characters.",
                param="Idempotency-Key",
            )
        now_ms = self._clock.now_ms()
        claim = KeyClaim(
            key=key,
            operation=operation,
            digest=sha256(content).hexdigest(),
            claim_id=self._ids.new_id(),
            claimed_at_ms=now_ms,
        )
        found = await self._keys.claim(claim, expired_before_ms=now_ms - KEPT_MS)
        if found is not None and found.digest != claim.digest:
            raise IdempotencyKeyReused("This Idempotency-Key was used for another request.")
        if found is not None and found.answer is not None:
            return found.answer, True
        if found is None or found.claim_id != claim.claim_id:
            raise OutcomeUnknown(
                "A request with this Idempotency-Key is running or ended without a known outcome; "
                "look what exists before trying with another key."
            )
        return await self._carried_out(claim, work), False

    async def _carried_out(
        self, claim: KeyClaim, work: Callable[[], Awaitable[KeptAnswer]]
    ) -> KeptAnswer:
        try:
            answer = await work()
        except ServiceUnavailable:
            raise  # It may have been done: the claim stays.
        except DomainError:
            await self._keys.release(claim)
            raise
        await self._keys.complete(claim, answer)
        return answer
