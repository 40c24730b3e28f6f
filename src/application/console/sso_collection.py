"""Identity providers as the REST API shows and takes them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import UNSET, Struct, UnsetType, field, structs

from application.identity.single_sign_on import Begun, SingleSignOn
from application.identity.sso_providers import ManageSsoProviders, SsoChange, SsoDraft
from application.instants import instant
from application.resources import Page, Versioned, check_page, page_of
from domain.access.actor import Actor
from domain.access.single_sign_on import SsoProvider, SsoState
from domain.access.sso_presets import BASIC_SCOPES, PRESETS, PresetFacts, SsoPreset, issuer_from
from domain.errors import InvalidRequest, PreconditionFailed
from domain.identifiers import SsoProviderId, UserId
from domain.secret import Secret

_REQUIRED = ("name", "preset", "issuer", "client_id")


class SsoProviderEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An identity provider to configure; what is left out comes from the preset.

    Attributes:
        issuer: null: it is made from `issuer_fields`, the fields of the preset.
        client_secret: sealed at once and never shown; null: a public client.
        group_claim: the claim with the groups; null: groups are not asked for.
        group_roles, group_teams: from a group to the name of a role or team.
        default_role: for those without a group that gives one; null: they are refused.
        provisions: whoever is unknown gets an account.
        link_by_email: whoever has an account with the same verified address gets into it.
        ends_session: signing out here signs out at the provider too.
    """

    name: str
    preset: SsoPreset = SsoPreset.CUSTOM
    issuer: str | None = None
    issuer_fields: dict[str, str] = field(default_factory=dict[str, str])
    client_id: str
    client_secret: str | None = None
    display_name: str | None = None
    scopes: tuple[str, ...] | None = None
    allowed_domains: tuple[str, ...] = ()
    group_claim: str | UnsetType | None = UNSET
    group_roles: dict[str, str] = field(default_factory=dict[str, str])
    group_teams: dict[str, str] = field(default_factory=dict[str, str])
    default_role: str | None = None
    provisions: bool = False
    link_by_email: bool = False
    ends_session: bool = False


class SsoProviderPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Changes (RFC 7396): null goes back to the default, mappings are merged group by group."""

    name: str | UnsetType | None = UNSET
    preset: SsoPreset | UnsetType | None = UNSET
    issuer: str | UnsetType | None = UNSET
    client_id: str | UnsetType | None = UNSET
    client_secret: str | UnsetType | None = UNSET
    display_name: str | UnsetType | None = UNSET
    scopes: tuple[str, ...] | UnsetType | None = UNSET
    allowed_domains: tuple[str, ...] | UnsetType | None = UNSET
    group_claim: str | UnsetType | None = UNSET
    group_roles: dict[str, str | None] | UnsetType | None = UNSET
    group_teams: dict[str, str | None] | UnsetType | None = UNSET
    default_role: str | UnsetType | None = UNSET
    provisions: bool | UnsetType | None = UNSET
    link_by_email: bool | UnsetType | None = UNSET
    ends_session: bool | UnsetType | None = UNSET


class DiscoveredView(Struct, frozen=True, kw_only=True):
    """What the provider said about itself."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    end_session_endpoint: str | None
    discovered_at: datetime


class SsoProviderView(Struct, frozen=True, kw_only=True):
    """An identity provider; of its secret only whether there is one."""

    id: str
    name: str
    display_name: str
    preset: SsoPreset
    issuer: str
    client_id: str
    has_client_secret: bool
    scopes: tuple[str, ...]
    allowed_domains: tuple[str, ...]
    group_claim: str | None
    group_roles: dict[str, str]
    group_teams: dict[str, str]
    default_role: str | None
    provisions: bool
    link_by_email: bool
    ends_session: bool
    state: SsoState
    discovered: DiscoveredView | None
    tested_at: datetime | None
    created_at: datetime


class IssuerFieldView(Struct, frozen=True, kw_only=True):
    """A part of the issuer that only the administrator knows."""

    name: str
    label: str
    example: str


class SsoPresetView(Struct, frozen=True, kw_only=True):
    """What is known about a kind of identity provider."""

    preset: SsoPreset
    display_name: str
    issuer_template: str
    issuer_fields: tuple[IssuerFieldView, ...]
    scopes: tuple[str, ...]
    group_claim: str | None
    notes: tuple[str, ...]


