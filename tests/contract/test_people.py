"""Users by page and reach, removed users, teams, invitations: over every store."""

import pytest
from msgspec.structs import replace

from application.ports.people import Invites, UserFilter, UserSearch
from domain.access.accounts import Role, User, UserKind, UserState
from domain.access.invites import Invite
from domain.access.rights import Area, Reach, Target
from domain.errors import Conflict, NotFound
from domain.identifiers import TeamId, UserId
from tests.support.configuration import NOW_MS, Configuration, a_team, a_user, new_id

PORTS = (Invites, UserSearch)
EVERYBODY = Reach(allowed=Area(everything=True))


async def _peopled(stored: Configuration) -> tuple[list[User], list[TeamId]]:
    red, blue = a_team("red"), a_team("blue")
    users = [
        a_user("ann@example.com", team_ids=frozenset({red.id}), display_name="Ann_A Smith"),
        a_user("bob@example.com", team_ids=frozenset({red.id, blue.id})),
        a_user("cyd@other.com", role=Role.ADMIN, state=UserState.DEACTIVATED),
        a_user("dan@other.com", team_ids=frozenset({blue.id})),
        a_user("ci@service.invalid", kind=UserKind.SERVICE),
    ]
    async with stored.uow.begin() as tx:
        for team in (red, blue):
            await tx.teams.add(team)
        for user in users:
            await tx.users.add(user)
        await tx.commit()
    return users, [red.id, blue.id]


async def test_a_page_goes_on_where_the_last_one_ended(stored: Configuration) -> None:
    users, _ = await _peopled(stored)
    async with stored.uow.begin() as tx:
        first = await tx.user_search.page(UserFilter(), EVERYBODY, after=None, limit=3)
        rest = await tx.user_search.page(UserFilter(), EVERYBODY, after=first[-1].user.id, limit=3)
    assert [each.user for each in (*first, *rest)] == users


FILTERS = [
    (UserFilter(kind=UserKind.PERSON), "abcd"),
    (UserFilter(kind=UserKind.SERVICE), "s"),
    (UserFilter(text="OTHER"), "cd"),
    (UserFilter(text="ann_a s"), "a"),
    (UserFilter(text="%"), ""),
    (UserFilter(role="admin"), "c"),
    (UserFilter(state=UserState.ACTIVE, text="other"), "d"),
    (UserFilter(removed=True), ""),
]


async def test_a_filter_leaves_out_the_others(stored: Configuration) -> None:
    users, _ = await _peopled(stored)
    by_letter = dict(zip("abcds", users, strict=True))
    async with stored.uow.begin() as tx:
        for wanted, found in FILTERS:
            page = await tx.user_search.page(wanted, EVERYBODY, after=None, limit=9)
            assert [each.user for each in page] == [by_letter[letter] for letter in found], wanted
            assert await tx.user_search.count(wanted, EVERYBODY) == len(found)


async def test_a_list_has_exactly_what_is_within_reach(stored: Configuration) -> None:
    users, (red, blue) = await _peopled(stored)
    areas = [
        Area(),
        Area(everything=True),
        Area(team_ids=frozenset({red})),
        Area(team_ids=frozenset({red, blue})),
        Area(owner_id=users[0].id),
        Area(owner_id=users[2].id, team_ids=frozenset({blue})),
    ]
    async with stored.uow.begin() as tx:
        for allowed in areas:
            for denied in areas:
                reach = Reach(allowed=allowed, denied=denied)
                page = await tx.user_search.page(UserFilter(), reach, after=None, limit=9)
                assert [each.user for each in page] == [
                    user
                    for user in users
                    if reach.covers(Target(owner_id=user.id, team_ids=user.team_ids))
                ]
        in_red = await tx.user_search.page(UserFilter(team_id=red), EVERYBODY, after=None, limit=9)
        assert [each.user for each in in_red] == users[:2]
        nowhere = UserFilter(team_id=TeamId("no id"))
        assert await tx.user_search.count(nowhere, EVERYBODY) == 0


async def test_a_removed_user_is_listed_as_it_was(stored: Configuration) -> None:
    users, _ = await _peopled(stored)
    bob = users[1]
    async with stored.uow.begin() as tx:
        await tx.users.set_password(bob.id, "hash")
        await tx.users.remove(bob.id)
        await tx.commit()
    async with stored.uow.begin() as tx:
        removed = await tx.user_search.removed(bob.id)
        assert removed is not None
        assert removed.user == bob
        assert removed.removed_at_ms is not None
        wanted = UserFilter(removed=True)
        assert await tx.user_search.page(wanted, EVERYBODY, after=None, limit=9) == [removed]
        for unknown in (users[0].id, UserId(new_id()), UserId("no id")):
            assert await tx.user_search.removed(unknown) is None


async def test_a_team_gets_another_name_and_never_that_of_another(stored: Configuration) -> None:
    _, (red, _) = await _peopled(stored)
    async with stored.uow.begin() as tx:
        await tx.teams.rename(red, "crimson")
        await tx.commit()
    async with stored.uow.begin() as tx:
        renamed = await tx.teams.find(red)
        assert renamed is not None
        assert renamed.name == "crimson"
        assert await tx.teams.find(TeamId("no id")) is None
        with pytest.raises(NotFound):
            await tx.teams.rename(TeamId(new_id()), "green")
        with pytest.raises(Conflict):
            await tx.teams.rename(red, "blue")


def _invite(email: str = "eve@example.com", **more: object) -> Invite:
    fields: dict[str, object] = {
        "id": new_id(),
        "email": email,
        "role": "developer",
        "token_hash": new_id().encode()[:32],
        "inviter_id": None,
        "created_at_ms": NOW_MS,
        "expires_at_ms": NOW_MS + 1,
        **more,
    }
    return Invite(**fields)  # pyright: ignore[reportArgumentType]


async def test_an_invitation_is_found_by_its_token_until_it_is_removed(
    stored: Configuration,
) -> None:
    users, (red, blue) = await _peopled(stored)
    invite = _invite(inviter_id=users[0].id, team_ids=frozenset({red, blue}))
    other = _invite("fay@example.com")
    async with stored.uow.begin() as tx:
        await tx.invites.add(invite)
        await tx.invites.add(other)
        await tx.commit()
    async with stored.uow.begin() as tx:
        assert await tx.invites.all() == [invite, other]
        assert await tx.invites.by_hash(invite.token_hash) == invite
        assert await tx.invites.by_hash(bytes(32)) is None
        await tx.teams.remove(red)
        assert await tx.invites.by_hash(invite.token_hash) == replace(
            invite, team_ids=frozenset({blue})
        )
        await tx.invites.remove(invite.id)
        assert await tx.invites.by_hash(invite.token_hash) is None
        for unknown in (invite.id, "no id"):
            with pytest.raises(NotFound):
                await tx.invites.remove(unknown)


@pytest.mark.parametrize("wrong", [{}, {"email": "gus@example.com", "role": "unknown"}])
async def test_an_address_has_one_invitation_and_the_role_is_there(
    stored: Configuration, wrong: dict[str, str]
) -> None:
    async with stored.uow.begin() as tx:
        await tx.invites.add(_invite())
        with pytest.raises(Conflict):
            await tx.invites.add(_invite(**wrong))
