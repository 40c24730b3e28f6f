"""Two super admins against each other at once, on a real database: one is left."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from msgspec.structs import replace

from application.console.people.user_views import UserPatch
from application.identity.rights import LastSuperAdmin
from application.ports.removed import RemovedKind
from domain.access.accounts import UserState
from domain.access.actor import Actor
from domain.errors import DomainError, PermissionDenied
from domain.identifiers import UserId
from tests.support.configuration import sql_configuration
from tests.support.people import People, some_people

Blow = Callable[[People, Actor, UserId], Awaitable[object]]


async def demote(people: People, by: Actor, whom: UserId) -> object:
    return await people.use.users.update(by, whom, UserPatch(role="admin"))


async def deactivate(people: People, by: Actor, whom: UserId) -> object:
    return await people.use.users.update(by, whom, UserPatch(enabled=False))


async def delete(people: People, by: Actor, whom: UserId) -> object:
    return await people.use.users.delete(by, whom)


@pytest.fixture
async def people(postgres_url: str) -> AsyncIterator[People]:
    async with sql_configuration(postgres_url) as stored:
        found = await some_people(stored)
        await found.add("second", "super_admin")
        yield found


async def test_of_two_super_admins_who_strike_at_once_one_is_left(people: People) -> None:
    first, second = await people.acting("root"), await people.acting("second")
    blows: list[tuple[Blow, Blow]] = [(demote, demote), (demote, deactivate), (deactivate, delete)]
    for one, other in blows:
        done = await asyncio.gather(
            one(people, first, UserId(second.id)),
            other(people, second, UserId(first.id)),
            return_exceptions=True,
        )
        refused = [each for each in done if isinstance(each, BaseException)]
        assert len(refused) == 1
        assert isinstance(refused[0], DomainError)
        roster = await people.roster()
        assert roster.has_a_super_admin
        await _as_before(people, first, second)


async def test_nobody_of_two_who_resign_at_once_leaves_the_place_empty(people: People) -> None:
    first, second = await people.acting("root"), await people.acting("second")
    done = await asyncio.gather(
        demote(people, first, UserId(first.id)),
        delete(people, second, UserId(second.id)),
        return_exceptions=True,
    )
    assert [type(each) for each in done if isinstance(each, BaseException)] == [LastSuperAdmin]


async def test_whoever_was_demoted_first_strikes_no_more(people: People) -> None:
    first, second = await people.acting("root"), await people.acting("second")
    await demote(people, first, UserId(second.id))
    with pytest.raises(DomainError) as refused:
        await demote(people, second, UserId(first.id))
    assert not isinstance(refused.value, LastSuperAdmin)
    await deactivate(people, first, UserId(second.id))
    with pytest.raises(PermissionDenied):
        await demote(people, second, UserId(first.id))


async def _as_before(people: People, *actors: Actor) -> None:
    """Make both super admins again, whatever became of them."""
    async with people.changed() as tx:
        for actor in actors:
            if (found := await tx.removed.find(RemovedKind.USER, actor.id)) is not None:
                await tx.removed.restore(found)
            user = await tx.users.find(UserId(actor.id))
            assert user is not None
            await tx.users.update(replace(user, role="super_admin", state=UserState.ACTIVE))
