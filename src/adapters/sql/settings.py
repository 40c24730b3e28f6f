"""Repository of settings."""

from collections.abc import Mapping

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from adapters.sql.session import Session
from adapters.sql.tables import SettingRow
from application.ports.change_feed import Section
from application.ports.repositories import StoredSettings
from domain.settings.catalog import CATALOG, SettingValue


async def read_settings(session: Session) -> dict[str, SettingValue]:
    """Return stored values by key.

    Keys that only another version knows, and values its bounds allow but ours do not, are left out:
    during a rolling upgrade the default is better than a process that cannot start.
    """
    rows = await session.rows(select(SettingRow).order_by(SettingRow.key))
    return {row.key: row.value for row in rows if _is_valid(row.key, row.value)}


def _is_valid(key: str, value: SettingValue) -> bool:
    spec = CATALOG.get(key)
    if spec is None:
        return False
    try:
        spec.check(value)
    except ValueError:
        return False
    return True


class SqlStoredSettings(StoredSettings):
    """Rows of `settings`."""

    def __init__(self, session: Session) -> None:
        """Works inside the transaction of `session`."""
        self._session = session

    async def all(self) -> Mapping[str, SettingValue]:
        """Return stored values by key."""
        return await read_settings(self._session)

    async def put(self, key: str, value: SettingValue) -> None:
        """Store a checked value."""
        statement = insert(SettingRow).values(key=key, value=value)
        await self._session.change(
            statement.on_conflict_do_update(
                index_elements=[SettingRow.key], set_={"value": statement.excluded.value}
            ),
            Section.SETTINGS,
        )

    async def reset(self, key: str) -> None:
        """Forget the stored value."""
        await self._session.change(
            delete(SettingRow).where(SettingRow.key == key), Section.SETTINGS
        )
