"""Transactions on PostgreSQL."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from adapters.sql.audit_log import append
from adapters.sql.errors import database_errors
from adapters.sql.invites import SqlInvites
from adapters.sql.key_handovers import SqlKeyHandovers
from adapters.sql.key_listing import SqlKeyListing
from adapters.sql.keys import SqlApiKeys
from adapters.sql.limits import SqlLimitOverrides, SqlLimits
from adapters.sql.models import SqlModels
from adapters.sql.people import SqlTeams, SqlUsers
from adapters.sql.providers import SqlProviders
from adapters.sql.removed import SqlRemoved
from adapters.sql.roles import SqlRoles
from adapters.sql.second_factors import SqlSecondFactors
from adapters.sql.session import Session
from adapters.sql.sessions import SqlSessions
from adapters.sql.setting_history import SqlSettingHistory, SqlStagedSettings
from adapters.sql.settings import SqlStoredSettings
from adapters.sql.single_sign_on import SqlSsoAttempts, SqlSsoIdentities, SqlSsoProviders
from adapters.sql.tables import ConfigRevisionRow
from adapters.sql.user_search import SqlUserSearch
from application.ports.audit_recorder import AuditRecorder
from application.ports.change_feed import Change, ChangeFeed
from application.ports.clock import Clock, IdGenerator
from application.ports.unit_of_work import Transaction, UnitOfWork

_LOCK = 0x7477_636F_6E66_6967  # "twconfig": the advisory lock of exclusive transactions


class SqlTransaction(Transaction):
    """One database transaction. Revisions are raised last, so their row locks are held shortly."""

    def __init__(
        self,
        session: AsyncSession,
        feed: ChangeFeed,
        audit: AuditRecorder,
        *,
        allow_unaudited: bool,
    ) -> None:
        """`session` is in a transaction that ends when the session is closed."""
        self.audit = audit
        self._allow_unaudited = allow_unaudited
        shared = Session(session)
        self._session = session
        self._changed = shared.changed
        self._feed = feed
        self.users = SqlUsers(shared)
        self.teams = SqlTeams(shared)
        self.roles = SqlRoles(shared)
        self.user_search = SqlUserSearch(shared)
        self.invites = SqlInvites(shared)
        self.keys = SqlApiKeys(shared)
        self.key_listing = SqlKeyListing(shared)
        self.handovers = SqlKeyHandovers(shared)
        self.removed = SqlRemoved(shared)
        self.providers = SqlProviders(shared)
        self.models = SqlModels(shared)
        self.limits = SqlLimits(shared)
        self.overrides = SqlLimitOverrides(shared)
        self.settings = SqlStoredSettings(shared)
        self.sso_providers = SqlSsoProviders(shared)
        self.sso_identities = SqlSsoIdentities(shared)
        self.sso_attempts = SqlSsoAttempts(shared)
        self.sessions = SqlSessions(shared)
        self.second_factors = SqlSecondFactors(shared)
        self.staged_settings = SqlStagedSettings(shared)
        self.setting_history = SqlSettingHistory(shared)

    async def commit(self) -> None:
        """Raise the revisions, chain the audit events, commit, tell the feed."""
        if self._changed and not self.audit.entries and not self._allow_unaudited:
            raise RuntimeError("a change was not recorded in the audit trail")
        changes: list[Change] = []
        async with database_errors():
            for section in sorted(self._changed):  # one order for all, or two commits deadlock
                raise_revision = (
                    insert(ConfigRevisionRow)
                    .values(section=section.value, revision=1)
                    .on_conflict_do_update(
                        index_elements=[ConfigRevisionRow.section],
                        set_={"revision": ConfigRevisionRow.revision + 1},
                    )
                    .returning(ConfigRevisionRow.revision)
                )
                changes.append(Change(section, await self._session.scalar(raise_revision) or 0))
            # The head of the chain is everybody's: its lock comes last and is held shortest.
            await append(self._session, self.audit.entries)
            await self._session.commit()
        if changes:
            await self._feed.publish(changes)


class SqlUnitOfWork(UnitOfWork):
    """Opens transactions on the pool of `engine` and announces them on `feed`."""

    def __init__(
        self,
        engine: AsyncEngine,
        feed: ChangeFeed,
        clock: Clock,
        ids: IdGenerator,
        *,
        allow_unaudited: bool = False,
    ) -> None:
        """The engine is disposed by whoever made it.

        With `allow_unaudited` a change may be committed without a record of it.
        """
        self._engine = engine
        self._feed = feed
        self._clock = clock
        self._ids = ids
        self._allow_unaudited = allow_unaudited

    @asynccontextmanager
    async def begin(self, *, exclusive: bool = False) -> AsyncGenerator[SqlTransaction]:
        """Open a transaction at READ COMMITTED; `exclusive` ones queue on an advisory lock."""
        async with AsyncExitStack() as held:
            async with database_errors():
                session = await held.enter_async_context(
                    AsyncSession(self._engine, autoflush=False, expire_on_commit=False)
                )
                await session.connection()
                if exclusive:
                    lock = text("SELECT pg_advisory_xact_lock(:lock)")
                    await session.execute(lock, {"lock": _LOCK})
            yield SqlTransaction(
                session,
                self._feed,
                AuditRecorder(self._clock, self._ids),
                allow_unaudited=self._allow_unaudited,
            )
