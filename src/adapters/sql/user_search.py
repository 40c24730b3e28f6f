"""Users by page and by reach, and removed ones."""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import ColumnElement, Select, and_, false, func, not_, or_, select, true

from adapters.sql.people import user_of
from adapters.sql.session import Session, is_id
from adapters.sql.tables import TeamMemberRow, UserRow
from application.ports.people import ListedUser, UserFilter, UserSearch
from domain.access.rights import Area, Reach
from domain.identifiers import TeamId


class SqlUserSearch(UserSearch):
    """Rows of `users`."""

    def __init__(self, session: Session) -> None:
        """Works inside the transaction of `session`."""
        self._session = session

    async def page(
        self, wanted: UserFilter, reach: Reach, *, after: str | None, limit: int
    ) -> Sequence[ListedUser]:
        """Return a page by id."""
        query = select(UserRow).where(*_conditions(wanted, reach)).order_by(UserRow.id)
        if after is not None:
            query = query.where(UserRow.id > after)
        return await self._listed(query.limit(limit))

    async def count(self, wanted: UserFilter, reach: Reach) -> int:
        """Count them."""
        return await self._session.count(
            select(func.count()).select_from(UserRow).where(*_conditions(wanted, reach))
        )

    async def removed(self, user_id: str) -> ListedUser | None:
        """Return a removed user."""
        if not is_id(user_id):
            return None
        query = select(UserRow).where(UserRow.id == user_id, UserRow.deleted_at.is_not(None))
        return next(iter(await self._listed(query)), None)

    async def _listed(self, query: Select[tuple[UserRow]]) -> list[ListedUser]:
        rows = await self._session.rows(query)
        teams: defaultdict[str, set[TeamId]] = defaultdict(set)
        memberships = await self._session.rows(
            select(TeamMemberRow).where(TeamMemberRow.user_id.in_([row.id for row in rows]))
        )
        for each in memberships:
            teams[each.user_id].add(TeamId(each.team_id))
        return [ListedUser(user_of(row, frozenset(teams[row.id])), row.deleted_at) for row in rows]


def _conditions(wanted: UserFilter, reach: Reach) -> list[ColumnElement[bool]]:
    deleted = UserRow.deleted_at
    found = [
        deleted.is_not(None) if wanted.removed else deleted.is_(None),
        _within(reach.allowed),
        not_(_within(reach.denied)),
    ]
    if wanted.kind is not None:
        found.append(UserRow.kind == wanted.kind.value)
    if wanted.state is not None:
        found.append(UserRow.state == wanted.state.value)
    if wanted.role is not None:
        found.append(UserRow.role == wanted.role)
    if wanted.team_id is not None:
        found.append(_in_team([wanted.team_id]))
    if wanted.text:
        text = wanted.text.lower()
        found.append(
            or_(
                UserRow.email.contains(text, autoescape=True),
                and_(
                    UserRow.display_name.is_not(None),
                    func.lower(UserRow.display_name).contains(text, autoescape=True),
                ),
            )
        )
    return found


def _within(area: Area) -> ColumnElement[bool]:
    if area.everything:
        return true()
    found: list[ColumnElement[bool]] = [false()]
    if area.team_ids:
        found.append(_in_team(sorted(area.team_ids)))
    if area.owner_id is not None:
        found.append(UserRow.id == area.owner_id)
    return or_(*found)


def _in_team(team_ids: Sequence[TeamId]) -> ColumnElement[bool]:
    known = [each for each in team_ids if is_id(each)]
    return UserRow.id.in_(
        select(TeamMemberRow.user_id).where(TeamMemberRow.team_id.in_(known)).scalar_subquery()
    )
