"""Attempts to sign in, in PostgreSQL."""

from collections.abc import Sequence

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from adapters.sql.errors import database_errors
from adapters.sql.tables import SignInAttemptRow
from application.ports.sessions import SignInAttempts
from domain.access.throttle import FORGOTTEN_AFTER_MS, Attempts, Throttle

_TIMEOUT = 5.0  # somebody is waiting
_SWEPT_AT_ONCE = 100
_Row = SignInAttemptRow
_UNTRACKED = {"synchronize_session": False}


class SqlSignInAttempts(SignInAttempts):
    """Rows of `sign_in_attempts`, locked while they are judged."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Each call is a transaction of its own."""
        self._engine = engine

    async def begin(self, throttles: Sequence[Throttle], now_ms: int) -> int:
        """Lock in the order of the keys, so that two of them do not wait for each other."""
        free = {each.key: each.free for each in throttles}
        keys = sorted(free)
        expired = (
            select(_Row.key)
            .where(_Row.last_at <= now_ms - FORGOTTEN_AFTER_MS, _Row.key.not_in(keys))
            .limit(_SWEPT_AT_ONCE)
            .with_for_update(skip_locked=True)
        )
        async with (
            database_errors(_TIMEOUT),
            AsyncSession(self._engine) as session,
            session.begin(),
        ):
            await session.execute(
                delete(_Row).where(_Row.key.in_(expired)), execution_options=_UNTRACKED
            )
            found = {key: await _locked(session, key) for key in keys}
            wait = max(found[key].wait_ms(free[key], now_ms) for key in keys)
            if wait > 0:
                return wait
            for key in keys:
                counted = found[key].one_more(now_ms)
                await session.execute(
                    update(_Row)
                    .where(_Row.key == key)
                    .values(failures=counted.failures, last_at=counted.last_at_ms),
                    execution_options=_UNTRACKED,
                )
        return 0

    async def give_back(self, throttles: Sequence[Throttle]) -> None:
        """Lower each count, in the order of the keys."""
        async with database_errors(_TIMEOUT), self._engine.begin() as connection:
            for key in sorted(each.key for each in throttles):
                await connection.execute(
                    update(_Row)
                    .where(_Row.key == key, _Row.failures > 0)
                    .values(failures=_Row.failures - 1)
                )

    async def forget(self, throttle: Throttle) -> None:
        """Delete the row."""
        async with database_errors(_TIMEOUT), self._engine.begin() as connection:
            await connection.execute(delete(_Row).where(_Row.key == throttle.key))


async def _locked(session: AsyncSession, key: str) -> Attempts:
    """Return what is counted under a key, in a row that nobody else changes or deletes any more.

    One statement: between two of them, `forget` or a sweep could delete the row.
    """
    new = insert(_Row).values(key=key, failures=0, last_at=0)
    row = await session.execute(
        new.on_conflict_do_update(
            index_elements=[_Row.key], set_={"failures": _Row.failures}
        ).returning(_Row.failures, _Row.last_at)
    )
    failures, last_at_ms = row.one()
    return Attempts(failures=failures, last_at_ms=last_at_ms)
