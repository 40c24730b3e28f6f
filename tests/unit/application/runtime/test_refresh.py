"""The snapshot follows the stored limits, and keeps its policy while they stay as they are."""

from collections.abc import AsyncIterator

import pytest

from adapters.crypto.cipher import AesGcmCipher
from adapters.providers.factory import ProvidersByKind
from adapters.system.randomness import SystemRandomness
from adapters.upstream.http11 import Http11Transport
from adapters.upstream.options import TransportOptions
from application.ports.change_feed import Section
from application.runtime.provider_pool import ProviderPool
from application.runtime.refresh import SnapshotRefresher
from application.runtime.snapshot import CurrentSnapshot
from application.runtime.supervisor import TaskSupervisor
from domain.inference.dialect import Surface
from domain.subjects import PLATFORM, SubjectChain
from tests.support.configuration import (
    NOW_MS,
    Configuration,
    a_rule,
    an_override,
    memory_configuration,
)
from tests.support.manual_clock import ManualClock

CHAIN = SubjectChain((PLATFORM,))


@pytest.fixture
def stored() -> Configuration:
    return memory_configuration()


@pytest.fixture
def current() -> CurrentSnapshot:
    return CurrentSnapshot()


@pytest.fixture
async def refresher(
    stored: Configuration, current: CurrentSnapshot
) -> AsyncIterator[SnapshotRefresher]:
    cipher = AesGcmCipher((b"k" * 32,), SystemRandomness())
    factory = ProvidersByKind(
        cipher, lambda _spec, _proxy: Http11Transport(TransportOptions()), ManualClock()
    )
    pool = ProviderPool(factory, TaskSupervisor())
    yield SnapshotRefresher(
        stored.source,
        stored.feed,
        pool,
        current,
        on_keys_changed=lambda: None,
        on_revisions_confirmed=lambda: None,
    )
    await pool.aclose()


def limits_in_force(current: CurrentSnapshot) -> list[int]:
    binding = current.get().limits.bind(CHAIN, Surface.AI_GATEWAY, NOW_MS)
    return [entry.limit for entry in binding.entries]


async def test_a_stored_limit_is_in_the_next_snapshot(
    stored: Configuration, current: CurrentSnapshot, refresher: SnapshotRefresher
) -> None:
    await refresher.load()
    assert limits_in_force(current) == []
    rule = a_rule(limit=60)
    async with stored.uow.begin() as tx:
        await tx.limits.add(rule, created_at_ms=NOW_MS)
        await tx.commit()
    await refresher.refresh()
    assert limits_in_force(current) == [60]
    async with stored.uow.begin() as tx:
        await tx.overrides.add(an_override(rule, limit=500))
        await tx.commit()
    await refresher.refresh()
    assert limits_in_force(current) == [500]
    assert current.get().revisions[Section.LIMITS] == 2


async def test_the_policy_is_kept_while_no_limit_changes(
    stored: Configuration, current: CurrentSnapshot, refresher: SnapshotRefresher
) -> None:
    await refresher.load()
    before = current.get()
    async with stored.uow.begin() as tx:
        await tx.settings.put("gateway.max_json_depth", 32)
        await tx.commit()
    await refresher.refresh()
    after = current.get()
    assert after.settings.integer("gateway.max_json_depth") == 32
    assert after.limits is before.limits
