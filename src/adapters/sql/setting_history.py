"""Repositories of staged settings and of revisions of settings."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from adapters.sql.session import Session
from adapters.sql.tables.setting_history import SettingRevisionRow, StagedSettingRow
from application.ports.setting_history import (
    SettingChange,
    SettingHistory,
    SettingRevision,
    StagedSetting,
    StagedSettings,
)
from domain.settings.catalog import SettingValue


class SqlStagedSettings(StagedSettings):
    """Rows of `staged_settings`."""

    def __init__(self, session: Session) -> None:
        """Works inside the transaction of `session`."""
        self._session = session

    async def all(self) -> Sequence[StagedSetting]:
        """Return what is staged, by key."""
        rows = await self._session.rows(select(StagedSettingRow).order_by(StagedSettingRow.key))
        return [
            StagedSetting(
                key=row.key,
                value=row.value,
                base=row.base,
                staged_by=row.staged_by,
                staged_at_ms=row.staged_at,
                reason=row.reason,
            )
            for row in rows
        ]

    async def put(self, staged: StagedSetting) -> None:
        """Stage a value."""
        values = {
            "value": staged.value,
            "base": staged.base,
            "staged_by": staged.staged_by,
            "staged_at": staged.staged_at_ms,
            "reason": staged.reason,
        }
        statement = insert(StagedSettingRow).values(key=staged.key, **values)
        new = {name: statement.excluded[name] for name in values}
        await self._session.change(
            statement.on_conflict_do_update(index_elements=[StagedSettingRow.key], set_=new)
        )

    async def remove(self, key: str) -> None:
        """Take a value out of the set."""
        await self._session.change(delete(StagedSettingRow).where(StagedSettingRow.key == key))


class SqlSettingHistory(SettingHistory):
    """Rows of `setting_revisions`."""

    def __init__(self, session: Session) -> None:
        """Works inside the transaction of `session`."""
        self._session = session

    async def newest(self, *, before: int | None, limit: int) -> Sequence[SettingRevision]:
        """Return the newest revisions first."""
        query = select(SettingRevisionRow).order_by(SettingRevisionRow.revision.desc())
        if before is not None:
            query = query.where(SettingRevisionRow.revision < before)
        return [_revision(row) for row in await self._session.rows(query.limit(limit))]

    async def find(self, revision: int) -> SettingRevision | None:
        """Return one revision."""
        row = await self._session.first(
            select(SettingRevisionRow).where(SettingRevisionRow.revision == revision)
        )
        return _revision(row) if row is not None else None

    async def count(self) -> int:
        """Return how many revisions there are: their numbers have no gaps."""
        newest = await self.newest(before=None, limit=1)
        return newest[0].revision if newest else 0

    async def add(self, revision: SettingRevision) -> None:
        """Add a revision."""
        await self._session.change(
            insert(SettingRevisionRow).values(
                revision=revision.revision,
                at=revision.at_ms,
                actor_kind=revision.actor_kind,
                actor_id=revision.actor_id,
                actor_name=revision.actor_name,
                reason=revision.reason,
                changes=msgspec.to_builtins(revision.changes),
                values=dict(revision.values),
            )
        )


def _revision(row: SettingRevisionRow) -> SettingRevision:
    return SettingRevision(
        revision=row.revision,
        at_ms=row.at,
        actor_kind=row.actor_kind,
        actor_id=row.actor_id,
        actor_name=row.actor_name,
        reason=row.reason,
        changes=msgspec.convert(row.changes, tuple[SettingChange, ...]),
        values=msgspec.convert(row.values, dict[str, SettingValue]),
    )
