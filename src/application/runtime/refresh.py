"""Keeps the snapshot up to date: reloads on news from the feed and polls for lost news."""

import asyncio
from collections.abc import Callable

import structlog

from application.ports.change_feed import Change, ChangeFeed, Section
from application.ports.configuration import ConfigurationSource
from application.runtime.provider_pool import ProviderPool
from application.runtime.snapshot import CurrentSnapshot, RuntimeSnapshot
from domain.errors import DomainError
from domain.limits.policy import LimitPolicy

POLL_INTERVAL_S = 2.0

log = structlog.get_logger(__name__)


class SnapshotRefresher:
    """Rebuilds the snapshot whenever a section has a new revision.

    A change is live as soon as its message arrives, and after `POLL_INTERVAL_S` plus one load when
    the message is lost. While the configuration store is down the last snapshot stays in force.
    """

    def __init__(
        self,
        source: ConfigurationSource,
        feed: ChangeFeed,
        providers: ProviderPool,
        current: CurrentSnapshot,
        *,
        on_keys_changed: Callable[[], None],
        on_revisions_confirmed: Callable[[], None],
        poll_interval_s: float = POLL_INTERVAL_S,
    ) -> None:
        """`on_keys_changed` drops cached callers; `on_revisions_confirmed` renews their lease."""
        self._source = source
        self._feed = feed
        self._providers = providers
        self._current = current
        self._on_keys_changed = on_keys_changed
        self._on_revisions_confirmed = on_revisions_confirmed
        self._poll_interval_s = poll_interval_s
        self._news = asyncio.Event()
        self._keys_revision = 0
        self._policy: tuple[int, LimitPolicy] | None = None

    async def load(self) -> None:
        """Build the first snapshot. Raises `ServiceUnavailable` when the store is down."""
        revisions = await self._source.revisions()
        self._keys_revision = revisions.get(Section.KEYS, 0)
        await self._rebuild(revisions)
        self._on_revisions_confirmed()

    async def follow_feed(self) -> None:
        """Turn messages into reloads until cancelled."""
        async for change in self._feed.listen():
            if self._is_news(change):
                if change.section is Section.KEYS:
                    # Drop cached callers before the reload: a revoked key ends with this message.
                    self._on_keys_changed()
                self._news.set()

    async def poll(self) -> None:
        """Compare revisions at every message and every poll interval until cancelled."""
        while True:
            try:
                async with asyncio.timeout(self._poll_interval_s):
                    await self._news.wait()
            except TimeoutError:
                pass
            self._news.clear()
            try:
                await self.refresh()
            except DomainError as error:
                log.warning("configuration_refresh_failed", error=error.message)

    async def refresh(self) -> None:
        """Compare the stored revisions with the snapshot's and reload what differs."""
        revisions = await self._source.revisions()
        keys_revision = revisions.get(Section.KEYS, 0)
        if keys_revision != self._keys_revision:
            self._keys_revision = keys_revision
            self._on_keys_changed()
        self._on_revisions_confirmed()
        held = self._current.get().revisions
        if any(
            revisions.get(section, 0) != held.get(section, 0)
            for section in Section
            if section is not Section.KEYS
        ):
            await self._rebuild(revisions)

    def _is_news(self, change: Change) -> bool:
        if change.section is Section.KEYS:
            return change.revision > self._keys_revision
        return change.revision > self._current.get().revisions.get(change.section, 0)

    async def _rebuild(self, revisions: dict[Section, int]) -> None:
        # The revisions were read before the sections: if a section changes in between, its
        # revision is stale here and the next poll loads it again. Never the other way round.
        catalog = await self._source.catalog()
        settings = await self._source.settings()
        limits = await self._limits(revisions.get(Section.LIMITS, 0))
        providers = self._providers.update(catalog)
        self._current.swap(
            RuntimeSnapshot(
                catalog=catalog,
                settings=settings,
                limits=limits,
                providers=providers,
                revisions=revisions,
            )
        )

    async def _limits(self, revision: int) -> LimitPolicy:
        """Return the policy of `revision`, the one in force if it is that."""
        if self._policy is None or self._policy[0] != revision:
            found = await self._source.limits()
            self._policy = (revision, LimitPolicy(found.limits, found.overrides))
        return self._policy[1]
