"""What is known about widespread identity providers, so that an administrator fills in little.

A preset only suggests values for a draft; the one rule that stays with the provider is how it says
that an e-mail address is verified (`domain.access.sso_claims`).
"""

import re
from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct

from domain.errors import InvalidRequest

BASIC_SCOPES = ("openid", "profile", "email")
_DOMAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?(?::[0-9]{1,5})?")
_SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class SsoPreset(StrEnum):
    """Kinds of identity providers; `custom` is any other that speaks OpenID Connect."""

    ZITADEL = "zitadel"
    OKTA = "okta"
    ENTRA_ID = "entra_id"
    KEYCLOAK = "keycloak"
    GOOGLE = "google"
    CUSTOM = "custom"


class IssuerField(Struct, frozen=True, kw_only=True):
    """A part of the issuer that only the administrator knows.

    Attributes:
        is_domain: a host name, possibly with a port; otherwise one segment of a path.
    """

    name: str
    label: str
    example: str
    is_domain: bool = False


class PresetFacts(Struct, frozen=True, kw_only=True):
    """What a preset suggests.

    Attributes:
        issuer_template: the issuer with `{name}` for each of `fields`.
        group_claim: the claim with the groups; None when the provider sends none.
        notes: what has to be set at the provider, one sentence each.
    """

    preset: SsoPreset
    display_name: str
    issuer_template: str
    fields: tuple[IssuerField, ...]
    scopes: tuple[str, ...] = BASIC_SCOPES
    group_claim: str | None
    notes: tuple[str, ...]


def _domain(name: str, label: str, example: str) -> IssuerField:
    return IssuerField(name=name, label=label, example=example, is_domain=True)


_FACTS = (
    PresetFacts(
        preset=SsoPreset.ZITADEL,
        display_name="Zitadel",
        issuer_template="https://{domain}",
        fields=(_domain("domain", "Domain of the instance", "acme-a1b2c3.zitadel.cloud"),),
        group_claim="urn:zitadel:iam:org:project:roles",
        notes=(
            "Create a web application with the method 'Code' and register the redirect address.",
            (
                "Switch on 'Assert Roles on Authentication' in the project, so that roles are sent; "
                "their keys are what is mapped here."
            ),
        ),
    ),
    PresetFacts(
        preset=SsoPreset.OKTA,
        display_name="Okta",
        issuer_template="https://{domain}",
        fields=(_domain("domain", "Okta domain", "acme.okta.com"),),
        scopes=(*BASIC_SCOPES, "groups"),
        group_claim="groups",
        notes=(
            "Create an 'OIDC web application' with the authorization code grant.",
            "Set the groups claim of the application to a filter that matches the groups to map.",
            "With a custom authorization server the issuer ends in '/oauth2/' and its id.",
        ),
    ),
    PresetFacts(
        preset=SsoPreset.ENTRA_ID,
        display_name="Microsoft Entra ID",
        issuer_template="https://login.microsoftonline.com/{tenant_id}/v2.0",
        fields=(
            IssuerField(
                name="tenant_id",
                label="Directory (tenant) ID",
                example="00000000-0000-0000-0000-000000000000",
            ),
        ),
        group_claim="groups",
        notes=(
            (
                "Add the optional claims 'email' and 'xms_edov' to the ID token: Entra ID says with "
                "the latter whether an address is verified."
            ),
            (
                "Add the groups claim; groups come as object ids, and not at all to members of more "
                "than 200 groups unless it is limited to groups assigned to the application."
            ),
            "App roles can be mapped instead: then the group claim is 'roles'.",
        ),
    ),
    PresetFacts(
        preset=SsoPreset.KEYCLOAK,
        display_name="Keycloak",
        issuer_template="https://{domain}/realms/{realm}",
        fields=(
            _domain("domain", "Host name", "login.example.com"),
            IssuerField(name="realm", label="Realm", example="acme"),
        ),
        group_claim="groups",
        notes=(
            "Create a confidential client with the standard flow and register the redirect address.",
            (
                "Add a 'Group Membership' mapper named 'groups' without full paths to the client's "
                "scope; realm roles can be mapped with the group claim 'realm_access.roles'."
            ),
        ),
    ),
    PresetFacts(
        preset=SsoPreset.GOOGLE,
        display_name="Google",
        issuer_template="https://accounts.google.com",
        fields=(),
        group_claim=None,
        notes=(
            "Create an OAuth client of the type 'Web application' and register the redirect address.",
            "Google sends no groups: set a default role, and the allowed domains.",
            "An address counts as verified only if Google itself is its mail host.",
        ),
    ),
    PresetFacts(
        preset=SsoPreset.CUSTOM,
        display_name="OpenID Connect",
        issuer_template="",
        fields=(),
        group_claim="groups",
        notes=("Any provider with OpenID Connect Discovery, the code flow and PKCE.",),
    ),
)
PRESETS: Mapping[SsoPreset, PresetFacts] = {facts.preset: facts for facts in _FACTS}


def issuer_from(preset: SsoPreset, values: Mapping[str, str]) -> str:
    """Return the issuer of a preset with its fields filled in.

    Raises:
        InvalidRequest: a field is missing, unknown or malformed; `param` names it.
    """
    facts = PRESETS[preset]
    if not facts.issuer_template:
        raise InvalidRequest("This preset has no issuer; give it in full.", param="issuer")
    known = {field.name: field for field in facts.fields}
    for name in values:
        if name not in known:
            raise InvalidRequest(f"This preset has no field '{name}'.", param=name)
    issuer = facts.issuer_template
    for name, field in known.items():
        value = values.get(name, "").strip()
        if not (_DOMAIN if field.is_domain else _SEGMENT).fullmatch(value):
            raise InvalidRequest(f"{field.label}: expected e.g. '{field.example}'.", param=name)
        issuer = issuer.replace(f"{{{name}}}", value.lower() if field.is_domain else value)
    return issuer
