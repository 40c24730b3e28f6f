"""Configuring identity providers: draft, discovery, test, activation (console.md section 2)."""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import UNSET, Struct, UnsetType, structs

from application.identity.rights import require_no_more_than
from application.ports.clock import Clock, IdGenerator
from application.ports.secrets import SecretCipher
from application.ports.single_sign_on import OpenIdConnect
from application.ports.unit_of_work import Transaction, UnitOfWork
from domain.access.accounts import User
from domain.access.actor import Actor
from domain.access.permissions import Permission
from domain.access.rights import UNLIMITED
from domain.access.roles import BUILT_IN, gateway_access, rights_of
from domain.access.single_sign_on import (
    SsoProvider,
    activated,
    disabled,
    discovered,
    edited,
    provider_faults,
)
from domain.access.sso_presets import BASIC_SCOPES, PRESETS, SsoPreset
from domain.errors import (
    BeyondOwnRights,
    Conflict,
    InvalidRequest,
    NotFound,
    PreconditionFailed,
    ValidationFailed,
)
from domain.identifiers import SsoProviderId, UserId
from domain.records.audit import AuditTarget
from domain.secret import Secret

_MISSING = "There is no such identity provider."


class SsoDraft(Struct, frozen=True, kw_only=True):
    """A provider to configure; what is None comes from the preset."""

    name: str
    preset: SsoPreset
    issuer: str
    client_id: str
    client_secret: Secret | None = None
    display_name: str | None = None
    scopes: tuple[str, ...] | None = None
    allowed_domains: frozenset[str] = frozenset()
    group_claim: str | UnsetType | None = UNSET
    group_roles: Mapping[str, str] = {}
    group_teams: Mapping[str, str] = {}
    default_role: str | None = None
    provisions: bool = False
    link_by_email: bool = False
    ends_session: bool = False


class SsoChange(Struct, frozen=True, kw_only=True):
    """What to change of a provider; what is unset stays. A secret of None makes a public client."""

    name: str | UnsetType = UNSET
    preset: SsoPreset | UnsetType = UNSET
    issuer: str | UnsetType = UNSET
    client_id: str | UnsetType = UNSET
    client_secret: Secret | UnsetType | None = UNSET
    display_name: str | UnsetType = UNSET
    scopes: tuple[str, ...] | UnsetType = UNSET
    allowed_domains: frozenset[str] | UnsetType = UNSET
    group_claim: str | UnsetType | None = UNSET
    group_roles: Mapping[str, str] | UnsetType = UNSET
    group_teams: Mapping[str, str] | UnsetType = UNSET
    default_role: str | UnsetType | None = UNSET
    provisions: bool | UnsetType = UNSET
    link_by_email: bool | UnsetType = UNSET
    ends_session: bool | UnsetType = UNSET


