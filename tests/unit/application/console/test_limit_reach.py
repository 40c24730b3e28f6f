"""Who may see and change which limits: the table of reach, and that nobody widens his own."""

from collections.abc import Iterable
from decimal import Decimal

import pytest
from msgspec import Struct
from msgspec.structs import replace

from adapters.memory.budget_alerts import MemoryBudgetAlerts
from adapters.system.clock import SystemClock
from application.console.limits.chains import LimitQuestion
from application.console.limits.collection import Row
from application.console.limits.documents import RuleEntry, RuleMetric, RulePatch
from application.console.limits.names import UnknownSubject
from application.console.limits.overrides import OverrideEntry
from application.console.limits.standing import ResetWish
from application.ports.budget_alerts import BudgetAlert
from domain.access.accounts import User
from domain.access.actor import Actor, ActorKind
from domain.access.rights import statements
from domain.access.roles import RoleDefinition, rights_of
from domain.errors import NotFound, PermissionDenied
from domain.inference.dialect import Surface
from domain.keys.policy import ApiKey
from domain.limits.overrides import OverrideAction
from domain.limits.windows import Window
from entrypoints.console.services import LimitServices
from tests.support.acting import OPERATOR
from tests.support.configuration import (
    Configuration,
    a_key,
    a_model,
    a_provider,
    a_route,
    a_team,
    a_user,
    memory_configuration,
)
from tests.support.limit_services import limit_services
from tests.support.limits import MONDAY_MS

SUBJECTS = {
    "own": "user:lead@example.com",
    "own key": "api_key:lead@example.com/own",
    "member": "user:dev@example.com",
    "member's key": "api_key:dev@example.com/ci",
    "team": "team:core",
    "members": "team_members:core",
    "stranger": "user:eve@example.com",
    "stranger's key": "api_key:eve@example.com/ci",
    "other team": "team:other",
    "other members": "team_members:other",
    "model": "model:gpt-4o",
    "provider": "provider:openai",
    "role": "role:developer",
    "platform": "platform",
}
EVERYTHING = set(SUBJECTS)
TEAMS = {"own", "own key", "member", "member's key", "team", "members"}
SEEN = {
    "super_admin": EVERYTHING,
    "admin": EVERYTHING,
    "viewer": EVERYTHING,
    "team_manager": TEAMS,
    "developer": {"own", "own key"},
    "writer": set[str](),
}
CHANGED = {
    "super_admin": EVERYTHING,
    "admin": EVERYTHING,
    "viewer": set[str](),
    "team_manager": {"member", "member's key", "members"},
    "developer": set[str](),
    "writer": {"member", "member's key", "members"},
}
NO_SUBJECTS = {"members", "other members", "role"}
KNOWN_TO_ALL = {"model", "role", "platform"}
FAILURES: dict[str, Exception] = {
    "permission_denied": PermissionDenied("-"),
    "not_found": NotFound("-"),
    "unknown_subject": UnknownSubject("-", "-"),
}
WRITER = RoleDefinition(
    name="writer", allow=statements("limits:write@team", "overrides:write@team")
)


class World(Struct):
    """An installation with two teams, and a limit on everything that can have one."""

    stored: Configuration
    limits: LimitServices
    lead: User
    ids: dict[str, str]

    def acting(self, role: str) -> Actor:
        """Return the lead of the team `core` with this role."""
        user = replace(self.lead, role=role)
        rights = rights_of(user, (), {WRITER.name: WRITER})
        return Actor(kind=ActorKind.USER, id=user.id, name=user.email, rights=rights)


def a_rule(subject: str) -> RuleEntry:
    return RuleEntry(
        subject=subject,
        metric=RuleMetric.REQUESTS,
        window=Window.MINUTE,
        limit=5,
        surface=Surface.AI_GATEWAY,
    )


@pytest.fixture
async def world() -> World:
    stored = memory_configuration()
    team, other = a_team(), a_team("other")
    lead = a_user("lead@example.com", team_ids=frozenset({team.id}))
    dev = a_user("dev@example.com", team_ids=frozenset({team.id}))
    eve = a_user("eve@example.com", team_ids=frozenset({other.id}))
    keys: Iterable[ApiKey] = (
        a_key(lead, number=1, name="own"),
        a_key(dev, number=2),
        a_key(eve, number=3),
    )
    provider = a_provider()
    async with stored.uow.begin() as tx:
        for each in (team, other):
            await tx.teams.add(each)
        for user in (lead, dev, eve):
            await tx.users.add(user)
        for key in keys:
            await tx.keys.add(key)
        await tx.providers.add(provider)
        await tx.models.add(a_model("gpt-4o", a_route(provider)))
        await tx.commit()
    alerts = MemoryBudgetAlerts()
    limits = limit_services(stored.audited, SystemClock(), alerts=alerts)
    ids: dict[str, str] = {}
    for name, subject in SUBJECTS.items():
        view = (await limits.rules.create(OPERATOR, a_rule(subject))).view
        ids[name] = view.id
        if "members" not in name and name != "role":
            await alerts.add(an_alert(name, view.subject_kind, view.subject_id))
    return World(stored, limits, lead, ids)


def an_alert(name: str, kind: str, subject_id: str) -> BudgetAlert:
    return BudgetAlert(
        limit_id=name,
        subject_kind=kind,
        subject_id=subject_id,
        period="monthly",
        period_id="2026-11",
        percent=80,
        unit="usd",
        used=1,
        limit=1,
        shadow=False,
        occurred_at_ms=MONDAY_MS,
    )


ROLES = pytest.mark.parametrize("role", list(SEEN))


