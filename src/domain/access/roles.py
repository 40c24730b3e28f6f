"""Roles: the five built-in ones, custom ones, and what somebody who has several may do."""

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from msgspec import Struct

from domain.access.accounts import Role, User
from domain.access.permissions import CATALOGUE, Permission, Scope
from domain.access.rights import Held, Rights, Statement, Target
from domain.identifiers import TeamId, UserId
from domain.inference.dialect import Surface
from domain.names import model_name_fault

MOST_PATTERNS = 500
_NAME = re.compile(r"[a-z][a-z0-9_-]{1,62}")
_LONGEST_DESCRIPTION = 500


class RoleDefinition(Struct, frozen=True, kw_only=True):
    """What a role allows and denies.

    Attributes:
        name: what users and documents call it; it never changes.
        models: exact names or globs its holders may use; None says nothing about models.
        denied_models: names or globs they may not use, whatever else allows it.
        tools, denied_tools: likewise for tools of MCP servers, as `server/tool`.
        builtin: part of the program; it cannot be changed.
    """

    name: str
    description: str = ""
    allow: tuple[Statement, ...] = ()
    deny: tuple[Statement, ...] = ()
    models: tuple[str, ...] | None = None
    denied_models: tuple[str, ...] = ()
    tools: tuple[str, ...] | None = None
    denied_tools: tuple[str, ...] = ()
    builtin: bool = False

    def faults(self) -> list[str]:
        """Return what is wrong, one line per fault starting with the field; empty when fine."""
        faults: list[str] = []
        if not _NAME.fullmatch(self.name):
            faults.append("name must be 2 to 63 of a-z, 0-9, '_' and '-', a letter first")
        if not self.builtin and self.name in {role.value for role in Role}:
            faults.append(f"name '{self.name}' is that of a built-in role")
        if len(self.description) > _LONGEST_DESCRIPTION or "\x00" in self.description:
            faults.append(f"description must be text of at most {_LONGEST_DESCRIPTION} characters")
        for field, patterns in (
            ("models", self.models),
            ("denied_models", self.denied_models),
            ("tools", self.tools),
            ("denied_tools", self.denied_tools),
        ):
            faults.extend(_pattern_faults(field, patterns or ()))
        return faults


class Assignment(Struct, frozen=True, kw_only=True):
    """A role that somebody has beside the base role.

    With a user alone it holds everywhere; with a team alone every member has it inside that team;
    with both, the user has it inside the team while a member of it.
    """

    id: str
    role: str
    user_id: UserId | None = None
    team_id: TeamId | None = None
    created_at_ms: int


class GatewayAccess(Struct, frozen=True, kw_only=True):
    """What the roles of a key's owner open on the gateway; the key may open less.

    Attributes:
        models: names or globs; None means every model.
    """

    surfaces: frozenset[Surface] = frozenset(Surface)
    models: tuple[str, ...] | None = None
    denied_models: tuple[str, ...] = ()
    tools: tuple[str, ...] | None = None
    denied_tools: tuple[str, ...] = ()

    def may_use(self, model: str) -> bool:
        """Tell whether the owner's roles cover `model`."""
        return _covered(model, self.models, self.denied_models)

    def may_call(self, tool: str) -> bool:
        """Tell whether the owner's roles cover the tool `server/tool`."""
        return _covered(tool, self.tools, self.denied_tools)

    def beyond(self, given: "GatewayAccess") -> tuple[str, ...]:
        """Return what `given` opens and this does not, one line each; empty: nothing.

        Patterns are compared as they are written: a glob is within another list only when it
        stands there too, or the list has `*`. Models count for who can call models only, tools
        for who can call tools.
        """
        beyond = [f"surface {surface.value}" for surface in sorted(given.surfaces - self.surfaces)]
        for kind, surface, mine, theirs in (
            (
                "model",
                Surface.AI_GATEWAY,
                (self.models, self.denied_models),
                (given.models, given.denied_models),
            ),
            (
                "tool",
                Surface.MCP_GATEWAY,
                (self.tools, self.denied_tools),
                (given.tools, given.denied_tools),
            ),
        ):
            if surface in given.surfaces:
                beyond.extend(f"{kind} {pattern}" for pattern in _wider(*mine, *theirs))
        return tuple(beyond)


