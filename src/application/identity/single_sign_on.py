"""Signing in through an identity provider: there and back, and what becomes of who comes back."""

import re
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from hashlib import sha256

import structlog
from msgspec import Struct
from msgspec.structs import replace

from application.identity.sso_providers import client_secret_context, sso_target
from application.identity.sso_users import judge, settle
from application.ports.clock import Clock, IdGenerator, Randomness
from application.ports.secrets import SecretCipher
from application.ports.single_sign_on import (
    Authenticated,
    Authorization,
    Exchange,
    OpenIdConnect,
)
from application.ports.unit_of_work import Transaction, UnitOfWork
from domain.access.accounts import User
from domain.access.actor import Actor, ActorKind, Origin, system_actor
from domain.access.permissions import Permission
from domain.access.single_sign_on import (
    ATTEMPT_LASTS_MS,
    SsoAttempt,
    SsoProvider,
    SsoPurpose,
    SsoState,
    check_answering_issuer,
    check_taken_up,
    local_path,
    proven,
    usable,
)
from domain.access.sso_claims import IdentityClaims
from domain.access.sso_decision import Decision, Refused, SignInExisting
from domain.access.sso_failures import SsoFailure, sso_failed
from domain.access.sso_presets import SsoPreset
from domain.errors import AccessDenied, InvalidRequest, SingleSignOnFailed
from domain.identifiers import SsoProviderId, UserId
from domain.records.audit import AuditOutcome
from domain.secret import Secret

_CODE = re.compile(r"[ -~]{1,8192}")  # RFC 6749 appendix A.11
_RANDOM_BYTES = 32  # 43 characters: what RFC 7636 wants of a verifier, and nobody guesses

log = structlog.get_logger(__name__)


class OfferedProvider(Struct, frozen=True, kw_only=True):
    """A provider as the sign-in page offers it."""

    name: str
    display_name: str
    preset: SsoPreset


class Begun(Struct, frozen=True, kw_only=True):
    """Where to send the browser.

    Attributes:
        binding: for a cookie of this browser: `Secure`, `HttpOnly`, `SameSite=Lax`, for the
            callback's path, until `expires_at_ms`. Whoever comes back must show it.
    """

    url: str
    binding: Secret
    expires_at_ms: int


class Callback(Struct, frozen=True, kw_only=True):
    """What the browser brought back (RFC 6749 section 4.1.2, RFC 9207)."""

    state: Secret | None = None
    code: Secret | None = None
    error: str | None = None
    error_description: str | None = None
    issuer: str | None = None


class SignedIn(Struct, frozen=True, kw_only=True):
    """Somebody may have a session. `id_token` is to be kept with it, for the logout."""

    user: User
    provider: SsoProvider
    claims: IdentityClaims
    id_token: Secret
    return_path: str


class Proven(Struct, frozen=True, kw_only=True):
    """The provider works. `decision` is what a real sign-in would have led to."""

    provider: SsoProvider
    claims: IdentityClaims
    decision: Decision
    return_path: str


class Linked(Struct, frozen=True, kw_only=True):
    """The user who asked for it can sign in through the provider from now on."""

    user_id: UserId
    provider: SsoProvider
    claims: IdentityClaims
    return_path: str


Finished = SignedIn | Proven | Linked


