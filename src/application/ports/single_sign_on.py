"""Sign-in through OpenID Connect providers, and what is stored for it."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from domain.access.single_sign_on import (
    ProviderMetadata,
    SsoAttempt,
    SsoIdentity,
    SsoProvider,
)
from domain.access.sso_claims import IdentityClaims
from domain.identifiers import SsoProviderId, UserId
from domain.secret import Secret


class Authorization(Struct, frozen=True, kw_only=True):
    """The secrets of one round to a provider.

    Attributes:
        state: comes back through the browser; only its hash is stored.
        nonce: comes back in the ID token.
        verifier: of PKCE (RFC 7636), 43 to 128 unreserved characters.
    """

    state: Secret
    nonce: str
    verifier: Secret
    redirect_uri: str


class Exchange(Struct, frozen=True, kw_only=True):
    """What a code is exchanged with; nonce, verifier and redirect as the round began."""

    code: Secret
    nonce: str
    verifier: Secret
    redirect_uri: str
    client_secret: Secret | None


class Authenticated(Struct, frozen=True, kw_only=True):
    """A verified person; `id_token` is the hint that a logout at the provider wants."""

    claims: IdentityClaims
    id_token: Secret


class OpenIdConnect(Protocol):
    """The protocol with a provider: OpenID Connect Core 1.0, code flow with PKCE and nonce.

    Every failure is a `SingleSignOnFailed` with a reason of `SsoFailure`.
    """

    @abstractmethod
    async def discover(self, issuer: str) -> ProviderMetadata:
        """Return what the provider says about itself (OpenID Connect Discovery 1.0).

        Raises:
            SingleSignOnFailed: it cannot be asked, is not `issuer`, or lacks what is needed.
        """
        ...

    @abstractmethod
    def authorization_url(self, provider: SsoProvider, authorization: Authorization) -> str:
        """Return where to send the browser. Raises `SingleSignOnFailed`: not discovered."""
        ...

    @abstractmethod
    async def exchange(self, provider: SsoProvider, exchange: Exchange) -> Authenticated:
        """Return whom the code stands for, with everything about the ID token checked.

        Raises:
            SingleSignOnFailed: anything at all is not as it should be.
        """
        ...

    @abstractmethod
    def end_session_url(
        self, provider: SsoProvider, *, id_token: Secret | None, return_to: str
    ) -> str | None:
        """Return where to end the session (RP-Initiated Logout 1.0); None: not possible there."""
        ...


class SsoProviders(Protocol):
    """Configured providers. The store sets `revision`: 1 at first, one more with every update."""

    @abstractmethod
    async def all(self) -> Sequence[SsoProvider]:
        """Return all providers, oldest first."""
        ...

    @abstractmethod
    async def find(self, provider_id: SsoProviderId) -> SsoProvider | None:
        """Return one provider; None also for an id that cannot be one."""
        ...

    @abstractmethod
    async def by_name(self, name: str) -> SsoProvider | None:
        """Return the provider of this name."""
        ...

    @abstractmethod
    async def add(self, provider: SsoProvider) -> None:
        """Store a new provider. Raises `Conflict`: the name is taken."""
        ...

    @abstractmethod
    async def update(self, provider: SsoProvider) -> None:
        """Replace everything but the id, if `provider.revision` is still the stored one.

        Raises:
            NotFound: there is no such provider.
            PreconditionFailed: somebody else changed it first.
            Conflict: the name is taken.
        """
        ...

    @abstractmethod
    async def remove(self, provider_id: SsoProviderId) -> None:
        """Remove the provider, its identities and attempts. Raises `NotFound`."""
        ...


class SsoIdentities(Protocol):
    """Links of users. An identity has one user; a user has one identity of an issuer."""

    @abstractmethod
    async def find(
        self, provider_id: SsoProviderId, issuer: str, subject: str
    ) -> SsoIdentity | None:
        """Return the link of an identity, compared exactly."""
        ...

    @abstractmethod
    async def of_user(self, user_id: UserId) -> Sequence[SsoIdentity]:
        """Return the links of a user, oldest first."""
        ...

    @abstractmethod
    async def add(self, identity: SsoIdentity) -> None:
        """Store a link.

        Raises:
            Conflict: the identity is linked, or the user has another of this issuer.
            NotFound: there is no such user or provider.
        """
        ...

    @abstractmethod
    async def remove(self, provider_id: SsoProviderId, user_id: UserId) -> None:
        """Remove the user's links to the provider. Raises `NotFound`: there are none."""
        ...


class SsoAttempts(Protocol):
    """Rounds that have begun."""

    @abstractmethod
    async def add(self, attempt: SsoAttempt, *, now_ms: int) -> None:
        """Store an attempt, and remove some that have expired at `now_ms`.

        Raises:
            Conflict: the state was used before.
            NotFound: there is no such provider.
        """
        ...

    @abstractmethod
    async def take(self, state_hash: bytes) -> SsoAttempt | None:
        """Remove the attempt and return it: whoever asks again, or at the same time, gets None.

        Expired attempts are returned too, so that the person can be told.
        """
        ...
