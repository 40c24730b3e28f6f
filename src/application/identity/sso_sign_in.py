"""Sessions of people who sign in through an identity provider: begun, and ended on both sides."""

from msgspec import Struct

from application.identity.sessions import ConsoleSessions, SessionGrant
from application.identity.single_sign_on import (
    Begun,
    Callback,
    Linked,
    OfferedProvider,
    Proven,
    SignedIn,
    SingleSignOn,
)
from application.ports.clock import Clock
from application.ports.secrets import SecretCipher
from application.ports.sessions import SignInAttempts
from application.ports.unit_of_work import Transaction, UnitOfWork
from domain.access.actor import Actor, Origin
from domain.access.refusals import SessionEnded, TooManyAttempts
from domain.access.session import Session, SignInMethod, SsoSession
from domain.access.single_sign_on import SsoPurpose, usable
from domain.access.sso_failures import SsoFailure, sso_failed
from domain.access.throttle import sso_throttle
from domain.errors import InvalidRequest, NotFound
from domain.identifiers import SsoProviderId, UserId
from domain.secret import Secret


class SessionBegun(Struct, frozen=True, kw_only=True):
    """Somebody has come back from the provider and has a session now."""

    grant: SessionGrant
    signed_in: SignedIn


class SsoSignIn:
    """What a sign-in page and the way back need."""

    def __init__(
        self,
        uow: UnitOfWork,
        sso: SingleSignOn,
        sessions: ConsoleSessions,
        attempts: SignInAttempts,
        cipher: SecretCipher,
        clock: Clock,
    ) -> None:
        """Take the ports, and what rounds and sessions are made with."""
        self._uow = uow
        self._sso = sso
        self._sessions = sessions
        self._attempts = attempts
        self._cipher = cipher
        self._clock = clock

    async def offered(self) -> tuple[OfferedProvider, ...]:
        """Return the providers that somebody may sign in through."""
        return tuple(await self._sso.offered())

    async def begin(
        self, name: str, origin: Origin, *, redirect_uri: str, return_path: str = "/"
    ) -> Begun:
        """Send somebody to the provider of this name.

        Raises:
            TooManyAttempts: the network has begun too many rounds and finished none.
            SingleSignOnFailed: there is no such provider in use.
        """
        wait_ms = await self._attempts.begin((sso_throttle(origin.ip),), self._clock.now_ms())
        if wait_ms > 0:
            raise TooManyAttempts(wait_ms)
        return await self._sso.begin_sign_in(
            name, redirect_uri=redirect_uri, return_path=return_path
        )

    async def finish(
        self, by: Actor | None, callback: Callback, *, binding: Secret | None, origin: Origin
    ) -> SessionBegun | Proven | Linked:
        """Take up the round whose state came back; a sign-in begins a session.

        Raises:
            SingleSignOnFailed: `reason` says why.
            PermissionDenied: a test of somebody who may no longer configure providers.
        """
        finished = await self._sso.finish(by, callback, binding=binding, origin=origin)
        if not isinstance(finished, SignedIn):
            return finished
        grant = await self._session(finished, origin)
        await self._attempts.give_back((sso_throttle(origin.ip),))
        return SessionBegun(grant=grant, signed_in=finished)

    async def sign_out(self, by: Actor, *, return_to: str) -> str | None:
        """End the session of `by`; return where the browser ends the one at the provider."""
        session = await self._sessions.sign_out(by)
        if session is None or session.sso is None:
            return None
        return await self._sso.logout_url(
            session.sso.provider_id, id_token=self._hint(session), return_to=return_to
        )

    async def _session(self, finished: SignedIn, origin: Origin) -> SessionGrant:
        user, provider = finished.user, finished.provider
        sealed: str | None = None
        if provider.ends_session:  # what nobody will ask for is not kept
            context = _hint_context(provider.id, user.id)
            sealed = self._cipher.seal(finished.id_token, context=context)
        async with self._uow.begin() as tx:
            try:
                grant = await self._sessions.issue(
                    tx,
                    user,
                    origin,
                    method=SignInMethod.SSO,
                    # The identity provider vouches for the second factor: it asks for one, or it
                    # was decided there that none is needed. A factor of ours is for our passwords.
                    second_factor=True,
                    sso=SsoSession(provider_id=provider.id, sealed_id_token=sealed),
                )
            except (NotFound, SessionEnded):
                raise sso_failed(SsoFailure.USER_INACTIVE) from None
            await _still_holds(tx, finished)
            await tx.commit()
        return grant

    def _hint(self, session: Session) -> Secret | None:
        if session.sso is None or session.sso.sealed_id_token is None:
            return None
        context = _hint_context(session.sso.provider_id, session.user_id)
        try:
            return self._cipher.open(session.sso.sealed_id_token, context=context)
        except InvalidRequest:
            return None  # its key is gone; the provider asks the person instead


async def _still_holds(tx: Transaction, finished: SignedIn) -> None:
    """Refuse when provider or link went while the session was made; its user is locked by now."""
    provider, claims = finished.provider, finished.claims
    present = await tx.sso_providers.find(provider.id)
    if present is None:
        raise sso_failed(SsoFailure.PROVIDER_INACTIVE, provider.name)
    usable(present, SsoPurpose.LOGIN)
    if present.connection != provider.connection:
        raise sso_failed(SsoFailure.CONFIGURATION_CHANGED, provider.name)
    link = await tx.sso_identities.find(provider.id, claims.issuer, claims.subject)
    if link is None or link.user_id != finished.user.id:
        raise sso_failed(SsoFailure.NO_ACCOUNT, f"subject '{claims.subject}'")


def _hint_context(provider_id: SsoProviderId, user_id: UserId) -> str:
    return f"sso-id-token:{provider_id}:{user_id}"
