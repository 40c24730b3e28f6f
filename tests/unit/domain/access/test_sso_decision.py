"""Who gets into which account, as whom, and who gets into none."""

from itertools import permutations
from typing import Any

import pytest
from msgspec.structs import replace

from domain.access.accounts import Role, UserState
from domain.access.single_sign_on import SsoProvider
from domain.access.sso_claims import IdentityClaims
from domain.access.sso_decision import (
    Decision,
    KnownUser,
    LinkTo,
    Provision,
    Refused,
    SignInExisting,
    Standing,
    decide,
    decide_link,
    ranking,
    role_from,
    teams_from,
)
from domain.access.sso_failures import SsoFailure
from domain.identifiers import UserId
from tests.support.single_sign_on import ISSUER, an_active_provider

ROLES = ranking(["auditor"])
JANE = IdentityClaims(
    issuer=ISSUER,
    subject="1234",
    email="jane@example.com",
    email_verified=True,
    name="Jane",
    groups=frozenset({"dev"}),
)
KNOWN = KnownUser(id=UserId("known"), state=UserState.ACTIVE)
HELD = replace(KNOWN, linked=True)
OFF = replace(KNOWN, state=UserState.DEACTIVATED)
MAPPED: dict[str, Any] = {
    "group_claim": "groups",
    "group_roles": {"dev": "developer", "ops": "admin", "gone": "no_such_role"},
    "group_teams": {"dev": "core", "qa": "core", "ops": "platform", "old": "legacy"},
}


def open_provider(**more: Any) -> SsoProvider:
    return an_active_provider(
        **{"provisions": True, "link_by_email": True, "default_role": "viewer", **more}
    )


def decided(
    provider: SsoProvider,
    claims: IdentityClaims = JANE,
    *,
    linked: KnownUser | None = None,
    same_email: KnownUser | None = None,
) -> Decision:
    return decide(provider, claims, linked=linked, same_email=same_email, roles=ROLES)


def refusal(decision: Decision) -> SsoFailure:
    assert isinstance(decision, Refused)
    return decision.reason


class TestRoles:
    def test_the_highest_role_wins_in_whatever_order_groups_are_mapped(self) -> None:
        pairs = [("a", "viewer"), ("b", "admin"), ("c", "auditor"), ("d", "nobody knows")]
        for order in permutations(pairs):
            provider = open_provider(group_claim="groups", group_roles=dict(order))
            assert role_from(provider, frozenset("abcd"), ROLES) == "admin"
            assert role_from(provider, frozenset("acd"), ROLES) == "auditor"
            assert role_from(provider, frozenset("ad"), ROLES) == "viewer"

    def test_roles_that_are_not_there_are_ignored(self) -> None:
        provider = open_provider(group_claim="groups", group_roles={"a": "gone"})
        assert role_from(provider, frozenset("a"), ROLES) == "viewer"
        assert role_from(replace(provider, default_role="gone"), frozenset("a"), ROLES) is None

    def test_groups_are_compared_exactly(self) -> None:
        provider = open_provider(group_claim="groups", group_roles={"Ops": "admin"})
        assert role_from(provider, frozenset({"ops", "Ops ", "OPS"}), ROLES) == "viewer"

    def test_every_built_in_role_has_a_rank(self) -> None:
        assert set(ranking([])) == {role.value for role in Role}
        assert ranking(["b", "a"])[3:5] == ("a", "b")


class TestTeams:
    def test_teams_of_groups_are_joined_and_others_of_the_mapping_left(self) -> None:
        provider = open_provider(**MAPPED)
        assert teams_from(provider, frozenset({"dev"})) == ({"core"}, {"platform", "legacy"})
        assert teams_from(provider, frozenset({"qa", "ops"})) == ({"core", "platform"}, {"legacy"})
        assert teams_from(provider, frozenset()) == (set(), {"core", "platform", "legacy"})


class TestTheKnown:
    def test_the_identity_decides_and_not_the_address(self) -> None:
        other = replace(KNOWN, id=UserId("other"))
        moved = replace(JANE, email="other@example.com", email_verified=False)
        for claims in (JANE, moved, replace(JANE, email=None, email_verified=False)):
            decision = decided(open_provider(), claims, linked=HELD, same_email=other)
            assert decision == SignInExisting(user_id=HELD.id, standing=Standing())

    def test_groups_decide_about_the_role_where_they_are_mapped(self) -> None:
        decision = decided(open_provider(**MAPPED), linked=HELD)
        assert decision == SignInExisting(
            user_id=HELD.id,
            standing=Standing(
                role="developer",
                join=frozenset({"core"}),
                leave=frozenset({"platform", "legacy"}),
            ),
        )

    def test_who_has_lost_every_group_gets_the_default_role_or_nothing(self) -> None:
        left = replace(JANE, groups=frozenset[str]())
        provider = open_provider(**MAPPED)
        decision = decided(provider, left, linked=HELD)
        assert isinstance(decision, SignInExisting)
        assert decision.standing.role == "viewer"
        strict = replace(provider, default_role=None)
        assert refusal(decided(strict, left, linked=HELD)) is SsoFailure.NO_ROLE

    def test_who_is_not_active_stays_outside(self) -> None:
        assert refusal(decided(open_provider(), linked=OFF)) is SsoFailure.USER_INACTIVE


