"""Whatever is called by whom in whatever order: nobody gets more than who acts, and one stays."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from application.console.people.assignments import AssignmentEntry
from application.console.people.invites import Acceptance, InviteEntry
from application.console.people.roles import RoleEntry, RolePatch
from application.console.people.teams import TeamBody
from application.console.people.user_views import UserEntry, UserPatch
from application.identity.roster import Roster, target_of_team, target_of_user
from domain.access.accounts import User, UserState
from domain.access.actor import Actor, Origin
from domain.access.permissions import Permission
from domain.access.rights import INSTALLATION, statements
from domain.errors import DomainError
from domain.identifiers import UserId
from tests.support.people import People, acting, some_people

WATCHED = (
    Permission.AI_GATEWAY_USE,
    Permission.USERS_READ,
    Permission.USERS_UPDATE,
    Permission.USERS_DELETE,
    Permission.TEAMS_MEMBERS,
    Permission.ROLES_WRITE,
    Permission.ROLES_ASSIGN,
    Permission.KEYS_READ,
    Permission.KEYS_ROTATE,
    Permission.LIMITS_WRITE,
    Permission.AUDIT_READ,
    Permission.SSO_WRITE,
)
MODELS = ("gpt-5", "gpt-4o", "claude")
WORDS = (
    "users:read@team",
    "users:update@team",
    "users:update@all",
    "keys:read@own",
    "keys:read@team",
    "keys:rotate@own",
    "keys:rotate@all",
    "roles:assign@team",
    "teams:members@team",
    "ai_gateway:use@own",
    "audit:read@all",
    "sso:write@all",
)
BUILT_IN = ("super_admin", "admin", "team_manager", "developer", "viewer")
Power = tuple[Permission | str, str]

names = st.integers(0, 30)
some_words = st.lists(st.sampled_from(WORDS), max_size=3).map(tuple)
some_models = st.sampled_from((None, None, ("gpt-*",), ("*",)))
some_denied = st.sampled_from(((), (), ("gpt-4*",)))
roles = st.one_of(st.sampled_from(BUILT_IN), st.sampled_from(("made-0", "made-1", "assigner")))


def powers(roster: Roster, user: User) -> frozenset[Power]:
    """Return what a user can do now: (permission or model, where), asked one by one."""
    if user.state is not UserState.ACTIVE:
        return frozenset()
    rights, access = roster.rights(user), roster.access(user)
    places = {
        "installation": INSTALLATION,
        "own": target_of_user(user),
        **{team_id: target_of_team(team_id) for team_id in roster.teams},
    }
    found: set[Power] = {
        (permission, name)
        for permission in WATCHED
        for reach in (rights.reach(permission),)
        if not reach.nothing
        for name, target in places.items()
        if reach.covers(target)
    }
    if (Permission.AI_GATEWAY_USE, "own") in found:
        found |= {(model, "model") for model in MODELS if access.may_use(model)}
    return frozenset(found)


def exceeded(power: Power, by: Actor, own: frozenset[Power]) -> bool:
    """Tell whether something is beyond what who acts could do."""
    what, where = power
    if where == "own" and isinstance(what, Permission):
        return not by.rights.holds(what)
    return power not in own


class Office(RuleBasedStateMachine):
    """People who change one another."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.Runner()
        self.tokens: list[tuple[UserId, str]] = []
        self.count = 0
        self.people: People

    @initialize()
    def open(self) -> None:
        async def people() -> People:
            found = await some_people()
            await found.add_role(
                "assigner",
                "roles:read",
                "roles:assign@team",
                "users:read@team",
                "users:create@team",
                "teams:read@team",
                "teams:members@team",
                "keys:read@team",
            )
            await found.add_role(
                "made-0",
                "roles:read",
                "roles:write",
                "roles:assign@all",
                "users:read@all",
                "users:update@all",
                "users:delete@all",
                "keys:read@team",
                deny=statements("keys:rotate@all"),
                models=("gpt-*",),
            )
            await found.give("assigner", "lead", "red")
            await found.give("made-0", "out")
            await found.add("second", "super_admin", "blue")
            return found

        self.people = self.loop.run(people())

    def teardown(self) -> None:
        self.loop.close()

    def roster(self) -> Roster:
        return self.loop.run(self.people.roster())

    def pick(self, of: Iterable[str], number: int) -> str:
        known = sorted(of)
        return known[number % len(known)] if known else "nothing"

    def attempt(self, who: int, act: Callable[[Actor, Roster], Awaitable[object]]) -> object | None:
        """Let somebody act; whatever came of it, nobody may have more than the actor had."""
        before = self.roster()
        active = {each.id: each for each in before.users.values() if each.state is UserState.ACTIVE}
        # The small numbers, which are drawn most, are those of people with bounds.
        by = acting(before, active[UserId(self.pick(active, who + 2))])
        return self.watched(by, before, lambda: act(by, before))

    def watched(
        self, by: Actor, before: Roster, act: Callable[[], Awaitable[object]]
    ) -> object | None:
        async def outcome() -> object | None:
            try:
                return await act()
            except DomainError:
                return None

        done = self.loop.run(outcome())
        after = self.roster()
        if done is None:
            assert after == before
        elif not by.rights.unlimited:
            user = before.users[by.user_id or UserId("")]
            own = powers(before, user)
            for each in after.users.values():
                old = before.users.get(each.id)
                had = powers(before, old) if old is not None else frozenset[Power]()
                there = {
                    *before.teams,
                    "installation",
                    "own",
                    "model",
                }  # a new team is nobody's yet
                rose = {power for power in powers(after, each) - had if power[1] in there}
                assert [power for power in rose if exceeded(power, by, own)] == []
                assert old is None or not after.rights(each).unlimited or old.role == each.role
        return done

    def some_teams(self, roster: Roster, number: int) -> tuple[str, ...]:
        return tuple(each for at, each in enumerate(sorted(roster.teams)) if number >> at & 1)

    @rule(who=names, role=roles, teams=names)
    def create_user(self, who: int, role: str, teams: int) -> None:
        self.count += 1
        email = f"new{self.count}@example.com"

        async def act(by: Actor, roster: Roster) -> object:
            entry = UserEntry(email=email, role=role, teams=self.some_teams(roster, teams))
            return await self.people.use.users.create(by, entry)

        self.attempt(who, act)

    @rule(who=names, whom=names, role=roles)
    def change_role(self, who: int, whom: int, role: str) -> None:
        self.attempt(
            who,
            lambda by, roster: self.people.use.users.update(
                by, self.pick(roster.users, whom), UserPatch(role=role)
            ),
        )

    @rule(who=names, whom=names, on=st.booleans())
    def switch(self, who: int, whom: int, *, on: bool) -> None:
        self.attempt(
            who,
            lambda by, roster: self.people.use.users.update(
                by, self.pick(roster.users, whom), UserPatch(enabled=on)
            ),
        )

    @rule(who=names, whom=names, teams=names)
    def change_teams(self, who: int, whom: int, teams: int) -> None:
        self.attempt(
            who,
            lambda by, roster: self.people.use.users.update(
                by,
                self.pick(roster.users, whom),
                UserPatch(teams=self.some_teams(roster, teams)),
            ),
        )

    @rule(who=names, whom=names, again=names)
    def delete_and_restore(self, who: int, whom: int, again: int) -> None:
        user_id = self.pick(self.roster().users, whom)
        self.attempt(who, lambda by, _: self.people.use.users.delete(by, user_id))
        self.attempt(again, lambda by, _: self.people.use.users.restore(by, user_id))

    @rule(who=names, whom=names, team=names, join=st.booleans())
    def move(self, who: int, whom: int, team: int, *, join: bool) -> None:
        async def act(by: Actor, roster: Roster) -> object:
            teams = self.people.use.teams
            move = teams.add_member if join else teams.remove_member
            return await move(by, self.pick(roster.teams, team), self.pick(roster.users, whom))

        self.attempt(who, act)

    @rule(who=names, team=names, more=st.booleans())
    def change_teams_there_are(self, who: int, team: int, *, more: bool) -> None:
        self.count += 1
        name = f"team {self.count}"

        async def act(by: Actor, roster: Roster) -> object:
            if more and len(roster.teams) < 4:
                return await self.people.use.teams.create(by, TeamBody(name=name))
            return await self.people.use.teams.delete(by, self.pick(roster.teams, team))

        self.attempt(who, act)

    @rule(who=names, allow=some_words, deny=some_words, models=some_models, denied=some_denied)
    def write_role(
        self,
        who: int,
        allow: tuple[str, ...],
        deny: tuple[str, ...],
        models: tuple[str, ...] | None,
        denied: tuple[str, ...],
    ) -> None:
        async def act(by: Actor, roster: Roster) -> object:
            use = self.people.use.roles
            if "made-1" not in roster.custom:
                entry = RoleEntry(
                    name="made-1", allow=allow, deny=deny, models=models, denied_models=denied
                )
                return await use.create(by, entry)
            changes = RolePatch(allow=allow, deny=deny, models=models, denied_models=denied)
            return await use.update(by, "made-1", changes)

        self.attempt(who, act)

    @rule(who=names, role=st.sampled_from(("made-0", "made-1")), models=some_models)
    def narrow_or_delete_role(self, who: int, role: str, models: tuple[str, ...] | None) -> None:
        async def act(by: Actor, roster: Roster) -> object:
            del roster
            if models is None:
                return await self.people.use.roles.delete(by, role)
            return await self.people.use.roles.update(by, role, RolePatch(models=models, deny=()))

        self.attempt(who, act)

    @rule(who=names, role=roles, whom=st.none() | names, team=st.none() | names)
    def give(self, who: int, role: str, whom: int | None, team: int | None) -> None:
        self.attempt(
            who,
            lambda by, roster: self.people.use.assignments.create(
                by,
                AssignmentEntry(
                    role=role,
                    user_id=self.pick(roster.users, whom) if whom is not None else None,
                    team_id=self.pick(roster.teams, team) if team is not None else None,
                ),
            ),
        )

    @precondition(lambda self: bool(self.roster().assignments))
    @rule(who=names, which=names)
    def take(self, who: int, which: int) -> None:
        given = {each.id: each for each in self.roster().assignments}
        self.attempt(
            who,
            lambda by, _: self.people.use.assignments.delete(by, self.pick(given, which)),
        )

    @rule(who=names, role=roles, teams=names)
    def invite(self, who: int, role: str, teams: int) -> None:
        self.count += 1
        email = f"guest{self.count}@example.com"
        inviter: list[UserId] = []

        async def act(by: Actor, roster: Roster) -> str:
            entry = InviteEntry(email=email, role=role, teams=self.some_teams(roster, teams))
            made = await self.people.use.invites.create(by, entry)
            inviter.append(UserId(by.id))
            return made.token or ""

        token = self.attempt(who, act)
        if token is not None:
            self.tokens.append((inviter[0], str(token)))

    @precondition(lambda self: bool(self.tokens))
    @rule(which=names)
    def accept(self, which: int) -> None:
        inviter, token = self.tokens.pop(which % len(self.tokens))
        before = self.roster()
        user = before.users.get(inviter)
        acceptance = Acceptance(token=token, password="Correct-Horse-9")

        async def act() -> object:
            return await self.people.use.invites.accept(Origin(), acceptance)

        if user is None or user.state is not UserState.ACTIVE:
            nobody = Actor(
                kind=acting(before, next(iter(before.users.values()))).kind,
                id="",
                name="",
                rights=before.rights(next(iter(before.users.values()))),
            )
            assert self.watched(nobody, before, act) is None
        else:
            self.watched(acting(before, user), before, act)

    @invariant()
    def somebody_can_do_everything(self) -> None:
        assert self.roster().has_a_super_admin


TestNobodyExceedsHimself = Office.TestCase
TestNobodyExceedsHimself.settings = settings(
    max_examples=12,
    stateful_step_count=25,
    phases=(Phase.generate,),  # a shorter sequence is not worth minutes of looking for it
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