class SsoProviderCollection:
    """The entity tag of a provider is its revision."""

    def __init__(self, manage: ManageSsoProviders, sso: SingleSignOn) -> None:
        """Take what decides, and what begins rounds."""
        self._manage = manage
        self._sso = sso

    async def page(
        self, by: Actor, *, limit: int = 50, cursor: str | None = None
    ) -> Page[SsoProviderView]:
        """Return providers, oldest first.

        Raises:
            PermissionDenied: it needs `sso:read`.
            InvalidRequest: a parameter is out of bounds; `param` names it.
        """
        check_page(limit, cursor)
        found = sorted(await self._manage.all(by), key=lambda each: each.id)
        return page_of(found, limit=limit, cursor=cursor, key=lambda each: each.id, view=_view)

    async def find(self, by: Actor, provider_id: str) -> Versioned[SsoProviderView]:
        """Return one provider. Raises `NotFound`, or `PermissionDenied` without `sso:read`."""
        return _versioned(await self._manage.find(by, SsoProviderId(provider_id)))

    async def create(self, by: Actor, entry: SsoProviderEntry) -> Versioned[SsoProviderView]:
        """Store a draft. Raises what `ManageSsoProviders.create` raises, and `InvalidRequest`."""
        if entry.issuer is not None and entry.issuer_fields:
            raise InvalidRequest("Give 'issuer' or 'issuer_fields'.", param="issuer_fields")
        draft = SsoDraft(
            name=entry.name,
            preset=entry.preset,
            issuer=entry.issuer or issuer_from(entry.preset, entry.issuer_fields),
            client_id=entry.client_id,
            client_secret=None if entry.client_secret is None else Secret(entry.client_secret),
            display_name=entry.display_name,
            scopes=entry.scopes,
            allowed_domains=frozenset(entry.allowed_domains),
            group_claim=entry.group_claim,
            group_roles=entry.group_roles,
            group_teams=entry.group_teams,
            default_role=entry.default_role,
            provisions=entry.provisions,
            link_by_email=entry.link_by_email,
            ends_session=entry.ends_session,
        )
        return _versioned(await self._manage.create(by, draft))

    async def update(
        self, by: Actor, provider_id: str, patch: SsoProviderPatch, *, if_match: str | None = None
    ) -> Versioned[SsoProviderView]:
        """Merge into a provider. Raises what `ManageSsoProviders.edit` raises, and `InvalidRequest`.

        Without `if_match` it is still refused when somebody else changes it at the same moment.
        """
        stored = await self._manage.find(by, SsoProviderId(provider_id))
        expected = stored.revision if if_match is None else _revision(if_match)
        change = _change(stored, patch)
        return _versioned(await self._manage.edit(by, stored.id, change, expected=expected))

    async def discover(self, by: Actor, provider_id: str) -> Versioned[SsoProviderView]:
        """See `ManageSsoProviders.discover`."""
        return _versioned(await self._manage.discover(by, SsoProviderId(provider_id)))

    async def begin_test(
        self, by: Actor, provider_id: str, *, redirect_uri: str, return_path: str
    ) -> Begun:
        """See `SingleSignOn.begin_test`. Raises `NotFound` too."""
        stored = await self._manage.find(by, SsoProviderId(provider_id))
        return await self._sso.begin_test(
            by, stored.id, redirect_uri=redirect_uri, return_path=return_path
        )

    async def activate(
        self, by: Actor, provider_id: str, *, if_match: str | None = None
    ) -> Versioned[SsoProviderView]:
        """See `ManageSsoProviders.activate`."""
        expected, found = _revision(if_match), SsoProviderId(provider_id)
        return _versioned(await self._manage.activate(by, found, expected=expected))

    async def disable(
        self, by: Actor, provider_id: str, *, if_match: str | None = None
    ) -> Versioned[SsoProviderView]:
        """See `ManageSsoProviders.disable`."""
        expected, found = _revision(if_match), SsoProviderId(provider_id)
        return _versioned(await self._manage.disable(by, found, expected=expected))

    async def delete(self, by: Actor, provider_id: str, *, if_match: str | None = None) -> None:
        """See `ManageSsoProviders.remove`."""
        found = SsoProviderId(provider_id)
        await self._manage.remove(by, found, expected=_revision(if_match))

    async def unlink(self, by: Actor, provider_id: str, user_id: str) -> None:
        """See `ManageSsoProviders.unlink`."""
        await self._manage.unlink(by, SsoProviderId(provider_id), UserId(user_id))


