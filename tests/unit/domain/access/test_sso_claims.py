"""How much of what a provider says about a person is believed."""

from typing import Any

import pytest

from domain.access.sso_claims import MOST_GROUPS, IdentityClaims, lacks, read_claims
from domain.access.sso_failures import SsoFailure
from domain.access.sso_presets import SsoPreset
from domain.errors import SingleSignOnFailed

CUSTOM, ENTRA, GOOGLE = SsoPreset.CUSTOM, SsoPreset.ENTRA_ID, SsoPreset.GOOGLE


def read(
    *sources: dict[str, Any], preset: SsoPreset = CUSTOM, group_claim: str | None = "groups"
) -> IdentityClaims:
    return read_claims("https://i", "s", sources, preset=preset, group_claim=group_claim)


@pytest.mark.parametrize(
    ("preset", "claims", "verified"),
    [
        (CUSTOM, {"email_verified": True}, True),
        (CUSTOM, {"email_verified": "true"}, True),
        (CUSTOM, {"email_verified": False}, False),
        (CUSTOM, {"email_verified": "false"}, False),
        (CUSTOM, {"email_verified": "True "}, False),
        (CUSTOM, {"email_verified": 1}, False),
        (CUSTOM, {"email_verified": [True]}, False),
        (CUSTOM, {"email_verified": None}, False),
        (CUSTOM, {}, False),
        (CUSTOM, {"xms_edov": True}, False),
        (ENTRA, {"xms_edov": True}, True),
        (ENTRA, {"xms_edov": "1"}, True),
        (ENTRA, {"xms_edov": 1}, True),
        (ENTRA, {"xms_edov": 0}, False),
        (ENTRA, {"xms_edov": True, "email_verified": False}, False),
        (ENTRA, {}, False),
        (GOOGLE, {"email_verified": True, "hd": "example.com"}, True),
        (GOOGLE, {"email_verified": False, "hd": "example.com"}, False),
        (GOOGLE, {"email_verified": True}, False),
    ],
)
def test_an_address_is_verified_when_the_provider_says_exactly_so(
    preset: SsoPreset, claims: dict[str, Any], verified: bool
) -> None:
    found = read({"email": "a@example.com", **claims}, preset=preset)
    assert found.email_verified is verified


def test_google_is_believed_about_its_own_addresses() -> None:
    claims = {"email": "a@gmail.com", "email_verified": True}
    assert read(claims, preset=GOOGLE).email_verified


@pytest.mark.parametrize("email", [None, 7, "", "nobody", "a@b@c", "a b@example.com"])
def test_what_is_no_address_is_none_and_not_verified(email: object) -> None:
    found = read({"email": email, "email_verified": True})
    assert (found.email, found.email_verified, found.domain) == (None, False, None)


def test_an_address_is_normalised() -> None:
    found = read({"email": " Jane@EXAMPLE.com "})
    assert (found.email, found.domain) == ("jane@example.com", "example.com")


def test_address_and_verification_come_from_one_source() -> None:
    token: dict[str, Any] = {"email": "boss@example.com"}
    assert not read(token, {"email_verified": True}).email_verified
    assert read(token, {"email": "me@example.com", "email_verified": True}).email == (
        "me@example.com"
    )
    verified = {"email": "me@example.com", "email_verified": True}
    assert read(verified, {**token, "email_verified": True}).email == "me@example.com"


@pytest.mark.parametrize(
    ("claims", "claim", "groups"),
    [
        ({"groups": ["a", "b", 7, None]}, "groups", {"a", "b"}),
        ({"groups": "a"}, "groups", {"a"}),
        ({"groups": []}, "groups", set[str]()),
        ({"groups": 7}, "groups", set[str]()),
        ({}, "groups", set[str]()),
        ({"groups": ["a"]}, None, set[str]()),
        ({"realm_access": {"roles": ["a"]}}, "realm_access.roles", {"a"}),
        ({"a.b": ["exact"], "a": {"b": ["nested"]}}, "a.b", {"exact"}),
        ({"a": "text"}, "a.b", set[str]()),
        ({"urn:x:roles": {"admin": {"1": "acme"}}}, "urn:x:roles", {"admin"}),
    ],
)
def test_groups_are_read_in_every_known_shape(
    claims: dict[str, Any], claim: str | None, groups: set[str]
) -> None:
    assert read(claims, group_claim=claim).groups == groups


def test_groups_of_userinfo_count_where_the_token_has_none() -> None:
    assert read({}, {"groups": ["b"]}).groups == {"b"}
    assert read({"groups": ["a"]}, {"groups": ["b"]}).groups == {"a"}


@pytest.mark.parametrize(
    "claims",
    [
        {"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://g"}}},
        {"groups": [str(number) for number in range(MOST_GROUPS + 1)]},
    ],
)
def test_groups_that_were_left_out_are_not_taken_for_none(claims: dict[str, Any]) -> None:
    with pytest.raises(SingleSignOnFailed) as refused:
        read(claims)
    assert refused.value.reason == SsoFailure.GROUPS_NOT_SENT


def test_a_name_is_made_printable() -> None:
    assert read({"name": " Jane\x00\n Doe "}).name == "Jane Doe"
    assert read({"name": "", "preferred_username": "jane"}).name == "jane"
    assert read({"name": 7}).name == ""


@pytest.mark.parametrize(
    ("claims", "preset", "claim", "open_question"),
    [
        ({"email": "a", "email_verified": True, "groups": []}, CUSTOM, "groups", False),
        ({"email": "a", "email_verified": True}, CUSTOM, None, False),
        ({"email": "a", "email_verified": True}, CUSTOM, "groups", True),
        ({"email": "a"}, CUSTOM, None, True),
        ({"email_verified": True}, CUSTOM, None, True),
        ({"email": "a", "xms_edov": True}, ENTRA, None, False),
    ],
)
def test_userinfo_is_wanted_only_when_the_token_leaves_something_open(
    claims: dict[str, Any], preset: SsoPreset, claim: str | None, open_question: bool
) -> None:
    assert lacks(claims, preset=preset, group_claim=claim) is open_question
