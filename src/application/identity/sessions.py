"""Console sessions: begin, refresh, end (console.md section 2)."""

from collections.abc import Mapping
from hashlib import sha256

from msgspec import Struct

from application.ports.clock import Clock, IdGenerator, Randomness
from application.ports.sessions import SessionTokens, TokenClaims
from application.ports.unit_of_work import Transaction, UnitOfWork
from domain.access.accounts import User, UserKind, UserState
from domain.access.actor import Actor, ActorKind, Origin
from domain.access.refusals import CsrfRefused, SessionEnded
from domain.access.rights import Rights
from domain.access.session import (
    ACCESS_LIFETIME_MS,
    LONGEST_USER_AGENT,
    IpBinding,
    Session,
    SignInMethod,
    SsoSession,
    device_of,
    network_of,
)
from domain.errors import Conflict
from domain.records.audit import AuditOutcome, AuditTarget
from domain.secret import Secret
from domain.settings.catalog import Settings, SettingValue

_NONCE_BYTES = 32
_MINUTE_MS, _HOUR_MS = 60_000, 3_600_000


class RefreshedAlready(Conflict):
    """Another tab of this browser has refreshed the session a moment ago."""

    code = "refreshed_already"

    def __init__(self) -> None:
        """Fixed text."""
        super().__init__("The session was refreshed a moment ago; use the cookies of that answer.")


class SessionGrant(Struct, frozen=True, kw_only=True):
    """A session with its tokens, at the only moment at which they are known."""

    session: Session
    access: Secret
    access_expires_at_ms: int
    refresh: Secret
    csrf: Secret


