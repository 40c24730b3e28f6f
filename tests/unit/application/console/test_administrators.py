"""Administrators made without an administrator."""

import pytest

from adapters.identity.passwords import Argon2Passwords
from domain.access.accounts import Role
from domain.access.password import password_faults
from domain.errors import Conflict, InvalidRequest, NotFound
from domain.secret import Secret
from tests.support.acting import OPERATOR
from tests.support.administration import Administration, administration
from tests.support.configuration import memory_configuration


@pytest.fixture
async def office() -> Administration:
    return administration(memory_configuration())


async def opens(office: Administration, email: str, password: Secret) -> bool:
    async with office.stored.uow.begin() as tx:
        user = await tx.users.by_email(email)
        assert user is not None
        stored = await tx.users.password_hash(user.id)
    assert stored is not None
    assert password.reveal() not in stored
    return await Argon2Passwords().verify(password, stored)


async def test_an_administrator_gets_a_password_that_meets_the_rules(
    office: Administration,
) -> None:
    made = await office.administrators.create(OPERATOR, "Boss@Example.com")
    assert made.generated is not None
    assert password_faults(made.generated.reveal()) == []
    assert (made.user.email, made.user.role) == ("boss@example.com", Role.SUPER_ADMIN)
    assert await opens(office, "boss@example.com", made.generated)


async def test_generated_passwords_differ(office: Administration) -> None:
    made = [await office.administrators.create(OPERATOR, f"a{n}@example.com") for n in range(5)]
    assert len({each.generated for each in made}) == 5


async def test_a_given_password_is_not_told_back(office: Administration) -> None:
    made = await office.administrators.create(OPERATOR, "boss@example.com", Secret("Abcdefg1"))
    assert made.generated is None
    assert await opens(office, "boss@example.com", Secret("Abcdefg1"))


async def test_a_weak_password_or_a_wrong_address_is_refused(office: Administration) -> None:
    with pytest.raises(InvalidRequest, match="digit"):
        await office.administrators.create(OPERATOR, "boss@example.com", Secret("Abcdefgh"))
    with pytest.raises(InvalidRequest, match="address"):
        await office.administrators.create(OPERATOR, "boss", Secret("Abcdefg1"))


async def test_an_address_is_used_once(office: Administration) -> None:
    await office.administrators.create(OPERATOR, "boss@example.com")
    with pytest.raises(Conflict):
        await office.administrators.create(OPERATOR, "BOSS@example.com")


async def test_a_reset_replaces_the_password(office: Administration) -> None:
    before = await office.administrators.create(OPERATOR, "boss@example.com")
    after = await office.administrators.reset_password(OPERATOR, "boss@example.com")
    assert before.generated is not None
    assert after.generated is not None
    assert await opens(office, "boss@example.com", after.generated)
    assert not await opens(office, "boss@example.com", before.generated)
    with pytest.raises(NotFound):
        await office.administrators.reset_password(OPERATOR, "nobody@example.com")
