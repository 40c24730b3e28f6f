"""Leadership by advisory lock."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.sql.errors import database_errors
from application.ports.leases import LeaderLease

# Advisory locks are numbers; the seed keeps ours apart from those of other programs.
_TRY = text("SELECT pg_try_advisory_lock(hashtextextended(:name, 8390308))")


class SqlLeaderLease(LeaderLease):
    """A session-level lock: PostgreSQL gives it back when the session ends, however it ends."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Each lease that is held takes one connection of the engine's pool."""
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncGenerator[bool]:
        """Try to become the holder of `name`; raises `ServiceUnavailable` when nobody can tell."""
        async with AsyncExitStack() as held:
            async with database_errors():
                connection = await held.enter_async_context(self._engine.connect())
                # Ends the session: no failure on the way can leave the lock behind in the pool.
                held.push_async_callback(connection.invalidate)
                holds = bool(await connection.scalar(_TRY, {"name": name}))
            yield holds
