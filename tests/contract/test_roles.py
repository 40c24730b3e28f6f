"""Roles: definitions and assignments over every store."""

import pytest
from msgspec.structs import replace

from application.ports.change_feed import Section
from domain.access.rights import statements
from domain.access.roles import Assignment, RoleDefinition
from domain.errors import Conflict, NotFound
from tests.support.configuration import NOW_MS, Configuration, a_team, a_user, new_id

AUDITOR = RoleDefinition(
    name="auditor",
    description="Reads the trail.",
    allow=statements("audit:read@all", "users:read@team"),
    deny=statements("keys:read@own"),
    models=("gpt-*",),
    denied_models=("gpt-4*",),
    denied_tools=("github/delete_*",),
)


async def test_a_custom_role_comes_back_as_it_was_stored(stored: Configuration) -> None:
    async with stored.uow.begin() as tx:
        await tx.roles.add(AUDITOR, created_at_ms=NOW_MS)
        await tx.commit()
    async with stored.uow.begin() as tx:
        assert await tx.roles.custom() == [AUDITOR]
        changed = replace(AUDITOR, models=None, allow=())
        await tx.roles.update(changed)
        assert await tx.roles.custom() == [changed]
    assert {change.section for change in stored.feed.published} == {Section.KEYS}


@pytest.mark.parametrize("name", ["auditor", "admin"])
async def test_a_name_is_given_once(stored: Configuration, name: str) -> None:
    async with stored.uow.begin() as tx:
        await tx.roles.add(AUDITOR, created_at_ms=NOW_MS)
        await tx.commit()
    async with stored.uow.begin() as tx:
        with pytest.raises(Conflict):
            await tx.roles.add(replace(AUDITOR, name=name), created_at_ms=NOW_MS)


async def test_built_in_roles_are_neither_changed_nor_removed(stored: Configuration) -> None:
    async with stored.uow.begin() as tx:
        with pytest.raises(NotFound):
            await tx.roles.update(replace(AUDITOR, name="viewer"))
        with pytest.raises(NotFound):
            await tx.roles.remove("viewer")
        assert await tx.roles.custom() == []


async def test_a_role_that_somebody_has_is_not_removed(stored: Configuration) -> None:
    user = a_user()
    given = Assignment(id=new_id(), role="auditor", user_id=user.id, created_at_ms=NOW_MS)
    async with stored.uow.begin() as tx:
        await tx.roles.add(AUDITOR, created_at_ms=NOW_MS)
        await tx.users.add(user)
        await tx.roles.assign(given)
        await tx.commit()
    async with stored.uow.begin() as tx:
        with pytest.raises(Conflict):
            await tx.roles.remove("auditor")
    async with stored.uow.begin() as tx:
        await tx.roles.unassign(given.id)
        await tx.users.update(replace(user, role="auditor"))
        await tx.commit()
    async with stored.uow.begin() as tx:
        with pytest.raises(Conflict):
            await tx.roles.remove("auditor")


async def test_an_assignment_is_given_once_and_to_somebody_who_is_there(
    stored: Configuration,
) -> None:
    user = a_user()
    given = Assignment(id=new_id(), role="viewer", user_id=user.id, created_at_ms=NOW_MS)
    async with stored.uow.begin() as tx:
        await tx.users.add(user)
        await tx.roles.assign(given)
        await tx.commit()
    for wrong in (
        replace(given, id=new_id()),
        replace(given, id=new_id(), role="nobody"),
        replace(given, id=new_id(), user_id=new_id()),
        replace(given, id=new_id(), user_id=None),
    ):
        async with stored.uow.begin() as tx:
            with pytest.raises(Conflict):
                await tx.roles.assign(wrong)
    async with stored.uow.begin() as tx:
        assert await tx.roles.assignments() == [given]
        for unknown in (new_id(), "no id"):
            with pytest.raises(NotFound):
                await tx.roles.unassign(unknown)


async def test_those_of_a_user_are_his_own_and_those_of_the_teams(stored: Configuration) -> None:
    team, other_team = a_team("core"), a_team("other")
    user, other = a_user(team_ids=frozenset({team.id})), a_user("other@example.com")
    mine = Assignment(id=new_id(), role="viewer", user_id=user.id, created_at_ms=NOW_MS)
    ours = Assignment(id=new_id(), role="admin", team_id=team.id, created_at_ms=NOW_MS)
    inside = Assignment(
        id=new_id(),
        role="team_manager",
        user_id=user.id,
        team_id=team.id,
        created_at_ms=NOW_MS,
    )
    theirs = Assignment(id=new_id(), role="admin", team_id=other_team.id, created_at_ms=NOW_MS)
    his = Assignment(
        id=new_id(), role="admin", user_id=other.id, team_id=team.id, created_at_ms=NOW_MS
    )
    async with stored.uow.begin() as tx:
        for each in (team, other_team):
            await tx.teams.add(each)
        for person in (user, other):
            await tx.users.add(person)
        for given in (mine, ours, inside, theirs, his):
            await tx.roles.assign(given)
        found = await tx.roles.assignments_of(user.id, user.team_ids)
        assert {each.id for each in found} == {mine.id, ours.id, inside.id}
        await tx.teams.remove(team.id)
        assert {each.id for each in await tx.roles.assignments()} == {mine.id, theirs.id}
