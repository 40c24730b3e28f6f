"""Repositories of identity providers, identities, and sign-ins under way."""

from collections.abc import Mapping, Sequence
from typing import cast

import msgspec
from sqlalchemy import delete, insert, select, update

from adapters.sql.session import Session, is_id
from adapters.sql.tables import SsoAttemptRow, SsoIdentityRow, SsoProviderRow, UserRow
from application.ports.single_sign_on import SsoAttempts, SsoIdentities, SsoProviders
from domain.access.single_sign_on import (
    ProviderMetadata,
    SsoAttempt,
    SsoIdentity,
    SsoProvider,
    SsoPurpose,
    SsoState,
)
from domain.access.sso_presets import SsoPreset
from domain.errors import NotFound, PreconditionFailed
from domain.identifiers import SsoProviderId, UserId

_SWEPT_AT_ONCE = 100
_Provider, _Identity, _Attempt = SsoProviderRow, SsoIdentityRow, SsoAttemptRow
_NO_PROVIDER = "There is no such identity provider."


class SqlSsoProviders(SsoProviders):
    """Rows of `sso_providers`."""

    def __init__(self, session: Session) -> None:
        """Works inside the transaction of `session`."""
        self._session = session

    async def all(self) -> Sequence[SsoProvider]:
        """Return all providers, oldest first."""
        rows = await self._session.rows(
            select(_Provider).order_by(_Provider.created_at, _Provider.id)
        )
        return [_provider(row) for row in rows if row.preset in set(SsoPreset)]

    async def find(self, provider_id: SsoProviderId) -> SsoProvider | None:
        """Return one provider."""
        if not is_id(provider_id):
            return None
        row = await self._session.first(select(_Provider).where(_Provider.id == provider_id))
        return None if row is None else _provider(row)

    async def by_name(self, name: str) -> SsoProvider | None:
        """Return the provider of this name."""
        row = await self._session.first(select(_Provider).where(_Provider.name == name))
        return None if row is None else _provider(row)

    async def add(self, provider: SsoProvider) -> None:
        """Store a provider at revision 1."""
        await self._session.change(
            insert(_Provider).values(
                id=provider.id, created_at=provider.created_at_ms, revision=1, **_values(provider)
            )
        )

    async def update(self, provider: SsoProvider) -> None:
        """Replace everything but the id; the revision grows by one."""
        changed = await self._session.change(
            update(_Provider)
            .where(_Provider.id == provider.id, _Provider.revision == provider.revision)
            .values(revision=provider.revision + 1, **_values(provider))
        )
        if changed == 0:
            if await self.find(provider.id) is None:
                raise NotFound(_NO_PROVIDER)
            raise PreconditionFailed("The identity provider was changed by somebody else.")

    async def remove(self, provider_id: SsoProviderId) -> None:
        """Delete the provider; identities and attempts go by cascade."""
        if not is_id(provider_id) or not await self._session.change(
            delete(_Provider).where(_Provider.id == provider_id)
        ):
            raise NotFound(_NO_PROVIDER)


class SqlSsoIdentities(SsoIdentities):
    """Rows of `sso_identities`; its keys decide whose identity it is."""

    def __init__(self, session: Session) -> None:
        """Works inside the transaction of `session`."""
        self._session = session

    async def find(
        self, provider_id: SsoProviderId, issuer: str, subject: str
    ) -> SsoIdentity | None:
        """Return the link of an identity."""
        row = await self._session.first(
            select(_Identity).where(
                _Identity.provider_id == provider_id,
                _Identity.issuer == issuer,
                _Identity.subject == subject,
            )
        )
        return None if row is None else _identity(row)

    async def of_user(self, user_id: UserId) -> Sequence[SsoIdentity]:
        """Return the links of a user, oldest first."""
        rows = await self._session.rows(
            select(_Identity)
            .where(_Identity.user_id == user_id)
            .order_by(_Identity.linked_at, _Identity.provider_id, _Identity.issuer)
        )
        return [_identity(row) for row in rows]

    async def add(self, identity: SsoIdentity) -> None:
        """Store a link, if both sides are there."""
        user = select(UserRow).where(UserRow.id == identity.user_id, UserRow.deleted_at.is_(None))
        provider = select(_Provider).where(_Provider.id == identity.provider_id)
        # The lock is that of a foreign key: neither side can go before the link is there.
        if await self._session.first(user.with_for_update(key_share=True, read=True)) is None:
            raise NotFound("There is no such user.")
        if await self._session.first(provider.with_for_update(key_share=True, read=True)) is None:
            raise NotFound(_NO_PROVIDER)
        await self._session.change(
            insert(_Identity).values(
                provider_id=identity.provider_id,
                issuer=identity.issuer,
                subject=identity.subject,
                user_id=identity.user_id,
                linked_at=identity.linked_at_ms,
            )
        )

    async def remove(self, provider_id: SsoProviderId, user_id: UserId) -> None:
        """Delete the links."""
        removed = await self._session.change(
            delete(_Identity).where(
                _Identity.provider_id == provider_id, _Identity.user_id == user_id
            )
        )
        if removed == 0:
            raise NotFound("The user is not linked to this identity provider.")


