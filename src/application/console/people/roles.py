"""Roles: the built-in ones to look at, custom ones to change."""

from msgspec import UNSET, Struct, UnsetType

from application.console.people.changing import PeopleChange, changing
from application.identity.roster import Roster
from application.ports.clock import Clock
from application.ports.unit_of_work import UnitOfWork
from application.resources import (
    MOST_PER_PAGE,
    Page,
    Versioned,
    merged,
    page_of,
    require_version,
    versioned,
)
from domain.access.actor import Actor
from domain.access.permissions import CATALOGUE, Permission
from domain.access.rights import Statement, statements
from domain.access.roles import BUILT_IN, RANKING, RoleDefinition
from domain.errors import Conflict, InvalidRequest, NotFound
from domain.identifiers import UserId
from domain.records.audit import AuditTarget

MOST_HOLDERS = 100
_NO_ROLE = "There is no such role."


class RoleEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A custom role.

    Attributes:
        name: 2 to 63 of a-z, 0-9, `_` and `-`; it never changes.
        allow, deny: permissions with their scope, as `keys:read@team`; without one the widest.
        models: names or globs its holders may use; null says nothing about models.
        denied_models: names or globs they may not use, whatever else allows it.
        tools, denied_tools: likewise for tools, as `server/tool`.
    """

    name: str
    description: str = ""
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    models: tuple[str, ...] | None = None
    denied_models: tuple[str, ...] = ()
    tools: tuple[str, ...] | None = None
    denied_tools: tuple[str, ...] = ()


class RolePatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Changes of a role (RFC 7396); lists replace those there are."""

    description: str | UnsetType | None = UNSET
    allow: tuple[str, ...] | UnsetType | None = UNSET
    deny: tuple[str, ...] | UnsetType | None = UNSET
    models: tuple[str, ...] | UnsetType | None = UNSET
    denied_models: tuple[str, ...] | UnsetType | None = UNSET
    tools: tuple[str, ...] | UnsetType | None = UNSET
    denied_tools: tuple[str, ...] | UnsetType | None = UNSET


class RoleView(Struct, frozen=True, kw_only=True):
    """A role; a built-in one cannot be changed."""

    name: str
    description: str
    builtin: bool
    allow: tuple[str, ...]
    deny: tuple[str, ...]
    models: tuple[str, ...] | None
    denied_models: tuple[str, ...]
    tools: tuple[str, ...] | None
    denied_tools: tuple[str, ...]


class HolderView(Struct, frozen=True, kw_only=True):
    """Somebody who has a role."""

    id: str
    email: str


class RoleRemoval(Struct, frozen=True, kw_only=True):
    """The role as it was, and who has it: a role that somebody has cannot be deleted.

    Attributes:
        deleted: false for a dry run.
        possible: whether it can be deleted as things are.
        holders: the first hundred of who has it.
        holder_count: how many there are.
        assignments: how many times it is given to a user or a team.
        invites: how many open invitations give it.
    """

    deleted: bool
    possible: bool
    item: RoleView
    holders: tuple[HolderView, ...]
    holder_count: int
    assignments: int
    invites: int


class PermissionView(Struct, frozen=True, kw_only=True):
    """A permission and the scopes it can be given with."""

    name: str
    description: str
    scopes: tuple[str, ...]
    super_admin_only: bool