class ConsoleSessions:
    """Begins, refreshes and ends sessions; how somebody has proved who he is, is not its matter."""

    def __init__(
        self,
        uow: UnitOfWork,
        tokens: SessionTokens,
        clock: Clock,
        ids: IdGenerator,
        randomness: Randomness,
        environment: Mapping[str, SettingValue],
    ) -> None:
        """`environment` is what settings are where nothing is stored."""
        self._environment = environment
        self._uow = uow
        self._tokens = tokens
        self._clock = clock
        self._ids = ids
        self._randomness = randomness

    async def issue(
        self,
        tx: Transaction,
        user: User,
        origin: Origin,
        *,
        method: SignInMethod,
        second_factor: bool = False,
        sso: SsoSession | None = None,
    ) -> SessionGrant:
        """Begin a session for a user who has proved who he is, inside the caller's transaction.

        Check afterwards, in the same transaction, what the proof rested on: the user is locked from
        here on, so what is read then cannot change any more.

        Args:
            tx: committed by the caller; the audit event is in it.
            user: an active person.
            origin: where the session is used from; its tokens count there only.
            method: how the user has proved who he is.
            second_factor: whether with a second factor; of single sign-on the provider may vouch.
            sso: the identity provider, when it was one.

        Raises:
            SessionEnded: the user was deleted or deactivated meanwhile.
        """
        now_ms = self._clock.now_ms()
        settings = Settings(await tx.settings.all(), self._environment)
        session_id = self._ids.new_id()
        refresh = self._refresh_token(session_id, 1)
        session = Session(
            id=session_id,
            user_id=user.id,
            method=method,
            ip=origin.ip or "",
            binding=network_of(origin.ip, IpBinding(settings.text("session.ip_binding"))),
            device=device_of(origin.user_agent),
            user_agent=(origin.user_agent or "")[:LONGEST_USER_AGENT],
            created_at_ms=now_ms,
            last_seen_at_ms=now_ms,
            refresh_hash=_hash(refresh),
            refreshed_at_ms=now_ms,
            idle_ms=settings.integer("session.idle_minutes") * _MINUTE_MS,
            expires_at_ms=now_ms + settings.integer("session.lifetime_hours") * _HOUR_MS,
            second_factor=second_factor,
            sso=sso,
        )
        await tx.sessions.add(session)
        require_active(await tx.users.find(user.id))
        tx.audit.record(
            owner_of(session, user, origin), "session.create", session_target(session, user)
        )
        return self._grant(session, refresh, now_ms)

    async def refresh(self, refresh: Secret, csrf: Secret | None, origin: Origin) -> SessionGrant:
        """Exchange a refresh token for the tokens of the next generation.

        A token that was exchanged before is in two hands: the session ends (RFC 9700 section 4.14).

        Raises:
            SessionEnded, SessionElsewhere, CsrfRefused
            RefreshedAlready: it was exchanged a moment ago, as two tabs of one browser do.
        """
        claims = self._tokens.read_refresh(refresh)
        if claims is None:
            raise SessionEnded("not a refresh token of ours")
        if csrf is None or not self._tokens.is_csrf(csrf, claims):
            raise CsrfRefused(session_id=claims.session_id)
        now_ms = self._clock.now_ms()
        following = self._refresh_token(claims.session_id, claims.generation + 1)
        async with self._uow.begin() as tx:
            session = await tx.sessions.find(claims.session_id)
            if session is None:
                raise SessionEnded(session_id=claims.session_id)
            session.check(ip=origin.ip, user_agent=origin.user_agent, now_ms=now_ms)
            user = require_active(await tx.users.find(session.user_id))
            if session.generation != claims.generation or session.refresh_hash != _hash(refresh):
                if session.is_overlap(claims.generation, now_ms):
                    raise RefreshedAlready
                await self._end_family(tx, session, user, origin)
            renewed = session.refreshed(_hash(following), now_ms)
            if not await tx.sessions.refresh(renewed):
                raise RefreshedAlready
            await tx.commit()
        return self._grant(renewed, following, now_ms)

    async def sign_out(self, by: Actor) -> Session | None:
        """End the session that `by` acts in and return it as it was; nothing for a key."""
        if by.session_id is None:
            return None
        async with self._uow.begin() as tx:
            session = await tx.sessions.find(by.session_id)
            if await tx.sessions.remove(by.session_id):
                target = AuditTarget(kind="session", id=by.session_id, name=by.name)
                tx.audit.record(by, "session.end", target)
                await tx.commit()
        return session

    async def _end_family(
        self, tx: Transaction, session: Session, user: User, origin: Origin
    ) -> None:
        reason = "a refresh token was used again; the session was ended"
        await tx.sessions.remove(session.id)
        tx.audit.record(
            owner_of(session, user, origin),
            "session.refresh",
            session_target(session, user),
            outcome=AuditOutcome.DENIED,
            reason=reason,
        )
        await tx.commit()
        raise SessionEnded(reason, session_id=session.id, ordinary=True)

    def _refresh_token(self, session_id: str, generation: int) -> Secret:
        claims = TokenClaims(session_id=session_id, generation=generation)
        return self._tokens.refresh(claims, self._randomness.token_bytes(_NONCE_BYTES))

    def _grant(self, session: Session, refresh: Secret, now_ms: int) -> SessionGrant:
        claims = TokenClaims(
            session_id=session.id, generation=session.generation, user_id=session.user_id
        )
        expires_at_ms = min(now_ms + ACCESS_LIFETIME_MS, session.expires_at_ms)
        return SessionGrant(
            session=session,
            access=self._tokens.access(claims, now_ms=now_ms, expires_at_ms=expires_at_ms),
            access_expires_at_ms=expires_at_ms,
            refresh=refresh,
            csrf=self._tokens.csrf(claims),
        )


def require_active(user: User | None) -> User:
    """Return the user, who must be able to use the console.

    Raises:
        SessionEnded: deleted, deactivated, or not a person.
    """
    if user is None or user.state is not UserState.ACTIVE or user.kind is not UserKind.PERSON:
        raise SessionEnded("the user is not active")
    return user


def owner_of(session: Session, user: User, origin: Origin) -> Actor:
    """Return the user of a session as somebody who acts, before any right is looked at."""
    return Actor(
        kind=ActorKind.USER,
        id=user.id,
        name=user.email,
        rights=Rights(user_id=user.id),
        origin=origin,
        session_id=session.id,
    )


def session_target(session: Session, user: User) -> AuditTarget:
    """Return how the audit trail names a session."""
    return AuditTarget(kind="session", id=session.id, name=user.email)


def _hash(token: Secret) -> bytes:
    return sha256(token.reveal().encode()).digest()
