"""Users: list, create, change, delete, restore."""

from collections.abc import Sequence
from typing import Literal

from msgspec import UNSET, Struct
from msgspec.structs import replace

from application.console.people.changing import (
    NO_USER,
    PeopleChange,
    changing,
    known_teams,
    require_role,
)
from application.console.people.user_views import (
    NewUserView,
    UserEntry,
    UserPatch,
    UserRemoval,
    UserView,
    user_versioned,
    user_view,
)
from application.console.restoring import find_restorable
from application.identity.passwords import LocalPasswords
from application.identity.roster import Roster, target_of_team, target_of_user
from application.ports.clock import Clock, IdGenerator
from application.ports.people import UserFilter
from application.ports.removed import RemovedKind
from application.ports.unit_of_work import Transaction, UnitOfWork
from application.resources import (
    Outcome,
    Page,
    Status,
    Versioned,
    check_page,
    each_on_its_own,
    require_version,
)
from domain.access.accounts import SERVICE_DOMAIN, User, UserKind, UserState, normal_email
from domain.access.actor import Actor
from domain.access.permissions import Permission
from domain.access.rights import INSTALLATION
from domain.errors import InvalidRequest, NotFound
from domain.identifiers import TeamId, UserId
from domain.keys.api_key import KeyState
from domain.names import title_fault
from domain.records.audit import AuditTarget
from domain.secret import Secret