def sso_presets() -> tuple[SsoPresetView, ...]:
    """Return everything that is known about widespread providers."""
    return tuple(_preset(facts) for facts in PRESETS.values())


def _revision(if_match: str | None) -> int | None:
    """Return the revision of an entity tag. Raises `PreconditionFailed` for one of nothing here."""
    if if_match is None:
        return None
    digits = if_match.removeprefix('"r').removesuffix('"')
    if not digits.isdecimal() or len(digits) > 18 or if_match != _etag(int(digits)):
        raise PreconditionFailed("The identity provider was changed by somebody else.")
    return int(digits)


def _etag(revision: int) -> str:
    return f'"r{revision}"'


def _versioned(provider: SsoProvider) -> Versioned[SsoProviderView]:
    return Versioned(_view(provider), _etag(provider.revision))


def _change(stored: SsoProvider, patch: SsoProviderPatch) -> SsoChange:
    given = {name: value for name, value in structs.asdict(patch).items() if value is not UNSET}
    for name in _REQUIRED:
        if name in given and given[name] is None:
            raise InvalidRequest(f"'{name}' cannot be cleared.", param=name)
    preset = stored.preset if isinstance(patch.preset, UnsetType) else patch.preset
    facts = PRESETS[preset or stored.preset]
    defaults: dict[str, Any] = {
        "display_name": facts.display_name,
        "scopes": facts.scopes or BASIC_SCOPES,
        "allowed_domains": (),
        "provisions": False,
        "link_by_email": False,
        "ends_session": False,
    }
    fields: dict[str, Any] = {
        name: defaults[name] if value is None and name in defaults else value
        for name, value in given.items()
    }
    if "allowed_domains" in fields:
        fields["allowed_domains"] = frozenset(fields["allowed_domains"])
    if isinstance(patch.client_secret, str):
        fields["client_secret"] = Secret(patch.client_secret)
    if not isinstance(patch.group_roles, UnsetType):
        fields["group_roles"] = _merged(stored.group_roles, patch.group_roles)
    if not isinstance(patch.group_teams, UnsetType):
        fields["group_teams"] = _merged(stored.group_teams, patch.group_teams)
    return SsoChange(**fields)


def _merged(stored: Mapping[str, str], changes: Mapping[str, str | None] | None) -> dict[str, str]:
    if changes is None:
        return {}
    both = {**stored, **changes}
    return {group: name for group, name in both.items() if name is not None}


def _view(provider: SsoProvider) -> SsoProviderView:
    found, tested_at_ms = provider.metadata, provider.tested_at_ms
    discovered = None
    if found is not None:
        discovered = DiscoveredView(
            authorization_endpoint=found.authorization_endpoint,
            token_endpoint=found.token_endpoint,
            jwks_uri=found.jwks_uri,
            userinfo_endpoint=found.userinfo_endpoint,
            end_session_endpoint=found.end_session_endpoint,
            discovered_at=instant(found.discovered_at_ms),
        )
    return SsoProviderView(
        id=provider.id,
        name=provider.name,
        display_name=provider.display_name,
        preset=provider.preset,
        issuer=provider.issuer,
        client_id=provider.client_id,
        has_client_secret=provider.sealed_client_secret is not None,
        scopes=provider.scopes,
        allowed_domains=tuple(sorted(provider.allowed_domains)),
        group_claim=provider.group_claim,
        group_roles=dict(provider.group_roles),
        group_teams=dict(provider.group_teams),
        default_role=provider.default_role,
        provisions=provider.provisions,
        link_by_email=provider.link_by_email,
        ends_session=provider.ends_session,
        state=provider.state,
        discovered=discovered,
        tested_at=None if tested_at_ms is None else instant(tested_at_ms),
        created_at=instant(provider.created_at_ms),
    )


def _preset(facts: PresetFacts) -> SsoPresetView:
    return SsoPresetView(
        preset=facts.preset,
        display_name=facts.display_name,
        issuer_template=facts.issuer_template,
        issuer_fields=tuple(
            IssuerFieldView(name=each.name, label=each.label, example=each.example)
            for each in facts.fields
        ),
        scopes=facts.scopes,
        group_claim=facts.group_claim,
        notes=facts.notes,
    )