class ManageSsoProviders:
    """Every method needs `sso:read` or `sso:write`.

    With `expected` a method raises `PreconditionFailed` unless it is the provider's revision.
    """

    def __init__(
        self,
        uow: UnitOfWork,
        oidc: OpenIdConnect,
        cipher: SecretCipher,
        clock: Clock,
        ids: IdGenerator,
    ) -> None:
        """Take the ports."""
        self._uow = uow
        self._oidc = oidc
        self._cipher = cipher
        self._clock = clock
        self._ids = ids

    async def all(self, by: Actor) -> Sequence[SsoProvider]:
        """Return all providers, oldest first."""
        by.require(Permission.SSO_READ)
        async with self._uow.begin() as tx:
            return await tx.sso_providers.all()

    async def find(self, by: Actor, provider_id: SsoProviderId) -> SsoProvider:
        """Return one provider. Raises `NotFound`."""
        by.require(Permission.SSO_READ)
        async with self._uow.begin() as tx:
            return await _existing(tx, provider_id)

    async def create(self, by: Actor, draft: SsoDraft) -> SsoProvider:
        """Store a draft.

        Raises:
            ValidationFailed: something in it cannot be; one line for each fault.
            BeyondOwnRights: it would give a role that the actor may not give, or link accounts
                by their addresses, which may be those of super admins.
            Conflict: the name is taken.
        """
        by.require(Permission.SSO_WRITE)
        facts = PRESETS[draft.preset]
        provider_id = SsoProviderId(self._ids.new_id())
        provider = SsoProvider(
            id=provider_id,
            name=draft.name,
            display_name=draft.display_name or facts.display_name,
            preset=draft.preset,
            issuer=draft.issuer,
            client_id=draft.client_id,
            sealed_client_secret=self._sealed(draft.client_secret, provider_id),
            scopes=draft.scopes or facts.scopes or BASIC_SCOPES,
            allowed_domains=_lower(draft.allowed_domains),
            group_claim=facts.group_claim if draft.group_claim is UNSET else draft.group_claim,
            group_roles=dict(draft.group_roles),
            group_teams=dict(draft.group_teams),
            default_role=draft.default_role,
            provisions=draft.provisions,
            link_by_email=draft.link_by_email,
            ends_session=draft.ends_session,
            created_at_ms=self._clock.now_ms(),
        )
        async with self._uow.begin() as tx:
            await _check(tx, by, provider, before=None)
            await tx.sso_providers.add(provider)
            tx.audit.record(by, "sso_provider.create", sso_target(provider), after=provider)
            await tx.commit()
        return provider

    async def edit(
        self,
        by: Actor,
        provider_id: SsoProviderId,
        change: SsoChange,
        *,
        expected: int | None = None,
    ) -> SsoProvider:
        """Change a provider; with another issuer, client id or secret it is a draft again.

        Raises:
            ValidationFailed, BeyondOwnRights, Conflict: as `create`.
            NotFound, PreconditionFailed: it is not there, or not in this revision.
        """
        by.require(Permission.SSO_WRITE)
        fields = {
            name: value for name, value in structs.asdict(change).items() if value is not UNSET
        }
        async with self._uow.begin() as tx:
            stored = await _existing(tx, provider_id, expected)
            if "client_secret" in fields:
                secret = fields.pop("client_secret")
                fields["sealed_client_secret"] = self._resealed(secret, stored)
            if "allowed_domains" in fields:
                fields["allowed_domains"] = _lower(fields["allowed_domains"])
            changed = edited(stored, structs.replace(stored, **fields))
            await _check(tx, by, changed, before=stored)
            return await _update(tx, by, "sso_provider.update", stored, changed)

    async def discover(self, by: Actor, provider_id: SsoProviderId) -> SsoProvider:
        """Ask the provider about itself and store what it says.

        Raises:
            NotFound: it is not there.
            SingleSignOnFailed: what it says is not good enough.
            Conflict: the connection was changed meanwhile.
        """
        by.require(Permission.SSO_WRITE)
        async with self._uow.begin() as tx:
            asked = await _existing(tx, provider_id)
        metadata = await self._oidc.discover(asked.issuer)
        async with self._uow.begin() as tx:
            stored = await _existing(tx, provider_id)
            if stored.connection != asked.connection:
                raise Conflict("The identity provider was changed meanwhile; discover it again.")
            changed = discovered(stored, metadata)
            return await _update(tx, by, "sso_provider.discover", stored, changed)

    async def activate(
        self, by: Actor, provider_id: SsoProviderId, *, expected: int | None = None
    ) -> SsoProvider:
        """Let people sign in through the provider.

        Raises:
            NotFound, PreconditionFailed: it is not there, or not in this revision.
            Conflict: the present connection was not discovered and tested.
        """
        by.require(Permission.SSO_WRITE)
        async with self._uow.begin() as tx:
            stored = await _existing(tx, provider_id, expected)
            await _check(tx, by, stored, before=None)
            return await _update(tx, by, "sso_provider.activate", stored, activated(stored))

    async def disable(
        self, by: Actor, provider_id: SsoProviderId, *, expected: int | None = None
    ) -> SsoProvider:
        """Let nobody sign in through the provider any more, from now on.

        Raises:
            NotFound, PreconditionFailed: it is not there, or not in this revision.
        """
        by.require(Permission.SSO_WRITE)
        async with self._uow.begin() as tx:
            stored = await _existing(tx, provider_id, expected)
            return await _update(tx, by, "sso_provider.disable", stored, disabled(stored))

    async def remove(
        self, by: Actor, provider_id: SsoProviderId, *, expected: int | None = None
    ) -> None:
        """Remove the provider and every link to it; accounts stay.

        Raises:
            NotFound, PreconditionFailed: it is not there, or not in this revision.
        """
        by.require(Permission.SSO_WRITE)
        async with self._uow.begin() as tx:
            stored = await _existing(tx, provider_id, expected)
            await tx.sso_providers.remove(provider_id)
            tx.audit.record(by, "sso_provider.delete", sso_target(stored), before=stored)
            await tx.commit()

    async def unlink(self, by: Actor, provider_id: SsoProviderId, user_id: UserId) -> None:
        """Remove a user's link to the provider. Raises `NotFound`."""
        by.require(Permission.SSO_WRITE)
        async with self._uow.begin() as tx:
            stored = await _existing(tx, provider_id)
            await tx.sso_identities.remove(provider_id, user_id)
            before = {"user_id": user_id}
            tx.audit.record(by, "sso_identity.delete", sso_target(stored), before=before)
            await tx.commit()

    def _sealed(self, secret: Secret | None, provider_id: SsoProviderId) -> str | None:
        if secret is None:
            return None
        if not secret.reveal():
            raise InvalidRequest("The client secret is empty.", param="client_secret")
        return self._cipher.seal(secret, context=client_secret_context(provider_id))

    def _resealed(self, secret: Secret | None, stored: SsoProvider) -> str | None:
        """Return the stored envelope when it holds this secret: then nothing has changed."""
        if secret is not None and stored.sealed_client_secret is not None:
            context = client_secret_context(stored.id)
            try:
                if self._cipher.open(stored.sealed_client_secret, context=context) == secret:
                    return stored.sealed_client_secret
            except InvalidRequest:
                pass  # it cannot be opened any more: all the more reason to take the new one
        return self._sealed(secret, stored.id)


