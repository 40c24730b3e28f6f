"""Console sessions in PostgreSQL."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, delete, insert, select, update

from adapters.sql.session import Session as Statements
from adapters.sql.session import is_id
from adapters.sql.tables import SessionRow, UserRow
from application.ports.sessions import Sessions
from domain.access.session import Session, SignInMethod, SsoSession
from domain.errors import NotFound
from domain.identifiers import SsoProviderId, UserId

_SWEPT_AT_ONCE = 100
_Row = SessionRow


class SqlSessions(Sessions):
    """Rows of `sessions`. They are no part of the configuration: no revision grows with them."""

    def __init__(self, session: Statements) -> None:
        """Works inside the transaction of `session`."""
        self._session = session

    async def add(self, session: Session) -> None:
        """See `Sessions`."""
        expired = (
            select(_Row.id)
            .where(_Row.expires_at <= session.created_at_ms)
            .limit(_SWEPT_AT_ONCE)
            .with_for_update(skip_locked=True)
        )
        await self._session.change(delete(_Row).where(_Row.id.in_(expired)))
        seen = (
            update(UserRow)
            .where(UserRow.id == session.user_id, UserRow.deleted_at.is_(None))
            .values(last_sign_in_at=session.created_at_ms)
        )
        if await self._session.change(seen) == 0:
            raise NotFound("There is no such user.")
        await self._session.change(
            insert(_Row).values(
                id=session.id,
                user_id=session.user_id,
                method=session.method.value,
                ip=session.ip,
                binding=session.binding,
                device=session.device,
                user_agent=session.user_agent,
                created_at=session.created_at_ms,
                last_seen_at=session.last_seen_at_ms,
                generation=session.generation,
                refresh_hash=session.refresh_hash,
                refreshed_at=session.refreshed_at_ms,
                idle_ms=session.idle_ms,
                expires_at=session.expires_at_ms,
                second_factor=session.second_factor,
                sso_provider_id=None if session.sso is None else session.sso.provider_id,
                sealed_id_token=None if session.sso is None else session.sso.sealed_id_token,
            )
        )

    async def find(self, session_id: str) -> Session | None:
        """Return one session."""
        if not is_id(session_id):
            return None
        row = await self._session.first(select(_Row).where(_Row.id == session_id))
        return None if row is None else _session(row)

    async def of_user(self, user_id: UserId) -> Sequence[Session]:
        """Return the sessions of a user, oldest first."""
        return await self._all(_Row.user_id == user_id) if is_id(user_id) else []

    async def all(self) -> Sequence[Session]:
        """Return all sessions, oldest first."""
        return await self._all()

    async def _all(self, *conditions: ColumnElement[bool]) -> Sequence[Session]:
        rows = await self._session.rows(select(_Row).where(*conditions).order_by(_Row.id))
        return [_session(row) for row in rows]

    async def refresh(self, session: Session) -> bool:
        """Store the next generation; the row decides who was first."""
        statement = (
            update(_Row)
            .where(_Row.id == session.id, _Row.generation == session.generation - 1)
            .values(
                generation=session.generation,
                refresh_hash=session.refresh_hash,
                refreshed_at=session.refreshed_at_ms,
                last_seen_at=session.last_seen_at_ms,
            )
        )
        return await self._session.change(statement) > 0

    async def touch(self, session_id: str, at_ms: int) -> None:
        """Move the last use forward."""
        await self._session.change(
            update(_Row)
            .where(_Row.id == session_id, _Row.last_seen_at < at_ms)
            .values(last_seen_at=at_ms)
        )

    async def prove_second_factor(self, session_id: str) -> None:
        """Note a second factor."""
        await self._session.change(
            update(_Row).where(_Row.id == session_id).values(second_factor=True)
        )

    async def remove(self, session_id: str) -> bool:
        """End a session."""
        if not is_id(session_id):
            return False
        return await self._session.change(delete(_Row).where(_Row.id == session_id)) > 0

    async def remove_of_user(self, user_id: UserId, *, except_id: str | None = None) -> int:
        """End the sessions of a user."""
        statement = delete(_Row).where(_Row.user_id == user_id)
        if except_id is not None:
            statement = statement.where(_Row.id != except_id)
        return await self._session.change(statement)


def _session(row: SessionRow) -> Session:
    sso: SsoSession | None = None
    if row.sso_provider_id is not None:
        sso = SsoSession(
            provider_id=SsoProviderId(row.sso_provider_id), sealed_id_token=row.sealed_id_token
        )
    return Session(
        id=row.id,
        user_id=UserId(row.user_id),
        method=SignInMethod(row.method),
        ip=row.ip,
        binding=row.binding,
        device=row.device,
        user_agent=row.user_agent,
        created_at_ms=row.created_at,
        last_seen_at_ms=row.last_seen_at,
        generation=row.generation,
        refresh_hash=row.refresh_hash,
        refreshed_at_ms=row.refreshed_at,
        idle_ms=row.idle_ms,
        expires_at_ms=row.expires_at,
        second_factor=row.second_factor,
        sso=sso,
    )
