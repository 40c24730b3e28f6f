"""Who may change whom: nobody exceeds himself, and what one may not see is not there."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from application.console.people.assignments import AssignmentEntry
from application.console.people.explanation import AccessQuestion, TargetEntry
from application.console.people.invites import Acceptance, InviteEntry, InviteWorthless
from application.console.people.roles import RoleEntry, RolePatch
from application.console.people.teams import TeamBody, TeamPatch
from application.console.people.user_views import UserEntry, UserPatch
from application.console.restoring import RESTORABLE_MS
from application.identity.rights import LastSuperAdmin
from domain.access.actor import Actor, Origin
from domain.access.invites import LIFETIME_MS
from domain.access.permissions import Permission
from domain.access.rights import statements
from domain.errors import BeyondOwnRights, Conflict, NotFound, PermissionDenied
from domain.inference.dialect import Surface
from domain.keys.policy import ApiKey
from tests.support.configuration import a_key
from tests.support.people import People, some_people

Refusal = type[NotFound] | type[PermissionDenied] | type[BeyondOwnRights]
PASSWORD = "Correct-Horse-9"


@pytest.fixture
async def people() -> People:
    return await some_people()


async def test_lists_show_what_one_may_see(people: People) -> None:
    seen = {
        name: [each.email.split("@")[0] for each in (await people.use.users.page(by)).items]
        for name in ("root", "admin", "lead", "dev", "eye")
        if (by := await people.acting(name))
    }
    everybody = ["root", "admin", "lead", "dev", "eye", "out"]
    assert seen == {
        "root": everybody,
        "admin": everybody,
        "lead": ["lead", "dev", "eye"],
        "dev": ["dev"],
        "eye": everybody,
    }
    teams = {
        name: [each.name for each in (await people.use.teams.page(by)).items]
        for name in ("admin", "lead", "dev")
        if (by := await people.acting(name))
    }
    assert teams == {"admin": ["red", "blue"], "lead": ["red"], "dev": []}


Act = Callable[[People, Actor], Awaitable[object]]


def act(target: str, changes: UserPatch) -> Act:
    async def update(people: People, by: Actor) -> object:
        return await people.use.users.update(by, await people.id(target), changes)

    return update


async def delete_out(people: People, by: Actor) -> object:
    return await people.use.users.delete(by, await people.id("out"))


async def delete_root(people: People, by: Actor) -> object:
    return await people.use.users.delete(by, await people.id("root"))


async def add_out_to_red(people: People, by: Actor) -> object:
    return await people.use.teams.add_member(by, people.teams["red"], await people.id("out"))


async def remove_dev(people: People, by: Actor) -> object:
    return await people.use.teams.remove_member(by, people.teams["red"], await people.id("dev"))


async def remove_eye(people: People, by: Actor) -> object:
    return await people.use.teams.remove_member(by, people.teams["red"], await people.id("eye"))


async def rename_blue(people: People, by: Actor) -> object:
    return await people.use.teams.update(by, people.teams["blue"], TeamPatch(name="green"))


async def new_team(people: People, by: Actor) -> object:
    return await people.use.teams.create(by, TeamBody(name="green"))


async def delete_red(people: People, by: Actor) -> object:
    return await people.use.teams.delete(by, people.teams["red"])


async def new_admin(people: People, by: Actor) -> object:
    return await people.use.users.create(by, UserEntry(email="x@example.com", role="admin"))


async def new_root(people: People, by: Actor) -> object:
    return await people.use.users.create(by, UserEntry(email="x@example.com", role="super_admin"))


async def invite_root(people: People, by: Actor) -> object:
    return await people.use.invites.create(
        by, InviteEntry(email="x@example.com", role="super_admin")
    )


async def new_role(people: People, by: Actor) -> object:
    return await people.use.roles.create(by, RoleEntry(name="odd", allow=("keys:read@own",)))


def giving(role: str, user: str | None, team: str | None = None) -> Act:
    async def give(people: People, by: Actor) -> object:
        return await people.use.assignments.create(
            by,
            AssignmentEntry(
                role=role,
                user_id=await people.id(user) if user is not None else None,
                team_id=people.teams[team] if team is not None else None,
            ),
        )

    return give


@pytest.mark.parametrize(
    ("name", "what", "refusal"),
    [
        ("admin", act("dev", UserPatch(enabled=False)), None),
        ("admin", act("dev", UserPatch(role="admin")), None),
        ("admin", act("dev", UserPatch(role="super_admin")), BeyondOwnRights),
        ("admin", act("root", UserPatch(display_name="Root")), BeyondOwnRights),
        ("admin", act("root", UserPatch(role="viewer")), BeyondOwnRights),
        ("admin", delete_root, BeyondOwnRights),
        ("admin", delete_out, None),
        ("admin", new_admin, None),
        ("admin", new_root, BeyondOwnRights),
        ("admin", invite_root, BeyondOwnRights),
        ("admin", new_role, PermissionDenied),
        ("admin", giving("super_admin", "dev"), BeyondOwnRights),
        ("admin", giving("super_admin", "dev", "red"), BeyondOwnRights),
        ("admin", giving("admin", None, "red"), None),
        ("admin", giving("viewer", "root"), BeyondOwnRights),
        ("admin", giving("viewer", "out", "red"), Conflict),
        ("admin", add_out_to_red, None),
        ("admin", delete_red, None),
        ("admin", new_team, None),
        ("lead", act("dev", UserPatch(enabled=False)), PermissionDenied),
        ("lead", act("dev", UserPatch(role="viewer")), PermissionDenied),
        ("lead", act("out", UserPatch(enabled=False)), NotFound),
        ("lead", act("dev", UserPatch(teams=())), None),
        ("lead", delete_out, NotFound),
        ("lead", add_out_to_red, NotFound),
        ("lead", remove_dev, None),
        ("lead", remove_eye, BeyondOwnRights),
        ("lead", rename_blue, NotFound),
        ("lead", new_team, PermissionDenied),
        ("lead", delete_red, PermissionDenied),
        ("lead", new_admin, PermissionDenied),
        ("lead", giving("developer", "dev"), PermissionDenied),
        ("dev", act("dev", UserPatch(display_name="Me")), PermissionDenied),
        ("dev", act("lead", UserPatch(display_name="You")), NotFound),
        ("dev", remove_dev, NotFound),
        ("eye", act("dev", UserPatch(enabled=False)), PermissionDenied),
        ("eye", delete_out, PermissionDenied),
        ("eye", remove_dev, PermissionDenied),
        ("eye", new_role, PermissionDenied),
        ("eye", giving("viewer", "dev"), PermissionDenied),
        ("root", act("admin", UserPatch(role="super_admin")), None),
        ("root", new_role, None),
        ("root", delete_root, LastSuperAdmin),
    ],
)
async def test_a_change_is_made_or_refused(
    people: People, name: str, what: Act, refusal: Refusal | None
) -> None:
    by = await people.acting(name)
    before = await people.roster()
    if refusal is None:
        await what(people, by)
        assert await people.roster() != before
    else:
        with pytest.raises(refusal):
            await what(people, by)
        assert await people.roster() == before


async def test_who_lost_the_rights_meanwhile_has_them_no_more(people: People) -> None:
    by = await people.acting("admin")
    root = await people.acting("root")
    await people.use.users.update(root, await people.id("admin"), UserPatch(role="developer"))
    with pytest.raises(NotFound):
        await delete_out(people, by)
    await people.use.users.update(root, await people.id("admin"), UserPatch(enabled=False))
    with pytest.raises(PermissionDenied):
        await delete_out(people, by)


async def test_a_key_gives_only_what_it_names(people: People) -> None:
    key = await people.acting("root", Permission.USERS_READ, Permission.USERS_UPDATE)
    dev = await people.id("dev")
    await people.use.users.update(key, dev, UserPatch(enabled=False))
    with pytest.raises(PermissionDenied):
        await people.use.users.update(key, dev, UserPatch(role="admin"))
    maker = await people.acting("root", Permission.USERS_CREATE)
    with pytest.raises(BeyondOwnRights, match="keys:create"):
        await people.use.users.create(maker, UserEntry(email="x@example.com"))


async def test_joining_a_team_needs_what_its_roles_give(people: People) -> None:
    await people.give("admin", team="red")
    await people.add_role("mover", "teams:read@all", "teams:members@all", "users:read@all")
    await people.give("mover", "out")
    by = await people.acting("out")
    newcomer = await people.add("new", "developer")
    with pytest.raises(BeyondOwnRights, match="'admin'"):
        await people.use.teams.add_member(by, people.teams["red"], newcomer)
    with pytest.raises(BeyondOwnRights, match="'admin'"):
        await people.use.teams.add_member(by, people.teams["red"], by.id)
    await people.use.teams.add_member(by, people.teams["blue"], newcomer)


async def test_a_denial_is_not_taken_away_by_whom_it_holds_back(people: People) -> None:
    await people.add_role("muzzle", deny=statements("keys:create@own"))
    given = await people.give("muzzle", "admin")
    by = await people.acting("admin")
    with pytest.raises(BeyondOwnRights, match="keys:create"):
        await people.use.assignments.delete(by, given)
    root = await people.acting("root")
    tried = await people.use.assignments.delete(root, given, dry_run=True)
    assert (tried.deleted, tried.users) == (False, 1)
    assert (await people.use.assignments.delete(root, given)).deleted
    with pytest.raises(NotFound):
        await people.use.assignments.delete(root, given)


async def test_a_role_is_edited_only_by_whom_it_and_its_holders_do_not_exceed(
    people: People,
) -> None:
    await people.add_role("writer", "roles:read", "roles:write", "keys:read@own")
    await people.add_role("reader", "keys:read@own")
    await people.add_role("mighty", "audit:read")
    await people.give("writer", "dev")
    by = await people.acting("dev")
    changed = await people.use.roles.update(by, "reader", RolePatch(description="Reads."))
    assert changed.view.description == "Reads."
    for name, changes in (
        ("reader", RolePatch(allow=("audit:read",))),
        ("reader", RolePatch(allow=("keys:read@all",))),
        ("mighty", RolePatch(allow=())),
    ):
        with pytest.raises(BeyondOwnRights):
            await people.use.roles.update(by, name, changes)
    await people.give("reader", "admin")
    with pytest.raises(BeyondOwnRights):
        await people.use.roles.update(by, "reader", RolePatch(deny=("keys:read@all",)))
    with pytest.raises(BeyondOwnRights):
        await people.use.roles.delete(by, "mighty")


async def test_models_that_a_role_opens_are_within_those_of_who_writes_and_gives_it(
    people: People,
) -> None:
    await people.add_role(
        "writer", "roles:read", "roles:write", "roles:assign@team", models=("gpt-*",)
    )
    await people.give("writer", "lead")
    by = await people.acting("lead")
    wide = RoleEntry(name="wide", models=("*",))
    with pytest.raises(BeyondOwnRights, match="model"):
        await people.use.roles.create(by, wide)
    await people.use.roles.create(by, RoleEntry(name="narrow", models=("gpt-*",)))
    await people.use.roles.create(await people.acting("root"), wide)
    with pytest.raises(BeyondOwnRights, match="model"):
        await giving("wide", "dev")(people, by)


async def test_who_creates_in_a_team_creates_in_no_other(people: People) -> None:
    await people.add_role("hirer", "users:create@team", "users:read@team")
    await people.give("hirer", "lead", "red")
    by = await people.acting("lead")
    red, blue = people.teams["red"], people.teams["blue"]
    for teams in ((), (blue,), (red, blue), ("no id",)):
        with pytest.raises(PermissionDenied):
            await people.use.users.create(by, UserEntry(email="x@example.com", teams=teams))
        with pytest.raises(PermissionDenied):
            await people.use.invites.create(by, InviteEntry(email="x@example.com", teams=teams))
    made = await people.use.users.create(by, UserEntry(email="x@example.com", teams=(red,)))
    assert [each.name for each in made.user.teams] == ["red"]


async def test_an_invitation_ends_with_the_rights_of_who_invited(people: People) -> None:
    by = await people.acting("admin")
    made = await people.use.invites.create(by, InviteEntry(email="x@example.com", role="admin"))
    accept = Acceptance(token=made.token or "", password=PASSWORD)
    root, admin = await people.acting("root"), await people.id("admin")
    for changes, back in (
        (UserPatch(role="developer"), UserPatch(role="admin")),
        (UserPatch(enabled=False), UserPatch(enabled=True)),
    ):
        await people.use.users.update(root, admin, changes)
        with pytest.raises(InviteWorthless):
            await people.use.invites.accept(Origin(), accept)
        await people.use.users.update(root, admin, back)
    assert (await people.use.invites.accept(Origin(), accept)).role == "admin"


async def test_an_invitation_ends_after_seven_days_and_can_be_repeated(people: People) -> None:
    by, entry = await people.acting("admin"), InviteEntry(email="x@example.com")
    made = await people.use.invites.create(by, entry)
    people.clock.advance(LIFETIME_MS / 1000)
    with pytest.raises(InviteWorthless):
        await people.use.invites.accept(
            Origin(), Acceptance(token=made.token or "", password=PASSWORD)
        )
    assert [each.expired for each in (await people.use.invites.page(by)).items] == [True]
    again = await people.use.invites.create(by, entry)
    assert again.token != made.token
    assert "twi-" not in repr((made, Acceptance(token=made.token or "", password=PASSWORD)))


async def test_an_invitation_is_accepted_once_at_a_time(people: People) -> None:
    made = await people.use.invites.create(
        await people.acting("admin"), InviteEntry(email="x@example.com")
    )
    accept = Acceptance(token=made.token or "", password=PASSWORD)
    tries = [people.use.invites.accept(Origin(), accept) for _ in range(5)]
    done = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(type(each).__name__ for each in done) == ["InviteWorthless"] * 4 + ["UserView"]


async def test_after_thirty_days_nobody_comes_back(people: People) -> None:
    by = await people.acting("admin")
    dev, out = await people.id("dev"), await people.id("out")
    for each in (dev, out):
        await people.use.users.delete(by, each)
    async with people.stored.uow.begin() as tx:
        removed = await tx.user_search.removed(dev)
    assert removed is not None
    assert removed.removed_at_ms is not None
    ahead_ms = removed.removed_at_ms - people.clock.now_ms()
    people.clock.advance((ahead_ms + RESTORABLE_MS - 1000) / 1000)
    teams = (await people.use.users.restore(by, dev)).view.teams
    assert [each.name for each in teams] == ["red"]
    people.clock.advance(60)
    with pytest.raises(NotFound):
        await people.use.users.restore(by, out)


async def test_a_reason_is_told_only_about_whom_one_may_see(people: People) -> None:
    lead, dev, out = [await people.acting(name) for name in ("lead", "dev", "out")]
    question = AccessQuestion(user="dev@example.com", permission="keys:rotate")
    assert (await people.use.access.explain(lead, question)).allowed
    assert (await people.use.access.explain(dev, question)).allowed
    with pytest.raises(NotFound):
        await people.use.access.explain(out, question)
    with pytest.raises(PermissionDenied):
        await people.use.access.explain(await people.acting("eye"), question)
    blue = TargetEntry(kind="team", id=people.teams["blue"])
    about_blue = AccessQuestion(user=dev.id, permission="keys:rotate", target=blue)
    with pytest.raises(NotFound):
        await people.use.access.explain(lead, about_blue)
    refused = await people.use.access.explain(await people.acting("admin"), about_blue)
    assert not refused.allowed
    assert refused.reasons[0] == ("role 'developer': keys:rotate@own does not reach the target")


async def test_a_key_is_explained_by_what_it_names(people: People) -> None:
    root = await people.acting("root")
    owner = await people.user("root")
    console = frozenset({Surface.CONSOLE})
    narrow = a_key(owner, surfaces=console, permissions=frozenset({"users:read"}))
    other = a_key(owner, number=2, name="calls", permissions=None)
    async with people.changed() as tx:
        await tx.keys.add(narrow)
        await tx.keys.add(other)

    async def allowed(key: ApiKey, permission: str) -> bool:
        question = AccessQuestion(key=key.id, permission=permission)
        return (await people.use.access.explain(root, question)).allowed

    assert await allowed(narrow, "users:read")
    assert not await allowed(narrow, "users:delete")
    assert not await allowed(other, "users:read")
