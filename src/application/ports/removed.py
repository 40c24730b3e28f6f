"""What was removed and can come back until it is purged."""

from abc import abstractmethod
from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from msgspec import Struct


class RemovedKind(StrEnum):
    """What is kept for a while after its removal."""

    USER = "user"
    PROVIDER = "provider"
    KEY = "key"


class RemovedObject(Struct, frozen=True, kw_only=True):
    """An object that was removed.

    Attributes:
        id: of the user or provider; the lineage of a key.
        name: address of a user, name of a provider or key.
        removed_at_ms: Unix milliseconds.
    """

    kind: RemovedKind
    id: str
    name: str
    removed_at_ms: int


class Removed(Protocol):
    """Removed users, providers and keys."""

    @abstractmethod
    async def all(self, kind: RemovedKind, *, limit: int) -> Sequence[RemovedObject]:
        """Return what can be restored, the last removed first."""
        ...

    @abstractmethod
    async def find(self, kind: RemovedKind, object_id: str) -> RemovedObject | None:
        """Return one; None also for an id that cannot be one."""
        ...

    @abstractmethod
    async def restore(self, found: RemovedObject) -> None:
        """Undo the removal.

        Raises:
            NotFound: it is not removed, or was purged.
            Conflict: its name is taken meanwhile.
        """
        ...

    @abstractmethod
    async def forget(self, found: RemovedObject) -> None:
        """Delete one removed object and everything that refers to it. Raises `NotFound`."""
        ...

    @abstractmethod
    async def purge(self, before_ms: int, *, limit: int) -> Sequence[RemovedObject]:
        """Delete up to `limit` objects that were removed before this instant; return them.

        Everything that refers to them goes too: with a user all of the user's keys, which are not
        returned, whether or not they were removed.
        """
        ...
