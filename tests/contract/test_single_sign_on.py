"""Identity providers, linked identities and sign-ins under way, over every store."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from application.ports.single_sign_on import SsoAttempts, SsoIdentities, SsoProviders
from domain.access.accounts import User
from domain.access.single_sign_on import SsoAttempt, SsoProvider, SsoPurpose, SsoState
from domain.access.sso_presets import SsoPreset
from domain.errors import Conflict, NotFound, PreconditionFailed
from domain.identifiers import SsoProviderId, UserId
from tests.support.configuration import NOW_MS, Configuration, a_user, new_id
from tests.support.single_sign_on import (
    an_active_provider,
    an_attempt,
    an_identity,
    an_sso_provider,
    some_metadata,
)

# The ports this suite is about.
PORTS = (SsoAttempts, SsoIdentities, SsoProviders)

FULL: dict[str, Any] = {
    "preset": SsoPreset.KEYCLOAK,
    "sealed_client_secret": "v1.sealed",
    "scopes": ("openid", "groups"),
    "allowed_domains": frozenset({"example.com", "example.org"}),
    "group_claim": "groups",
    "group_roles": {"ops": "admin", "开发": "developer"},
    "group_teams": {"ops": "core"},
    "default_role": "viewer",
    "provisions": True,
    "link_by_email": True,
    "ends_session": True,
}


async def _stored(stored: Configuration, *providers: SsoProvider, user: User | None = None) -> None:
    async with stored.uow.begin() as tx:
        for provider in providers:
            await tx.sso_providers.add(provider)
        if user is not None:
            await tx.users.add(user)
        await tx.commit()


class TestProviders:
    async def test_a_provider_comes_back_as_it_was_stored(self, stored: Configuration) -> None:
        plain, full = an_sso_provider("plain"), an_sso_provider("full", **FULL)
        active = replace(an_active_provider(), name="active")
        await _stored(stored, plain, full, active)
        async with stored.uow.begin() as tx:
            assert list(await tx.sso_providers.all()) == [plain, full, active]
            assert await tx.sso_providers.find(full.id) == full
            assert await tx.sso_providers.by_name("active") == active
            assert await tx.sso_providers.by_name("nobody") is None
            assert await tx.sso_providers.find(SsoProviderId("no id")) is None
            assert await tx.sso_providers.find(SsoProviderId(new_id())) is None

    async def test_an_update_replaces_everything_and_raises_the_revision(
        self, stored: Configuration
    ) -> None:
        provider = an_sso_provider(**FULL)
        await _stored(stored, provider)
        changed = replace(
            an_active_provider(),
            id=provider.id,
            name="renamed",
            connection=2,
            metadata=some_metadata(
                userinfo_endpoint="https://u.example.com",
                end_session_endpoint="https://e.example.com",
                auth_methods=("client_secret_post",),
                sends_issuer=True,
            ),
        )
        async with stored.uow.begin() as tx:
            await tx.sso_providers.update(changed)
            await tx.commit()
        async with stored.uow.begin() as tx:
            assert await tx.sso_providers.find(provider.id) == replace(changed, revision=2)

    async def test_of_two_updates_of_one_revision_the_second_is_refused(
        self, stored: Configuration
    ) -> None:
        provider = an_sso_provider()
        await _stored(stored, provider)
        async with stored.uow.begin() as tx:
            await tx.sso_providers.update(replace(provider, display_name="First"))
            await tx.commit()
        async with stored.uow.begin() as tx:
            with pytest.raises(PreconditionFailed):
                await tx.sso_providers.update(replace(provider, display_name="Second"))

    async def test_what_is_not_there_cannot_be_changed(self, stored: Configuration) -> None:
        async with stored.uow.begin() as tx:
            with pytest.raises(NotFound):
                await tx.sso_providers.update(an_sso_provider())
            with pytest.raises(NotFound):
                await tx.sso_providers.remove(SsoProviderId(new_id()))
            with pytest.raises(NotFound):
                await tx.sso_providers.remove(SsoProviderId("no id"))

    async def test_a_name_is_taken_once(self, stored: Configuration) -> None:
        await _stored(stored, an_sso_provider("one"), other := an_sso_provider("two"))
        async with stored.uow.begin() as tx:
            with pytest.raises(Conflict, match="identity provider with this name"):
                await tx.sso_providers.add(an_sso_provider("one"))
        async with stored.uow.begin() as tx:
            with pytest.raises(Conflict, match="identity provider with this name"):
                await tx.sso_providers.update(replace(other, name="one"))

    async def test_removal_takes_identities_and_attempts_along(self, stored: Configuration) -> None:
        provider, kept, user = an_sso_provider("gone"), an_sso_provider("kept"), a_user()
        await _stored(stored, provider, kept, user=user)
        async with stored.uow.begin() as tx:
            for number, each in enumerate((provider, kept)):
                await tx.sso_identities.add(an_identity(each, user))
                await tx.sso_attempts.add(an_attempt(each, number), now_ms=NOW_MS)
            await tx.sso_providers.remove(provider.id)
            await tx.commit()
        async with stored.uow.begin() as tx:
            assert list(await tx.sso_providers.all()) == [kept]
            assert list(await tx.sso_identities.of_user(user.id)) == [an_identity(kept, user)]
            assert await tx.sso_attempts.take(an_attempt(provider, 0).state_hash) is None
            assert await tx.sso_attempts.take(an_attempt(kept, 1).state_hash) is not None


class TestIdentities:
    async def test_an_identity_is_found_by_exactly_its_issuer_and_subject(
        self, stored: Configuration
    ) -> None:
        provider, user = an_sso_provider(), a_user()
        await _stored(stored, provider, user=user)
        identity = an_identity(provider, user, "Ab12")
        async with stored.uow.begin() as tx:
            await tx.sso_identities.add(identity)
            await tx.commit()
        async with stored.uow.begin() as tx:
            find = tx.sso_identities.find
            assert await find(provider.id, provider.issuer, "Ab12") == identity
            assert await find(provider.id, provider.issuer, "ab12") is None
            assert await find(provider.id, provider.issuer + "/", "Ab12") is None
            assert await find(SsoProviderId(new_id()), provider.issuer, "Ab12") is None
            assert list(await tx.sso_identities.of_user(user.id)) == [identity]
            assert list(await tx.sso_identities.of_user(UserId(new_id()))) == []

    async def test_an_identity_has_one_user_and_a_user_one_identity_of_an_issuer(
        self, stored: Configuration
    ) -> None:
        provider, user, other = an_sso_provider(), a_user(), a_user("other@example.com")
        await _stored(stored, provider, user=user)
        async with stored.uow.begin() as tx:
            await tx.users.add(other)
            await tx.sso_identities.add(an_identity(provider, user))
            await tx.commit()
        async with stored.uow.begin() as tx:
            with pytest.raises(Conflict, match="linked to a user already"):
                await tx.sso_identities.add(an_identity(provider, other))
        async with stored.uow.begin() as tx:
            with pytest.raises(Conflict, match="another identity"):
                await tx.sso_identities.add(an_identity(provider, user, "5678"))
        moved = replace(provider, issuer="https://new.example.com")
        async with stored.uow.begin() as tx:
            await tx.sso_identities.add(an_identity(moved, user))
            await tx.commit()

    async def test_a_link_needs_a_user_and_a_provider(self, stored: Configuration) -> None:
        provider, user = an_sso_provider(), a_user()
        await _stored(stored, provider, user=user)
        async with stored.uow.begin() as tx:
            with pytest.raises(NotFound, match="identity provider"):
                await tx.sso_identities.add(an_identity(an_sso_provider("other"), user))
            with pytest.raises(NotFound, match="user"):
                await tx.sso_identities.add(an_identity(provider, a_user("no@example.com")))
            await tx.users.remove(user.id)
            with pytest.raises(NotFound, match="user"):
                await tx.sso_identities.add(an_identity(provider, user))

    async def test_a_link_can_be_removed_and_made_again(self, stored: Configuration) -> None:
        provider, user = an_sso_provider(), a_user()
        await _stored(stored, provider, user=user)
        async with stored.uow.begin() as tx:
            await tx.sso_identities.add(an_identity(provider, user))
            await tx.sso_identities.remove(provider.id, user.id)
            with pytest.raises(NotFound):
                await tx.sso_identities.remove(provider.id, user.id)
            await tx.sso_identities.add(an_identity(provider, user, "5678"))
            assert list(await tx.sso_identities.of_user(user.id)) == [
                an_identity(provider, user, "5678")
            ]


class TestAttempts:
    async def test_an_attempt_comes_back_once(self, stored: Configuration) -> None:
        provider, user = an_sso_provider(), a_user()
        await _stored(stored, provider, user=user)
        attempt = an_attempt(provider)
        link = an_attempt(provider, 2, purpose=SsoPurpose.LINK, actor_id=user.id)
        async with stored.uow.begin() as tx:
            await tx.sso_attempts.add(attempt, now_ms=NOW_MS)
            await tx.sso_attempts.add(link, now_ms=NOW_MS)
            await tx.commit()
        async with stored.uow.begin() as tx:
            assert await tx.sso_attempts.take(b"unknown") is None
            assert await tx.sso_attempts.take(attempt.state_hash) == attempt
            await tx.commit()
        async with stored.uow.begin() as tx:
            assert await tx.sso_attempts.take(attempt.state_hash) is None
            assert await tx.sso_attempts.take(link.state_hash) == link

    async def test_of_many_who_take_it_at_the_same_time_one_gets_it(
        self, stored: Configuration
    ) -> None:
        provider = an_sso_provider()
        await _stored(stored, provider)
        attempt = an_attempt(provider)
        async with stored.uow.begin() as tx:
            await tx.sso_attempts.add(attempt, now_ms=NOW_MS)
            await tx.commit()

        async def take() -> SsoAttempt | None:
            async with stored.uow.begin() as tx:
                taken = await tx.sso_attempts.take(attempt.state_hash)
                await tx.commit()
                return taken

        async with asyncio.timeout(20):
            taken = await asyncio.gather(*(take() for _ in range(5)))
        assert [each for each in taken if each is not None] == [attempt]

    async def test_a_state_is_used_once(self, stored: Configuration) -> None:
        provider = an_sso_provider()
        await _stored(stored, provider)
        async with stored.uow.begin() as tx:
            await tx.sso_attempts.add(an_attempt(provider), now_ms=NOW_MS)
            with pytest.raises(Conflict, match="state"):
                await tx.sso_attempts.add(an_attempt(provider), now_ms=NOW_MS)

    async def test_expired_attempts_are_swept_up_by_later_ones(self, stored: Configuration) -> None:
        provider = an_sso_provider()
        await _stored(stored, provider)
        old = an_attempt(provider, 1, expires_at_ms=NOW_MS + 1)
        lasting = an_attempt(provider, 2, expires_at_ms=NOW_MS + 3)
        async with stored.uow.begin() as tx:
            await tx.sso_attempts.add(old, now_ms=NOW_MS)
            await tx.sso_attempts.add(lasting, now_ms=NOW_MS)
            await tx.sso_attempts.add(an_attempt(provider, 3), now_ms=NOW_MS + 2)
            assert await tx.sso_attempts.take(old.state_hash) is None
            assert await tx.sso_attempts.take(lasting.state_hash) == lasting

    async def test_an_attempt_needs_a_provider(self, stored: Configuration) -> None:
        async with stored.uow.begin() as tx:
            with pytest.raises(NotFound):
                await tx.sso_attempts.add(an_attempt(an_sso_provider()), now_ms=NOW_MS)


async def test_the_login_page_sees_what_was_committed(stored: Configuration) -> None:
    provider = an_sso_provider()
    await _stored(stored, provider)
    async with stored.uow.begin() as tx:
        await tx.sso_providers.update(replace(provider, state=SsoState.DISABLED))
    async with stored.uow.begin() as tx:
        assert await tx.sso_providers.find(provider.id) == provider
