"""Idempotency keys in PostgreSQL."""

import msgspec
from sqlalchemy import ColumnElement, and_, delete, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from adapters.sql.errors import database_errors
from adapters.sql.tables.idempotency import IdempotencyKeyRow
from application.ports.idempotency import IdempotencyKeys, KeptAnswer, KeyClaim

_SWEPT_AT_ONCE = 100
_Row = IdempotencyKeyRow


class SqlIdempotencyKeys(IdempotencyKeys):
    """Rows of `idempotency_keys`; its primary key decides whose claim it is."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Each call is a transaction of its own."""
        self._engine = engine

    async def claim(self, claim: KeyClaim, *, expired_before_ms: int) -> KeyClaim | None:
        """See `IdempotencyKeys`."""
        expired = (
            select(_Row.key, _Row.operation)
            .where(_Row.claimed_at < expired_before_ms)
            .limit(_SWEPT_AT_ONCE)
            .with_for_update(skip_locked=True)
        )
        values = {
            "digest": claim.digest,
            "claim_id": claim.claim_id,
            "claimed_at": claim.claimed_at_ms,
            "answer": None,
        }
        claiming = (
            insert(_Row)
            .values(key=claim.key, operation=claim.operation, **values)
            .on_conflict_do_update(
                index_elements=[_Row.key, _Row.operation],
                set_=values,
                where=_Row.claimed_at < expired_before_ms,
            )
        )
        found = select(_Row).where(_Row.key == claim.key, _Row.operation == claim.operation)
        async with database_errors(), AsyncSession(self._engine) as session, session.begin():
            await session.execute(
                delete(_Row)
                .where(tuple_(_Row.key, _Row.operation).in_(expired))
                .execution_options(synchronize_session=False)
            )
            await session.execute(claiming)
            row = await session.scalar(found)
            return None if row is None else _claim(row)

    async def complete(self, claim: KeyClaim, answer: KeptAnswer) -> None:
        """See `IdempotencyKeys`."""
        statement = update(_Row).where(_is(claim)).values(answer=msgspec.json.encode(answer))
        async with database_errors(), self._engine.begin() as connection:
            await connection.execute(statement)

    async def release(self, claim: KeyClaim) -> None:
        """See `IdempotencyKeys`."""
        async with database_errors(), self._engine.begin() as connection:
            await connection.execute(delete(_Row).where(_is(claim)))


def _is(claim: KeyClaim) -> ColumnElement[bool]:
    return and_(
        _Row.key == claim.key,
        _Row.operation == claim.operation,
        _Row.claim_id == claim.claim_id,
    )


def _claim(row: IdempotencyKeyRow) -> KeyClaim:
    return KeyClaim(
        key=row.key,
        operation=row.operation,
        digest=row.digest,
        claim_id=row.claim_id,
        claimed_at_ms=row.claimed_at,
        answer=None if row.answer is None else msgspec.json.decode(row.answer, type=KeptAnswer),
    )