class ManageRoles:
    """Nobody writes a role beyond his own rights, or gives a holder more than he has."""

    def __init__(self, uow: UnitOfWork, clock: Clock) -> None:
        """Take the ports."""
        self._uow = uow
        self._clock = clock

    async def page(
        self, by: Actor, *, limit: int = 50, cursor: str | None = None
    ) -> Page[RoleView]:
        """Return roles by name; the cursor is the name of the last one seen.

        Raises:
            PermissionDenied: see the permission `roles:read`.
            InvalidRequest: `limit` is out of bounds.
        """
        by.require(Permission.ROLES_READ)
        if not 1 <= limit <= MOST_PER_PAGE:
            raise InvalidRequest(f"'limit' must be between 1 and {MOST_PER_PAGE}.", param="limit")
        async with self._uow.begin() as tx:
            roles = [*BUILT_IN.values(), *await tx.roles.custom()]
        return page_of(
            sorted(roles, key=lambda each: each.name),
            limit=limit,
            cursor=cursor,
            key=lambda each: each.name,
            view=role_view,
        )

    async def find(self, by: Actor, name: str) -> Versioned[RoleView]:
        """Return one role. Raises `NotFound`, or `PermissionDenied` without `roles:read`."""
        by.require(Permission.ROLES_READ)
        async with self._uow.begin() as tx:
            roles = {**BUILT_IN, **{each.name: each for each in await tx.roles.custom()}}
        if name not in roles:
            raise NotFound(_NO_ROLE)
        return versioned(role_view(roles[name]))

    async def create(self, by: Actor, entry: RoleEntry) -> Versioned[RoleView]:
        """Store a new custom role.

        Raises:
            InvalidRequest: the entry has no meaning; `param` names the member.
            PermissionDenied: see the permission `roles:write`.
            BeyondOwnRights: it allows more than the actor may do.
            Conflict: the name is taken.
        """
        by.require(Permission.ROLES_WRITE)
        role = role_of(entry)
        async with changing(self._uow, by) as change:
            change.by.require(Permission.ROLES_WRITE)
            await change.tx.roles.add(role, created_at_ms=self._clock.now_ms())
            after = await change.checked([])
            after.require_may_give(change.by, role.name, None)
            made = versioned(role_view(role))
            await change.keep("role.create", _target(role), after=made.view)
        return made

    async def update(
        self, by: Actor, name: str, changes: RolePatch, *, if_match: str | None = None
    ) -> Versioned[RoleView]:
        """Merge `changes` into a custom role (RFC 7396).

        Raises:
            NotFound: there is no such role.
            Conflict: it is a built-in one.
            PreconditionFailed: it is not the version of `if_match`.
            InvalidRequest, PermissionDenied: as for `create`.
            BeyondOwnRights: it allows, or allowed, more than the actor may do, or a holder has or
                would have more than the actor.
        """
        async with changing(self._uow, by) as change:
            role = _custom(change, name)
            shown = versioned(role_view(role))
            require_version(shown, if_match, "role")
            wanted = role_of(merged(role_entry(role), changes))
            if wanted == role:
                return shown
            change.before.require_may_give(change.by, name, None)
            await change.tx.roles.update(wanted)
            after = await change.checked(_affected(change.before, name))
            after.require_may_give(change.by, name, None)
            made = versioned(role_view(wanted))
            await change.keep("role.update", _target(role), before=shown.view, after=made.view)
        return made

    async def delete(
        self, by: Actor, name: str, *, if_match: str | None = None, dry_run: bool = False
    ) -> RoleRemoval:
        """Remove a custom role that nobody has; with `dry_run`, only say who has it.

        Raises:
            NotFound, PreconditionFailed, PermissionDenied, BeyondOwnRights: as for `update`.
            Conflict: it is a built-in one, or somebody has it, also somebody who can be restored.
        """
        async with changing(self._uow, by) as change:
            role = _custom(change, name)
            shown = versioned(role_view(role))
            require_version(shown, if_match, "role")
            change.before.require_may_give(change.by, name, None)
            holders = change.before.holders(name)
            assignments = sum(each.role == name for each in change.before.assignments)
            invites = sum(each.role == name for each in await change.tx.invites.all())
            possible = True
            try:
                await change.tx.roles.remove(name)
            except Conflict:
                if not dry_run:
                    raise
                possible = False
            if not dry_run:
                await change.keep("role.delete", _target(role), before=shown.view)
        return RoleRemoval(
            deleted=not dry_run,
            possible=possible,
            item=shown.view,
            holders=tuple(
                HolderView(id=each.id, email=each.email) for each in holders[:MOST_HOLDERS]
            ),
            holder_count=len(holders),
            assignments=assignments,
            invites=invites,
        )


def permission_views() -> tuple[PermissionView, ...]:
    """Return the catalogue of permissions."""
    return tuple(
        PermissionView(
            name=permission.value,
            description=spec.description,
            scopes=tuple(each.word for each in spec.scopes),
            super_admin_only=spec.super_admin_only,
        )
        for permission, spec in CATALOGUE.items()
    )


def role_of(entry: RoleEntry) -> RoleDefinition:
    """Return the role that an entry describes. Raises `InvalidRequest`."""
    role = RoleDefinition(
        name=entry.name,
        description=entry.description,
        allow=_statements(entry.allow, "allow"),
        deny=_statements(entry.deny, "deny"),
        models=entry.models,
        denied_models=entry.denied_models,
        tools=entry.tools,
        denied_tools=entry.denied_tools,
    )
    if faults := role.faults():
        param = faults[0].replace(":", " ").split(" ", 1)[0]
        raise InvalidRequest("; ".join(faults) + ".", param=param)
    return role


def role_entry(role: RoleDefinition) -> RoleEntry:
    """Return the entry that describes a role."""
    return RoleEntry(
        name=role.name,
        description=role.description,
        allow=tuple(each.text() for each in role.allow),
        deny=tuple(each.text() for each in role.deny),
        models=role.models,
        denied_models=role.denied_models,
        tools=role.tools,
        denied_tools=role.denied_tools,
    )


def role_view(role: RoleDefinition) -> RoleView:
    """Return a role as answers show it."""
    entry = role_entry(role)
    return RoleView(
        builtin=role.name in RANKING,
        **{name: getattr(entry, name) for name in entry.__struct_fields__},
    )


def _custom(change: PeopleChange, name: str) -> RoleDefinition:
    change.by.require(Permission.ROLES_READ)
    change.by.require(Permission.ROLES_WRITE)
    if name in BUILT_IN:
        raise Conflict("A built-in role cannot be changed.")
    role = change.before.custom.get(name)
    if role is None:
        raise NotFound(_NO_ROLE)
    return role


def _affected(roster: Roster, role: str) -> list[UserId]:
    """Return the holders whom a role gives or denies anything."""
    return [each.id for each in roster.holders(role) if not roster.rights(each).unlimited]


def _statements(words: tuple[str, ...], param: str) -> tuple[Statement, ...]:
    try:
        found = statements(*words)
    except ValueError as error:
        raise InvalidRequest(f"{error}.", param=param) from error
    return tuple(dict.fromkeys(found))


def _target(role: RoleDefinition) -> AuditTarget:
    return AuditTarget(kind="role", id=role.name, name=role.name)
