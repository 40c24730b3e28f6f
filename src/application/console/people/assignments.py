"""Roles that somebody has beside the base role."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from application.console.people.changing import (
    NO_TEAM,
    NO_USER,
    changing,
    require_role,
)
from application.identity.roster import Roster, target_of_team, target_of_user
from application.instants import instant
from application.ports.clock import Clock, IdGenerator
from application.ports.unit_of_work import UnitOfWork
from application.resources import Page, check_page, page_of
from domain.access.actor import Actor
from domain.access.permissions import Permission
from domain.access.rights import Target
from domain.access.roles import Assignment
from domain.errors import Conflict, InvalidRequest, NotFound
from domain.identifiers import TeamId, UserId
from domain.records.audit import AuditTarget

_NO_ASSIGNMENT = "There is no such assignment."


class AssignmentEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A role to give.

    With a user alone it holds everywhere; with a team alone every member has it inside that team;
    with both, the user has it inside the team while a member of it.
    """

    role: str
    user_id: str | None = None
    team_id: str | None = None


class AssignmentView(Struct, frozen=True, kw_only=True):
    """A role that was given; null stands for everywhere, or for every member."""

    id: str
    role: str
    user_id: str | None
    email: str | None
    team_id: str | None
    team: str | None
    created_at: datetime


class AssignmentRemoval(Struct, frozen=True, kw_only=True):
    """The assignment as it was; `deleted` is false for a dry run. `users`: how many had it."""

    deleted: bool
    item: AssignmentView
    users: int


class ManageAssignments:
    """Nobody gives a role beyond his own rights, or changes the roles of somebody mightier."""

    def __init__(self, uow: UnitOfWork, clock: Clock, ids: IdGenerator) -> None:
        """Take the ports."""
        self._uow = uow
        self._clock = clock
        self._ids = ids

    async def page(
        self,
        by: Actor,
        *,
        limit: int = 50,
        cursor: str | None = None,
        role: str | None = None,
        user_id: str | None = None,
        team_id: str | None = None,
    ) -> Page[AssignmentView]:
        """Return assignments the actor may see (`roles:read`) or change, oldest first.

        Raises:
            InvalidRequest: a parameter is out of bounds; `param` names it.
        """
        check_page(limit, cursor)
        async with self._uow.begin() as tx:
            roster = await Roster.read(tx)
        found = [
            each
            for each in roster.assignments
            if (role is None or each.role == role)
            and (user_id is None or each.user_id == user_id)
            and (team_id is None or each.team_id == team_id)
            and _sees(by, roster, each)
        ]
        return page_of(
            found,
            limit=limit,
            cursor=cursor,
            key=lambda each: each.id,
            view=lambda each: _view(each, roster),
        )

    async def create(self, by: Actor, entry: AssignmentEntry) -> AssignmentView:
        """Give a role.

        Raises:
            InvalidRequest: it names nobody, or no role there is.
            NotFound: there is no such user or team that the actor may see.
            PermissionDenied: see the permission `roles:assign`.
            BeyondOwnRights: the role, or who gets it, is beyond the actor's rights.
            Conflict: the role is given already, or the user is not in the team.
        """
        if entry.user_id is None and entry.team_id is None:
            raise InvalidRequest("Give 'user_id', 'team_id', or both.", param="user_id")
        async with changing(self._uow, by) as change:
            roster = change.before
            given = Assignment(
                id=self._ids.new_id(),
                role=entry.role,
                user_id=UserId(entry.user_id) if entry.user_id is not None else None,
                team_id=TeamId(entry.team_id) if entry.team_id is not None else None,
                created_at_ms=self._clock.now_ms(),
            )
            for target in _seen_targets(change.by, roster, given):
                change.by.require(Permission.ROLES_ASSIGN, target)
            require_role(roster, entry.role)
            user = roster.users.get(given.user_id) if given.user_id is not None else None
            if user is not None and given.team_id not in (None, *user.team_ids):
                raise Conflict("The user is not a member of the team.")
            roster.require_may_give(change.by, given.role, given.team_id)
            await change.tx.roles.assign(given)
            await change.checked(_concerned(roster, given))
            view = _view(given, roster)
            await change.keep("role.assign", _target(given), after=view)
        return view

    async def delete(
        self, by: Actor, assignment_id: str, *, dry_run: bool = False
    ) -> AssignmentRemoval:
        """Take a role away; with `dry_run`, only say from how many.

        Raises:
            NotFound: there is none that the actor may see.
            PermissionDenied, BeyondOwnRights: as for `create`; also when a denial goes with it,
                and somebody could do more than the actor without.
            LastSuperAdmin: nobody would be left who can do everything.
        """
        async with changing(self._uow, by) as change:
            roster = change.before
            given = next((each for each in roster.assignments if each.id == assignment_id), None)
            if given is None or not _sees(change.by, roster, given):
                raise NotFound(_NO_ASSIGNMENT)
            for target in _targets(roster, given):
                change.by.require(Permission.ROLES_ASSIGN, target)
            roster.require_may_give(change.by, given.role, given.team_id)
            concerned = _concerned(roster, given)
            await change.tx.roles.unassign(given.id)
            await change.checked(concerned)
            view = _view(given, roster)
            if not dry_run:
                await change.keep("role.unassign", _target(given), before=view)
        return AssignmentRemoval(deleted=not dry_run, item=view, users=len(concerned))


def _targets(roster: Roster, given: Assignment) -> list[Target]:
    found: list[Target] = []
    if given.user_id is not None:
        user = roster.users.get(given.user_id)
        found.append(target_of_user(user) if user is not None else Target(owner_id=given.user_id))
    if given.team_id is not None:
        found.append(target_of_team(given.team_id))
    return found


def _seen_targets(by: Actor, roster: Roster, given: Assignment) -> list[Target]:
    """Return whom a new assignment is for. Raises `NotFound` for who may not be known."""
    targets = _targets(roster, given)
    if given.user_id is not None and (
        given.user_id not in roster.users or not by.allows(Permission.USERS_READ, targets[0])
    ):
        raise NotFound(NO_USER)
    if given.team_id is not None and (
        given.team_id not in roster.teams or not by.allows(Permission.TEAMS_READ, targets[-1])
    ):
        raise NotFound(NO_TEAM)
    return targets


def _sees(by: Actor, roster: Roster, given: Assignment) -> bool:
    return by.allows(Permission.ROLES_READ) or all(
        by.allows(Permission.ROLES_ASSIGN, target) for target in _targets(roster, given)
    )


def _concerned(roster: Roster, given: Assignment) -> Sequence[UserId]:
    """Return whose rights it changes; of a team's members, those whom a role changes at all."""
    if given.user_id is not None:
        return [given.user_id] if given.user_id in roster.users else []
    members = roster.members(given.team_id) if given.team_id is not None else []
    return [each.id for each in members if not roster.rights(each).unlimited]


def _view(given: Assignment, roster: Roster) -> AssignmentView:
    user = roster.users.get(given.user_id) if given.user_id is not None else None
    team = roster.teams.get(given.team_id) if given.team_id is not None else None
    return AssignmentView(
        id=given.id,
        role=given.role,
        user_id=given.user_id,
        email=user.email if user is not None else None,
        team_id=given.team_id,
        team=team.name if team is not None else None,
        created_at=instant(given.created_at_ms),
    )


def _target(given: Assignment) -> AuditTarget:
    return AuditTarget(kind="role_assignment", id=given.id, name=given.role)