_OWN_KEYS = {
    Permission.KEYS_READ,
    Permission.KEYS_CREATE,
    Permission.KEYS_UPDATE,
    Permission.KEYS_ROTATE,
    Permission.KEYS_REVOKE,
    Permission.KEYS_DELETE,
}
_OWN_USE = {Permission.AI_GATEWAY_USE, Permission.MCP_GATEWAY_USE}
_OWN_SIGHT = {
    Permission.USERS_READ,
    Permission.LIMITS_READ,
    Permission.ALERTS_READ,
    Permission.REQUESTS_READ,
    Permission.ACCESS_EXPLAIN,
}
_TEAM_WORK = {
    Permission.USERS_READ,
    Permission.TEAMS_READ,
    Permission.TEAMS_MEMBERS,
    Permission.SERVICE_ACCOUNTS_WRITE,
    Permission.LIMITS_READ,
    Permission.LIMITS_WRITE,
    Permission.OVERRIDES_WRITE,
    Permission.ALERTS_READ,
    Permission.REQUESTS_READ,
    Permission.ACCESS_EXPLAIN,
    *_OWN_KEYS,
}
_READING = {permission for permission in Permission if permission.value.endswith(":read")}


def _said(scope: Scope, *groups: Iterable[Permission]) -> tuple[Statement, ...]:
    names = sorted({permission for group in groups for permission in group})
    return tuple(Statement(permission=name, scope=scope) for name in names)


_DEVELOPER = (
    *_said(Scope.OWN, _OWN_KEYS, _OWN_USE, _OWN_SIGHT),
    *_said(Scope.ALL, {Permission.MODELS_READ}),
)
BUILT_IN: dict[str, RoleDefinition] = {
    role.name: role
    for role in (
        RoleDefinition(
            name=Role.SUPER_ADMIN.value,
            description="Everything. The last one cannot be removed.",
            builtin=True,
            allow=tuple(
                Statement(permission=permission, scope=spec.widest)
                for permission, spec in CATALOGUE.items()
            ),
        ),
        RoleDefinition(
            name=Role.ADMIN.value,
            description="Everything but what only a super admin may.",
            builtin=True,
            allow=tuple(
                Statement(permission=permission, scope=spec.widest)
                for permission, spec in CATALOGUE.items()
                if not spec.super_admin_only
            ),
        ),
        RoleDefinition(
            name=Role.TEAM_MANAGER.value,
            description="Members, keys, limits and usage of the manager's teams.",
            builtin=True,
            allow=(*_said(Scope.TEAM, _TEAM_WORK), *_DEVELOPER),
        ),
        RoleDefinition(
            name=Role.DEVELOPER.value,
            description="One's own keys, usage and limits, and the models.",
            builtin=True,
            allow=_DEVELOPER,
        ),
        RoleDefinition(
            name=Role.VIEWER.value,
            description="Sees everything but secrets, changes nothing, calls nothing.",
            builtin=True,
            allow=_said(Scope.ALL, _READING),
        ),
    )
}
RANKING = tuple(role.value for role in Role)
"""Built-in roles, the mightiest first."""


def rights_of(
    user: User, assignments: Iterable[Assignment], custom: Mapping[str, RoleDefinition]
) -> Rights:
    """Return what a user may do, by base role and assignments.

    Args:
        user: whose rights.
        assignments: those of the user and of the user's teams; others are ignored.
        custom: definitions of custom roles by name; an unknown role gives nothing.
    """
    held = list(_roles_held(user, assignments, custom))
    return Rights(
        user_id=user.id,
        team_ids=user.team_ids,
        grants=tuple(each for role, team in held for each in _held(role, team, role.allow)),
        denials=tuple(each for role, team in held for each in _held(role, team, role.deny)),
        unlimited=any(role.name == Role.SUPER_ADMIN and team is None for role, team in held),
        roles=tuple(dict.fromkeys(role.name for role, _ in held)),
    )


