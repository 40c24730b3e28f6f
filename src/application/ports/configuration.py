"""Read side of the configuration: what the runtime snapshot is built from."""

from abc import abstractmethod
from typing import Protocol

from msgspec import Struct

from application.ports.change_feed import Section
from domain.limits.overrides import Override
from domain.limits.rules import Limit
from domain.routing.catalog import Catalog
from domain.settings.catalog import Settings


class LimitSet(Struct, frozen=True):
    """Every limit and every override, disabled and ended ones included, oldest first."""

    limits: tuple[Limit, ...] = ()
    overrides: tuple[Override, ...] = ()


class ConfigurationSource(Protocol):
    """Consistent reads of whole sections."""

    @abstractmethod
    async def revisions(self) -> dict[Section, int]:
        """Return the current revision of every section (0 when never changed)."""
        ...

    @abstractmethod
    async def catalog(self) -> Catalog:
        """Return all providers, models, aliases, routes and prices."""
        ...

    @abstractmethod
    async def settings(self) -> Settings:
        """Return the effective settings."""
        ...

    @abstractmethod
    async def limits(self) -> LimitSet:
        """Return all limits and overrides."""
        ...
