"""Staged settings and revisions of settings in process memory."""

from collections.abc import Sequence

from adapters.memory.repositories import Draft
from application.ports.setting_history import (
    SettingHistory,
    SettingRevision,
    StagedSetting,
    StagedSettings,
)
from domain.errors import Conflict


class MemoryStagedSettings(StagedSettings):
    """Staged values by key."""

    def __init__(self, draft: Draft) -> None:
        """Reads and changes `draft`."""
        self._draft = draft

    async def all(self) -> Sequence[StagedSetting]:
        """Return what is staged, by key."""
        return [each for _, each in sorted(self._draft.staged_settings.items())]

    async def put(self, staged: StagedSetting) -> None:
        """Stage a value."""
        self._draft.staged_settings[staged.key] = staged

    async def remove(self, key: str) -> None:
        """Take a value out of the set."""
        self._draft.staged_settings.pop(key, None)


class MemorySettingHistory(SettingHistory):
    """Revisions by number."""

    def __init__(self, draft: Draft) -> None:
        """Reads and changes `draft`."""
        self._draft = draft

    async def newest(self, *, before: int | None, limit: int) -> Sequence[SettingRevision]:
        """Return the newest revisions first."""
        numbers = sorted(self._draft.setting_revisions, reverse=True)
        wanted = [number for number in numbers if before is None or number < before]
        return [self._draft.setting_revisions[number] for number in wanted[:limit]]

    async def find(self, revision: int) -> SettingRevision | None:
        """Return one revision."""
        return self._draft.setting_revisions.get(revision)

    async def count(self) -> int:
        """Return how many revisions there are."""
        return len(self._draft.setting_revisions)

    async def add(self, revision: SettingRevision) -> None:
        """Add a revision."""
        if revision.revision in self._draft.setting_revisions:
            raise Conflict("Another change is in progress; try again.")
        self._draft.setting_revisions[revision.revision] = revision
