"""News that a section of the configuration has a new revision."""

from abc import abstractmethod
from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Protocol

from msgspec import Struct


class Section(StrEnum):
    """Parts of the configuration that change and are reloaded on their own."""

    CATALOG = "catalog"
    SETTINGS = "settings"
    KEYS = "keys"
    LIMITS = "limits"


class Change(Struct, frozen=True):
    """Section `section` is at `revision` (grows by at least one with every committed change)."""

    section: Section
    revision: int


class ChangeFeed(Protocol):
    """Best-effort broadcast between processes; the revision poll covers what it loses."""

    @abstractmethod
    async def publish(self, changes: list[Change]) -> None:
        """Tell everybody, without waiting for anybody. Never raises: the poll will catch up."""
        ...

    @abstractmethod
    def listen(self) -> AsyncIterator[Change]:
        """Yield changes until cancelled; reconnects by itself with bounded back-off."""
        ...
