"""Signing in through identity providers."""

from adapters.identity.openid_connect import AuthlibOpenIdConnect
from adapters.sql.sign_in_attempts import SqlSignInAttempts
from adapters.upstream.httpx_transport import HttpxTransport
from adapters.upstream.options import TransportOptions
from application.console.sso_collection import SsoProviderCollection
from application.identity.sessions import ConsoleSessions
from application.identity.single_sign_on import SingleSignOn
from application.identity.sso_links import OwnSsoLinks
from application.identity.sso_providers import ManageSsoProviders
from application.identity.sso_sign_in import SsoSignIn
from application.ports.unit_of_work import UnitOfWork
from entrypoints.console.services import SsoServices
from entrypoints.container.process import Process


def open_single_sign_on(
    process: Process, uow: UnitOfWork, sessions: ConsoleSessions
) -> SsoServices:
    """Open the use cases; their connections to identity providers end with the process."""
    clock, ids, cipher = process.clock, process.ids, process.cipher
    transport = HttpxTransport(TransportOptions(address_policy=process.address_policy))
    process.stack.push_async_callback(transport.aclose)
    oidc = AuthlibOpenIdConnect(transport, clock)
    sso = SingleSignOn(uow, oidc, cipher, clock, ids, process.randomness)
    attempts = SqlSignInAttempts(process.engine)
    return SsoServices(
        providers=SsoProviderCollection(ManageSsoProviders(uow, oidc, cipher, clock, ids), sso),
        sign_in=SsoSignIn(uow, sso, sessions, attempts, cipher, clock),
        links=OwnSsoLinks(uow, sso),
    )
