"""Users by page, and invitations, in process memory."""

from collections.abc import Sequence

from msgspec.structs import replace

from adapters.memory.repositories import Draft
from application.ports.people import Invites, ListedUser, UserFilter, UserSearch
from domain.access.accounts import User
from domain.access.invites import Invite
from domain.access.rights import Reach, Target
from domain.access.roles import BUILT_IN
from domain.errors import Conflict, NotFound


class MemoryUserSearch(UserSearch):
    """Users of the draft."""

    def __init__(self, draft: Draft) -> None:
        """Reads and changes `draft`."""
        self._draft = draft

    async def page(
        self, wanted: UserFilter, reach: Reach, *, after: str | None, limit: int
    ) -> Sequence[ListedUser]:
        """Return a page by id."""
        found = [each for each in self._found(wanted, reach) if after is None or each.id > after]
        return [
            ListedUser(each, self._draft.removed_at_ms.get(each.id) if wanted.removed else None)
            for each in found[:limit]
        ]

    async def count(self, wanted: UserFilter, reach: Reach) -> int:
        """Count them."""
        return len(self._found(wanted, reach))

    async def removed(self, user_id: str) -> ListedUser | None:
        """Return a removed user."""
        user = self._draft.removed_users.get(user_id)
        if user is None:
            return None
        return ListedUser(user, self._draft.removed_at_ms.get(user_id))

    def _found(self, wanted: UserFilter, reach: Reach) -> list[User]:
        draft = self._draft
        pool = draft.removed_users.values() if wanted.removed else draft.users.values()
        return sorted(
            (
                each
                for each in pool
                if _fits(each, wanted)
                and reach.covers(Target(owner_id=each.id, team_ids=each.team_ids))
            ),
            key=lambda each: each.id,
        )


class MemoryInvites(Invites):
    """Invitations by id."""

    def __init__(self, draft: Draft) -> None:
        """Reads and changes `draft`."""
        self._draft = draft

    async def all(self) -> Sequence[Invite]:
        """Return all invitations by id."""
        return [self._present(each) for _, each in sorted(self._draft.invites.items())]

    async def by_hash(self, token_hash: bytes) -> Invite | None:
        """Return the invitation with this token."""
        return next((each for each in await self.all() if each.token_hash == token_hash), None)

    async def add(self, invite: Invite) -> None:
        """Store an invitation."""
        if any(each.email == invite.email for each in self._draft.invites.values()):
            raise Conflict("There is an open invitation for this address; revoke it first.")
        if invite.role not in BUILT_IN and invite.role not in self._draft.roles:
            raise Conflict("There is no such role, or it is still given to somebody.")
        self._draft.invites[invite.id] = invite

    async def remove(self, invite_id: str) -> None:
        """Remove an invitation."""
        if self._draft.invites.pop(invite_id, None) is None:
            raise NotFound("There is no such invitation.")

    def _present(self, invite: Invite) -> Invite:
        return replace(invite, team_ids=invite.team_ids & self._draft.teams.keys())


def _fits(user: User, wanted: UserFilter) -> bool:
    text = (wanted.text or "").lower()
    return (
        (wanted.kind is None or user.kind is wanted.kind)
        and (wanted.state is None or user.state is wanted.state)
        and (wanted.role is None or user.role == wanted.role)
        and (wanted.team_id is None or wanted.team_id in user.team_ids)
        and (text in user.email or text in (user.display_name or "").lower())
    )
