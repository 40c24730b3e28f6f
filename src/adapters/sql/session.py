"""What the repositories of one transaction share."""

from collections.abc import Sequence
from typing import TypeVar
from uuid import UUID

from sqlalchemy import CursorResult, Executable, Select
from sqlalchemy.ext.asyncio import AsyncSession

from adapters.sql.errors import database_errors
from application.ports.change_feed import Section

T = TypeVar("T")


class Session:
    """Runs statements with bounds and translated errors; remembers what changed."""

    def __init__(self, session: AsyncSession) -> None:
        """`session` has its transaction begun and ended by the unit of work."""
        self._session = session
        self.changed: set[Section] = set()

    async def rows(self, query: Select[tuple[T]]) -> Sequence[T]:
        """Return all rows of an entity, as they are in the database now."""
        async with database_errors():
            result = await self._session.scalars(query, execution_options=_FRESH)
            return result.all()

    async def first(self, query: Select[tuple[T]]) -> T | None:
        """Return the first row of an entity, or None."""
        found = await self.rows(query.limit(1))
        return found[0] if found else None

    async def count(self, query: Select[tuple[int]]) -> int:
        """Return the one number that is asked for."""
        async with database_errors():
            return await self._session.scalar(query) or 0

    async def change(self, statement: Executable, *sections: Section) -> int:
        """Run an INSERT, UPDATE or DELETE that changes `sections`; return the number of rows."""
        async with database_errors():
            result = await self._session.execute(statement, execution_options=_UNTRACKED)
        self.changed.update(sections)
        assert isinstance(result, CursorResult)
        return result.rowcount


_FRESH = {"populate_existing": True}
_UNTRACKED = {"synchronize_session": False}


def is_id(text: str) -> bool:
    """Tell whether `text` can be an id at all; the database refuses to compare with other text."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
