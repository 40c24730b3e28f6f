"""Repositories of users and teams."""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import ColumnElement, Update, delete, func, insert, select, update

from adapters.sql.session import Session, is_id
from adapters.sql.tables import TeamMemberRow, TeamRow, UserRow
from application.ports.change_feed import Section
from application.ports.repositories import Teams, Users
from domain.access.accounts import Team, User, UserKind, UserState
from domain.errors import NotFound
from domain.identifiers import TeamId, UserId

_LIVE = UserRow.deleted_at.is_(None)


def user_of(row: UserRow, team_ids: frozenset[TeamId]) -> User:
    """Return a user."""
    return User(
        id=UserId(row.id),
        email=row.email,
        role=row.role,
        kind=UserKind(row.kind),
        state=UserState(row.state),
        team_ids=team_ids,
        display_name=row.display_name,
        must_change_password=row.must_change_password,
        created_at_ms=row.created_at,
        last_sign_in_at_ms=row.last_sign_in_at,
    )


def _columns(user: User) -> dict[str, object]:
    return {
        "role": str(user.role),
        "state": user.state.value,
        "display_name": user.display_name,
        "must_change_password": user.must_change_password,
        "last_sign_in_at": user.last_sign_in_at_ms,
    }


class SqlUsers(Users):
    """Rows of `users` and `team_members`."""

    def __init__(self, session: Session) -> None:
        """Works inside the transaction of `session`."""
        self._session = session

    async def all(self) -> Sequence[User]:
        """Return all users, oldest first."""
        memberships = await self._session.rows(select(TeamMemberRow))
        teams: defaultdict[str, set[TeamId]] = defaultdict(set)
        for membership in memberships:
            teams[membership.user_id].add(TeamId(membership.team_id))
        rows = await self._session.rows(
            select(UserRow).where(_LIVE).order_by(UserRow.created_at, UserRow.id)
        )
        return [user_of(row, frozenset(teams[row.id])) for row in rows]

    async def find(self, user_id: UserId) -> User | None:
        """Return one user."""
        return await self._one_user(UserRow.id == user_id) if is_id(user_id) else None

    async def by_email(self, email: str) -> User | None:
        """Return the user with this address."""
        return await self._one_user(UserRow.email == email)

    async def _one_user(self, condition: ColumnElement[bool]) -> User | None:
        row = await self._session.first(select(UserRow).where(condition, _LIVE))
        if row is None:
            return None
        memberships = await self._session.rows(
            select(TeamMemberRow).where(TeamMemberRow.user_id == row.id)
        )
        return user_of(row, frozenset(TeamId(each.team_id) for each in memberships))

    async def add(self, user: User) -> None:
        """Store a user and the memberships."""
        await self._session.change(
            insert(UserRow).values(
                id=user.id,
                email=user.email,
                kind=user.kind.value,
                created_at=user.created_at_ms,
                **_columns(user),
            ),
            Section.KEYS,
        )
        await self._join(user)

    async def update(self, user: User) -> None:
        """Replace what can change, and the memberships."""
        await self._one(
            update(UserRow).where(UserRow.id == user.id, _LIVE).values(**_columns(user))
        )
        await self._session.change(delete(TeamMemberRow).where(TeamMemberRow.user_id == user.id))
        await self._join(user)

    async def remove(self, user_id: UserId) -> None:
        """Mark the user as deleted."""
        await self._one(
            update(UserRow).where(UserRow.id == user_id, _LIVE).values(deleted_at=func.now())
        )

    async def set_password(self, user_id: UserId, password_hash: str) -> None:
        """Store a PHC string."""
        await self._one(
            update(UserRow).where(UserRow.id == user_id, _LIVE).values(password_hash=password_hash)
        )

    async def password_hash(self, user_id: UserId) -> str | None:
        """Return the stored PHC string."""
        row = await self._session.first(select(UserRow).where(UserRow.id == user_id, _LIVE))
        return row.password_hash if row is not None else None

    async def _join(self, user: User) -> None:
        for team_id in sorted(user.team_ids):
            await self._session.change(
                insert(TeamMemberRow).values(team_id=team_id, user_id=user.id), Section.KEYS
            )

    async def _one(self, statement: Update) -> None:
        if await self._session.change(statement, Section.KEYS) == 0:
            raise NotFound("There is no such user.")


class SqlTeams(Teams):
    """Rows of `teams`."""

    def __init__(self, session: Session) -> None:
        """Works inside the transaction of `session`."""
        self._session = session

    async def all(self) -> Sequence[Team]:
        """Return all teams, oldest first."""
        rows = await self._session.rows(select(TeamRow).order_by(TeamRow.created_at, TeamRow.id))
        return [
            Team(id=TeamId(row.id), name=row.name, created_at_ms=row.created_at) for row in rows
        ]

    async def add(self, team: Team) -> None:
        """Store a team."""
        await self._session.change(
            insert(TeamRow).values(id=team.id, name=team.name, created_at=team.created_at_ms),
            Section.KEYS,
        )

    async def find(self, team_id: TeamId) -> Team | None:
        """Return one team."""
        return next((each for each in await self.all() if each.id == team_id), None)

    async def rename(self, team_id: TeamId, name: str) -> None:
        """Give the team another name."""
        changed = await self._session.change(
            update(TeamRow).where(TeamRow.id == team_id).values(name=name), Section.KEYS
        )
        if changed == 0:
            raise NotFound("There is no such team.")

    async def remove(self, team_id: TeamId) -> None:
        """Delete the team; memberships go by cascade."""
        removed = await self._session.change(
            delete(TeamRow).where(TeamRow.id == team_id), Section.KEYS
        )
        if removed == 0:
            raise NotFound("There is no such team.")