def gateway_access(
    user: User, assignments: Iterable[Assignment], custom: Mapping[str, RoleDefinition]
) -> GatewayAccess:
    """Return what keys of the user open on the gateway.

    A surface needs its permission on what is one's own. Models: what any role that speaks of
    models names; when none does, every model. Denied ones are denied by whichever role says so.
    """
    rights = rights_of(user, assignments, custom)
    roles = [role for role, _ in _roles_held(user, assignments, custom)]
    own = Target(owner_id=user.id, team_ids=user.team_ids)
    surfaces = {
        surface
        for surface, permission in _SURFACE_PERMISSIONS.items()
        if rights.allows(permission, own)
    }
    if rights.unlimited:
        return GatewayAccess(surfaces=frozenset(Surface))
    return GatewayAccess(
        surfaces=frozenset(surfaces | {Surface.CONSOLE}),
        models=_union(role.models for role in roles),
        denied_models=_flat(role.denied_models for role in roles),
        tools=_union(role.tools for role in roles),
        denied_tools=_flat(role.denied_tools for role in roles),
    )


_SURFACE_PERMISSIONS = {
    Surface.AI_GATEWAY: Permission.AI_GATEWAY_USE,
    Surface.MCP_GATEWAY: Permission.MCP_GATEWAY_USE,
}


def _roles_held(
    user: User, assignments: Iterable[Assignment], custom: Mapping[str, RoleDefinition]
) -> Iterable[tuple[RoleDefinition, TeamId | None]]:
    if (base := BUILT_IN.get(user.role) or custom.get(user.role)) is not None:
        yield base, None
    for each in assignments:
        role = BUILT_IN.get(each.role) or custom.get(each.role)
        mine = each.user_id in (None, user.id) and (
            each.team_id is None or each.team_id in user.team_ids
        )
        if role is not None and mine and (each.user_id, each.team_id) != (None, None):
            yield role, each.team_id


def _held(
    role: RoleDefinition, team_id: TeamId | None, said: Iterable[Statement]
) -> Iterable[Held]:
    for statement in said:
        yield Held(statement=statement, role=role.name, team_id=team_id)


def _covered(name: str, allowed: tuple[str, ...] | None, denied: tuple[str, ...]) -> bool:
    if any(fnmatchcase(name, pattern) for pattern in denied):
        return False
    return allowed is None or any(fnmatchcase(name, pattern) for pattern in allowed)


def _wider(
    allowed: tuple[str, ...] | None,
    denied: tuple[str, ...],
    their_allowed: tuple[str, ...] | None,
    their_denied: tuple[str, ...],
) -> list[str]:
    if "*" in their_denied:
        return []
    lifted = [f"'{each}' (denied)" for each in denied if each not in their_denied]
    if allowed is None:
        return lifted
    if their_allowed is None:
        return ["'*'", *lifted]
    plain = [
        f"'{each}'"
        for each in their_allowed
        if each not in allowed
        and "*" not in allowed
        and (any(letter in each for letter in "*?[") or not _covered(each, allowed, ()))
    ]
    return plain + lifted


def _union(lists: Iterable[tuple[str, ...] | None]) -> tuple[str, ...] | None:
    said = [each for each in lists if each is not None]
    return _flat(said) if said else None


def _flat(lists: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(pattern for each in lists for pattern in each))


def _pattern_faults(field: str, patterns: tuple[str, ...]) -> list[str]:
    faults = [
        f"{field}: '{pattern[:40]}' {fault}"
        for pattern in patterns
        if (fault := model_name_fault(pattern))
    ]
    if len(patterns) > MOST_PATTERNS:
        faults.append(f"{field}: at most {MOST_PATTERNS} entries")
    return faults
