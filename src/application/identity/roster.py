"""Everybody's rights at one moment, and what a change may do to them."""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from application.identity.rights import LastSuperAdmin
from application.ports.unit_of_work import Transaction
from domain.access.accounts import Role, Team, User, UserKind, UserState
from domain.access.actor import Actor
from domain.access.rights import Rights, Target
from domain.access.roles import (
    BUILT_IN,
    Assignment,
    GatewayAccess,
    RoleDefinition,
    gateway_access,
    rights_of,
)
from domain.errors import BeyondOwnRights, PermissionDenied
from domain.identifiers import TeamId, UserId

NOTHING = GatewayAccess(surfaces=frozenset())


class Roster(Struct, frozen=True, kw_only=True):
    """Users, teams, roles and assignments as one transaction sees them."""

    users: Mapping[UserId, User]
    teams: Mapping[TeamId, Team]
    assignments: Sequence[Assignment]
    custom: Mapping[str, RoleDefinition]

    @classmethod
    async def read(cls, tx: Transaction) -> "Roster":
        """Return what is stored."""
        return cls(
            users={each.id: each for each in await tx.users.all()},
            teams={each.id: each for each in await tx.teams.all()},
            assignments=await tx.roles.assignments(),
            custom={each.name: each for each in await tx.roles.custom()},
        )

    def rights(self, user: User) -> Rights:
        """Return what a user may do."""
        return rights_of(user, self.assignments, self.custom)

    def access(self, user: User) -> GatewayAccess:
        """Return what the roles of a user open on the gateway."""
        return gateway_access(user, self.assignments, self.custom)

    def role(self, name: str) -> RoleDefinition | None:
        """Return a role, built-in or custom."""
        return BUILT_IN.get(name) or self.custom.get(name)

    def members(self, team_id: TeamId) -> list[User]:
        """Return the members of a team."""
        return [each for each in self.users.values() if team_id in each.team_ids]

    def holders(self, role: str) -> list[User]:
        """Return everybody who has a role, by whatever way."""
        given = [each for each in self.assignments if each.role == role]
        return [
            user
            for user in self.users.values()
            if user.role == role
            or any(
                each.user_id in (None, user.id)
                and (each.team_id is None or each.team_id in user.team_ids)
                for each in given
            )
        ]

    def present(self, by: Actor) -> Actor:
        """Return an actor with the rights of this moment: those of a call may be older.

        Raises:
            PermissionDenied: the user behind it is gone or was deactivated.
        """
        if by.user_id is None:
            return by
        user = self.users.get(by.user_id)
        if user is None or user.state is not UserState.ACTIVE:
            raise PermissionDenied("an active account")
        return replace(by, rights=replace(self.rights(user), ceiling=by.rights.ceiling))

    def require_not_mightier(self, by: Actor, user: User) -> None:
        """Raise unless the user can do no more than who acts on him.

        What a key does not name does not count here: nobody is given anything.

        Raises:
            BeyondOwnRights: it names what is beyond.
        """
        uncapped = replace(by.rights, ceiling=None)
        self._require(uncapped, self.rights(user), self.access(user))

    def require_may_give(self, by: Actor, role: str, team_id: TeamId | None) -> None:
        """Raise unless everything in a role is within the rights of who gives it.

        Raises:
            BeyondOwnRights: it names what is beyond.
        """
        somebody = User(
            id=UserId(""),
            email="",
            role=role if team_id is None else "",
            team_ids=frozenset({team_id} if team_id is not None else ()),
            created_at_ms=0,
        )
        given = Assignment(id="", role=role, team_id=team_id, created_at_ms=0)
        rights = rights_of(somebody, [given], self.custom)
        definition = self.role(role)
        opened = NOTHING
        if definition is not None and not rights.unlimited:
            own = self._access_of(by.rights)
            opened = GatewayAccess(
                surfaces=own.surfaces,
                models=definition.models if definition.models is not None else own.models,
                denied_models=own.denied_models,
                tools=definition.tools if definition.tools is not None else own.tools,
                denied_tools=own.denied_tools,
            )
        self._require(by.rights, rights, opened)

    def require_within(
        self, by: Actor, after: "Roster", concerned: Iterable[UserId], *, on_them: bool = True
    ) -> None:
        """Raise unless a change is one that this actor may make. This is the roster before it.

        Args:
            by: who makes it, with the rights from before.
            after: the roster with the change.
            concerned: whose rights it may change.
            on_them: it is aimed at them; otherwise it may take something away from somebody
                mightier, and only what it gives counts.

        Raises:
            BeyondOwnRights: somebody would hold more than the actor, or holds more already.
            LastSuperAdmin: nobody would be left who can do everything.
        """
        for user_id in sorted(set(concerned)):
            old, new = self.users.get(user_id), after.users.get(user_id)
            if old is not None and on_them:
                self.require_not_mightier(by, old)
            if new is not None and (old is None or not self._falls(old, new, after)):
                self._require(by.rights, after.rights(new), after.access(new))
        if self.has_a_super_admin and not after.has_a_super_admin:
            raise LastSuperAdmin

    @property
    def has_a_super_admin(self) -> bool:
        """Whether an active person can do everything."""
        return any(
            each.role == Role.SUPER_ADMIN
            and each.state is UserState.ACTIVE
            and each.kind is UserKind.PERSON
            for each in self.users.values()
        )

    def _falls(self, old: User, new: User, after: "Roster") -> bool:
        """Tell whether the user can do nothing afterwards that was not possible before."""
        before, then = self.rights(old), after.rights(new)
        if old.state is not new.state and new.state is UserState.ACTIVE:
            return False
        return not before.may_give(then) and not self.access(old).beyond(after.access(new))

    def _require(self, own: Rights, given: Rights, opened: GatewayAccess) -> None:
        beyond = list(own.may_give(given))
        if not own.unlimited:
            beyond.extend(self._access_of(own).beyond(opened))
        if beyond:
            raise BeyondOwnRights(beyond)

    def _access_of(self, own: Rights) -> GatewayAccess:
        if own.unlimited:
            return GatewayAccess()
        user = self.users.get(own.user_id) if own.user_id is not None else None
        return self.access(user) if user is not None else NOTHING


def target_of_user(user: User) -> Target:
    """Return whose a user is: the user's own, and the teams'."""
    return Target(owner_id=user.id, team_ids=user.team_ids)


def target_of_team(team_id: TeamId) -> Target:
    """Return whose a team is: its own."""
    return Target(team_ids=frozenset({team_id}))
