"""Keys from their creation to their end."""

import asyncio
from collections.abc import Sequence

import pytest

from application.console.keys import ListedKey, NewKey
from domain.access.accounts import UserState
from domain.errors import Conflict, InvalidRequest, NotFound
from domain.inference.dialect import Surface
from domain.keys.api_key import KeyState
from domain.keys.policy import KeyPolicy
from domain.keys.secret import is_well_formed, key_hash
from domain.secret import Secret
from tests.support.acting import OPERATOR
from tests.support.administration import Administration, administration
from tests.support.configuration import a_secret, a_team, a_user, memory_configuration

POLICY = KeyPolicy(name="ci", surfaces=frozenset({Surface.AI_GATEWAY}))


@pytest.fixture
async def office() -> Administration:
    """An installation with one user and one team."""
    office = administration(memory_configuration())
    async with office.stored.uow.begin() as tx:
        await tx.users.add(a_user())
        await tx.teams.add(a_team())
        await tx.commit()
    return office


def names(listed: Sequence[ListedKey]) -> list[tuple[str, str]]:
    return [(each.key.policy.name, each.condition) for each in listed]


async def test_a_new_key_is_told_once_and_stored_as_a_hash(office: Administration) -> None:
    issued = await office.keys.create(OPERATOR, NewKey(policy=POLICY, team_names=("core",)))
    assert is_well_formed(issued.secret.reveal())
    assert issued.owner_email == "dev@example.com"
    caller = await office.stored.directory.find(key_hash(issued.secret.reveal()))
    assert caller is not None
    assert caller.key_id == issued.key.id
    assert caller.team_names == ("core",)
    assert issued.secret.reveal() not in repr(issued)


async def test_a_given_secret_is_imported(office: Administration) -> None:
    issued = await office.keys.create(OPERATOR, NewKey(policy=POLICY, secret=a_secret(7)))
    assert issued.secret == a_secret(7)
    assert issued.key.secret_hash == key_hash(a_secret(7).reveal())


@pytest.mark.parametrize("secret", ["", "tw-short", a_secret().reveal()[:-1] + "!"])
async def test_a_secret_of_another_form_is_refused(office: Administration, secret: str) -> None:
    with pytest.raises(InvalidRequest, match="well-formed"):
        await office.keys.create(OPERATOR, NewKey(policy=POLICY, secret=Secret(secret)))


async def test_a_lifetime_counts_from_now(office: Administration) -> None:
    issued = await office.keys.create(OPERATOR, NewKey(policy=POLICY, lifetime_ms=5_000))
    assert issued.key.policy.expires_at_ms == office.clock.now_ms() + 5_000
    office.clock.advance(5)
    assert names(await office.keys.list()) == []
    assert names(await office.keys.list(include_ended=True)) == [("ci", "expired")]


async def test_an_expiry_in_the_past_is_refused(office: Administration) -> None:
    policy = KeyPolicy(name="ci", surfaces=POLICY.surfaces, expires_at_ms=office.clock.now_ms())
    with pytest.raises(InvalidRequest, match="past"):
        await office.keys.create(OPERATOR, NewKey(policy=policy))


async def test_owner_and_team_must_exist(office: Administration) -> None:
    with pytest.raises(NotFound, match="no user"):
        await office.keys.create(OPERATOR, NewKey(policy=POLICY, owner_email="who@example.com"))
    with pytest.raises(NotFound, match="no team"):
        await office.keys.create(OPERATOR, NewKey(policy=POLICY, team_names=("nix",)))
    with pytest.raises(InvalidRequest, match="owner"):
        await office.keys.create(OPERATOR, NewKey(policy=POLICY, owner_email="nobody"))


async def test_with_several_users_the_owner_must_be_named(office: Administration) -> None:
    async with office.stored.uow.begin() as tx:
        await tx.users.add(a_user("other@example.com", state=UserState.DEACTIVATED))
        await tx.commit()
    with pytest.raises(InvalidRequest, match="whose"):
        await office.keys.create(OPERATOR, NewKey(policy=POLICY))
    with pytest.raises(Conflict, match="deactivated"):
        await office.keys.create(OPERATOR, NewKey(policy=POLICY, owner_email="other@example.com"))
    issued = await office.keys.create(
        OPERATOR, NewKey(policy=POLICY, owner_email=" DEV@example.com")
    )
    assert issued.owner_email == "dev@example.com"


async def test_rotation_by_name_gives_a_new_secret_to_the_same_lineage(
    office: Administration,
) -> None:
    first = await office.keys.create(OPERATOR, NewKey(policy=POLICY))
    second = await office.keys.rotate(OPERATOR, "ci", grace_ms=1_000)
    assert second.key.lineage_id == first.key.lineage_id
    assert second.secret != first.secret
    assert names(await office.keys.list()) == [("ci", "rotated"), ("ci", "active")]
    office.clock.advance(1)
    assert names(await office.keys.list()) == [("ci", "active")]


async def test_concurrent_rotations_end_with_one_successor(office: Administration) -> None:
    issued = await office.keys.create(OPERATOR, NewKey(policy=POLICY))
    outcomes = await asyncio.gather(
        *(office.keys.rotate(OPERATOR, issued.key.id) for _ in range(5)), return_exceptions=True
    )
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 4
    assert names(await office.keys.list()) == [("ci", "rotated"), ("ci", "active")]


async def test_a_name_of_several_keys_must_be_replaced_by_an_id(office: Administration) -> None:
    async with office.stored.uow.begin() as tx:
        await tx.users.add(a_user("other@example.com"))
        await tx.commit()
    mine = await office.keys.create(OPERATOR, NewKey(policy=POLICY, owner_email="dev@example.com"))
    await office.keys.create(OPERATOR, NewKey(policy=POLICY, owner_email="other@example.com"))
    with pytest.raises(InvalidRequest, match=mine.key.id):
        await office.keys.revoke(OPERATOR, "ci")
    assert (await office.keys.revoke(OPERATOR, mine.key.id)).owner_email == "dev@example.com"


async def test_revocation_is_for_good(office: Administration) -> None:
    issued = await office.keys.create(OPERATOR, NewKey(policy=POLICY))
    await office.keys.rotate(OPERATOR, "ci")
    revoked = await office.keys.revoke(OPERATOR, "ci")
    assert revoked.condition == "revoked"
    caller = await office.stored.directory.find(issued.key.secret_hash)
    assert caller is not None
    assert caller.state is KeyState.REVOKED
    with pytest.raises(NotFound):
        await office.keys.revoke(OPERATOR, "ci")
    with pytest.raises(Conflict, match="revoked"):
        await office.keys.rotate(OPERATOR, revoked.key.id)
    with pytest.raises(Conflict, match="secret"):
        await office.keys.create(OPERATOR, NewKey(policy=POLICY, secret=issued.secret))


async def test_a_listing_can_be_of_one_owner(office: Administration) -> None:
    await office.keys.create(OPERATOR, NewKey(policy=POLICY))
    assert names(await office.keys.list(owner_email="DEV@example.com")) == [("ci", "active")]
    assert names(await office.keys.list(owner_email="other@example.com")) == []
