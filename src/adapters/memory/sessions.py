"""Console sessions in process memory."""

from collections.abc import Sequence

from msgspec.structs import replace

from adapters.memory.repositories import Draft
from application.ports.sessions import Sessions
from domain.access.session import Session
from domain.errors import NotFound
from domain.identifiers import UserId


class MemorySessions(Sessions):
    """Sessions by id; those of a removed user are gone."""

    def __init__(self, draft: Draft) -> None:
        """Reads and changes `draft`."""
        self._draft = draft

    async def add(self, session: Session) -> None:
        """See `Sessions`."""
        user = self._draft.users.get(session.user_id)
        if user is None:
            raise NotFound("There is no such user.")
        for each in list(self._draft.sessions.values()):
            if each.expires_at_ms <= session.created_at_ms:
                del self._draft.sessions[each.id]
        self._draft.users[user.id] = replace(user, last_sign_in_at_ms=session.created_at_ms)
        self._draft.sessions[session.id] = session

    async def find(self, session_id: str) -> Session | None:
        """Return one session."""
        return self._draft.sessions.get(session_id)

    async def of_user(self, user_id: UserId) -> Sequence[Session]:
        """Return the sessions of a user, oldest first."""
        return [each for each in await self.all() if each.user_id == user_id]

    async def all(self) -> Sequence[Session]:
        """Return all sessions, oldest first."""
        return [each for _, each in sorted(self._draft.sessions.items())]

    async def refresh(self, session: Session) -> bool:
        """Store the next generation."""
        stored = self._draft.sessions.get(session.id)
        if stored is None or stored.generation != session.generation - 1:
            return False
        self._draft.sessions[session.id] = session
        return True

    async def touch(self, session_id: str, at_ms: int) -> None:
        """Move the last use forward."""
        stored = self._draft.sessions.get(session_id)
        if stored is not None and stored.last_seen_at_ms < at_ms:
            self._draft.sessions[session_id] = replace(stored, last_seen_at_ms=at_ms)

    async def prove_second_factor(self, session_id: str) -> None:
        """Note a second factor."""
        stored = self._draft.sessions.get(session_id)
        if stored is not None:
            self._draft.sessions[session_id] = replace(stored, second_factor=True)

    async def remove(self, session_id: str) -> bool:
        """End a session."""
        return self._draft.sessions.pop(session_id, None) is not None

    async def remove_of_user(self, user_id: UserId, *, except_id: str | None = None) -> int:
        """End the sessions of a user."""
        ended = [each.id for each in await self.of_user(user_id) if each.id != except_id]
        for session_id in ended:
            del self._draft.sessions[session_id]
        return len(ended)
