"""Service accounts: owners of keys that nobody signs in as."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from application.console.key_acts import require_teams, target_of_user
from application.console.restoring import find_restorable
from application.identity.rights import read_gateway_access, read_rights, require_no_more_than
from application.identity.roster import Roster
from application.instants import instant
from application.ports.clock import Clock, IdGenerator
from application.ports.removed import RemovedKind
from application.ports.unit_of_work import Transaction, UnitOfWork
from application.resources import (
    Page,
    Versioned,
    check_page,
    merged,
    page_of,
    require_version,
    versioned,
)
from domain.access.accounts import SERVICE_DOMAIN, Role, User, UserKind, UserState
from domain.access.actor import Actor
from domain.access.permissions import Permission
from domain.access.rights import INSTALLATION
from domain.access.roles import BUILT_IN
from domain.errors import InvalidRequest, NotFound, PermissionDenied
from domain.identifiers import TeamId, UserId
from domain.names import title_fault
from domain.records.audit import AuditTarget

MISSING = "There is no service account with this id."
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


class ServiceAccountEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A service account to be made.

    Attributes:
        name: 1 to 63 of a-z, 0-9, `.`, `_` and `-`; its address is `<name>@service.invalid`.
        role: name of the base role; another than `developer` needs the permission to assign roles.
        teams: names of teams.
        enabled: whether its keys open anything.
    """

    name: str
    display_name: str | None = None
    role: str = Role.DEVELOPER.value
    teams: tuple[str, ...] = ()
    enabled: bool = True


class ServiceAccountPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Changes of a service account: absent members stay, null goes back to the default."""

    display_name: str | UnsetType | None = UNSET
    role: str | UnsetType | None = UNSET
    teams: tuple[str, ...] | UnsetType | None = UNSET
    enabled: bool | UnsetType | None = UNSET


class ServiceAccountView(Struct, frozen=True, kw_only=True):
    """A service account; `owner` of a key takes its `address` or `id`."""

    id: str
    name: str
    address: str
    display_name: str | None
    role: str
    teams: tuple[str, ...]
    enabled: bool
    created_at: datetime | None


class ManageServiceAccounts:
    """Whoever makes or changes one has at least its rights, before and after."""

    def __init__(self, uow: UnitOfWork, clock: Clock, ids: IdGenerator) -> None:
        """Take the ports."""
        self._uow = uow
        self._clock = clock
        self._ids = ids

    async def page(
        self, by: Actor, *, limit: int = 50, cursor: str | None = None
    ) -> Page[ServiceAccountView]:
        """Return the service accounts within the actor's reach, oldest first.

        Raises:
            InvalidRequest: a parameter is out of bounds; `param` names it.
            PermissionDenied: the actor may see no users at all.
        """
        check_page(limit, cursor)
        reach = by.rights.reach(Permission.USERS_READ)
        if reach.nothing:
            raise PermissionDenied(Permission.USERS_READ.value)
        async with self._uow.begin() as tx:
            names = await _team_names(tx)
            found = [
                user
                for user in await tx.users.all()
                if user.kind is UserKind.SERVICE and reach.covers(target_of_user(user))
            ]
        return page_of(
            sorted(found, key=lambda user: user.id),
            limit=limit,
            cursor=cursor,
            key=lambda user: user.id,
            view=lambda user: _view(user, names),
        )

    async def find(self, by: Actor, account_id: str) -> Versioned[ServiceAccountView]:
        """Return one. Raises `NotFound`: also when the actor may not see it."""
        async with self._uow.begin() as tx:
            user = await _existing(tx, by, account_id, Permission.USERS_READ)
            return versioned(_view(user, await _team_names(tx)))

    async def create(self, by: Actor, entry: ServiceAccountEntry) -> Versioned[ServiceAccountView]:
        """Store a service account.

        Raises:
            InvalidRequest: a member cannot be; `param` names it.
            NotFound: no such team, or the actor may not see it.
            PermissionDenied, BeyondOwnRights
            Conflict: the name is taken.
        """
        if not _NAME.fullmatch(entry.name):
            raise InvalidRequest(
                "The name must be 1 to 63 of a-z, 0-9, '.', '_' and '-'.", param="name"
            )
        async with self._uow.begin(exclusive=True) as tx:
            user = await _of_entry(
                tx,
                entry,
                User(
                    id=UserId(self._ids.new_id()),
                    email=f"{entry.name}@{SERVICE_DOMAIN}",
                    role=Role.DEVELOPER.value,
                    kind=UserKind.SERVICE,
                    created_at_ms=self._clock.now_ms(),
                ),
            )
            _require_in_all_teams(by, Permission.SERVICE_ACCOUNTS_WRITE, user.team_ids)
            if user.role != Role.DEVELOPER:
                _require_in_all_teams(by, Permission.ROLES_ASSIGN, user.team_ids)
            await tx.users.add(user)
            await _require_no_more(tx, by, user)
            tx.audit.record(by, "service_account.create", _target(user), after=user)
            shown = versioned(_view(user, await _team_names(tx)))
            await tx.commit()
        return shown

    async def update(
        self,
        by: Actor,
        account_id: str,
        changes: ServiceAccountPatch,
        *,
        if_match: str | None = None,
    ) -> Versioned[ServiceAccountView]:
        """Merge `changes` into a service account (RFC 7396).

        Raises:
            NotFound: there is none of this id, no such team, or the actor may not see it.
            PreconditionFailed: it is not the version of `if_match`.
            InvalidRequest, PermissionDenied, BeyondOwnRights
        """
        async with self._uow.begin(exclusive=True) as tx:
            user = await _existing(tx, by, account_id, Permission.SERVICE_ACCOUNTS_WRITE)
            names = await _team_names(tx)
            require_version(versioned(_view(user, names)), if_match, "service account")
            changed = await _of_entry(tx, merged(_entry(user, names), changes), user)
            if changed == user:
                return versioned(_view(user, names))
            require_teams(by, Permission.SERVICE_ACCOUNTS_WRITE, changed.team_ids ^ user.team_ids)
            if not changed.team_ids and user.team_ids:
                by.require(Permission.SERVICE_ACCOUNTS_WRITE, INSTALLATION)
            if changed.role != user.role:
                _require_in_all_teams(by, Permission.ROLES_ASSIGN, changed.team_ids)
            await _require_no_more(tx, by, user)
            await tx.users.update(changed)
            await _require_no_more(tx, by, changed)
            tx.audit.record(by, "service_account.update", _target(user), before=user, after=changed)
            await tx.commit()
        return versioned(_view(changed, names))

    async def delete(
        self, by: Actor, account_id: str, *, if_match: str | None = None, dry_run: bool = False
    ) -> Versioned[ServiceAccountView]:
        """Remove a service account; its keys stop working. It can be restored for 30 days.

        Raises:
            NotFound: there is none of this id, or the actor may not see it.
            PreconditionFailed: it is not the version of `if_match`.
            PermissionDenied, BeyondOwnRights
        """
        async with self._uow.begin(exclusive=True) as tx:
            user = await _existing(tx, by, account_id, Permission.SERVICE_ACCOUNTS_WRITE)
            shown = versioned(_view(user, await _team_names(tx)))
            require_version(shown, if_match, "service account")
            (await Roster.read(tx)).require_not_mightier(by, user)
            await tx.users.remove(user.id)
            if not dry_run:
                tx.audit.record(by, "service_account.delete", _target(user), before=user)
                await tx.commit()
        return shown

    async def restore(self, by: Actor, account_id: str) -> Versioned[ServiceAccountView]:
        """Undo a removal of the last 30 days; its keys, roles and teams come back with it.

        Raises:
            NotFound: there is no such removed account, or the actor may not see it.
            PermissionDenied, BeyondOwnRights
            Conflict: the name was taken meanwhile.
        """
        now_ms = self._clock.now_ms()
        async with self._uow.begin(exclusive=True) as tx:
            removed = await find_restorable(
                tx, RemovedKind.USER, account_id, now_ms, missing=MISSING
            )
            found = await tx.user_search.removed(removed.id)
            if found is None or found.user.kind is not UserKind.SERVICE:
                raise NotFound(MISSING)
            user = found.user
            by.require(
                Permission.SERVICE_ACCOUNTS_WRITE,
                target_of_user(user),
                seen_by=Permission.USERS_READ,
                missing=MISSING,
            )
            await _require_no_more(tx, by, user)
            await tx.removed.restore(removed)
            tx.audit.record(by, "service_account.restore", _target(user), after=user)
            shown = versioned(_view(user, await _team_names(tx)))
            await tx.commit()
        return shown


async def _existing(tx: Transaction, by: Actor, account_id: str, permission: Permission) -> User:
    user = await tx.users.find(UserId(account_id))
    if user is None or user.kind is not UserKind.SERVICE:
        raise NotFound(MISSING)
    by.require(permission, target_of_user(user), seen_by=Permission.USERS_READ, missing=MISSING)
    return user


def _require_in_all_teams(by: Actor, permission: Permission, team_ids: frozenset[TeamId]) -> None:
    """Raise unless it is allowed in every team; without teams it belongs to the installation."""
    require_teams(by, permission, team_ids)
    if not team_ids:
        by.require(permission, INSTALLATION)


async def _require_no_more(tx: Transaction, by: Actor, user: User) -> None:
    rights, access = await read_rights(tx, user), await read_gateway_access(tx, user)
    await require_no_more_than(tx, by.rights, rights, access)


async def _of_entry(tx: Transaction, entry: ServiceAccountEntry, user: User) -> User:
    if entry.display_name is not None and (fault := title_fault(entry.display_name)):
        raise InvalidRequest(f"The display name {fault}.", param="display_name")
    custom = {role.name for role in await tx.roles.custom()}
    if entry.role not in BUILT_IN and entry.role not in custom:
        raise InvalidRequest(f"There is no role '{entry.role[:63]}'.", param="role")
    return replace(
        user,
        display_name=entry.display_name,
        role=entry.role,
        team_ids=await _teams(tx, entry.teams),
        state=UserState.ACTIVE if entry.enabled else UserState.DEACTIVATED,
    )


async def _teams(tx: Transaction, wanted: Sequence[str]) -> frozenset[TeamId]:
    by_name = {name: team_id for team_id, name in (await _team_names(tx)).items()}
    if any(name not in by_name for name in wanted):
        raise NotFound("There is no such team.")
    return frozenset(by_name[name] for name in wanted)


async def _team_names(tx: Transaction) -> Mapping[TeamId, str]:
    return {team.id: team.name for team in await tx.teams.all()}


def _entry(user: User, names: Mapping[TeamId, str]) -> ServiceAccountEntry:
    view = _view(user, names)
    return ServiceAccountEntry(
        name=view.name,
        display_name=view.display_name,
        role=view.role,
        teams=view.teams,
        enabled=view.enabled,
    )


def _view(user: User, names: Mapping[TeamId, str]) -> ServiceAccountView:
    return ServiceAccountView(
        id=user.id,
        name=user.email.partition("@")[0],
        address=user.email,
        display_name=user.display_name,
        role=user.role,
        teams=tuple(sorted(names[each] for each in user.team_ids if each in names)),
        enabled=user.state is UserState.ACTIVE,
        created_at=instant(user.created_at_ms),
    )


def _target(user: User) -> AuditTarget:
    return AuditTarget(kind="service_account", id=user.id, name=user.email)
