"""Teams and their members."""

from datetime import datetime

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from application.console.people.changing import (
    NO_TEAM,
    NO_USER,
    PeopleChange,
    changing,
)
from application.console.people.users import audited
from application.identity.roster import target_of_team, target_of_user
from application.instants import instant
from application.ports.clock import Clock, IdGenerator
from application.ports.people import UserFilter
from application.ports.unit_of_work import UnitOfWork
from application.resources import (
    Page,
    Versioned,
    check_page,
    page_of,
    require_version,
    versioned,
)
from domain.access.accounts import Team, User, UserKind, UserState
from domain.access.actor import Actor
from domain.access.permissions import Permission
from domain.access.rights import Area, Reach
from domain.errors import InvalidRequest, NotFound
from domain.identifiers import TeamId, UserId
from domain.names import title_fault
from domain.records.audit import AuditTarget


class TeamBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new team."""

    name: str


class TeamPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Changes of a team (RFC 7396)."""

    name: str | UnsetType = UNSET


class TeamView(Struct, frozen=True, kw_only=True):
    """A team."""

    id: str
    name: str
    created_at: datetime


class MemberView(Struct, frozen=True, kw_only=True):
    """A member of a team; `kind` is `person` or `service`."""

    id: str
    email: str
    display_name: str | None
    kind: UserKind
    role: str
    enabled: bool


class TeamRemoval(Struct, frozen=True, kw_only=True):
    """The team as it was; `deleted` is false for a dry run.

    Attributes:
        members: how many lose their membership; they stay.
        keys: how many keys no longer count for the team; they stay.
        roles: how many roles attached to the team go.
        invites: how many open invitations no longer name the team.
    """

    deleted: bool
    item: TeamView
    members: int
    keys: int
    roles: int
    invites: int


