"""Repository of roles and their assignments."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, delete, insert, or_, select, update

from adapters.sql.session import Session, is_id
from adapters.sql.tables.access import RoleAssignmentRow, RoleRow
from application.ports.change_feed import Section
from application.ports.repositories import Roles
from domain.access.rights import Statement, statements
from domain.access.roles import Assignment, RoleDefinition
from domain.errors import NotFound
from domain.identifiers import TeamId, UserId

_CUSTOM = RoleRow.builtin.is_(False)


def role_definition(row: RoleRow | Row[Any]) -> RoleDefinition:
    """Return a custom role; statements that only another version knows are left out."""
    return RoleDefinition(
        name=row.name,
        description=row.description,
        allow=_known(row.allow),
        deny=_known(row.deny),
        models=tuple(row.models) if row.models is not None else None,
        denied_models=tuple(row.denied_models),
        tools=tuple(row.tools) if row.tools is not None else None,
        denied_tools=tuple(row.denied_tools),
    )


def assignment(row: RoleAssignmentRow | Row[Any]) -> Assignment:
    """Return an assignment."""
    return Assignment(
        id=row.id,
        role=row.role,
        user_id=UserId(row.user_id) if row.user_id is not None else None,
        team_id=TeamId(row.team_id) if row.team_id is not None else None,
        created_at_ms=row.created_at,
    )


class SqlRoles(Roles):
    """Rows of `roles` and `role_assignments`."""

    def __init__(self, session: Session) -> None:
        """Works inside the transaction of `session`."""
        self._session = session

    async def custom(self) -> Sequence[RoleDefinition]:
        """Return all custom roles by name."""
        rows = await self._session.rows(select(RoleRow).where(_CUSTOM).order_by(RoleRow.name))
        return [role_definition(row) for row in rows]

    async def add(self, role: RoleDefinition, *, created_at_ms: int) -> None:
        """Store a custom role."""
        await self._session.change(
            insert(RoleRow).values(name=role.name, created_at=created_at_ms, **_columns(role)),
            Section.KEYS,
        )

    async def update(self, role: RoleDefinition) -> None:
        """Replace everything but the name."""
        changed = await self._session.change(
            update(RoleRow).where(RoleRow.name == role.name, _CUSTOM).values(**_columns(role)),
            Section.KEYS,
        )
        if changed == 0:
            raise NotFound("There is no such role.")

    async def remove(self, name: str) -> None:
        """Remove a custom role."""
        removed = await self._session.change(
            delete(RoleRow).where(RoleRow.name == name, _CUSTOM), Section.KEYS
        )
        if removed == 0:
            raise NotFound("There is no such role.")

    async def assignments(self) -> Sequence[Assignment]:
        """Return all assignments, oldest first."""
        rows = await self._session.rows(select(RoleAssignmentRow).order_by(RoleAssignmentRow.id))
        return [assignment(row) for row in rows]

    async def assignments_of(
        self, user_id: UserId, team_ids: frozenset[TeamId]
    ) -> Sequence[Assignment]:
        """Return those of a user and of the teams."""
        mine = RoleAssignmentRow.user_id == user_id
        of_teams = RoleAssignmentRow.user_id.is_(None) & RoleAssignmentRow.team_id.in_(team_ids)
        rows = await self._session.rows(
            select(RoleAssignmentRow).where(or_(mine, of_teams)).order_by(RoleAssignmentRow.id)
        )
        return [assignment(row) for row in rows]

    async def assign(self, given: Assignment) -> None:
        """Store an assignment."""
        await self._session.change(
            insert(RoleAssignmentRow).values(
                id=given.id,
                role=given.role,
                user_id=given.user_id,
                team_id=given.team_id,
                created_at=given.created_at_ms,
            ),
            Section.KEYS,
        )

    async def unassign(self, assignment_id: str) -> None:
        """Remove an assignment."""
        removed = (
            await self._session.change(
                delete(RoleAssignmentRow).where(RoleAssignmentRow.id == assignment_id),
                Section.KEYS,
            )
            if is_id(assignment_id)
            else 0
        )
        if removed == 0:
            raise NotFound("There is no such assignment.")


def _columns(role: RoleDefinition) -> dict[str, object]:
    return {
        "description": role.description,
        "allow": [each.text() for each in role.allow],
        "deny": [each.text() for each in role.deny],
        "models": list(role.models) if role.models is not None else None,
        "denied_models": list(role.denied_models),
        "tools": list(role.tools) if role.tools is not None else None,
        "denied_tools": list(role.denied_tools),
    }


def _known(words: Sequence[str]) -> tuple[Statement, ...]:
    known: list[Statement] = []
    for word in words:
        try:
            known.extend(statements(word))
        except ValueError:
            continue
    return tuple(known)
