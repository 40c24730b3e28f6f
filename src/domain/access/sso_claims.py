"""What an identity provider says about a person, and how much of it is to be believed."""

from collections.abc import Mapping, Sequence
from typing import cast

from msgspec import Struct

from domain.access.accounts import normal_email
from domain.access.sso_failures import SsoFailure, sso_failed
from domain.access.sso_presets import SsoPreset

MOST_GROUPS = 2000
LONGEST_SUBJECT = 255  # OpenID Connect Core 2: at most 255 ASCII characters
_LONGEST_NAME = 200
_VERIFIED = "email_verified"
# Entra ID sends no `email_verified`; this optional claim tells that the domain's owner is verified:
# https://learn.microsoft.com/en-us/entra/identity-platform/optional-claims-reference
_ENTRA_VERIFIED = "xms_edov"

Claims = Mapping[str, object]


class IdentityClaims(Struct, frozen=True, kw_only=True):
    """A person as the provider describes them, from an ID token that was verified.

    Attributes:
        issuer, subject: together the identity; both case-sensitive, never changed.
        email: normalised; None when the provider sent none, or nothing that is an address.
        email_verified: the address belongs to the person, as far as the provider can tell.
        groups: names or ids of groups, exactly as sent.
    """

    issuer: str
    subject: str
    email: str | None = None
    email_verified: bool = False
    name: str = ""
    groups: frozenset[str] = frozenset()

    @property
    def domain(self) -> str | None:
        """The domain of the address."""
        return None if self.email is None else self.email.rpartition("@")[2]


def lacks(id_token: Claims, *, preset: SsoPreset, group_claim: str | None) -> bool:
    """Tell whether the ID token leaves something open that the userinfo endpoint may know."""
    return (
        "email" not in id_token
        or _verified_claim(preset, id_token) not in id_token
        or (group_claim is not None and _find(id_token, group_claim) is None)
    )


def read_claims(
    issuer: str,
    subject: str,
    sources: Sequence[Claims],
    *,
    preset: SsoPreset,
    group_claim: str | None,
) -> IdentityClaims:
    """Return what `sources` (the ID token, then userinfo if it was asked) say about the subject.

    Address and verification are taken from one source, so that nobody can combine them.

    Raises:
        SingleSignOnFailed: the provider left out the groups because there are too many.
    """
    with_email = [each for each in sources if isinstance(each.get("email"), str)]
    telling = [each for each in with_email if _verified_claim(preset, each) in each]
    nothing: Claims = {}
    contact = next(iter((*telling, *with_email)), nothing)
    email = _email(contact.get("email"))
    names = (each.get(key) for each in sources for key in ("name", "preferred_username"))
    name = next((text for text in names if isinstance(text, str) and text.strip()), "")
    return IdentityClaims(
        issuer=issuer,
        subject=subject,
        email=email,
        email_verified=email is not None and _is_verified(preset, email, contact),
        name="".join(each for each in name if each.isprintable()).strip()[:_LONGEST_NAME],
        groups=_groups(sources, group_claim) if group_claim else frozenset(),
    )


def _email(value: object) -> str | None:
    try:
        return normal_email(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _verified_claim(preset: SsoPreset, claims: Claims) -> str:
    if preset is SsoPreset.ENTRA_ID and _VERIFIED not in claims:
        return _ENTRA_VERIFIED
    return _VERIFIED


def _is_verified(preset: SsoPreset, email: str, claims: Claims) -> bool:
    claim = _verified_claim(preset, claims)
    value = claims.get(claim)
    # Some providers send booleans as strings, and Entra ID has been seen to send this one as 1.
    said = value is True or value == "true"
    if claim == _ENTRA_VERIFIED:
        said = said or value == "1" or (type(value) is int and value == 1)
    if preset is SsoPreset.GOOGLE:
        # Without `hd` the address was verified once, and may belong to somebody else by now:
        # https://developers.google.com/identity/gsi/web/guides/verify-google-id-token
        return said and (email.endswith("@gmail.com") or bool(claims.get("hd")))
    return said


def _find(claims: Claims, name: str) -> object:
    """Return a claim by its name, or by a path with dots, as Keycloak nests its roles."""
    if name in claims:
        return claims[name]
    found: object = claims
    for part in name.split("."):
        if not isinstance(found, dict):
            return None
        found = cast("Claims", found).get(part)
    return found


def _groups(sources: Sequence[Claims], claim: str) -> frozenset[str]:
    for source in sources:
        value = _find(source, claim)
        if value is None:
            continue
        if isinstance(value, str):
            return frozenset({value})
        if isinstance(value, Mapping):  # Zitadel: roles are the members of an object
            value = list(cast("Claims", value))
        if isinstance(value, list):
            items = cast("list[object]", value)
            if len(items) > MOST_GROUPS:
                raise sso_failed(SsoFailure.GROUPS_NOT_SENT, f"more than {MOST_GROUPS} groups")
            return frozenset(each for each in items if isinstance(each, str))
    # OpenID Connect Core 5.6.2: the claim is to be had elsewhere; Entra ID does so above a bound.
    if any(_is_distributed(source, claim) for source in sources):
        raise sso_failed(SsoFailure.GROUPS_NOT_SENT, f"'{claim}' is a distributed claim")
    return frozenset()


def _is_distributed(claims: Claims, name: str) -> bool:
    elsewhere = claims.get("_claim_names")
    return isinstance(elsewhere, Mapping) and name in elsewhere