def client_secret_context(provider_id: SsoProviderId) -> str:
    """Return what the envelope of a client secret is bound to."""
    return f"sso-provider:{provider_id}"


def sso_target(provider: SsoProvider) -> AuditTarget:
    """Return how the audit trail names a provider."""
    return AuditTarget(kind="sso_provider", id=provider.id, name=provider.name)


async def _existing(
    tx: Transaction, provider_id: SsoProviderId, expected: int | None = None
) -> SsoProvider:
    provider = await tx.sso_providers.find(provider_id)
    if provider is None:
        raise NotFound(_MISSING)
    if expected is not None and provider.revision != expected:
        raise PreconditionFailed("The identity provider was changed by somebody else.")
    return provider


async def _update(
    tx: Transaction, by: Actor, action: str, stored: SsoProvider, changed: SsoProvider
) -> SsoProvider:
    await tx.sso_providers.update(changed)
    result = structs.replace(changed, revision=stored.revision + 1)
    tx.audit.record(by, action, sso_target(changed), before=stored, after=result)
    await tx.commit()
    return result


async def _check(
    tx: Transaction, by: Actor, provider: SsoProvider, *, before: SsoProvider | None
) -> None:
    """Refuse what cannot be stored, and what would give more than the actor may give."""
    faults = [f"{field}: {fault}" for field, fault in provider_faults(provider)]
    custom = {role.name: role for role in await tx.roles.custom()}
    teams = {team.name for team in await tx.teams.all()}
    # What is there already may name what has gone since: it has no effect.
    new_roles, new_teams = provider.roles, frozenset(provider.group_teams.values())
    if before is not None:
        new_roles -= before.roles
        new_teams -= frozenset(before.group_teams.values())
    faults += [
        f"group_roles: there is no role '{each}'"
        for each in _unknown(new_roles, {*custom, *BUILT_IN})
    ]
    faults += [f"group_teams: there is no team '{each}'" for each in _unknown(new_teams, teams)]
    if faults:
        raise ValidationFailed(faults)
    for role in sorted(provider.roles & {*custom, *BUILT_IN}):
        holder = User(id=UserId(""), email="", role=role, created_at_ms=0)
        given = rights_of(holder, (), custom)
        await require_no_more_than(tx, by.rights, given, gateway_access(holder, (), custom))
    # Whoever says which provider vouches for an address gets into any account that has one.
    if provider.link_by_email and (beyond := by.rights.may_give(UNLIMITED)):
        raise BeyondOwnRights(beyond)
    if provider.group_teams:
        by.require(Permission.TEAMS_MEMBERS)


def _unknown(names: Iterable[str], known: Iterable[str]) -> list[str]:
    return sorted(set(names) - set(known))


def _lower(domains: Iterable[str]) -> frozenset[str]:
    return frozenset(each.strip().lower() for each in domains)
