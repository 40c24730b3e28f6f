"""Transaction boundary of everything that changes the configuration."""

from abc import abstractmethod
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from application.ports.audit_recorder import AuditRecorder
from application.ports.key_handovers import KeyHandovers
from application.ports.key_listing import KeyListing
from application.ports.people import Invites, UserSearch
from application.ports.removed import Removed
from application.ports.repositories import (
    ApiKeys,
    LimitOverrides,
    Limits,
    Models,
    Providers,
    Roles,
    StoredSettings,
    Teams,
    Users,
)
from application.ports.sessions import SecondFactors, Sessions
from application.ports.setting_history import SettingHistory, StagedSettings
from application.ports.single_sign_on import SsoAttempts, SsoIdentities, SsoProviders


class Transaction(Protocol):
    """An open transaction with its repositories."""

    users: Users
    teams: Teams
    roles: Roles
    user_search: UserSearch
    invites: Invites
    keys: ApiKeys
    key_listing: KeyListing
    handovers: KeyHandovers
    removed: Removed
    providers: Providers
    models: Models
    limits: Limits
    overrides: LimitOverrides
    settings: StoredSettings
    sso_providers: SsoProviders
    sso_identities: SsoIdentities
    sso_attempts: SsoAttempts
    sessions: Sessions
    second_factors: SecondFactors
    staged_settings: StagedSettings
    setting_history: SettingHistory
    audit: AuditRecorder

    @abstractmethod
    async def commit(self) -> None:
        """Make every change visible at once, then tell the change feed.

        The revisions of the changed sections grow in the same transaction, so whoever sees the new
        revision sees the change. So does the audit trail: what was changed is recorded, or nothing
        is changed. Nothing may be done with the transaction afterwards.

        Raises:
            RuntimeError: something was changed and nothing recorded; a fault of the program.
            Conflict: a concurrent change won; nothing was changed.
            ServiceUnavailable: the store did not confirm the commit.
        """
        ...


class UnitOfWork(Protocol):
    """Opens transactions."""

    @abstractmethod
    def begin(self, *, exclusive: bool = False) -> AbstractAsyncContextManager[Transaction]:
        """Open a transaction; leaving the context without `commit` undoes everything.

        With `exclusive` it waits (a bounded time) for other exclusive transactions, on all
        replicas, to end.

        Raises:
            Conflict: another exclusive transaction did not end in time.
            ServiceUnavailable: the store cannot be reached.
        """
        ...