@ROLES
async def test_a_list_has_what_is_within_reach_and_nothing_else(world: World, role: str) -> None:
    by = world.acting(role)
    if not SEEN[role]:
        with pytest.raises(PermissionDenied):
            await world.limits.rules.page(by)
        return
    page = await world.limits.rules.page(by)
    assert {each.subject for each in page.items} == {SUBJECTS[name] for name in SEEN[role]}
    assert page.total == len(SEEN[role])


@ROLES
async def test_what_is_out_of_reach_is_not_there(world: World, role: str) -> None:
    by, seen = world.acting(role), set[str]()
    refusal = NotFound if SEEN[role] else PermissionDenied
    for name, limit_id in world.ids.items():
        try:
            await world.limits.rules.find(by, limit_id)
        except refusal:
            continue
        seen.add(name)
    assert seen == SEEN[role]


@ROLES
async def test_alerts_are_those_about_subjects_within_reach(world: World, role: str) -> None:
    by = world.acting(role)
    if not SEEN[role]:
        with pytest.raises(PermissionDenied):
            await world.limits.alerts.newest(by, 50)
        return
    told = {each.limit_id for each in await world.limits.alerts.newest(by, 50)}
    assert told == SEEN[role] - NO_SUBJECTS


@ROLES
@pytest.mark.parametrize("op", ["update", "delete", "create", "set", "reset", "override"])
async def test_only_what_may_be_changed_is_changed(world: World, role: str, op: str) -> None:
    by, done = world.acting(role), set[str]()
    tried = EVERYTHING - NO_SUBJECTS if op in ("reset", "override") else EVERYTHING
    for name in tried:
        try:
            await change(world, by, op, SUBJECTS[name], world.ids[name])
        except (NotFound, UnknownSubject):
            assert name not in SEEN[role], name
        except PermissionDenied:
            known = name in SEEN[role] or name in KNOWN_TO_ALL
            assert known or not CHANGED[role], f"{name} is given away"
        else:
            done.add(name)
    # Who may not read can name no subject, and finds no limit to make an exception from.
    blind = not SEEN[role] and op in ("create", "set", "reset", "override")
    assert done == (set[str]() if blind else CHANGED[role] & tried)


async def test_a_limit_is_not_moved_to_what_is_out_of_reach(world: World) -> None:
    lead = world.acting("team_manager")
    for name, refusal in (
        ("stranger", UnknownSubject),
        ("own", PermissionDenied),
        ("team", PermissionDenied),
        ("platform", PermissionDenied),
    ):
        patch = RulePatch(subject=SUBJECTS[name], window=Window.HOUR)
        with pytest.raises(refusal):
            await world.limits.rules.update(lead, world.ids["member"], patch)


async def test_what_somebody_else_uses_is_explained_to_those_only_who_may_see_it(
    world: World,
) -> None:
    lead = world.acting("team_manager")
    mine = await world.limits.standings.explain(
        lead, LimitQuestion(key="dev@example.com/ci", model="gpt-4o")
    )
    assert "platform" in mine.subjects
    texts: list[str] = []
    for email in ("eve@example.com", "nobody@example.com"):
        with pytest.raises(NotFound) as hidden:
            await world.limits.standings.explain(lead, LimitQuestion(user=email, model="gpt-4o"))
        texts.append(str(hidden.value).replace(email, "…"))
    assert texts[0] == texts[1]
    with pytest.raises(NotFound):
        await world.limits.standings.explain(
            world.acting("developer"), LimitQuestion(key="dev@example.com/ci", model="gpt-4o")
        )


async def test_exceptions_are_listed_and_ended_within_reach_only(world: World) -> None:
    made = {
        name: await world.limits.overrides.set(OPERATOR, an_override(world.ids[name]))
        for name in ("own", "member", "stranger", "platform")
    }
    overrides, lead = world.limits.overrides, world.acting("team_manager")
    page = await overrides.page(lead)
    assert {each.id for each in page.items} == {made["own"].id, made["member"].id}
    with pytest.raises(NotFound):
        await overrides.find(lead, made["stranger"].id)
    with pytest.raises(NotFound):
        await overrides.remove(lead, made["stranger"].id)
    with pytest.raises(PermissionDenied):
        await overrides.remove(lead, made["own"].id)
    assert (await overrides.remove(lead, made["member"].id)).id == made["member"].id


async def test_a_reset_is_recorded(world: World) -> None:
    lead = world.acting("team_manager")
    await world.limits.standings.reset(lead, ResetWish(subject=SUBJECTS["member"]))
    newest = (await world.stored.archive.rows(0, 100))[-1].entry()
    assert (newest.action, newest.actor_name) == ("limits.reset", lead.name)
    assert newest.target.name == SUBJECTS["member"]


def an_override(limit_id: str) -> OverrideEntry:
    return OverrideEntry(
        limit_id=limit_id,
        action=OverrideAction.REPLACE,
        limit=Decimal(50),
        reason="a sprint",
        lasts="1d",
    )


async def change(world: World, by: Actor, op: str, subject: str, limit_id: str) -> None:
    """Try one kind of change."""
    rules = world.limits.rules
    match op:
        case "update":
            await rules.update(by, limit_id, RulePatch(limit=6))
        case "delete":
            await rules.delete(by, limit_id, dry_run=True)
        case "create":
            await rules.create(by, replace(a_rule(subject), window=Window.HOUR))
        case "set":
            (outcome,) = await rules.bulk(
                by, [Row[RuleEntry, RulePatch](op="set", entry=a_rule(subject))]
            )
            if outcome.status == "failed":
                raise FAILURES[outcome.code or ""]
        case "reset":
            await world.limits.standings.reset(by, ResetWish(subject=subject))
        case _:
            await world.limits.overrides.set(by, an_override(limit_id))