class SqlSsoAttempts(SsoAttempts):
    """Rows of `sso_attempts`; deleting one is taking it up."""

    def __init__(self, session: Session) -> None:
        """Works inside the transaction of `session`."""
        self._session = session

    async def add(self, attempt: SsoAttempt, *, now_ms: int) -> None:
        """Store an attempt and sweep up."""
        provider = select(_Provider).where(_Provider.id == attempt.provider_id)
        if await self._session.first(provider.with_for_update(key_share=True, read=True)) is None:
            raise NotFound(_NO_PROVIDER)
        expired = (
            select(_Attempt.state_hash)
            .where(_Attempt.expires_at <= now_ms)
            .limit(_SWEPT_AT_ONCE)
            .with_for_update(skip_locked=True)
        )
        await self._session.change(delete(_Attempt).where(_Attempt.state_hash.in_(expired)))
        await self._session.change(
            insert(_Attempt).values(
                state_hash=attempt.state_hash,
                binding_hash=attempt.binding_hash,
                nonce=attempt.nonce,
                sealed_verifier=attempt.sealed_verifier,
                provider_id=attempt.provider_id,
                connection=attempt.connection,
                purpose=attempt.purpose.value,
                redirect_uri=attempt.redirect_uri,
                return_path=attempt.return_path,
                actor_id=attempt.actor_id,
                expires_at=attempt.expires_at_ms,
            )
        )

    async def take(self, state_hash: bytes) -> SsoAttempt | None:
        """Delete the attempt and return it; the row's lock lets one of several through."""
        chosen = select(_Attempt).where(_Attempt.state_hash == state_hash).with_for_update()
        row = await self._session.first(chosen)
        if row is None:
            return None
        await self._session.change(delete(_Attempt).where(_Attempt.state_hash == state_hash))
        return SsoAttempt(
            state_hash=row.state_hash,
            binding_hash=row.binding_hash,
            nonce=row.nonce,
            sealed_verifier=row.sealed_verifier,
            provider_id=SsoProviderId(row.provider_id),
            connection=row.connection,
            purpose=SsoPurpose(row.purpose),
            redirect_uri=row.redirect_uri,
            return_path=row.return_path,
            actor_id=None if row.actor_id is None else UserId(row.actor_id),
            expires_at_ms=row.expires_at,
        )


def _values(provider: SsoProvider) -> Mapping[str, object]:
    metadata = provider.metadata
    return {
        "name": provider.name,
        "display_name": provider.display_name,
        "preset": provider.preset.value,
        "issuer": provider.issuer,
        "client_id": provider.client_id,
        "sealed_client_secret": provider.sealed_client_secret,
        "scopes": list(provider.scopes),
        "allowed_domains": sorted(provider.allowed_domains),
        "group_claim": provider.group_claim,
        "group_roles": dict(provider.group_roles),
        "group_teams": dict(provider.group_teams),
        "default_role": provider.default_role,
        "provisions": provider.provisions,
        "link_by_email": provider.link_by_email,
        "ends_session": provider.ends_session,
        "state": provider.state.value,
        "connection": provider.connection,
        "discovered": None if metadata is None else cast("object", msgspec.to_builtins(metadata)),
        "tested_at": provider.tested_at_ms,
    }


def _provider(row: SsoProviderRow) -> SsoProvider:
    found = row.discovered
    return SsoProvider(
        id=SsoProviderId(row.id),
        name=row.name,
        display_name=row.display_name,
        preset=SsoPreset(row.preset),
        issuer=row.issuer,
        client_id=row.client_id,
        sealed_client_secret=row.sealed_client_secret,
        scopes=tuple(row.scopes),
        allowed_domains=frozenset(row.allowed_domains),
        group_claim=row.group_claim,
        group_roles=row.group_roles,
        group_teams=row.group_teams,
        default_role=row.default_role,
        provisions=row.provisions,
        link_by_email=row.link_by_email,
        ends_session=row.ends_session,
        state=SsoState(row.state),
        connection=row.connection,
        metadata=None if found is None else msgspec.convert(found, ProviderMetadata),
        tested_at_ms=row.tested_at,
        revision=row.revision,
        created_at_ms=row.created_at,
    )


def _identity(row: SsoIdentityRow) -> SsoIdentity:
    return SsoIdentity(
        provider_id=SsoProviderId(row.provider_id),
        issuer=row.issuer,
        subject=row.subject,
        user_id=UserId(row.user_id),
        linked_at_ms=row.linked_at,
    )
