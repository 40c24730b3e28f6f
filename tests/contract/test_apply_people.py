"""What a document leaves alone about people, and what ends with the access it takes away."""

import pytest
from msgspec.structs import replace

from application.identity.setup import SetUp
from domain.access.accounts import Role, User, UserKind
from domain.errors import ValidationFailed
from tests.support.administration import Administration, administration
from tests.support.configuration import Configuration, a_user
from tests.support.identity_services import identity_services
from tests.support.manual_clock import ManualClock
from tests.support.signing_in import a_session

BOSS = {"email": "boss@example.com", "role": "super_admin"}
DEV = {"email": "dev@example.com", "role": "developer"}


@pytest.fixture
def office(stored: Configuration) -> Administration:
    return administration(stored)


@pytest.fixture
def set_up(stored: Configuration) -> SetUp:
    return identity_services(stored.uow, ManualClock()).setup


async def store(office: Administration, *users: User, with_session: bool = False) -> None:
    async with office.stored.uow.begin() as tx:
        for each in users:
            await tx.users.add(each)
            if with_session:
                await tx.sessions.add(a_session(each))
        await tx.commit()


async def user_of(office: Administration, email: str) -> User | None:
    async with office.stored.uow.begin() as tx:
        return await tx.users.by_email(email)


async def sessions(office: Administration) -> int:
    async with office.stored.uow.begin() as tx:
        return len(await tx.sessions.all())


async def test_what_a_document_does_not_speak_of_stays(office: Administration) -> None:
    user = a_user(display_name="Dev", must_change_password=True, last_sign_in_at_ms=7)
    await store(office, user)
    await office.apply(users=[{**DEV, "role": "viewer"}])
    assert await user_of(office, user.email) == replace(user, role=Role.VIEWER.value)


async def test_a_document_does_not_open_set_up_again(office: Administration, set_up: SetUp) -> None:
    await store(office, a_user("boss@example.com", role=Role.SUPER_ADMIN), with_session=True)
    assert not await set_up.is_open()
    await office.apply(teams=[{"name": "core"}], users=[{**BOSS, "teams": ["core"]}])
    assert not await set_up.is_open()


async def test_sessions_end_with_the_access(office: Administration) -> None:
    boss = a_user("boss@example.com", role=Role.SUPER_ADMIN)
    await store(office, boss, a_user(), a_user("other@example.com"), with_session=True)
    await office.apply(users=[{**DEV, "enabled": False}])
    assert await sessions(office) == 2
    await office.apply(_prune=True, users=[BOSS])
    assert await sessions(office) == 1


async def test_a_service_account_is_no_super_admin_who_is_left(office: Administration) -> None:
    robot = a_user("robot@service.invalid", role=Role.SUPER_ADMIN, kind=UserKind.SERVICE)
    await store(office, a_user("boss@example.com", role=Role.SUPER_ADMIN), robot)
    with pytest.raises(ValidationFailed, match="no active super_admin"):
        await office.apply(users=[{**BOSS, "enabled": False}])
