"""Planning of teams and users."""

from collections.abc import Iterable

from msgspec.structs import replace

from application.console.configuration.plan import Planned, field_changes
from application.console.configuration.planning import (
    Planning,
    Plans,
    create,
    delete,
    is_repeated,
    readable,
    unchanged,
    update,
)
from application.ports.unit_of_work import Transaction
from domain.access.accounts import Role, Team, User, UserKind, UserState, normal_email
from domain.identifiers import TeamId, UserId
from domain.names import title_fault


def plan_teams(planning: Planning) -> Plans:
    """Teams have nothing but a name, so they are created or deleted."""
    upserts: list[Planned] = []
    seen: set[str] = set()
    for path, entry in readable(planning.document.teams, "teams"):
        if fault := title_fault(entry.name):
            planning.faults.append(f"{path}.name: {fault}")
            continue
        if is_repeated(seen, entry.name, f"{path}.name", planning.faults):
            continue
        stored = planning.stored.teams.get(entry.name)
        if stored is not None:
            upserts.append(unchanged("team", entry.name))
            continue
        team = Team(
            id=TeamId(planning.ids.new_id()), name=entry.name, created_at_ms=planning.now_ms
        )
        planning.team_ids[team.name] = team.id
        upserts.append(_team_creation(team))
    planning.team_ids.update({team.name: team.id for team in planning.stored.teams.values()})
    gone = [
        team
        for name, team in planning.stored.teams.items()
        if planning.prune and name not in planning.names["teams"]
    ]
    return Plans(upserts, [_team_deletion(team) for team in gone])


def _team_creation(team: Team) -> Planned:
    return create("team", team.name, lambda tx: tx.teams.add(team))


def _team_deletion(team: Team) -> Planned:
    return delete("team", team.name, lambda tx: tx.teams.remove(team.id))


def plan_users(planning: Planning) -> Plans:
    """Users by address; at least one super admin is left, if there was one."""
    upserts: list[Planned] = []
    after: dict[str, User] = {}
    seen: set[str] = set()
    for path, entry in readable(planning.document.users, "users"):
        team_ids = planning.team_ids_of(entry.teams, f"{path}.teams")
        try:
            email = normal_email(entry.email)
        except ValueError as error:
            planning.faults.append(f"{path}.email: {error}")
            continue
        if is_repeated(seen, email, f"{path}.email", planning.faults):
            continue
        stored = planning.stored.users.get(email)
        # What a document does not speak of stays: above all that a password has to be changed, and
        # that an administrator has got in, which closes set-up.
        user = replace(
            stored
            or User(
                id=UserId(planning.ids.new_id()),
                email=email,
                role=entry.role,
                created_at_ms=planning.now_ms,
            ),
            role=entry.role,
            state=UserState.ACTIVE if entry.enabled else UserState.DEACTIVATED,
            team_ids=team_ids,
        )
        after[email] = user
        planning.user_ids[email] = user.id
        upserts.append(_plan_user(planning, stored, user))
    if not planning.prune:
        after = {**planning.stored.users, **after}
        planning.user_ids = {email: user.id for email, user in after.items()}
        _refuse_losing_the_last_admin(planning, after.values())
        return Plans(upserts)
    gone = [user for email, user in planning.stored.users.items() if email not in after]
    if not any(map(_is_super_admin, after.values())):
        kept = next(filter(_is_super_admin, gone), None)
        if kept is not None:
            gone.remove(kept)
            upserts.append(unchanged("user", kept.email, "kept: it is the last super admin"))
        else:
            _refuse_losing_the_last_admin(planning, after.values())
    return Plans(upserts, [_user_deletion(user) for user in gone])


def _plan_user(planning: Planning, stored: User | None, user: User) -> Planned:
    if stored is None:
        return create("user", user.email, lambda tx: tx.users.add(user))
    names = {team_id: name for name, team_id in planning.team_ids.items()}
    changes = field_changes(
        [
            ("role", str(stored.role), str(user.role)),
            ("enabled", stored.state is UserState.ACTIVE, user.state is UserState.ACTIVE),
            (
                "teams",
                frozenset(names[each] for each in stored.team_ids),
                frozenset(names[each] for each in user.team_ids),
            ),
        ]
    )
    if not changes:
        return unchanged("user", user.email)

    async def work(tx: Transaction) -> None:
        await tx.users.update(user)
        if user.state is UserState.DEACTIVATED:
            # Or they would be good again with the next activation.
            await tx.sessions.remove_of_user(user.id)

    return update("user", user.email, changes, work)


def _user_deletion(user: User) -> Planned:
    async def work(tx: Transaction) -> None:
        # Or they would be good again once the user is restored.
        await tx.sessions.remove_of_user(user.id)
        await tx.users.remove(user.id)

    return delete("user", user.email, work)


def _is_super_admin(user: User) -> bool:
    return (
        user.role == Role.SUPER_ADMIN
        and user.state is UserState.ACTIVE
        and user.kind is UserKind.PERSON
    )


def _refuse_losing_the_last_admin(planning: Planning, after: Iterable[User]) -> None:
    had_one = any(map(_is_super_admin, planning.stored.users.values()))
    if had_one and not any(map(_is_super_admin, after)):
        planning.faults.append("users: this would leave no active super_admin")
