"""Rounds to a provider: who comes back as whom, and every way to come back as somebody else."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec import Struct

from adapters.memory.store import MemoryStore
from application.identity.single_sign_on import Finished, Linked, Proven, SignedIn
from application.identity.sso_providers import SsoChange
from domain.access.accounts import Role, User, UserKind, UserState
from domain.access.actor import Actor, ActorKind
from domain.access.rights import Rights
from domain.access.single_sign_on import SsoProvider
from domain.access.sso_decision import Refused
from domain.access.sso_failures import SsoFailure
from domain.errors import AccessDenied, SingleSignOnFailed
from domain.identifiers import SsoProviderId
from domain.records.audit import AuditEntry, AuditOutcome, AuditTarget
from domain.secret import Secret
from tests.support.configuration import a_team, a_user
from tests.support.identity_provider import (
    LEFT_OUT,
    REDIRECT,
    IdentityProvider,
    identity_provider,
    rsa_key,
    signed,
    signed_with_the_public_key,
    unsigned,
)
from tests.support.manual_clock import ManualClock
from tests.support.sso_services import ORIGIN, Services, acting, callback, memory_store, services

MAPPED: dict[str, Any] = {
    "group_roles": {"developers": "developer", "ops": "admin"},
    "group_teams": {"developers": "core", "ops": "platform"},
}


def confused(header: dict[str, Any], claims: dict[str, Any]) -> str:
    return signed_with_the_public_key(header, claims, rsa_key())


def forged(header: dict[str, Any], claims: dict[str, Any]) -> str:
    return signed(header, claims, rsa_key("mine"))


LIES: list[tuple[dict[str, Any], SsoFailure]] = [
    ({"claims": {"nonce": "another"}}, SsoFailure.WRONG_NONCE),
    ({"claims": {"iss": "https://evil.example.com"}}, SsoFailure.WRONG_ISSUER),
    ({"claims": {"aud": "another"}}, SsoFailure.WRONG_AUDIENCE),
    ({"claims": {"exp": 1}}, SsoFailure.TOKEN_EXPIRED),
    ({"claims": {"iat": 9_999_999_999}}, SsoFailure.TOKEN_FROM_FUTURE),
    ({"minting": unsigned}, SsoFailure.ALGORITHM_NOT_ALLOWED),
    ({"minting": confused}, SsoFailure.ALGORITHM_NOT_ALLOWED),
    ({"minting": forged}, SsoFailure.BAD_SIGNATURE),
    ({"token_answer": {"id_token": LEFT_OUT}}, SsoFailure.NO_ID_TOKEN),
    ({"claims": {"email": LEFT_OUT}, "userinfo": {"sub": "another"}}, SsoFailure.WRONG_SUBJECT),
]


class World(Struct):
    """The use cases, the provider they are configured with, and what is stored."""

    here: Services
    there: IdentityProvider
    store: MemoryStore
    clock: ManualClock

    async def active(self, **more: Any) -> SsoProvider:
        """Configure the provider and bring it into use."""
        provider = await self.here.draft(self.there.issuer, **more)
        await self.here.manage.discover(self.here.admin, provider.id)
        await self.proven(provider.id)
        return await self.here.manage.activate(self.here.admin, provider.id)

    async def proven(self, provider_id: SsoProviderId) -> Proven:
        begin = self.here.sso.begin_test
        begun = await begin(self.here.admin, provider_id, redirect_uri=REDIRECT)
        back = self.there.approve(begun.url)
        proven = await self.here.finish(begun, back, by=self.here.admin)
        assert isinstance(proven, Proven)
        return proven

    async def round(self, **changed: str) -> Finished:
        begun = await self.here.sso.begin_sign_in("corporate", redirect_uri=REDIRECT)
        return await self.here.finish(begun, {**self.there.approve(begun.url), **changed})

    async def sign_in(self) -> User:
        finished = await self.round()
        assert isinstance(finished, SignedIn)
        return finished.user

    async def link(self, by: Actor) -> Finished:
        begun = await self.here.sso.begin_link(by, "corporate", redirect_uri=REDIRECT)
        return await self.here.finish(begun, self.there.approve(begun.url), by=by)

    async def add(self, *users: User, teams: tuple[str, ...] = ()) -> None:
        async with self.here.uow.begin() as tx:
            for team in teams:
                await tx.teams.add(a_team(team))
            for user in users:
                await tx.users.add(user)
            target = AuditTarget(kind="user")
            tx.audit.record(self.here.admin, "user.create", target)
            await tx.commit()

    async def teams_of(self, user: User) -> set[str]:
        async with self.here.uow.begin() as tx:
            return {each.name for each in await tx.teams.all() if each.id in user.team_ids}

    def trail(self) -> list[AuditEntry]:
        return [event.entry() for event in self.store.trail.rows]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    clock = ManualClock()
    store, uow = memory_store(clock)
    async with identity_provider(clock) as there, services(uow, clock) as here:
        yield World(here, there, store, clock)


async def reason_of(attempt: Any) -> str:
    with pytest.raises(SingleSignOnFailed) as refused:
        await attempt
    return refused.value.reason


class TestAccounts:
    async def test_an_unknown_person_gets_an_account_and_finds_it_again(self, world: World) -> None:
        await world.add(teams=("core", "platform"))
        await world.active(**MAPPED, provisions=True)
        first = await world.round()
        assert isinstance(first, SignedIn)
        assert (first.user.email, first.user.role) == ("jane@example.com", "developer")
        assert first.user.display_name == "Jane Doe"
        assert await world.teams_of(first.user) == {"core"}
        assert first.id_token.reveal().count(".") == 2
        world.there.person.claims |= {"email": "new@example.com", "email_verified": False}
        assert (await world.sign_in()).id == first.user.id
        created = next(each for each in world.trail() if each.action == "user.link")
        assert (created.actor_name, created.ip) == ("sso:corporate", ORIGIN.ip)

    async def test_role_and_teams_follow_the_groups(self, world: World) -> None:
        await world.add(teams=("core", "platform"))
        await world.active(**MAPPED, provisions=True, default_role="viewer")
        await world.sign_in()
        for groups, role, teams in (
            (["ops", "developers"], "admin", {"core", "platform"}),
            (["ops"], "admin", {"platform"}),
            ([], "viewer", set[str]()),
        ):
            world.there.person.claims["groups"] = groups
            user = await world.sign_in()
            assert (user.role, await world.teams_of(user)) == (role, teams)
        before = len(world.trail())
        await world.sign_in()
        assert len(world.trail()) == before, "nothing changed, so there is nothing to record"

    async def test_who_loses_every_group_stays_outside_without_a_default(
        self, world: World
    ) -> None:
        await world.active(**{**MAPPED, "group_teams": {}}, provisions=True)
        await world.sign_in()
        world.there.person.claims["groups"] = ["others"]
        assert await reason_of(world.round()) == SsoFailure.NO_ROLE

    async def test_the_last_super_admin_is_not_demoted_by_groups(self, world: World) -> None:
        await world.active(group_roles={"developers": "developer"}, link_by_email=True)
        world.there.person.claims["email"] = world.here.admin_user.email
        assert (await world.sign_in()).role == "super_admin"
        await world.add(a_user("second@example.com", role=Role.SUPER_ADMIN))
        assert (await world.sign_in()).role == "developer"

    async def test_an_account_is_linked_by_its_verified_address_once(self, world: World) -> None:
        jane = a_user("jane@example.com", role=Role.VIEWER)
        await world.add(jane)
        await world.active(link_by_email=True, default_role="developer")
        user = await world.sign_in()
        assert (user.id, user.role) == (jane.id, "viewer")
        world.there.person.subject = "the next to have this address"
        assert await reason_of(world.round()) == SsoFailure.LINKED_OTHERWISE

    async def test_no_account_is_taken_over_in_doubt(self, world: World) -> None:
        await world.add(
            a_user("jane@example.com"),
            a_user("off@example.com", state=UserState.DEACTIVATED),
            a_user("ci@service.invalid", kind=UserKind.SERVICE),
        )
        provider = await world.active(provisions=True, default_role="viewer")
        assert await reason_of(world.round()) == SsoFailure.ACCOUNT_EXISTS
        change = SsoChange(link_by_email=True)
        await world.here.manage.edit(world.here.admin, provider.id, change)
        world.there.person.claims["email_verified"] = False
        assert await reason_of(world.round()) == SsoFailure.EMAIL_NOT_VERIFIED
        world.there.person.claims["email_verified"] = True
        for email in ("off@example.com", "ci@service.invalid"):
            world.there.person.claims["email"] = email
            assert await reason_of(world.round()) == SsoFailure.USER_INACTIVE

    async def test_a_removed_account_is_neither_opened_nor_made_again(self, world: World) -> None:
        await world.active(provisions=True, default_role="viewer")
        user = await world.sign_in()
        async with world.here.uow.begin() as tx:
            await tx.users.remove(user.id)
            tx.audit.record(world.here.admin, "user.delete", AuditTarget(kind="user"))
            await tx.commit()
        assert await reason_of(world.round()) == SsoFailure.USER_INACTIVE

    @pytest.mark.parametrize(
        ("claims", "more", "reason"),
        [
            ({}, {}, SsoFailure.NO_ACCOUNT),
            ({}, {"provisions": True}, SsoFailure.NO_ROLE),
            ({"email_verified": False}, {"provisions": True}, SsoFailure.EMAIL_NOT_VERIFIED),
            (
                {"email": "jane@example.net"},
                {"provisions": True, "allowed_domains": frozenset({"Example.com"})},
                SsoFailure.DOMAIN_NOT_ALLOWED,
            ),
        ],
    )
    async def test_whoever_may_not_have_an_account_gets_none(
        self, world: World, claims: dict[str, Any], more: dict[str, Any], reason: SsoFailure
    ) -> None:
        await world.active(**more)
        world.there.person.claims |= claims
        assert await reason_of(world.round()) == reason
        denied = world.trail()[-1]
        assert (denied.action, denied.outcome) == ("sso.login", AuditOutcome.DENIED)
        assert (denied.reason, denied.ip) == (reason, ORIGIN.ip)
        async with world.here.uow.begin() as tx:
            assert [user.id for user in await tx.users.all()] == [world.here.admin_user.id]


class TestTheWayBack:
    async def test_a_state_is_good_once(self, world: World) -> None:
        await world.active(provisions=True, default_role="viewer")
        begun = await world.here.sso.begin_sign_in("corporate", redirect_uri=REDIRECT)
        back = world.there.approve(begun.url)
        await world.here.finish(begun, back)
        again = {**back, "code": world.there.approve(begun.url)["code"]}
        for replay in (back, again):
            replayed = world.here.finish(begun, replay)
            assert await reason_of(replayed) == SsoFailure.UNKNOWN_ATTEMPT

    @pytest.mark.parametrize("binding", [None, Secret("another browser's")])
    async def test_another_browser_gets_nothing_and_uses_it_up(
        self, world: World, binding: Secret | None
    ) -> None:
        await world.active(provisions=True, default_role="viewer")
        begun = await world.here.sso.begin_sign_in("corporate", redirect_uri=REDIRECT)
        back = world.there.approve(begun.url)
        asked = len(world.there.token_requests)
        stolen = world.here.sso.finish(None, callback(back), binding=binding, origin=ORIGIN)
        assert await reason_of(stolen) == SsoFailure.OTHER_BROWSER
        assert len(world.there.token_requests) == asked, "the code was not even tried"
        later = world.here.finish(begun, back)
        assert await reason_of(later) == SsoFailure.UNKNOWN_ATTEMPT

    async def test_a_code_of_one_round_is_no_good_in_another(self, world: World) -> None:
        await world.active(provisions=True, default_role="viewer")
        theirs = await world.here.sso.begin_sign_in("corporate", redirect_uri=REDIRECT)
        code = world.there.approve(theirs.url)["code"]
        assert await reason_of(world.round(code=code)) == SsoFailure.CODE_REFUSED

    async def test_it_takes_ten_minutes_at_most(self, world: World) -> None:
        await world.active(provisions=True, default_role="viewer")
        for seconds, reason in ((599, None), (600, SsoFailure.ATTEMPT_EXPIRED)):
            begun = await world.here.sso.begin_sign_in("corporate", redirect_uri=REDIRECT)
            back = world.there.approve(begun.url)
            assert begun.expires_at_ms == world.clock.now_ms() + 600_000
            world.clock.advance(seconds)
            if reason is None:
                assert isinstance(await world.here.finish(begun, back), SignedIn)
            else:
                assert await reason_of(world.here.finish(begun, back)) == reason

    @pytest.mark.parametrize(
        ("back", "reason"),
        [
            ({"state": "made up"}, SsoFailure.UNKNOWN_ATTEMPT),
            ({"error": "access_denied", "code": "code-1"}, SsoFailure.PROVIDER_REFUSED),
            ({"iss": "https://evil.example.com"}, SsoFailure.WRONG_ISSUER),
            ({"code": "made up"}, SsoFailure.CODE_REFUSED),
            ({"code": "\ud800"}, SsoFailure.CODE_REFUSED),
            ({"code": "x" * 8193}, SsoFailure.CODE_REFUSED),
            ({"state": "\ud800"}, SsoFailure.UNKNOWN_ATTEMPT),
            ({"error": "\ud800"}, SsoFailure.PROVIDER_REFUSED),
        ],
    )
    async def test_what_comes_back_wrong_is_refused(
        self, world: World, back: dict[str, str], reason: SsoFailure
    ) -> None:
        await world.active(provisions=True, default_role="viewer")
        assert await reason_of(world.round(**back)) == reason

    async def test_nothing_came_back(self, world: World) -> None:
        await world.active(provisions=True, default_role="viewer")
        begun = await world.here.sso.begin_sign_in("corporate", redirect_uri=REDIRECT)
        assert await reason_of(world.here.finish(begun, {})) == SsoFailure.UNKNOWN_ATTEMPT
        state = {"state": world.there.approve(begun.url)["state"]}
        assert await reason_of(world.here.finish(begun, state)) == SsoFailure.PROVIDER_REFUSED

    @pytest.mark.parametrize("disable", [True, False])
    async def test_a_provider_that_changed_meanwhile_signs_nobody_in(
        self, world: World, *, disable: bool
    ) -> None:
        provider = await world.active(provisions=True, default_role="viewer")
        begun = await world.here.sso.begin_sign_in("corporate", redirect_uri=REDIRECT)
        back = world.there.approve(begun.url)
        if disable:
            await world.here.manage.disable(world.here.admin, provider.id)
        else:
            change = SsoChange(client_secret=Secret("new"))
            await world.here.manage.edit(world.here.admin, provider.id, change)
        expected = SsoFailure.PROVIDER_INACTIVE if disable else SsoFailure.CONFIGURATION_CHANGED
        assert await reason_of(world.here.finish(begun, back)) == expected
        assert await world.here.sso.offered() == []

    async def test_a_provider_that_changes_during_the_exchange_signs_nobody_in(
        self, world: World
    ) -> None:
        provider = await world.active(provisions=True, default_role="viewer")
        manage, admin = world.here.manage, world.here.admin
        for change, reason in (
            (lambda: manage.disable(admin, provider.id), SsoFailure.PROVIDER_INACTIVE),
            (lambda: manage.remove(admin, provider.id), SsoFailure.PROVIDER_INACTIVE),
        ):
            world.there.during_exchange = change
            assert await reason_of(world.round()) == reason
            world.there.during_exchange = None
            if await manage.all(admin):
                await manage.activate(admin, provider.id)
        async with world.here.uow.begin() as tx:
            assert len(await tx.users.all()) == 1

    async def test_a_provider_removed_meanwhile_is_unknown(self, world: World) -> None:
        provider = await world.active(provisions=True, default_role="viewer")
        begun = await world.here.sso.begin_sign_in("corporate", redirect_uri=REDIRECT)
        await world.here.manage.remove(world.here.admin, provider.id)
        back = world.there.approve(begun.url)
        assert await reason_of(world.here.finish(begun, back)) == SsoFailure.UNKNOWN_ATTEMPT

    async def test_a_return_path_leads_nowhere_else(self, world: World) -> None:
        await world.active(provisions=True, default_role="viewer")
        begun = await world.here.sso.begin_sign_in(
            "corporate", redirect_uri=REDIRECT, return_path="//evil.example.com"
        )
        finished = await world.here.finish(begun, world.there.approve(begun.url))
        assert finished.return_path == "/"

    async def test_nothing_that_opens_anything_is_stored(self, world: World) -> None:
        await world.active(provisions=True, default_role="viewer")
        begun = await world.here.sso.begin_sign_in("corporate", redirect_uri=REDIRECT)
        (attempt,) = world.store.draft.sso_attempts.values()
        kept = repr(attempt)
        assert world.there.approve(begun.url)["state"] not in kept
        assert begun.binding.reveal() not in kept
        assert attempt.sealed_verifier.startswith("v1.")


class TestHostileProvider:
    @pytest.mark.parametrize(("change", "reason"), LIES)
    async def test_nobody_is_signed_in_and_the_trail_says_why(
        self, world: World, change: dict[str, Any], reason: SsoFailure
    ) -> None:
        await world.active(provisions=True, default_role="viewer")
        for name, value in change.items():
            setattr(world.there, name, value)
        assert await reason_of(world.round()) == reason
        assert world.trail()[-1].reason == reason
        async with world.here.uow.begin() as tx:
            assert len(await tx.users.all()) == 1


class TestLinkAndTest:
    async def test_a_user_links_the_account_whatever_the_address(self, world: World) -> None:
        await world.active(group_roles={"developers": "developer"})
        linked = await world.link(world.here.admin)
        assert isinstance(linked, Linked)
        assert linked.user_id == world.here.admin_user.id
        again = await world.link(world.here.admin)
        assert isinstance(again, Linked)
        assert (await world.sign_in()).id == world.here.admin_user.id

    async def test_an_identity_is_not_taken_from_somebody_else(self, world: World) -> None:
        await world.active()
        await world.link(world.here.admin)
        other = a_user("other@example.com")
        await world.add(other)
        assert await reason_of(world.link(acting(other))) == SsoFailure.IDENTITY_TAKEN

    async def test_only_who_began_can_finish(self, world: World) -> None:
        provider = await world.active()
        other = a_user("other@example.com")
        await world.add(other)
        for begin, what in (
            (world.here.sso.begin_link, "corporate"),
            (world.here.sso.begin_test, provider.id),
        ):
            for by in (acting(other), None):
                begun = await begin(world.here.admin, what, redirect_uri=REDIRECT)  # pyright: ignore[reportArgumentType]
                back = world.there.approve(begun.url)
                finish = world.here.finish(begun, back, by=by)
                assert await reason_of(finish) == SsoFailure.OTHER_USER

    async def test_a_test_signs_nobody_in_and_tells_what_would_happen(self, world: World) -> None:
        provider = await world.here.draft(world.there.issuer)
        await world.here.manage.discover(world.here.admin, provider.id)
        proven = await world.proven(provider.id)
        assert proven.decision == Refused(reason=SsoFailure.NO_ACCOUNT)
        assert proven.claims.email == "jane@example.com"
        assert proven.provider.tested_at_ms == world.clock.now_ms()
        assert world.trail()[-1].action == "sso_provider.test"
        assert await reason_of(world.round()) == SsoFailure.PROVIDER_INACTIVE

    async def test_a_test_of_another_configuration_proves_nothing(self, world: World) -> None:
        provider = await world.here.draft(world.there.issuer)
        await world.here.manage.discover(world.here.admin, provider.id)
        begin = world.here.sso.begin_test
        begun = await begin(world.here.admin, provider.id, redirect_uri=REDIRECT)
        back = world.there.approve(begun.url)
        change = SsoChange(client_id="another")
        await world.here.manage.edit(world.here.admin, provider.id, change)
        await world.here.manage.discover(world.here.admin, provider.id)
        finish = world.here.finish(begun, back, by=world.here.admin)
        assert await reason_of(finish) == SsoFailure.CONFIGURATION_CHANGED
        stored = await world.here.manage.find(world.here.admin, provider.id)
        assert stored.tested_at_ms is None

    async def test_a_test_during_which_the_configuration_changes_proves_nothing(
        self, world: World
    ) -> None:
        provider = await world.here.draft(world.there.issuer)
        manage, admin = world.here.manage, world.here.admin
        await manage.discover(admin, provider.id)

        async def change() -> None:
            await manage.edit(admin, provider.id, SsoChange(client_secret=Secret("new")))
            await manage.discover(admin, provider.id)

        world.there.during_exchange = change
        assert await reason_of(world.proven(provider.id)) == SsoFailure.CONFIGURATION_CHANGED
        assert (await manage.find(admin, provider.id)).tested_at_ms is None

    async def test_a_test_needs_its_permission_and_a_link_a_user(self, world: World) -> None:
        provider = await world.active()
        viewer = Actor(kind=ActorKind.USER, id="v", name="v", rights=Rights())
        with pytest.raises(AccessDenied):
            await world.here.sso.begin_test(viewer, provider.id, redirect_uri=REDIRECT)
        with pytest.raises(AccessDenied):
            await world.here.sso.begin_link(viewer, "corporate", redirect_uri=REDIRECT)


async def test_a_provider_that_is_gone_has_no_logout(world: World) -> None:
    provider = await world.active(ends_session=True)
    leave = world.here.sso.logout_url
    url = await leave(provider.id, id_token=None, return_to="https://t/")
    assert url is not None
    assert url.startswith(world.there.issuer)
    await world.here.manage.remove(world.here.admin, provider.id)
    assert await leave(provider.id, id_token=None, return_to="https://t/") is None