class TestDomains:
    @pytest.mark.parametrize("linked", [None, HELD])
    def test_another_domain_is_refused_also_of_the_known(self, linked: KnownUser | None) -> None:
        provider = open_provider(allowed_domains=frozenset({"example.com", "example.org"}))
        assert not isinstance(decided(provider, linked=linked), Refused)
        for email in ("jane@evil.com", "jane@sub.example.com", "jane@example.com.evil.com"):
            claims = replace(JANE, email=email)
            assert refusal(decided(provider, claims, linked=linked)) is (
                SsoFailure.DOMAIN_NOT_ALLOWED
            )

    @pytest.mark.parametrize("linked", [None, HELD])
    def test_a_domain_is_judged_by_a_verified_address(self, linked: KnownUser | None) -> None:
        provider = open_provider(allowed_domains=frozenset({"example.com"}))
        unverified = replace(JANE, email_verified=False)
        assert refusal(decided(provider, unverified, linked=linked)) is (
            SsoFailure.EMAIL_NOT_VERIFIED
        )
        nothing = replace(JANE, email=None, email_verified=False)
        assert refusal(decided(provider, nothing, linked=linked)) is SsoFailure.EMAIL_MISSING


class TestLinking:
    def test_the_same_verified_address_finds_the_account(self) -> None:
        decision = decided(open_provider(), same_email=KNOWN)
        assert decision == LinkTo(user_id=KNOWN.id, standing=Standing())

    @pytest.mark.parametrize(
        ("provider", "claims", "user", "reason"),
        [
            (open_provider(link_by_email=False), JANE, KNOWN, SsoFailure.ACCOUNT_EXISTS),
            (open_provider(), replace(JANE, email_verified=False), KNOWN, "email_not_verified"),
            (open_provider(), JANE, HELD, SsoFailure.LINKED_OTHERWISE),
            (open_provider(), JANE, OFF, SsoFailure.USER_INACTIVE),
            (
                open_provider(**{**MAPPED, "default_role": None}),
                replace(JANE, groups=frozenset[str]()),
                KNOWN,
                SsoFailure.NO_ROLE,
            ),
        ],
    )
    def test_it_is_refused_when_in_doubt(
        self, provider: SsoProvider, claims: IdentityClaims, user: KnownUser, reason: str
    ) -> None:
        assert refusal(decided(provider, claims, same_email=user)) == reason


class TestProvisioning:
    def test_the_unknown_get_an_account_with_what_their_groups_give(self) -> None:
        assert decided(open_provider(**MAPPED)) == Provision(
            email="jane@example.com",
            name="Jane",
            standing=Standing(
                role="developer",
                join=frozenset({"core"}),
                leave=frozenset({"platform", "legacy"}),
            ),
        )
        plain = decided(open_provider())
        assert isinstance(plain, Provision)
        assert plain.standing.role == "viewer"

    @pytest.mark.parametrize(
        ("provider", "claims", "reason"),
        [
            (open_provider(provisions=False), JANE, SsoFailure.NO_ACCOUNT),
            (open_provider(default_role=None), JANE, SsoFailure.NO_ROLE),
            (open_provider(), replace(JANE, email_verified=False), SsoFailure.EMAIL_NOT_VERIFIED),
            (open_provider(), replace(JANE, email=None), SsoFailure.EMAIL_MISSING),
        ],
    )
    def test_nobody_is_made_who_should_not_be(
        self, provider: SsoProvider, claims: IdentityClaims, reason: SsoFailure
    ) -> None:
        assert refusal(decided(provider, claims)) is reason


class TestLinkingOnPurpose:
    def _decided(
        self, claims: IdentityClaims = JANE, *, actor: KnownUser, linked: KnownUser | None = None
    ) -> Decision:
        return decide_link(open_provider(**MAPPED), claims, actor=actor, linked=linked)

    def test_a_user_links_an_identity_and_keeps_the_role(self) -> None:
        linked = LinkTo(user_id=KNOWN.id, standing=Standing())
        assert self._decided(actor=KNOWN) == linked
        assert self._decided(replace(JANE, email="other@e.com"), actor=KNOWN) == linked
        assert self._decided(actor=HELD, linked=HELD) == linked

    def test_it_is_refused_when_in_doubt(self) -> None:
        other = replace(HELD, id=UserId("other"))
        assert refusal(self._decided(actor=KNOWN, linked=other)) is SsoFailure.IDENTITY_TAKEN
        assert refusal(self._decided(actor=HELD)) is SsoFailure.LINKED_OTHERWISE
        assert refusal(self._decided(actor=OFF)) is SsoFailure.USER_INACTIVE
        unverified = replace(JANE, email_verified=False)
        assert refusal(self._decided(unverified, actor=KNOWN)) is SsoFailure.EMAIL_NOT_VERIFIED
