"""StagedSettings and SettingHistory: one staged set, and revisions that are only ever added."""

import pytest
from msgspec.structs import replace

from application.ports.setting_history import (
    SettingChange,
    SettingHistory,
    SettingRevision,
    StagedSetting,
    StagedSettings,
)
from domain.errors import Conflict
from tests.support.configuration import NOW_MS, Configuration

PORTS = (StagedSettings, SettingHistory)
DEPTH = StagedSetting(
    key="gateway.max_json_depth", value=32, base=None, staged_by="ada", staged_at_ms=NOW_MS
)
GUESS = StagedSetting(
    key="routing.guess_model_by_prefix",
    value=None,
    base=True,
    staged_by="ada",
    staged_at_ms=NOW_MS,
    reason="no guesses",
)
FIRST = SettingRevision(
    revision=1,
    at_ms=NOW_MS,
    actor_kind="user",
    actor_id="u1",
    actor_name="ada",
    reason="smaller bodies",
    changes=(
        SettingChange(key="gateway.max_json_depth", before=None, after=32),
        SettingChange(key="limits.unknown_price", before="flag", after="block"),
        SettingChange(key="routing.guess_model_by_prefix", before=True, after=None),
    ),
    values={"gateway.max_json_depth": 32, "limits.unknown_price": "block"},
)


async def test_what_is_staged_comes_back_by_key(stored: Configuration) -> None:
    async with stored.uow.begin(exclusive=True) as tx:
        await tx.staged_settings.put(GUESS)
        await tx.staged_settings.put(replace(DEPTH, value=16))
        await tx.staged_settings.put(DEPTH)
        await tx.commit()
    async with stored.uow.begin() as tx:
        assert await tx.staged_settings.all() == [DEPTH, GUESS]
        await tx.staged_settings.remove(DEPTH.key)
        await tx.staged_settings.remove("never.staged")
        assert await tx.staged_settings.all() == [GUESS]


async def test_revisions_come_back_newest_first(stored: Configuration) -> None:
    second = replace(FIRST, revision=2, reason="again", changes=(), values={})
    async with stored.uow.begin(exclusive=True) as tx:
        assert await tx.setting_history.newest(before=None, limit=9) == []
        assert await tx.setting_history.count() == 0
        await tx.setting_history.add(FIRST)
        await tx.setting_history.add(second)
        await tx.commit()
    async with stored.uow.begin() as tx:
        assert await tx.setting_history.newest(before=None, limit=9) == [second, FIRST]
        assert await tx.setting_history.newest(before=None, limit=1) == [second]
        assert await tx.setting_history.newest(before=2, limit=9) == [FIRST]
        assert await tx.setting_history.find(1) == FIRST
        assert await tx.setting_history.find(3) is None
        assert await tx.setting_history.count() == 2


async def test_a_number_is_used_once(stored: Configuration) -> None:
    async with stored.uow.begin(exclusive=True) as tx:
        await tx.setting_history.add(FIRST)
        with pytest.raises(Conflict):
            await tx.setting_history.add(FIRST)
