"""Removed users and providers: what can come back, and bringing it back."""

from collections.abc import Sequence

from application.console.key_acts import target_of_user
from application.identity.rights import read_gateway_access, read_rights, require_no_more_than
from application.ports.clock import Clock
from application.ports.removed import RemovedKind, RemovedObject
from application.ports.unit_of_work import Transaction, UnitOfWork
from domain.access.accounts import User
from domain.access.actor import Actor
from domain.access.permissions import Permission
from domain.errors import NotFound
from domain.identifiers import UserId
from domain.records.audit import AuditTarget

RESTORABLE_MS = 30 * 86_400_000
"""How long something removed is kept before it is purged (console.md section 4)."""
_MOST = 500


class Removals:
    """Users and providers; keys are restored by `KeyCollection`."""

    def __init__(self, uow: UnitOfWork, clock: Clock) -> None:
        """Take the ports."""
        self._uow = uow
        self._clock = clock

    async def providers(self, by: Actor) -> Sequence[RemovedObject]:
        """Return the last 500 removed providers that can come back. Raises `PermissionDenied`."""
        by.require(Permission.PROVIDERS_DELETE)
        async with self._uow.begin() as tx:
            return self._recent(await tx.removed.all(RemovedKind.PROVIDER, limit=_MOST))

    async def users(self, by: Actor) -> Sequence[RemovedObject]:
        """Return the last 500 removed users that can come back.

        Raises:
            PermissionDenied: not everybody is within the actor's reach; a removed user is in no
                team to tell by.
        """
        by.require(Permission.USERS_DELETE)
        async with self._uow.begin() as tx:
            return self._recent(await tx.removed.all(RemovedKind.USER, limit=_MOST))

    async def restore_provider(self, by: Actor, provider_id: str) -> None:
        """Bring back a provider removed at most 30 days ago, as it was.

        Raises:
            PermissionDenied
            NotFound: there is none.
            Conflict: its name is taken meanwhile.
        """
        by.require(Permission.PROVIDERS_DELETE)
        async with self._uow.begin(exclusive=True) as tx:
            found = await self._found(tx, RemovedKind.PROVIDER, provider_id)
            await tx.removed.restore(found)
            tx.audit.record(by, "provider.restore", _target(found))
            await tx.commit()

    async def restore_user(self, by: Actor, user_id: str) -> User:
        """Bring back a user removed at most 30 days ago, with keys, roles and teams.

        Raises:
            NotFound: there is none, or the actor may not see it.
            PermissionDenied
            BeyondOwnRights: the user would be mightier than the actor.
            Conflict: the address is taken meanwhile.
        """
        async with self._uow.begin(exclusive=True) as tx:
            found = await self._found(tx, RemovedKind.USER, user_id)
            await tx.removed.restore(found)
            user = await tx.users.find(UserId(found.id))
            if user is None:
                raise NotFound("There is no removed user of this id.")
            by.require(
                Permission.USERS_DELETE,
                target_of_user(user),
                seen_by=Permission.USERS_READ,
                missing="There is no removed user of this id.",
            )
            rights, access = await read_rights(tx, user), await read_gateway_access(tx, user)
            await require_no_more_than(tx, by.rights, rights, access)
            tx.audit.record(by, "user.restore", _target(found), after=user)
            await tx.commit()
        return user

    async def _found(self, tx: Transaction, kind: RemovedKind, object_id: str) -> RemovedObject:
        found = await tx.removed.find(kind, object_id)
        if found is None or not self._recent([found]):
            raise NotFound(f"There is no removed {kind.value} of this id.")
        return found

    def _recent(self, found: Sequence[RemovedObject]) -> Sequence[RemovedObject]:
        oldest_ms = self._clock.now_ms() - RESTORABLE_MS
        return [each for each in found if each.removed_at_ms > oldest_ms]


def _target(found: RemovedObject) -> AuditTarget:
    return AuditTarget(kind=found.kind.value, id=found.id, name=found.name)