class ManageTeams:
    """Whoever joins a team gets what its roles give, so that is checked like a role."""

    def __init__(self, uow: UnitOfWork, clock: Clock, ids: IdGenerator) -> None:
        """Take the ports."""
        self._uow = uow
        self._clock = clock
        self._ids = ids

    async def page(
        self, by: Actor, *, limit: int = 50, cursor: str | None = None
    ) -> Page[TeamView]:
        """Return the teams that the actor may see, oldest first.

        Raises:
            InvalidRequest: a parameter is out of bounds; `param` names it.
        """
        check_page(limit, cursor)
        async with self._uow.begin() as tx:
            teams = await tx.teams.all()
        seen = [each for each in teams if by.allows(Permission.TEAMS_READ, target_of_team(each.id))]
        return page_of(
            sorted(seen, key=lambda each: each.id),
            limit=limit,
            cursor=cursor,
            key=lambda each: each.id,
            view=_view,
        )

    async def find(self, by: Actor, team_id: str) -> Versioned[TeamView]:
        """Return one team. Raises `NotFound`."""
        _require_seen(by, team_id)
        async with self._uow.begin() as tx:
            team = await tx.teams.find(TeamId(team_id))
        if team is None:
            raise NotFound(NO_TEAM)
        return versioned(_view(team))

    async def create(self, by: Actor, body: TeamBody) -> Versioned[TeamView]:
        """Store a new team.

        Raises:
            InvalidRequest: the name is not one.
            PermissionDenied: see the permission `teams:create`.
            Conflict: the name is taken.
        """
        by.require(Permission.TEAMS_CREATE)
        team = Team(
            id=TeamId(self._ids.new_id()),
            name=_name(body.name),
            created_at_ms=self._clock.now_ms(),
        )
        async with changing(self._uow, by) as change:
            change.by.require(Permission.TEAMS_CREATE)
            await change.tx.teams.add(team)
            await change.keep("team.create", _target(team), after=_view(team))
        return versioned(_view(team))

    async def update(
        self, by: Actor, team_id: str, changes: TeamPatch, *, if_match: str | None = None
    ) -> Versioned[TeamView]:
        """Rename a team.

        Raises:
            NotFound: there is none that the actor may see.
            PreconditionFailed: it is not the version of `if_match`.
            InvalidRequest, PermissionDenied, Conflict: as for `create`.
        """
        async with changing(self._uow, by) as change:
            team = _seen(change, team_id)
            change.by.require(Permission.TEAMS_UPDATE, target_of_team(team.id))
            shown = versioned(_view(team))
            require_version(shown, if_match, "team")
            if changes.name is UNSET or changes.name == team.name:
                return shown
            made = versioned(_view(replace(team, name=_name(changes.name))))
            await change.tx.teams.rename(team.id, made.view.name)
            await change.keep("team.update", _target(team), before=shown.view, after=made.view)
        return made

    async def delete(
        self, by: Actor, team_id: str, *, if_match: str | None = None, dry_run: bool = False
    ) -> TeamRemoval:
        """Remove a team; with `dry_run`, only say what goes.

        Raises:
            NotFound, PreconditionFailed, PermissionDenied: as for `update`.
            BeyondOwnRights: a member would be able to do more without it, and more than the actor.
        """
        async with changing(self._uow, by) as change:
            team = _seen(change, team_id)
            change.by.require(Permission.TEAMS_DELETE, target_of_team(team.id))
            shown = versioned(_view(team))
            require_version(shown, if_match, "team")
            members = change.before.members(team.id)
            keys = await change.tx.keys.all()
            invites = await change.tx.invites.all()
            await change.tx.teams.remove(team.id)
            await change.checked([each.id for each in members], on_them=False)
            if not dry_run:
                await change.keep("team.delete", _target(team), before=shown.view)
        return TeamRemoval(
            deleted=not dry_run,
            item=shown.view,
            members=len(members),
            keys=sum(team.id in each.policy.team_ids for each in keys),
            roles=sum(each.team_id == team.id for each in change.before.assignments),
            invites=sum(team.id in each.team_ids for each in invites),
        )

    async def members(
        self, by: Actor, team_id: str, *, limit: int = 50, cursor: str | None = None
    ) -> Page[MemberView]:
        """Return the members of a team that the actor may see, oldest first.

        Raises:
            NotFound: there is none that the actor may see.
            InvalidRequest: a parameter is out of bounds; `param` names it.
        """
        _require_seen(by, team_id)
        check_page(limit, cursor)
        wanted, everybody = (
            UserFilter(team_id=TeamId(team_id)),
            Reach(allowed=Area(everything=True)),
        )
        async with self._uow.begin() as tx:
            if await tx.teams.find(TeamId(team_id)) is None:
                raise NotFound(NO_TEAM)
            found = await tx.user_search.page(wanted, everybody, after=cursor, limit=limit + 1)
            total = await tx.user_search.count(wanted, everybody)
        shown = [each.user for each in found[:limit]]
        return Page(
            items=tuple(map(_member, shown)),
            next_cursor=shown[-1].id if len(found) > limit else None,
            total=total,
        )

    async def add_member(self, by: Actor, team_id: str, user_id: str) -> MemberView:
        """Make somebody a member; no error for who is one.

        The actor must see the user already: otherwise whoever leads a team could draw in anybody,
        and with them their keys.

        Raises:
            NotFound: there is no such team or user that the actor may see.
            PermissionDenied: see the permission `teams:members`.
            BeyondOwnRights: the user holds, or would hold, more than the actor.
        """
        return await self._move(by, team_id, user_id, join=True)

    async def remove_member(self, by: Actor, team_id: str, user_id: str) -> MemberView:
        """End a membership.

        Raises:
            NotFound: as for `add_member`, or the user is no member.
            PermissionDenied, BeyondOwnRights: as for `add_member`.
        """
        return await self._move(by, team_id, user_id, join=False)

    async def _move(self, by: Actor, team_id: str, user_id: str, *, join: bool) -> MemberView:
        async with changing(self._uow, by) as change:
            team = _seen(change, team_id)
            change.by.require(Permission.TEAMS_MEMBERS, target_of_team(team.id))
            user = change.before.users.get(UserId(user_id))
            is_member = user is not None and team.id in user.team_ids
            if user is None or not (
                is_member
                or (join and change.by.allows(Permission.USERS_READ, target_of_user(user)))
            ):
                raise NotFound(NO_USER)
            if is_member and join:
                return _member(user)
            moved = {team.id}
            teams = user.team_ids | moved if join else user.team_ids - moved
            wanted = replace(user, team_ids=frozenset(teams))
            await change.tx.users.update(wanted)
            await change.checked([user.id])
            await change.keep(
                "team.add_member" if join else "team.remove_member",
                _target(team),
                before={"member": None if join else audited(user).name},
                after={"member": audited(user).name if join else None},
            )
        return _member(wanted)


def _require_seen(by: Actor, team_id: str) -> None:
    if not by.allows(Permission.TEAMS_READ, target_of_team(TeamId(team_id))):
        raise NotFound(NO_TEAM)


def _seen(change: PeopleChange, team_id: str) -> Team:
    _require_seen(change.by, team_id)
    team = change.before.teams.get(TeamId(team_id))
    if team is None:
        raise NotFound(NO_TEAM)
    return team


def _name(text: str) -> str:
    if fault := title_fault(text):
        raise InvalidRequest(f"'name' {fault}.", param="name")
    return text


def _view(team: Team) -> TeamView:
    return TeamView(id=team.id, name=team.name, created_at=instant(team.created_at_ms))


def _member(user: User) -> MemberView:
    return MemberView(
        id=user.id,
        email=user.email,
        display_name=user.display_name,
        kind=user.kind,
        role=user.role,
        enabled=user.state is UserState.ACTIVE,
    )


def _target(team: Team) -> AuditTarget:
    return AuditTarget(kind="team", id=team.id, name=team.name)
