"""Resets of what others sign in with, by whoever may do it at that moment."""

import pytest

from application.console.people.user_views import UserPatch
from application.identity.credential_resets import CredentialResets
from domain.errors import NotFound, PermissionDenied
from tests.support.identity_services import identity_services
from tests.support.people import People, some_people


@pytest.fixture
async def people() -> People:
    return await some_people()


@pytest.fixture
def resets(people: People) -> CredentialResets:
    return identity_services(people.stored.audited, people.clock).resets


async def test_a_reset_is_refused_when_who_asks_was_demoted_meanwhile(
    people: People, resets: CredentialResets
) -> None:
    root, admin = await people.acting("root"), await people.acting("admin")
    dev = await people.id("dev")
    await resets.reset_password(admin, dev)
    await people.use.users.update(root, admin.id, UserPatch(role="developer"))
    with pytest.raises(NotFound):
        await resets.reset_password(admin, dev)
    await people.use.users.update(root, admin.id, UserPatch(role="admin", enabled=False))
    with pytest.raises(PermissionDenied, match="active account"):
        await resets.reset_second_factor(admin, dev)