class UserRow(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One change of many."""

    op: Literal["activate", "deactivate", "delete"]
    id: str


class ManageUsers:
    """People; service accounts are a resource of their own."""

    def __init__(
        self,
        uow: UnitOfWork,
        passwords: LocalPasswords,
        clock: Clock,
        ids: IdGenerator,
    ) -> None:
        """Take the ports."""
        self._uow = uow
        self._passwords = passwords
        self._clock = clock
        self._ids = ids

    async def page(
        self,
        by: Actor,
        *,
        limit: int = 50,
        cursor: str | None = None,
        text: str | None = None,
        role: str | None = None,
        team_id: str | None = None,
        enabled: bool | None = None,
        deleted: bool = False,
    ) -> Page[UserView]:
        """Return users whom the actor may see, oldest first.

        Raises:
            InvalidRequest: a parameter is out of bounds; `param` names it.
        """
        check_page(limit, cursor)
        states = {None: None, True: UserState.ACTIVE, False: UserState.DEACTIVATED}
        wanted = UserFilter(
            kind=UserKind.PERSON,
            text=text,
            role=role,
            team_id=TeamId(team_id) if team_id is not None else None,
            state=states[enabled],
            removed=deleted,
        )
        reach = by.rights.reach(Permission.USERS_READ)
        async with self._uow.begin() as tx:
            teams = {each.id: each for each in await tx.teams.all()}
            found = await tx.user_search.page(wanted, reach, after=cursor, limit=limit + 1)
            total = await tx.user_search.count(wanted, reach)
        roster = Roster(users={}, teams=teams, assignments=(), custom={})
        shown = found[:limit]
        return Page(
            items=tuple(user_view(each.user, roster, each.removed_at_ms) for each in shown),
            next_cursor=shown[-1].user.id if len(found) > limit else None,
            total=total,
        )

    async def find(self, by: Actor, user_id: str) -> Versioned[UserView]:
        """Return one user. Raises `NotFound`."""
        async with self._uow.begin() as tx:
            teams = {each.id: each for each in await tx.teams.all()}
            user = await tx.users.find(UserId(user_id))
        if user is None or user.kind is not UserKind.PERSON or not _sees(by, user):
            raise NotFound(NO_USER)
        return user_versioned(user, Roster(users={}, teams=teams, assignments=(), custom={}))

    async def create(self, by: Actor, entry: UserEntry) -> NewUserView:
        """Store a new user.

        Raises:
            InvalidRequest: the entry has no meaning; `param` names the member.
            PermissionDenied: not for the installation, or one of the teams.
            BeyondOwnRights: the user would hold more than the actor.
            Conflict: there is a user with this address.
        """
        require_creation(by, entry.teams)
        address, name = address_of(entry.email), display_name_of(entry.display_name)
        if entry.password is None:
            made_up, password = await self._passwords.made_up()
        else:
            made_up, password = None, await self._passwords.new(Secret(entry.password))
        async with changing(self._uow, by) as change:
            require_creation(change.by, entry.teams)
            require_role(change.before, entry.role)
            user = User(
                id=UserId(self._ids.new_id()),
                email=address,
                role=entry.role,
                team_ids=known_teams(change.before, entry.teams),
                display_name=name,
                must_change_password=made_up is not None,
                created_at_ms=self._clock.now_ms(),
            )
            await change.tx.users.add(user)
            await change.tx.users.set_password(user.id, password.phc)
            view = user_view(user, await change.checked([user.id]))
            await change.keep("user.create", audited(user), after=view)
        return NewUserView(user=view, password=made_up.reveal() if made_up is not None else None)

    async def update(
        self, by: Actor, user_id: str, changes: UserPatch, *, if_match: str | None = None
    ) -> Versioned[UserView]:
        """Merge `changes` into a user (RFC 7396).

        Raises:
            NotFound: there is none whom the actor may see.
            PreconditionFailed: it is not the version of `if_match`.
            InvalidRequest: a member has no meaning; `param` names it.
            PermissionDenied: a member that changes needs another permission.
            BeyondOwnRights: the user holds or would hold more than the actor.
            LastSuperAdmin: nobody would be left who can do everything.
        """
        async with changing(self._uow, by) as change:
            user = _seen(change, user_id)
            shown = user_versioned(user, change.before)
            require_version(shown, if_match, "user")
            wanted = _merged(change, user, changes)
            if wanted == user:
                return shown
            await _store(change.tx, wanted)
            after = await change.checked([user.id])
            made = user_versioned(wanted, after)
            await change.keep(
                _action(user, wanted), audited(user), before=shown.view, after=made.view
            )
        return made

    async def delete(
        self, by: Actor, user_id: str, *, if_match: str | None = None, dry_run: bool = False
    ) -> UserRemoval:
        """Remove a user, who can be restored for 30 days; with `dry_run`, only say what goes.

        Raises:
            NotFound, PreconditionFailed, PermissionDenied, BeyondOwnRights, LastSuperAdmin: as
                for `update`.
        """
        async with changing(self._uow, by) as change:
            user = _seen(change, user_id)
            change.by.require(Permission.USERS_DELETE, target_of_user(user))
            shown = user_versioned(user, change.before)
            require_version(shown, if_match, "user")
            keys = [
                each
                for each in await change.tx.keys.all()
                if each.owner_id == user.id and each.state is not KeyState.REVOKED
            ]
            sessions = await change.tx.sessions.remove_of_user(user.id)
            await change.tx.users.remove(user.id)
            await change.checked([user.id])
            if not dry_run:
                await change.keep("user.delete", audited(user), before=shown.view)
        return UserRemoval(deleted=not dry_run, item=shown.view, keys=len(keys), sessions=sessions)

    async def restore(self, by: Actor, user_id: str) -> Versioned[UserView]:
        """Undo a removal of the last 30 days; keys, roles and memberships come back with the user.

        Raises:
            NotFound: there is no such removed user, or the 30 days are over.
            PermissionDenied, BeyondOwnRights: as for `delete`.
            Conflict: the address was taken meanwhile.
        """
        async with changing(self._uow, by) as change:
            removed = await find_restorable(
                change.tx, RemovedKind.USER, user_id, self._clock.now_ms(), missing=NO_USER
            )
            found = await change.tx.user_search.removed(removed.id)
            if found is None or found.user.kind is not UserKind.PERSON:
                raise NotFound(NO_USER)
            user = found.user
            change.by.require(
                Permission.USERS_DELETE,
                target_of_user(user),
                seen_by=Permission.USERS_READ,
                missing=NO_USER,
            )
            await change.tx.removed.restore(removed)
            after = await change.checked([user.id])
            made = user_versioned(after.users[user.id], after)
            await change.keep("user.restore", audited(user), after=made.view)
        return made

    async def bulk(
        self, by: Actor, rows: Sequence[UserRow], *, dry_run: bool = False
    ) -> list[Outcome[UserView]]:
        """Carry out each row on its own; one that fails does not stop the others.

        Raises:
            InvalidRequest: too many rows.
            ServiceUnavailable: the store does not answer; the rows before were carried out.
        """

        async def work(row: UserRow) -> tuple[Status, UserView]:
            if row.op == "delete":
                return "deleted", (await self.delete(by, row.id, dry_run=dry_run)).item
            return await self._switch(by, row.id, on=row.op == "activate", dry_run=dry_run)

        return await each_on_its_own(rows, work)

    async def _switch(
        self, by: Actor, user_id: str, *, on: bool, dry_run: bool
    ) -> tuple[Status, UserView]:
        async with changing(self._uow, by) as change:
            user = _seen(change, user_id)
            wanted = _merged(change, user, UserPatch(enabled=on))
            if wanted == user:
                return "unchanged", user_view(user, change.before)
            await _store(change.tx, wanted)
            view = user_view(wanted, await change.checked([user.id]))
            if not dry_run:
                before = user_view(user, change.before)
                await change.keep(_action(user, wanted), audited(user), before=before, after=view)
        return "updated", view


def require_creation(by: Actor, team_ids: Sequence[str]) -> None:
    """Raise unless the actor may create users: in each of the teams, or else anywhere.

    Raises:
        PermissionDenied: one of them is out of reach, whether it is there or not.
    """
    for team_id in team_ids:
        by.require(Permission.USERS_CREATE, target_of_team(TeamId(team_id)))
    if not team_ids:
        by.require(Permission.USERS_CREATE, INSTALLATION)


def address_of(email: str) -> str:
    """Return an address as it is stored. Raises `InvalidRequest`."""
    try:
        address = normal_email(email)
    except ValueError as error:
        raise InvalidRequest(f"The address is not valid: {error}.", param="email") from error
    if address.endswith(f"@{SERVICE_DOMAIN}") or "\x00" in address:
        raise InvalidRequest("This address cannot be that of a person.", param="email")
    return address


def audited(user: User) -> AuditTarget:
    """Return how the audit trail names a user."""
    return AuditTarget(kind="user", id=user.id, name=user.email)


async def _store(tx: Transaction, user: User) -> None:
    await tx.users.update(user)
    if user.state is UserState.DEACTIVATED:
        # Or they would be good again with the next activation.
        await tx.sessions.remove_of_user(user.id)


def _sees(by: Actor, user: User) -> bool:
    return by.allows(Permission.USERS_READ, target_of_user(user))


def _seen(change: PeopleChange, user_id: str) -> User:
    user = change.before.users.get(UserId(user_id))
    if user is None or user.kind is not UserKind.PERSON or not _sees(change.by, user):
        raise NotFound(NO_USER)
    return user


def _merged(change: PeopleChange, user: User, changes: UserPatch) -> User:
    """Return the user as it is to be; every member that changes needs its permission."""
    by, target, wanted = change.by, target_of_user(user), user
    if changes.display_name is not UNSET:
        wanted = replace(wanted, display_name=display_name_of(changes.display_name))
    if changes.enabled is not UNSET:
        state = UserState.ACTIVE if changes.enabled else UserState.DEACTIVATED
        wanted = replace(wanted, state=state)
    if wanted != user:
        by.require(Permission.USERS_UPDATE, target)
    if changes.role is not UNSET and changes.role != user.role:
        by.require(Permission.ROLES_ASSIGN, target)
        require_role(change.before, changes.role)
        change.before.require_may_give(by, user.role, None)
        change.before.require_may_give(by, changes.role, None)
        wanted = replace(wanted, role=changes.role)
    if changes.teams is not UNSET:
        for each in user.team_ids.symmetric_difference(changes.teams):
            by.require(Permission.TEAMS_MEMBERS, target_of_team(TeamId(each)))
        wanted = replace(wanted, team_ids=known_teams(change.before, changes.teams))
    return wanted


def _action(user: User, wanted: User) -> str:
    if wanted == replace(user, state=wanted.state):
        return "user.activate" if wanted.state is UserState.ACTIVE else "user.deactivate"
    return "user.update"


def display_name_of(text: str | None) -> str | None:
    """Return a display name that is one. Raises `InvalidRequest`."""
    if text is not None and (fault := title_fault(text)):
        raise InvalidRequest(f"'display_name' {fault}.", param="display_name")
    return text
