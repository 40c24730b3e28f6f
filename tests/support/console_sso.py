"""The console's part of single sign-on, on stores of a test."""

from adapters.crypto.cipher import AesGcmCipher
from adapters.identity.session_tokens import JwtSessionTokens
from adapters.memory.sign_in_attempts import MemorySignInAttempts
from adapters.system.identifiers import UuidGenerator
from adapters.system.randomness import SystemRandomness
from application.console.sso_collection import SsoProviderCollection
from application.identity.sessions import ConsoleSessions
from application.identity.single_sign_on import SingleSignOn
from application.identity.sso_links import OwnSsoLinks
from application.identity.sso_providers import ManageSsoProviders
from application.identity.sso_sign_in import SsoSignIn
from application.ports.clock import Clock
from application.ports.single_sign_on import (
    Authenticated,
    Authorization,
    Exchange,
    OpenIdConnect,
)
from application.ports.unit_of_work import UnitOfWork
from domain.access.single_sign_on import ProviderMetadata, SsoProvider
from domain.access.sso_failures import SsoFailure, sso_failed
from domain.secret import Secret
from entrypoints.console.services import SsoServices
from tests.support.identity_services import JWT_SECRET


class NobodyThere(OpenIdConnect):
    """No identity provider can be reached: for tests about something else."""

    async def discover(self, issuer: str) -> ProviderMetadata:
        raise sso_failed(SsoFailure.UNREACHABLE, issuer)

    def authorization_url(self, provider: SsoProvider, authorization: Authorization) -> str:
        raise sso_failed(SsoFailure.NOT_DISCOVERED, provider.name)

    async def exchange(self, provider: SsoProvider, exchange: Exchange) -> Authenticated:
        raise sso_failed(SsoFailure.UNREACHABLE, provider.name)

    def end_session_url(
        self,
        provider: SsoProvider,
        *,
        id_token: Secret | None,
        return_to: str,
    ) -> str | None:
        return None


def console_sso(uow: UnitOfWork, clock: Clock, oidc: OpenIdConnect | None = None) -> SsoServices:
    """Return the services; sessions are those of `identity_services` over the same store."""
    oidc = oidc or NobodyThere()
    ids, randomness = UuidGenerator(), SystemRandomness()
    cipher = AesGcmCipher((b"k" * 32,), randomness)
    tokens = JwtSessionTokens(Secret(JWT_SECRET))
    sessions = ConsoleSessions(uow, tokens, clock, ids, randomness, {})
    sso = SingleSignOn(uow, oidc, cipher, clock, ids, randomness)
    return SsoServices(
        providers=SsoProviderCollection(ManageSsoProviders(uow, oidc, cipher, clock, ids), sso),
        sign_in=SsoSignIn(uow, sso, sessions, MemorySignInAttempts(), cipher, clock),
        links=OwnSsoLinks(uow, sso),
    )