class SingleSignOn:
    """Rounds to identity providers. Sessions are issued by whoever calls `finish`."""

    def __init__(
        self,
        uow: UnitOfWork,
        oidc: OpenIdConnect,
        cipher: SecretCipher,
        clock: Clock,
        ids: IdGenerator,
        randomness: Randomness,
    ) -> None:
        """Take the ports."""
        self._uow = uow
        self._oidc = oidc
        self._cipher = cipher
        self._clock = clock
        self._ids = ids
        self._randomness = randomness

    async def offered(self) -> Sequence[OfferedProvider]:
        """Return the providers that somebody may sign in through."""
        async with self._uow.begin() as tx:
            providers = await tx.sso_providers.all()
        return [
            OfferedProvider(name=each.name, display_name=each.display_name, preset=each.preset)
            for each in providers
            if each.state is SsoState.ACTIVE
        ]

    async def begin_sign_in(self, name: str, *, redirect_uri: str, return_path: str = "/") -> Begun:
        """Send somebody to the provider of this name.

        Raises:
            SingleSignOnFailed: there is none in use.
        """
        async with self._uow.begin() as tx:
            provider = await tx.sso_providers.by_name(name)
            return await self._begin(
                tx, provider, SsoPurpose.LOGIN, None, redirect_uri, return_path
            )

    async def begin_test(
        self, by: Actor, provider_id: SsoProviderId, *, redirect_uri: str, return_path: str = "/"
    ) -> Begun:
        """Send an administrator to the provider, in whatever state it is, to see that it works.

        Raises:
            PermissionDenied: it needs `sso:write`.
            SingleSignOnFailed: the provider is not there or was not discovered.
        """
        by.require(Permission.SSO_WRITE)
        actor_id = _signed_in(by)
        async with self._uow.begin() as tx:
            provider = await tx.sso_providers.find(provider_id)
            return await self._begin(
                tx, provider, SsoPurpose.TEST, actor_id, redirect_uri, return_path
            )

    async def begin_link(
        self, by: Actor, name: str, *, redirect_uri: str, return_path: str = "/"
    ) -> Begun:
        """Send a signed-in user to the provider, to link the account with the identity there.

        Raises:
            SingleSignOnFailed: there is none in use.
        """
        actor_id = _signed_in(by)
        async with self._uow.begin() as tx:
            provider = await tx.sso_providers.by_name(name)
            return await self._begin(
                tx, provider, SsoPurpose.LINK, actor_id, redirect_uri, return_path
            )

    async def finish(
        self, by: Actor | None, callback: Callback, *, binding: Secret | None, origin: Origin
    ) -> Finished:
        """Take up the attempt whose state came back.

        The state is used up, whatever comes of it.

        Args:
            by: who is signed in in this browser; sign-ins do without.
            callback: what the browser brought.
            binding: the cookie of this browser.
            origin: for the audit trail.

        Raises:
            SingleSignOnFailed: nobody is signed in; `reason` says why.
        """
        attempt = await self._take(callback.state)
        provider: SsoProvider | None = None
        try:
            async with self._uow.begin() as tx:
                found = await tx.sso_providers.find(attempt.provider_id)
            provider = found
            provider = check_taken_up(
                attempt,
                found,
                binding_hash=_hashed(binding),
                actor_id=None if by is None else by.user_id,
                now_ms=self._clock.now_ms(),
            )
            authenticated = await self._exchange(attempt, provider, callback)
            return await self._conclude(by, attempt, provider, authenticated, origin)
        except SingleSignOnFailed as failure:
            await self._note(by, attempt, provider, failure, origin)
            raise

    async def logout_url(
        self, provider_id: SsoProviderId, *, id_token: Secret | None, return_to: str
    ) -> str | None:
        """Return where the browser ends its session at the provider; None: it stays (or is gone)."""
        async with self._uow.begin() as tx:
            provider = await tx.sso_providers.find(provider_id)
        if provider is None:
            return None
        return self._oidc.end_session_url(provider, id_token=id_token, return_to=return_to)

    async def _begin(
        self,
        tx: Transaction,
        provider: SsoProvider | None,
        purpose: SsoPurpose,
        actor_id: UserId | None,
        redirect_uri: str,
        return_path: str,
    ) -> Begun:
        if provider is None:
            raise sso_failed(SsoFailure.PROVIDER_INACTIVE)
        usable(provider, purpose)
        state, nonce, verifier, binding = (self._token() for _ in range(4))
        now_ms = self._clock.now_ms()
        authorization = Authorization(
            state=state, nonce=nonce.reveal(), verifier=verifier, redirect_uri=redirect_uri
        )
        url = self._oidc.authorization_url(provider, authorization)
        state_hash = _hashed(state)
        attempt = SsoAttempt(
            state_hash=state_hash,
            binding_hash=_hashed(binding),
            nonce=authorization.nonce,
            sealed_verifier=self._cipher.seal(verifier, context=_verifier_context(state_hash)),
            provider_id=provider.id,
            connection=provider.connection,
            purpose=purpose,
            redirect_uri=redirect_uri,
            return_path=local_path(return_path),
            actor_id=actor_id,
            expires_at_ms=now_ms + ATTEMPT_LASTS_MS,
        )
        await tx.sso_attempts.add(attempt, now_ms=now_ms)
        await tx.commit()
        return Begun(url=url, binding=binding, expires_at_ms=attempt.expires_at_ms)

    async def _take(self, state: Secret | None) -> SsoAttempt:
        if state is None:
            raise sso_failed(SsoFailure.UNKNOWN_ATTEMPT)
        async with self._uow.begin() as tx:
            attempt = await tx.sso_attempts.take(_hashed(state))
            # Before anything is done with it: a replay finds nothing, also after a crash.
            await tx.commit()
        if attempt is None:
            raise sso_failed(SsoFailure.UNKNOWN_ATTEMPT)
        return attempt

    async def _exchange(
        self, attempt: SsoAttempt, provider: SsoProvider, callback: Callback
    ) -> Authenticated:
        check_answering_issuer(usable(provider, attempt.purpose), callback.issuer)
        if callback.error is not None:
            detail = f"{callback.error} {callback.error_description or ''}".strip()
            raise sso_failed(SsoFailure.PROVIDER_REFUSED, detail)
        if callback.code is None:
            raise sso_failed(SsoFailure.PROVIDER_REFUSED, "no code came back")
        if not _CODE.fullmatch(callback.code.reveal()):
            raise sso_failed(SsoFailure.CODE_REFUSED, "it is no code")
        sealed, context = provider.sealed_client_secret, client_secret_context(provider.id)
        try:
            secret = None if sealed is None else self._cipher.open(sealed, context=context)
            verifier = self._cipher.open(
                attempt.sealed_verifier, context=_verifier_context(attempt.state_hash)
            )
        except InvalidRequest as error:
            raise sso_failed(SsoFailure.CLIENT_REFUSED, error.message) from error
        return await self._oidc.exchange(
            provider,
            Exchange(
                code=callback.code,
                nonce=attempt.nonce,
                verifier=verifier,
                redirect_uri=attempt.redirect_uri,
                client_secret=secret,
            ),
        )

    async def _conclude(
        self,
        by: Actor | None,
        attempt: SsoAttempt,
        provider: SsoProvider,
        authenticated: Authenticated,
        origin: Origin,
    ) -> Finished:
        claims, return_path = authenticated.claims, attempt.return_path
        if attempt.purpose is SsoPurpose.TEST:
            assert by is not None
            by.require(Permission.SSO_WRITE)
            async with self._uow.begin() as tx:
                present = await _unchanged(tx, attempt)
                decision = await judge(tx, present, claims, None)
                result = proven(present, now_ms=self._clock.now_ms())
                await tx.sso_providers.update(result)
                result = replace(result, revision=present.revision + 1)
                tx.audit.record(
                    by, "sso_provider.test", sso_target(result), before=present, after=result
                )
                await tx.commit()
            return Proven(
                provider=result, claims=claims, decision=decision, return_path=return_path
            )
        actor_id = attempt.actor_id
        actor = by if by is not None and actor_id is not None else _provider_as_actor(provider)
        user = await self._settled(replace(actor, origin=origin), attempt, claims)
        if attempt.purpose is SsoPurpose.LINK:
            return Linked(
                user_id=user.id, provider=provider, claims=claims, return_path=return_path
            )
        return SignedIn(
            user=user,
            provider=provider,
            claims=claims,
            id_token=authenticated.id_token,
            return_path=return_path,
        )

    async def _settled(self, actor: Actor, attempt: SsoAttempt, claims: IdentityClaims) -> User:
        """Return the user; changes are made one at a time, or the last super admin could go."""
        for exclusive in (False, True):
            async with self._uow.begin(exclusive=exclusive) as tx:
                provider = await _unchanged(tx, attempt)
                decision = await judge(tx, provider, claims, attempt.actor_id)
                if isinstance(decision, Refused):
                    raise sso_failed(decision.reason, f"subject '{claims.subject}'")
                if not exclusive and not isinstance(decision, SignInExisting):
                    continue
                settled = await settle(
                    tx,
                    actor,
                    provider,
                    claims,
                    decision,
                    new_id=self._ids.new_id(),
                    now_ms=self._clock.now_ms(),
                )
                if not settled.changed:
                    return settled.user
                if exclusive:
                    await tx.commit()
                    return settled.user
        raise AssertionError("the second time was exclusive")

    async def _note(
        self,
        by: Actor | None,
        attempt: SsoAttempt,
        provider: SsoProvider | None,
        failure: SingleSignOnFailed,
        origin: Origin,
    ) -> None:
        """Write to the log and to the trail why an attempt of ours led to nothing."""
        name = "" if provider is None else provider.name
        log.warning(
            "single_sign_on_failed",
            provider=name,
            purpose=attempt.purpose.value,
            reason=failure.reason,
            detail=failure.detail,
        )
        if provider is None:
            return
        actor = replace(by or _provider_as_actor(provider), origin=origin)
        async with self._uow.begin() as tx:
            tx.audit.record(
                actor,
                f"sso.{attempt.purpose.value}",
                sso_target(provider),
                reason=failure.reason,
                outcome=AuditOutcome.DENIED,
            )
            await tx.commit()
        failure.recorded = True

    def _token(self) -> Secret:
        raw = self._randomness.token_bytes(_RANDOM_BYTES)
        return Secret(urlsafe_b64encode(raw).rstrip(b"=").decode())


async def _unchanged(tx: Transaction, attempt: SsoAttempt) -> SsoProvider:
    """Return the provider as it is now, which took a while to find out about the person."""
    provider = await tx.sso_providers.find(attempt.provider_id)
    if provider is None:
        raise sso_failed(SsoFailure.PROVIDER_INACTIVE)
    if provider.connection != attempt.connection:
        raise sso_failed(SsoFailure.CONFIGURATION_CHANGED, provider.name)
    usable(provider, attempt.purpose)
    return provider


def _signed_in(by: Actor) -> UserId:
    # A key that acts for a user must not become a way to sign in as that user.
    if by.user_id is None or by.kind is not ActorKind.USER:
        raise AccessDenied("Only a user who has signed in can do this.")
    return by.user_id


def _provider_as_actor(provider: SsoProvider) -> Actor:
    """Return who acts when somebody signs in: the provider, by what an administrator has set."""
    return system_actor(f"sso:{provider.name}")


def _hashed(secret: Secret | None) -> bytes:
    return (
        b"" if secret is None else sha256(secret.reveal().encode("utf-8", "surrogatepass")).digest()
    )


def _verifier_context(state_hash: bytes) -> str:
    return f"sso-attempt:{state_hash.hex()}"
