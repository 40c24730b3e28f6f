"""Secrets that wait for the owners of keys."""

from collections.abc import Collection, Sequence

from sqlalchemy import ColumnElement, delete, insert, or_, select, update

from adapters.sql.session import Session, is_id
from adapters.sql.tables import ApiKeyRow
from adapters.sql.tables.key_lifecycle import KeyHandoverRow
from application.ports.key_handovers import KeyHandover, KeyHandovers
from domain.errors import NotFound
from domain.identifiers import ApiKeyId, UserId
from domain.keys.api_key import KeyState

_WAITING = KeyHandoverRow.taken_at.is_(None)


def _handover(row: KeyHandoverRow) -> KeyHandover:
    return KeyHandover(
        id=row.id,
        key_id=ApiKeyId(row.key_id),
        token_hash=row.token_hash,
        sealed_token=row.sealed_token or "",
        sealed_secret=row.sealed_secret or "",
        created_at_ms=row.created_at,
        old_works_until_ms=row.old_works_until,
    )


class SqlKeyHandovers(KeyHandovers):
    """Rows of `key_handovers`."""

    def __init__(self, session: Session) -> None:
        """Works inside the transaction of `session`."""
        self._session = session

    async def add(self, handover: KeyHandover) -> None:
        """Store a hand-over."""
        await self._session.change(
            insert(KeyHandoverRow).values(
                id=handover.id,
                key_id=handover.key_id,
                token_hash=handover.token_hash,
                sealed_token=handover.sealed_token,
                sealed_secret=handover.sealed_secret,
                created_at=handover.created_at_ms,
                old_works_until=handover.old_works_until_ms,
            )
        )

    async def by_token(self, token_hash: bytes) -> KeyHandover | None:
        """Return the hand-over and lock it."""
        row = await self._session.first(
            select(KeyHandoverRow)
            .where(KeyHandoverRow.token_hash == token_hash, _WAITING)
            .with_for_update()
        )
        return _handover(row) if row is not None else None

    async def take(self, handover_id: str, at_ms: int) -> None:
        """Forget the secret."""
        hit = await self._session.change(
            update(KeyHandoverRow)
            .where(KeyHandoverRow.id == handover_id, _WAITING)
            .values(taken_at=at_ms, sealed_token=None, sealed_secret=None)
        )
        if hit == 0:
            raise NotFound("There is no such hand-over.")

    async def pending(
        self, owners: Collection[UserId], now_ms: int, *, limit: int
    ) -> Sequence[KeyHandover]:
        """Return what waits for these owners."""
        rows = await self._session.rows(
            select(KeyHandoverRow)
            .join(ApiKeyRow, ApiKeyRow.id == KeyHandoverRow.key_id)
            .where(
                _WAITING,
                ~_ended(now_ms),
                ApiKeyRow.owner_id.in_([each for each in owners if is_id(each)]),
                ApiKeyRow.state == KeyState.ACTIVE.value,
                ApiKeyRow.deleted_at.is_(None),
            )
            .order_by(KeyHandoverRow.id)
            .limit(limit)
        )
        return [_handover(row) for row in rows]

    async def forget_dead(self, now_ms: int, *, limit: int) -> int:
        """Delete what cannot be used any more."""
        dead = (
            select(KeyHandoverRow.id)
            .join(ApiKeyRow, ApiKeyRow.id == KeyHandoverRow.key_id)
            .where(_WAITING, or_(_ended(now_ms), ApiKeyRow.state != KeyState.ACTIVE.value))
            .limit(limit)
        )
        return await self._session.change(delete(KeyHandoverRow).where(KeyHandoverRow.id.in_(dead)))


def _ended(now_ms: int) -> ColumnElement[bool]:
    return ApiKeyRow.expires_at.is_not(None) & (ApiKeyRow.expires_at <= now_ms)
