"""Secrets that wait for the owners of keys, in process memory."""

from collections.abc import Collection, Sequence

from adapters.memory.repositories import Draft
from application.ports.key_handovers import KeyHandover, KeyHandovers
from domain.errors import Conflict, NotFound
from domain.identifiers import UserId
from domain.keys.api_key import KeyState
from domain.keys.policy import ApiKey


class MemoryKeyHandovers(KeyHandovers):
    """Hand-overs by id."""

    def __init__(self, draft: Draft) -> None:
        """Reads and changes `draft`."""
        self._draft = draft

    async def add(self, handover: KeyHandover) -> None:
        """Store a hand-over."""
        if any(each.key_id == handover.key_id for each in self._draft.handovers.values()):
            raise Conflict("The secret of this key waits to be collected already.")
        self._draft.handovers[handover.id] = handover

    async def by_token(self, token_hash: bytes) -> KeyHandover | None:
        """Return the hand-over of a token."""
        return next((each for each in self._waiting() if each.token_hash == token_hash), None)

    async def take(self, handover_id: str, at_ms: int) -> None:  # noqa: ARG002
        """Forget the secret."""
        if all(each.id != handover_id for each in self._waiting()):
            raise NotFound("There is no such hand-over.")
        self._draft.taken_handovers.add(handover_id)

    async def pending(
        self, owners: Collection[UserId], now_ms: int, *, limit: int
    ) -> Sequence[KeyHandover]:
        """Return what waits for these owners."""
        keys = self._draft.keys
        found = [
            each
            for each in self._waiting()
            if each.key_id in keys
            and not _ended(keys[each.key_id], now_ms)
            and keys[each.key_id].state is KeyState.ACTIVE
            and keys[each.key_id].owner_id in owners
        ]
        return sorted(found, key=lambda each: each.id)[:limit]

    async def forget_dead(self, now_ms: int, *, limit: int) -> int:
        """Delete what cannot be used any more."""
        keys = self._draft.keys | self._draft.removed_keys
        dead = [
            each.id
            for each in self._waiting()
            if _ended(keys[each.key_id], now_ms) or keys[each.key_id].state is not KeyState.ACTIVE
        ][:limit]
        for handover_id in dead:
            del self._draft.handovers[handover_id]
        return len(dead)

    def _waiting(self) -> list[KeyHandover]:
        taken = self._draft.taken_handovers
        return [each for each in self._draft.handovers.values() if each.id not in taken]


def _ended(key: ApiKey, now_ms: int) -> bool:
    expires_at_ms = key.policy.expires_at_ms
    return expires_at_ms is not None and expires_at_ms <= now_ms
