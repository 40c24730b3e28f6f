"""Users as the API takes and shows them."""

from datetime import datetime

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from application.identity.roster import Roster
from application.instants import instant, instant_or_none
from application.resources import Versioned, versioned
from domain.access.accounts import Role, User, UserState


class UserEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new user.

    Attributes:
        role: name of the base role.
        teams: ids.
        password: made up when left out; then it is shown once and must be changed.
    """

    email: str
    display_name: str | None = None
    role: str = Role.DEVELOPER.value
    teams: tuple[str, ...] = ()
    password: str | None = None

    def __repr__(self) -> str:
        """Without the password."""
        return f"UserEntry(email={self.email!r})"


class UserPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Changes of a user (RFC 7396); `teams` are ids, and replace those there are."""

    display_name: str | UnsetType | None = UNSET
    role: str | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    teams: tuple[str, ...] | UnsetType = UNSET


class TeamRef(Struct, frozen=True):
    """A team by id and name."""

    id: str
    name: str


class UserView(Struct, frozen=True, kw_only=True):
    """A user; `deleted_at` is null but for one who was deleted and can still be restored."""

    id: str
    email: str
    display_name: str | None
    role: str
    teams: tuple[TeamRef, ...]
    enabled: bool
    must_change_password: bool
    created_at: datetime
    last_sign_in_at: datetime | None
    deleted_at: datetime | None = None


class NewUserView(Struct, frozen=True, kw_only=True):
    """A new user, and the password that was made up: it is shown this once."""

    user: UserView
    password: str | None = None

    def __repr__(self) -> str:
        """Without the password."""
        return f"NewUserView(user={self.user!r})"


class UserRemoval(Struct, frozen=True, kw_only=True):
    """The user as it was, and what goes too; `deleted` is false for a dry run.

    Attributes:
        keys: how many keys stop working.
        sessions: how many console sessions end.
    """

    deleted: bool
    item: UserView
    keys: int
    sessions: int


def user_view(user: User, roster: Roster, removed_at_ms: int | None = None) -> UserView:
    """Return a user as answers show it."""
    return UserView(
        id=user.id,
        email=user.email,
        display_name=user.display_name,
        role=user.role,
        teams=tuple(
            TeamRef(each, roster.teams[each].name)
            for each in sorted(user.team_ids)
            if each in roster.teams
        ),
        enabled=user.state is UserState.ACTIVE,
        must_change_password=user.must_change_password,
        created_at=instant(user.created_at_ms),
        last_sign_in_at=instant_or_none(user.last_sign_in_at_ms),
        deleted_at=instant_or_none(removed_at_ms),
    )


def user_versioned(user: User, roster: Roster) -> Versioned[UserView]:
    """Return a view whose tag does not change when the user signs in."""
    view = user_view(user, roster)
    return Versioned(view, versioned(replace(view, last_sign_in_at=None)).etag)
