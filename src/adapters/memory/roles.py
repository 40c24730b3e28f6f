"""Roles and assignments in process memory."""

from collections.abc import Sequence

from adapters.memory.repositories import Draft
from application.ports.change_feed import Section
from application.ports.repositories import Roles
from domain.access.roles import BUILT_IN, Assignment, RoleDefinition
from domain.errors import Conflict, NotFound
from domain.identifiers import TeamId, UserId


class MemoryRoles(Roles):
    """Roles by name, assignments by id."""

    def __init__(self, draft: Draft) -> None:
        """Reads and changes `draft`."""
        self._draft = draft

    async def custom(self) -> Sequence[RoleDefinition]:
        """Return all custom roles by name."""
        return [role for _, role in sorted(self._draft.roles.items())]

    async def add(self, role: RoleDefinition, *, created_at_ms: int) -> None:  # noqa: ARG002
        """Store a custom role."""
        if role.name in self._draft.roles or role.name in BUILT_IN:
            raise Conflict("A role with this name exists already.")
        self._draft.roles[role.name] = role
        self._draft.changed.add(Section.KEYS)

    async def update(self, role: RoleDefinition) -> None:
        """Replace everything but the name."""
        self._existing(role.name)
        self._draft.roles[role.name] = role

    async def remove(self, name: str) -> None:
        """Remove a custom role."""
        self._existing(name)
        users = any(user.role == name for user in self._draft.users.values())
        removed = any(user.role == name for user in self._draft.removed_users.values())
        invited = any(invite.role == name for invite in self._draft.invites.values())
        if (
            users
            or removed
            or invited
            or any(a.role == name for a in self._draft.assignments.values())
        ):
            raise Conflict("The role is still given to somebody.")
        del self._draft.roles[name]

    async def assignments(self) -> Sequence[Assignment]:
        """Return all assignments."""
        return [each for _, each in sorted(self._draft.assignments.items())]

    async def assignments_of(
        self, user_id: UserId, team_ids: frozenset[TeamId]
    ) -> Sequence[Assignment]:
        """Return those of a user and of the teams."""
        return [
            each
            for each in await self.assignments()
            if each.user_id == user_id or (each.user_id is None and each.team_id in team_ids)
        ]

    async def assign(self, given: Assignment) -> None:
        """Store an assignment."""
        target = (given.role, given.user_id, given.team_id)
        taken = {(a.role, a.user_id, a.team_id) for a in self._draft.assignments.values()}
        known = (
            (given.role in BUILT_IN or given.role in self._draft.roles)
            and (given.user_id is None or given.user_id in self._draft.users)
            and (given.team_id is None or given.team_id in self._draft.teams)
        )
        if target in taken:
            raise Conflict("The role is given already.")
        if not known or (given.user_id, given.team_id) == (None, None):
            raise Conflict("There is no such role, user or team.")
        self._draft.assignments[given.id] = given
        self._draft.changed.add(Section.KEYS)

    async def unassign(self, assignment_id: str) -> None:
        """Remove an assignment."""
        if self._draft.assignments.pop(assignment_id, None) is None:
            raise NotFound("There is no such assignment.")
        self._draft.changed.add(Section.KEYS)

    def _existing(self, name: str) -> None:
        if name not in self._draft.roles:
            raise NotFound("There is no such role.")
        self._draft.changed.add(Section.KEYS)
