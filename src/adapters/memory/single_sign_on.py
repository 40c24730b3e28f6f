"""Identity providers, identities and sign-ins under way, over dictionaries."""

from collections.abc import Sequence

from msgspec.structs import replace

from adapters.memory.repositories import Draft
from application.ports.single_sign_on import SsoAttempts, SsoIdentities, SsoProviders
from domain.access.single_sign_on import SsoAttempt, SsoIdentity, SsoProvider
from domain.errors import Conflict, NotFound, PreconditionFailed
from domain.identifiers import SsoProviderId, UserId

_NO_PROVIDER = "There is no such identity provider."


class MemorySsoProviders(SsoProviders):
    """Providers by id."""

    def __init__(self, draft: Draft) -> None:
        """Reads and changes `draft`."""
        self._draft = draft

    async def all(self) -> Sequence[SsoProvider]:
        """Return all providers, oldest first."""
        return sorted(
            self._draft.sso_providers.values(), key=lambda each: (each.created_at_ms, each.id)
        )

    async def find(self, provider_id: SsoProviderId) -> SsoProvider | None:
        """Return one provider."""
        return self._draft.sso_providers.get(provider_id)

    async def by_name(self, name: str) -> SsoProvider | None:
        """Return the provider of this name."""
        providers = self._draft.sso_providers.values()
        return next((each for each in providers if each.name == name), None)

    async def add(self, provider: SsoProvider) -> None:
        """Store a provider at revision 1."""
        self._store(replace(provider, revision=1))

    async def update(self, provider: SsoProvider) -> None:
        """Replace everything but the id; the revision grows by one."""
        stored = self._draft.sso_providers.get(provider.id)
        if stored is None:
            raise NotFound(_NO_PROVIDER)
        if stored.revision != provider.revision:
            raise PreconditionFailed("The identity provider was changed by somebody else.")
        self._store(
            replace(provider, revision=stored.revision + 1, created_at_ms=stored.created_at_ms)
        )

    async def remove(self, provider_id: SsoProviderId) -> None:
        """Delete the provider, its identities and attempts."""
        if self._draft.sso_providers.pop(provider_id, None) is None:
            raise NotFound(_NO_PROVIDER)
        identities, attempts = self._draft.sso_identities, self._draft.sso_attempts
        for key in [key for key, each in identities.items() if each.provider_id == provider_id]:
            del identities[key]
        for key in [key for key, each in attempts.items() if each.provider_id == provider_id]:
            del attempts[key]

    def _store(self, provider: SsoProvider) -> None:
        others = self._draft.sso_providers.values()
        if any(each.name == provider.name and each.id != provider.id for each in others):
            raise Conflict("An identity provider with this name exists already.")
        self._draft.sso_providers[provider.id] = provider


class MemorySsoIdentities(SsoIdentities):
    """Links by provider, issuer and subject."""

    def __init__(self, draft: Draft) -> None:
        """Reads and changes `draft`."""
        self._draft = draft

    async def find(
        self, provider_id: SsoProviderId, issuer: str, subject: str
    ) -> SsoIdentity | None:
        """Return the link of an identity."""
        return self._draft.sso_identities.get((provider_id, issuer, subject))

    async def of_user(self, user_id: UserId) -> Sequence[SsoIdentity]:
        """Return the links of a user, oldest first."""
        return sorted(
            (each for each in self._draft.sso_identities.values() if each.user_id == user_id),
            key=lambda each: (each.linked_at_ms, each.provider_id, each.issuer),
        )

    async def add(self, identity: SsoIdentity) -> None:
        """Store a link, if both sides are there."""
        if identity.user_id not in self._draft.users:
            raise NotFound("There is no such user.")
        if identity.provider_id not in self._draft.sso_providers:
            raise NotFound(_NO_PROVIDER)
        key = (identity.provider_id, identity.issuer, identity.subject)
        if key in self._draft.sso_identities:
            raise Conflict("The identity is linked to a user already.")
        if any(
            (each.provider_id, each.issuer) == key[:2]
            for each in await self.of_user(identity.user_id)
        ):
            raise Conflict("The user has another identity of this provider already.")
        self._draft.sso_identities[key] = identity

    async def remove(self, provider_id: SsoProviderId, user_id: UserId) -> None:
        """Delete the links."""
        links = self._draft.sso_identities
        gone = [
            key
            for key, each in links.items()
            if each.provider_id == provider_id and each.user_id == user_id
        ]
        if not gone:
            raise NotFound("The user is not linked to this identity provider.")
        for key in gone:
            del links[key]


class MemorySsoAttempts(SsoAttempts):
    """Attempts by the hash of their state."""

    def __init__(self, draft: Draft) -> None:
        """Reads and changes `draft`."""
        self._draft = draft

    async def add(self, attempt: SsoAttempt, *, now_ms: int) -> None:
        """Store an attempt and sweep up."""
        if attempt.provider_id not in self._draft.sso_providers:
            raise NotFound(_NO_PROVIDER)
        attempts = self._draft.sso_attempts
        for key in [key for key, each in attempts.items() if each.expires_at_ms <= now_ms]:
            del attempts[key]
        if attempt.state_hash in attempts:
            raise Conflict("This state was used before.")
        attempts[attempt.state_hash] = attempt

    async def take(self, state_hash: bytes) -> SsoAttempt | None:
        """Remove the attempt and return it."""
        return self._draft.sso_attempts.pop(state_hash, None)
