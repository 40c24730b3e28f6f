"""KeyDirectory: a key joined with its owner and teams, as it is now."""

import pytest
from msgspec.structs import replace

from application.ports.change_feed import Section
from application.ports.directory import KeyDirectory
from domain.access.accounts import UserState
from domain.identifiers import ApiKeyId
from domain.inference.dialect import Surface
from domain.keys.api_key import Caller, KeyState
from domain.keys.rotation import rotate
from tests.support.configuration import (
    NOW_MS,
    Configuration,
    a_key,
    a_secret,
    a_team,
    a_user,
    new_id,
)


@pytest.fixture
def directory(stored: Configuration) -> KeyDirectory:
    return stored.directory


async def test_a_caller_is_the_key_with_its_owner_and_the_teams_of_both(
    stored: Configuration, directory: KeyDirectory
) -> None:
    red, blue, green = (a_team(name) for name in ("red", "blue", "green"))
    user = a_user(team_ids=frozenset({red.id, blue.id}))
    key = a_key(
        user,
        surfaces=frozenset({Surface.AI_GATEWAY, Surface.CONSOLE}),
        models=("gpt-*",),
        tools=("files/*",),
        permissions=frozenset({"keys:read"}),
        team_ids=frozenset({green.id, red.id}),
        expires_at_ms=NOW_MS + 1000,
        inactivity_ms=5000,
        ip_allow=("10.0.0.0/8",),
        cost_centre="4711",
        tags={"env": "prod"},
    )
    async with stored.uow.begin() as tx:
        for team in (red, blue, green):
            await tx.teams.add(team)
        await tx.users.add(user)
        await tx.keys.add(key)
        await tx.commit()
    assert await directory.find(key.secret_hash) == Caller(
        key_id=key.id,
        lineage_id=key.lineage_id,
        key_name="ci",
        state=KeyState.ACTIVE,
        surfaces=key.policy.surfaces,
        models=("gpt-*",),
        tools=("files/*",),
        permissions=frozenset({"keys:read"}),
        expires_at_ms=NOW_MS + 1000,
        user_id=user.id,
        user_email=user.email,
        team_ids=(blue.id, green.id, red.id),
        team_names=("blue", "green", "red"),
        cost_centre="4711",
        tags={"env": "prod"},
        created_at_ms=NOW_MS,
        inactivity_ms=5000,
        ip_allow=("10.0.0.0/8",),
        roles=("developer",),
    )


async def test_an_unknown_key_has_no_caller(directory: KeyDirectory) -> None:
    assert await directory.find(b"\x00" * 32) is None


async def test_every_model_and_no_model_are_different_things(
    stored: Configuration, directory: KeyDirectory
) -> None:
    user = a_user()
    every, none = a_key(user), a_key(user, number=2, name="none", models=())
    async with stored.uow.begin() as tx:
        await tx.users.add(user)
        await tx.keys.add(every)
        await tx.keys.add(none)
        await tx.commit()
    found = [await directory.find(key.secret_hash) for key in (every, none)]
    assert [caller.models for caller in found if caller is not None] == [None, ()]


async def test_both_secrets_of_a_rotation_are_found(
    stored: Configuration, directory: KeyDirectory
) -> None:
    user = a_user()
    key = a_key(user)
    rotation = rotate(
        key,
        successor_id=ApiKeyId(new_id()),
        secret=a_secret(2),
        now_ms=NOW_MS + 1,
        grace_ms=1000,
    )
    async with stored.uow.begin() as tx:
        await tx.users.add(user)
        await tx.keys.add(key)
        await tx.keys.rotate(rotation)
        await tx.commit()
    old = await directory.find(key.secret_hash)
    new = await directory.find(rotation.successor.secret_hash)
    assert old is not None
    assert new is not None
    assert (old.state, old.grace_ends_at_ms) == (KeyState.ROTATED, NOW_MS + 1001)
    assert (new.state, new.lineage_id) == (KeyState.ACTIVE, key.lineage_id)


async def test_revoked_and_removed_keys_are_found_as_revoked(
    stored: Configuration, directory: KeyDirectory
) -> None:
    user = a_user()
    revoked, removed = a_key(user), a_key(user, number=2, name="removed")
    async with stored.uow.begin() as tx:
        await tx.users.add(user)
        await tx.keys.add(revoked)
        await tx.keys.add(removed)
        await tx.keys.revoke(revoked.lineage_id)
        await tx.keys.remove(removed.lineage_id)
        await tx.commit()
    found = [await directory.find(key.secret_hash) for key in (revoked, removed)]
    assert [caller.state for caller in found if caller] == [KeyState.REVOKED, KeyState.REVOKED]


@pytest.mark.parametrize("way", ["deactivated", "removed"])
async def test_the_owner_of_a_key_can_go(
    stored: Configuration, directory: KeyDirectory, way: str
) -> None:
    user = a_user()
    key = a_key(user)
    async with stored.uow.begin() as tx:
        await tx.users.add(user)
        await tx.keys.add(key)
        if way == "removed":
            await tx.users.remove(user.id)
        else:
            await tx.users.update(replace(user, state=UserState.DEACTIVATED))
        await tx.commit()
    caller = await directory.find(key.secret_hash)
    assert caller is not None
    assert not caller.owner_active
    assert caller.user_email == user.email


async def test_last_uses_move_forward_only_and_announce_nothing(
    stored: Configuration, directory: KeyDirectory
) -> None:
    user = a_user()
    key, other = a_key(user), a_key(user, number=2, name="other")
    async with stored.uow.begin() as tx:
        await tx.users.add(user)
        await tx.keys.add(key)
        await tx.keys.add(other)
        await tx.commit()
    before = await stored.source.revisions()
    await directory.touch({key.id: NOW_MS + 7, other.id: NOW_MS, new_id(): 5, "no id": 5})
    await directory.touch({key.id: NOW_MS + 3, other.id: NOW_MS + 1})
    await directory.touch({})
    found = [await directory.find(each.secret_hash) for each in (key, other)]
    assert [caller.last_used_at_ms for caller in found if caller] == [NOW_MS + 7, NOW_MS + 1]
    assert await stored.source.revisions() == before
    assert before[Section.KEYS] == 1
