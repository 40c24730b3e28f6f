"""People as they are searched for and invited. Parts of a `Transaction`."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from domain.access.accounts import User, UserKind, UserState
from domain.access.invites import Invite
from domain.access.rights import Reach
from domain.identifiers import TeamId


class UserFilter(Struct, frozen=True, kw_only=True):
    """Which users to return: all conditions hold; None leaves one out.

    Attributes:
        text: part of the address or of the display name, whatever its case.
        role: the base role.
        removed: those that were removed and not purged yet, instead of those that are there.
    """

    kind: UserKind | None = None
    text: str | None = None
    role: str | None = None
    team_id: TeamId | None = None
    state: UserState | None = None
    removed: bool = False


class ListedUser(Struct, frozen=True):
    """A user; `removed_at_ms` is None for one that is there."""

    user: User
    removed_at_ms: int | None = None


class UserSearch(Protocol):
    """Users by page. A target of the reach is the user, with the teams the user is in."""

    @abstractmethod
    async def page(
        self, wanted: UserFilter, reach: Reach, *, after: str | None, limit: int
    ) -> Sequence[ListedUser]:
        """Return up to `limit` users within reach with an id over `after`, by id."""
        ...

    @abstractmethod
    async def count(self, wanted: UserFilter, reach: Reach) -> int:
        """Return how many users within reach there are."""
        ...

    @abstractmethod
    async def removed(self, user_id: str) -> ListedUser | None:
        """Return a removed user, who is in no team; None for everybody else."""
        ...


class Invites(Protocol):
    """Invitations that were neither accepted nor revoked; also those that expired."""

    @abstractmethod
    async def all(self) -> Sequence[Invite]:
        """Return all invitations by id."""
        ...

    @abstractmethod
    async def by_hash(self, token_hash: bytes) -> Invite | None:
        """Return the invitation with this token."""
        ...

    @abstractmethod
    async def add(self, invite: Invite) -> None:
        """Store an invitation. Raises `Conflict`: the address has one, or no such role."""
        ...

    @abstractmethod
    async def remove(self, invite_id: str) -> None:
        """Remove an invitation. Raises `NotFound`."""
        ...
