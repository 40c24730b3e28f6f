"""What the runtime snapshot is built from, read from PostgreSQL."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from adapters.sql.errors import database_errors
from adapters.sql.limits import read_limits, read_overrides
from adapters.sql.models import read_models
from adapters.sql.providers import read_providers
from adapters.sql.session import Session
from adapters.sql.settings import read_settings
from adapters.sql.tables import ConfigRevisionRow
from application.ports.change_feed import Section
from application.ports.configuration import ConfigurationSource, LimitSet
from domain.routing.catalog import Catalog
from domain.settings.catalog import Settings, SettingValue


class SqlConfigurationSource(ConfigurationSource):
    """Reads each section in one REPEATABLE READ transaction, so its queries agree."""

    def __init__(
        self, engine: AsyncEngine, environment: Mapping[str, SettingValue] | None = None
    ) -> None:
        """`environment`: settings this process was started with. The engine is not disposed."""
        self._environment = environment or {}
        self._engine = engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )

    async def revisions(self) -> dict[Section, int]:
        """Return the revision of every section; 0 for one that never changed."""
        async with self._reading() as session:
            rows = await session.rows(select(ConfigRevisionRow))
        stored = {row.section: row.revision for row in rows}
        return {section: stored.get(section.value, 0) for section in Section}

    async def catalog(self) -> Catalog:
        """Return all providers, models, aliases, routes and prices."""
        async with self._reading() as session:
            providers = await read_providers(session)
            models = await read_models(session)
        return Catalog.of(models, providers)

    async def settings(self) -> Settings:
        """Return stored settings over those of the environment over defaults."""
        async with self._reading() as session:
            return Settings(await read_settings(session), self._environment)

    async def limits(self) -> LimitSet:
        """Return all limits and overrides."""
        async with self._reading() as session:
            return LimitSet(tuple(await read_limits(session)), tuple(await read_overrides(session)))

    @asynccontextmanager
    async def _reading(self) -> AsyncGenerator[Session]:
        async with (
            database_errors(),
            AsyncSession(self._engine, autoflush=False) as session,
        ):
            yield Session(session)
