"""Repository of invitations."""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import delete, insert, select

from adapters.sql.session import Session, is_id
from adapters.sql.tables.invites import InviteRow, InviteTeamRow
from application.ports.people import Invites
from domain.access.invites import Invite
from domain.errors import NotFound
from domain.identifiers import TeamId, UserId


class SqlInvites(Invites):
    """Rows of `invites` and `invite_teams`."""

    def __init__(self, session: Session) -> None:
        """Works inside the transaction of `session`."""
        self._session = session

    async def all(self) -> Sequence[Invite]:
        """Return all invitations by id."""
        teams: defaultdict[str, set[TeamId]] = defaultdict(set)
        for each in await self._session.rows(select(InviteTeamRow)):
            teams[each.invite_id].add(TeamId(each.team_id))
        rows = await self._session.rows(select(InviteRow).order_by(InviteRow.id))
        return [_invite(row, frozenset(teams[row.id])) for row in rows]

    async def by_hash(self, token_hash: bytes) -> Invite | None:
        """Return the invitation with this token."""
        row = await self._session.first(select(InviteRow).where(InviteRow.token_hash == token_hash))
        if row is None:
            return None
        teams = await self._session.rows(
            select(InviteTeamRow).where(InviteTeamRow.invite_id == row.id)
        )
        return _invite(row, frozenset(TeamId(each.team_id) for each in teams))

    async def add(self, invite: Invite) -> None:
        """Store an invitation and its teams."""
        await self._session.change(
            insert(InviteRow).values(
                id=invite.id,
                email=invite.email,
                role=invite.role,
                token_hash=invite.token_hash,
                inviter_id=invite.inviter_id,
                created_at=invite.created_at_ms,
                expires_at=invite.expires_at_ms,
            )
        )
        for team_id in sorted(invite.team_ids):
            await self._session.change(
                insert(InviteTeamRow).values(invite_id=invite.id, team_id=team_id)
            )

    async def remove(self, invite_id: str) -> None:
        """Remove an invitation."""
        removed = (
            await self._session.change(delete(InviteRow).where(InviteRow.id == invite_id))
            if is_id(invite_id)
            else 0
        )
        if removed == 0:
            raise NotFound("There is no such invitation.")


def _invite(row: InviteRow, team_ids: frozenset[TeamId]) -> Invite:
    return Invite(
        id=row.id,
        email=row.email,
        role=row.role,
        team_ids=team_ids,
        token_hash=row.token_hash,
        inviter_id=UserId(row.inviter_id) if row.inviter_id is not None else None,
        created_at_ms=row.created_at,
        expires_at_ms=row.expires_at,
    )
