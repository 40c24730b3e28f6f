"""Configuring identity providers: who may, what is refused, and what becomes of the secret."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec.structs import replace

from adapters.memory.store import MemoryStore
from application.identity.sso_providers import SsoChange, client_secret_context
from domain.access.accounts import User
from domain.access.actor import Actor, ActorKind
from domain.access.rights import Held, Rights, statements
from domain.access.roles import RoleDefinition, rights_of
from domain.access.single_sign_on import SsoState
from domain.access.sso_failures import SsoFailure
from domain.access.sso_presets import SsoPreset
from domain.errors import (
    BeyondOwnRights,
    Conflict,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
    SingleSignOnFailed,
    ValidationFailed,
)
from domain.identifiers import SsoProviderId, UserId
from domain.records.audit import AuditTarget
from domain.secret import Secret
from tests.support.acting import OPERATOR, acting
from tests.support.configuration import NOW_MS, a_user, new_id
from tests.support.identity_provider import CLIENT_SECRET, IdentityProvider, identity_provider
from tests.support.manual_clock import ManualClock
from tests.support.single_sign_on import ISSUER, an_active_provider, an_identity
from tests.support.sso_services import Services, memory_store, services


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def stored(clock: ManualClock) -> tuple[MemoryStore, Any]:
    return memory_store(clock)


@pytest.fixture
async def there(clock: ManualClock) -> AsyncIterator[IdentityProvider]:
    async with identity_provider(clock) as running:
        yield running


@pytest.fixture
async def here(
    stored: tuple[MemoryStore, Any], clock: ManualClock, there: IdentityProvider
) -> AsyncIterator[Services]:
    """Hangs up before the provider ends."""
    async with services(stored[1], clock) as built:
        yield built


def actor_with(*words: str) -> Actor:
    grants = tuple(Held(statement=each, role="custom") for each in statements(*words))
    rights = Rights(user_id=UserId("u"), grants=grants)
    return Actor(kind=ActorKind.USER, id="u", name="u@example.com", rights=rights)


async def test_every_change_needs_the_permission_for_it(here: Services) -> None:
    provider = await here.draft(ISSUER)
    admin = User(id=UserId("a"), email="a@example.com", role="admin", created_at_ms=0)
    reader = Actor(kind=ActorKind.USER, id="a", name="a", rights=rights_of(admin, (), {}))
    manage = here.manage
    assert list(await manage.all(reader)) == [await manage.find(reader, provider.id)]
    for change in (
        manage.edit(reader, provider.id, SsoChange(provisions=True)),
        manage.discover(reader, provider.id),
        manage.activate(reader, provider.id),
        manage.disable(reader, provider.id),
        manage.remove(reader, provider.id),
        manage.unlink(reader, provider.id, here.admin_user.id),
    ):
        with pytest.raises(PermissionDenied):
            await change
    nobody = actor_with("models:read")
    with pytest.raises(PermissionDenied):
        await manage.all(nobody)
    with pytest.raises(PermissionDenied):
        await manage.find(nobody, provider.id)
    assert await manage.find(here.admin, provider.id) == provider


async def test_nobody_gives_roles_through_groups_that_he_could_not_give(here: Services) -> None:
    by = actor_with("sso:write", "sso:read")
    provider = await here.draft(ISSUER)
    for change in (
        SsoChange(group_roles={"ops": "super_admin"}),
        SsoChange(group_roles={"ops": "admin"}),
        SsoChange(default_role="viewer"),
    ):
        with pytest.raises(BeyondOwnRights):
            await here.manage.edit(by, provider.id, change)
    await here.manage.edit(by, provider.id, SsoChange(display_name="Mine"))
    await here.manage.edit(here.admin, provider.id, SsoChange(group_roles={"ops": "super_admin"}))
    with pytest.raises(BeyondOwnRights):
        await here.manage.edit(by, provider.id, SsoChange(allowed_domains=frozenset()))


async def test_nobody_opens_models_through_groups_that_his_own_roles_do_not_open(
    here: Services,
) -> None:
    allow = statements("sso:write", "ai_gateway:use")
    narrow = RoleDefinition(name="narrow", allow=allow, models=("gpt-mini",))
    wide = RoleDefinition(name="wide", allow=allow)
    user = replace(a_user("narrow@example.com"), role=narrow.name)
    async with here.uow.begin() as tx:
        await tx.roles.add(narrow, created_at_ms=NOW_MS)
        await tx.roles.add(wide, created_at_ms=NOW_MS)
        await tx.users.add(user)
        tx.audit.record(OPERATOR, "user.create", AuditTarget(kind="user", id=user.id))
        await tx.commit()
    by = replace(acting(user), rights=rights_of(user, (), {narrow.name: narrow}))
    provider = await here.draft(ISSUER)
    with pytest.raises(BeyondOwnRights, match="model"):
        await here.manage.edit(by, provider.id, SsoChange(group_roles={"ops": wide.name}))
    await here.manage.edit(by, provider.id, SsoChange(group_roles={"ops": narrow.name}))


async def test_only_a_super_admin_lets_a_provider_vouch_for_accounts_there_are(
    here: Services,
) -> None:
    by = actor_with("sso:write", "sso:read")
    provider = await here.draft(ISSUER)
    with pytest.raises(BeyondOwnRights, match="super_admin"):
        await here.manage.edit(by, provider.id, SsoChange(link_by_email=True))
    await here.manage.edit(here.admin, provider.id, SsoChange(link_by_email=True))
    with pytest.raises(BeyondOwnRights, match="super_admin"):
        await here.manage.edit(by, provider.id, SsoChange(issuer="https://own.example.com"))


async def test_a_draft_takes_what_it_does_not_say_from_the_preset(here: Services) -> None:
    provider = await here.draft(ISSUER, preset=SsoPreset.OKTA)
    assert (provider.display_name, provider.group_claim) == ("Okta", "groups")
    assert "groups" in provider.scopes
    assert provider.state is SsoState.DRAFT
    told = await here.draft(
        ISSUER, name="other", group_claim=None, scopes=("openid",), display_name="Ours"
    )
    assert (told.display_name, told.group_claim, told.scopes) == ("Ours", None, ("openid",))


async def test_all_faults_are_told_at_once(here: Services) -> None:
    with pytest.raises(ValidationFailed) as refused:
        await here.draft(
            "http://login.example.com",
            name="no/slash",
            group_roles={"ops": "no_role"},
            group_teams={"ops": "no team"},
        )
    fields = [fault.partition(":")[0] for fault in refused.value.faults]
    assert fields == ["name", "issuer", "group_roles", "group_teams"]
    with pytest.raises(InvalidRequest):
        await here.draft(ISSUER, client_secret=Secret(""))


async def test_the_secret_is_sealed_and_appears_nowhere(
    here: Services, stored: tuple[MemoryStore, Any]
) -> None:
    provider = await here.draft(ISSUER)
    await here.manage.edit(here.admin, provider.id, SsoChange(client_secret=Secret("n3w-secret")))
    kept = repr(stored[0].draft) + "".join(row.content for row in stored[0].trail.rows)
    assert provider.sealed_client_secret is not None
    for hidden in (CLIENT_SECRET, "n3w-secret"):
        assert hidden not in kept
    assert all(provider.sealed_client_secret not in row.content for row in stored[0].trail.rows)
    assert client_secret_context(provider.id) != client_secret_context(SsoProviderId("other"))


async def test_the_same_secret_again_changes_nothing_about_the_connection(here: Services) -> None:
    provider = await here.draft(ISSUER)
    same = SsoChange(client_secret=Secret(CLIENT_SECRET), issuer=ISSUER)
    assert (await here.manage.edit(here.admin, provider.id, same)).connection == 1
    public = await here.manage.edit(here.admin, provider.id, SsoChange(client_secret=None))
    assert (public.connection, public.sealed_client_secret) == (2, None)


async def test_a_change_of_another_revision_is_refused(here: Services) -> None:
    provider = await here.draft(ISSUER)
    change, edit = SsoChange(display_name="New"), here.manage.edit
    newer = await edit(here.admin, provider.id, change, expected=provider.revision)
    assert newer.revision == provider.revision + 1
    for attempt in (
        edit(here.admin, provider.id, change, expected=provider.revision),
        here.manage.disable(here.admin, provider.id, expected=provider.revision),
        here.manage.activate(here.admin, provider.id, expected=provider.revision),
        here.manage.remove(here.admin, provider.id, expected=provider.revision),
    ):
        with pytest.raises(PreconditionFailed):
            await attempt


async def test_what_is_not_there_is_not_found(here: Services) -> None:
    missing = SsoProviderId(new_id())
    for attempt in (
        here.manage.find(here.admin, missing),
        here.manage.discover(here.admin, missing),
        here.manage.disable(here.admin, missing),
        here.manage.remove(here.admin, missing),
        here.manage.unlink(here.admin, missing, here.admin_user.id),
    ):
        with pytest.raises(NotFound):
            await attempt


async def test_a_failed_discovery_leaves_everything_as_it_was(
    here: Services, there: IdentityProvider
) -> None:
    there.discovery = {"issuer": "https://evil.example.com"}
    provider = await here.draft(there.issuer)
    with pytest.raises(SingleSignOnFailed) as refused:
        await here.manage.discover(here.admin, provider.id)
    assert refused.value.reason == SsoFailure.WRONG_ISSUER
    assert await here.manage.find(here.admin, provider.id) == provider
    there.discovery = {}
    found = await here.manage.discover(here.admin, provider.id)
    assert found.metadata is not None
    with pytest.raises(Conflict, match="Test"):
        await here.manage.activate(here.admin, provider.id)


async def test_a_link_is_removed_by_an_administrator(
    here: Services, stored: tuple[MemoryStore, Any]
) -> None:
    provider = an_active_provider()
    async with here.uow.begin() as tx:
        await tx.sso_providers.add(provider)
        await tx.sso_identities.add(an_identity(provider, here.admin_user))
        await tx.commit()
    await here.manage.unlink(here.admin, provider.id, here.admin_user.id)
    with pytest.raises(NotFound):
        await here.manage.unlink(here.admin, provider.id, here.admin_user.id)
    assert stored[0].trail.rows[-1].entry().action == "sso_identity.delete"
    assert not stored[0].draft.sso_identities
