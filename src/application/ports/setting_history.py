"""Settings that wait to be applied, and what was applied before (console.md section 5)."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from domain.settings.catalog import SettingValue


class StagedSetting(Struct, frozen=True, kw_only=True):
    """A value that is to be stored.

    Attributes:
        value: None goes back to what is in force without a stored value.
        base: what was stored when it was staged; None for nothing.
        staged_by: name of who staged it.
        staged_at_ms: when, in Unix milliseconds.
    """

    key: str
    value: SettingValue | None
    base: SettingValue | None
    staged_by: str
    staged_at_ms: int
    reason: str | None = None


class SettingChange(Struct, frozen=True, kw_only=True):
    """A stored value before and after; None for nothing stored."""

    key: str
    before: SettingValue | None
    after: SettingValue | None


class SettingRevision(Struct, frozen=True, kw_only=True):
    """One change of stored settings.

    Attributes:
        revision: 1 for the first, then one more each.
        values: everything that was stored after it.
    """

    revision: int
    at_ms: int
    actor_kind: str
    actor_id: str
    actor_name: str
    reason: str
    changes: tuple[SettingChange, ...]
    values: Mapping[str, SettingValue]


class StagedSettings(Protocol):
    """The one set of staged values. It lives inside a `Transaction`; use an exclusive one."""

    @abstractmethod
    async def all(self) -> Sequence[StagedSetting]:
        """Return what is staged, by key."""
        ...

    @abstractmethod
    async def put(self, staged: StagedSetting) -> None:
        """Stage a value, in place of the one of the same key."""
        ...

    @abstractmethod
    async def remove(self, key: str) -> None:
        """Take a value out of the set; no error when it is not there."""
        ...


class SettingHistory(Protocol):
    """Revisions, only ever added. It lives inside a `Transaction`."""

    @abstractmethod
    async def newest(self, *, before: int | None, limit: int) -> Sequence[SettingRevision]:
        """Return the newest revisions first; with `before`, those with a smaller number."""
        ...

    @abstractmethod
    async def find(self, revision: int) -> SettingRevision | None:
        """Return one revision."""
        ...

    @abstractmethod
    async def count(self) -> int:
        """Return how many revisions there are."""
        ...

    @abstractmethod
    async def add(self, revision: SettingRevision) -> None:
        """Add a revision. Raises `Conflict`: its number is taken."""
        ...
