"""Second factors in PostgreSQL."""

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from adapters.sql.session import Session, is_id
from adapters.sql.tables import SecondFactorRow
from application.ports.sessions import SecondFactors
from domain.access.second_factor import SecondFactor
from domain.identifiers import UserId

_Row = SecondFactorRow


class SqlSecondFactors(SecondFactors):
    """Rows of `second_factors`; the row decides which of two uses of a code was first."""

    def __init__(self, session: Session) -> None:
        """Works inside the transaction of `session`."""
        self._session = session

    async def find(self, user_id: UserId) -> SecondFactor | None:
        """Return the factor of a user."""
        if not is_id(user_id):
            return None
        row = await self._session.first(select(_Row).where(_Row.user_id == user_id))
        if row is None:
            return None
        return SecondFactor(
            user_id=UserId(row.user_id),
            sealed_secret=row.sealed_secret,
            confirmed=row.confirmed,
            last_step=row.last_step,
            recovery_hashes=tuple(row.recovery_hashes),
            created_at_ms=row.created_at,
        )

    async def put(self, factor: SecondFactor) -> None:
        """Insert or replace."""
        values = {
            "sealed_secret": factor.sealed_secret,
            "confirmed": factor.confirmed,
            "last_step": factor.last_step,
            "recovery_hashes": list(factor.recovery_hashes),
            "created_at": factor.created_at_ms,
        }
        await self._session.change(
            insert(_Row)
            .values(user_id=factor.user_id, **values)
            .on_conflict_do_update(index_elements=[_Row.user_id], set_=values)
        )

    async def accept_step(self, user_id: UserId, step: int) -> bool:
        """Move the last step forward."""
        statement = (
            update(_Row)
            .where(_Row.user_id == user_id, _Row.last_step < step)
            .values(last_step=step)
        )
        return await self._session.change(statement) > 0

    async def use_recovery_code(self, user_id: UserId, code_hash: bytes) -> bool:
        """Take the hash out of the list."""
        statement = (
            update(_Row)
            .where(_Row.user_id == user_id, _Row.recovery_hashes.any_() == code_hash)
            .values(recovery_hashes=func.array_remove(_Row.recovery_hashes, code_hash))
        )
        return await self._session.change(statement) > 0

    async def remove(self, user_id: UserId) -> bool:
        """Delete the row."""
        return await self._session.change(delete(_Row).where(_Row.user_id == user_id)) > 0
