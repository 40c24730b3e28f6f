"""What the runtime snapshot is built from, read from process memory."""

from collections.abc import Mapping

from adapters.memory.limit_rows import in_order
from adapters.memory.store import MemoryStore
from application.ports.change_feed import Section
from application.ports.configuration import ConfigurationSource, LimitSet
from domain.routing.catalog import Catalog
from domain.settings.catalog import Settings, SettingValue


class MemoryConfigurationSource(ConfigurationSource):
    """Reads what was committed last."""

    def __init__(
        self, store: MemoryStore, environment: Mapping[str, SettingValue] | None = None
    ) -> None:
        """`store` is shared with the unit of work that changes it."""
        self._environment = environment or {}
        self._store = store

    async def revisions(self) -> dict[Section, int]:
        """Return the revision of every section; 0 for one that never changed."""
        return {section: self._store.revisions.get(section, 0) for section in Section}

    async def catalog(self) -> Catalog:
        """Return all providers, models, aliases, routes and prices."""
        state = self._store.draft
        return Catalog.of(state.models.values(), state.providers.values())

    async def settings(self) -> Settings:
        """Return stored settings over those of the environment over defaults."""
        return Settings(dict(self._store.draft.settings), self._environment)

    async def limits(self) -> LimitSet:
        """Return all limits and overrides."""
        state = self._store.draft
        return LimitSet(in_order(state.limits), in_order(state.overrides))
