"""Second factors in process memory."""

from msgspec.structs import replace

from adapters.memory.repositories import Draft
from application.ports.sessions import SecondFactors
from domain.access.second_factor import SecondFactor
from domain.identifiers import UserId


class MemorySecondFactors(SecondFactors):
    """Factors by user."""

    def __init__(self, draft: Draft) -> None:
        """Reads and changes `draft`."""
        self._draft = draft

    async def find(self, user_id: UserId) -> SecondFactor | None:
        """Return the factor of a user."""
        return self._draft.second_factors.get(user_id)

    async def put(self, factor: SecondFactor) -> None:
        """Insert or replace."""
        self._draft.second_factors[factor.user_id] = factor

    async def accept_step(self, user_id: UserId, step: int) -> bool:
        """Move the last step forward."""
        stored = self._draft.second_factors.get(user_id)
        if stored is None or stored.last_step >= step:
            return False
        self._draft.second_factors[user_id] = replace(stored, last_step=step)
        return True

    async def use_recovery_code(self, user_id: UserId, code_hash: bytes) -> bool:
        """Take the hash out of the list."""
        stored = self._draft.second_factors.get(user_id)
        if stored is None or code_hash not in stored.recovery_hashes:
            return False
        left = tuple(each for each in stored.recovery_hashes if each != code_hash)
        self._draft.second_factors[user_id] = replace(stored, recovery_hashes=left)
        return True

    async def remove(self, user_id: UserId) -> bool:
        """Forget the factor."""
        return self._draft.second_factors.pop(user_id, None) is not None
