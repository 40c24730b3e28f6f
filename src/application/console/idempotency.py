"""Requests with an `Idempotency-Key`: carried out once, answered alike for a day."""

import hmac

from application.ports.clock import Clock, IdGenerator
from application.ports.idempotency import IdempotencyKeys, KeptAnswer, KeyClaim
from domain.errors import Conflict, InvalidRequest
from domain.secret import Secret

KEPT_MS = 24 * 3_600_000
_LONGEST_KEY = 255
_PURPOSE = b"idempotency keys"


class IdempotencyKeyReused(Conflict):
    """The key stands for another request."""

    code = "idempotency_key_reused"


class OutcomeUnknown(Conflict):
    """The request of this key is running, or its process ended before its answer was kept."""

    code = "idempotency_outcome_unknown"


class IdempotentRequests:
    """A request whose outcome is not known is never carried out a second time."""

    def __init__(
        self, keys: IdempotencyKeys, clock: Clock, ids: IdGenerator, *, secret: Secret
    ) -> None:
        """Of what was asked only a keyed digest is kept: nobody can guess it from the database.

        Every replica needs the same `secret`.
        """
        self._secret = hmac.digest(secret.reveal().encode(), _PURPOSE, "sha256")
        self._keys = keys
        self._clock = clock
        self._ids = ids

    async def begin(self, key: str, operation: str, content: bytes) -> KeyClaim | KeptAnswer:
        """Return the answer kept for `key`, or the claim of whoever is to carry the request out.

        A claim must come to an end: by `keep`, by `release`, or, when it may have been done and
        nobody knows, by nothing.

        Raises:
            InvalidRequest: the key is empty, too long, or not printable ASCII.
            IdempotencyKeyReused: within 24 h the key came with other `content`.
            OutcomeUnknown: see there.
            ServiceUnavailable: the store is away; nothing was begun.
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
            digest=hmac.digest(self._secret, content, "sha256").hex(),
            claim_id=self._ids.new_id(),
            claimed_at_ms=now_ms,
        )
        found = await self._keys.claim(claim, expired_before_ms=now_ms - KEPT_MS)
        if found is not None and found.digest != claim.digest:
            raise IdempotencyKeyReused("This Idempotency-Key was used for another request.")
        if found is not None and found.answer is not None:
            return found.answer
        if found is None or found.claim_id != claim.claim_id:
            raise OutcomeUnknown(
                "A request with this Idempotency-Key is running or ended without a known outcome; "
                "look what exists before trying with another key."
            )
        return claim

    async def keep(self, claim: KeyClaim, answer: KeptAnswer) -> None:
        """Let `answer` be given again for a day.

        Raises:
            ServiceUnavailable: the store is away; the outcome stays unknown to whoever asks again.
        """
        await self._keys.complete(claim, answer)

    async def release(self, claim: KeyClaim) -> None:
        """Let the key be tried again: the request was refused, and nothing was done.

        Raises:
            ServiceUnavailable: the store is away; the outcome stays unknown to whoever asks again.
        """
        await self._keys.release(claim)
