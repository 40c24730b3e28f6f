"""Configuration in process memory: a value that transactions replace as a whole."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

from msgspec import Struct, field
from msgspec.structs import replace

from adapters.memory.audit_log import AuditTrail
from adapters.memory.key_handovers import MemoryKeyHandovers
from adapters.memory.key_listing import MemoryKeyListing
from adapters.memory.limit_rows import MemoryLimitOverrides, MemoryLimits
from adapters.memory.people import MemoryInvites, MemoryUserSearch
from adapters.memory.removed import MemoryRemoved
from adapters.memory.repositories import (
    Draft,
    MemoryApiKeys,
    MemoryModels,
    MemoryProviders,
    MemorySettings,
    MemoryTeams,
    MemoryUsers,
)
from adapters.memory.roles import MemoryRoles
from adapters.memory.second_factors import MemorySecondFactors
from adapters.memory.sessions import MemorySessions
from adapters.memory.setting_history import MemorySettingHistory, MemoryStagedSettings
from adapters.memory.single_sign_on import (
    MemorySsoAttempts,
    MemorySsoIdentities,
    MemorySsoProviders,
)
from application.ports.audit_recorder import AuditRecorder
from application.ports.change_feed import Change, ChangeFeed, Section
from application.ports.clock import Clock, IdGenerator
from application.ports.unit_of_work import Transaction, UnitOfWork
from domain.errors import Conflict

_PATIENCE = 5.0


class MemoryStore(Struct):
    """The committed state; share one between the adapters that should see the same thing."""

    draft: Draft = field(default_factory=Draft)
    revisions: Mapping[Section, int] = field(default_factory=dict[Section, int])
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    trail: AuditTrail = field(default_factory=AuditTrail)


class MemoryTransaction(Transaction):
    """Works on a copy, which becomes the state with `commit`."""

    def __init__(
        self,
        store: MemoryStore,
        feed: ChangeFeed,
        audit: AuditRecorder,
        *,
        allow_unaudited: bool,
    ) -> None:
        """The caller holds the store's lock until the transaction ends."""
        self._store = store
        self._feed = feed
        self._allow_unaudited = allow_unaudited
        self.audit = audit
        self._draft = store.draft.copy()
        self.users = MemoryUsers(self._draft)
        self.teams = MemoryTeams(self._draft)
        self.roles = MemoryRoles(self._draft)
        self.user_search = MemoryUserSearch(self._draft)
        self.invites = MemoryInvites(self._draft)
        self.keys = MemoryApiKeys(self._draft)
        self.key_listing = MemoryKeyListing(self._draft)
        self.handovers = MemoryKeyHandovers(self._draft)
        self.removed = MemoryRemoved(self._draft)
        self.providers = MemoryProviders(self._draft)
        self.models = MemoryModels(self._draft)
        self.limits = MemoryLimits(self._draft)
        self.overrides = MemoryLimitOverrides(self._draft)
        self.settings = MemorySettings(self._draft)
        self.sso_providers = MemorySsoProviders(self._draft)
        self.sso_identities = MemorySsoIdentities(self._draft)
        self.sso_attempts = MemorySsoAttempts(self._draft)
        self.sessions = MemorySessions(self._draft)
        self.second_factors = MemorySecondFactors(self._draft)
        self.staged_settings = MemoryStagedSettings(self._draft)
        self.setting_history = MemorySettingHistory(self._draft)

    async def commit(self) -> None:
        """Replace the state, raise revisions, tell the feed."""
        changed, self._draft.changed = self._draft.changed, set()
        if changed and not self.audit.entries and not self._allow_unaudited:
            raise RuntimeError("a change was not recorded in the audit trail")
        self._store.trail.append(self.audit.entries)
        revisions = dict(self._store.revisions)
        for section in changed:
            revisions[section] = revisions.get(section, 0) + 1
        self._store.draft = self._draft.copy()
        self._store.revisions = revisions
        if changed:
            await self._feed.publish([Change(each, revisions[each]) for each in sorted(changed)])


class MemoryUnitOfWork(UnitOfWork):
    """One transaction at a time: every one is exclusive."""

    def __init__(
        self,
        store: MemoryStore,
        feed: ChangeFeed,
        clock: Clock,
        ids: IdGenerator,
        *,
        allow_unaudited: bool = False,
    ) -> None:
        """`store` may be shared with other adapters of this process.

        With `allow_unaudited` a change may be committed without a record of it.
        """
        self._store = store
        self._feed = feed
        self._clock = clock
        self._ids = ids
        self._allow_unaudited = allow_unaudited

    @asynccontextmanager
    async def begin(self, *, exclusive: bool = False) -> AsyncGenerator[MemoryTransaction]:  # noqa: ARG002
        """Open a transaction when the one before has ended."""
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._store.lock.acquire()
        except TimeoutError:
            raise Conflict("Another change is in progress; try again.") from None
        self._store.draft.now_ms = self._clock.now_ms()
        try:
            yield MemoryTransaction(
                self._store,
                self._feed,
                AuditRecorder(self._clock, self._ids),
                allow_unaudited=self._allow_unaudited,
            )
        finally:
            self._store.lock.release()


def touch(store: MemoryStore, last_used_ms: Mapping[str, int]) -> None:
    """Move last uses forward, outside of transactions and without a new revision."""
    for key_id, at_ms in last_used_ms.items():
        key = store.draft.keys.get(key_id)
        if key is not None and (key.last_used_at_ms or 0) < at_ms:
            store.draft.keys[key_id] = replace(key, last_used_at_ms=at_ms)
