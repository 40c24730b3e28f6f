"""Who asks the console: a session or a key (console.md section 2). Read anew for every request."""

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from application.identity.rights import read_rights
from application.identity.second_factor import totp_required_of
from application.identity.sessions import owner_of, require_active
from application.ports.clock import Clock
from application.ports.directory import KeyDirectory
from application.ports.sessions import SessionTokens
from application.ports.unit_of_work import Transaction, UnitOfWork
from domain.access.accounts import User, UserState
from domain.access.actor import Actor, ActorKind, Origin, system_actor
from domain.access.permissions import Permission
from domain.access.refusals import CsrfRefused, SessionEnded
from domain.access.session import Restriction, Session, SignInMethod
from domain.errors import CredentialInvalid, OwnerInactive, TokenRequired
from domain.inference.dialect import Surface
from domain.keys.secret import is_well_formed, key_hash
from domain.secret import Secret
from domain.settings.catalog import Settings, SettingValue

KEY_PREFIX = "tw-"
_TOUCH_EVERY_MS = 60_000
_MOST_TOUCHED = 10_000


class Shown(Struct, frozen=True, kw_only=True):
    """The credentials of one request.

    Attributes:
        bearer: from `Authorization`; it counts before a cookie.
        cookie: the access cookie.
        csrf: from `X-CSRF-Token`.
        changes: the method is not a safe one (RFC 9110 section 9.2.1).
        local: the request comes from this machine.
    """

    bearer: Secret | None = None
    cookie: Secret | None = None
    csrf: Secret | None = None
    changes: bool = False
    local: bool = False


class Admitted(Struct, frozen=True, kw_only=True):
    """Who asks. With a restriction, only what would lift it is open."""

    actor: Actor
    restriction: Restriction | None = None


class ConsoleAccess:
    """Every request reads session, user and roles: what was revoked is refused by the next one."""

    def __init__(
        self,
        uow: UnitOfWork,
        keys: KeyDirectory,
        tokens: SessionTokens,
        clock: Clock,
        environment: Mapping[str, SettingValue],
        operator_token: Secret | None = None,
    ) -> None:
        """Take the ports, what settings are where nothing is stored, and this machine's token."""
        self._environment = environment
        self._uow = uow
        self._keys = keys
        self._tokens = tokens
        self._clock = clock
        self._operator_token = operator_token
        self._touched: dict[str, int] = {}

    async def authenticate(self, shown: Shown, origin: Origin) -> Admitted:
        """Return who asks.

        Raises:
            TokenRequired: nothing was shown.
            SessionEnded, SessionElsewhere, CsrfRefused: about a session.
            CredentialInvalid, KeyRevoked, KeyExpired, OwnerInactive, SurfaceNotAllowed,
                AddressNotAllowed: about a key.
            ServiceUnavailable: the stores cannot be asked.
        """
        token = shown.bearer or shown.cookie
        if token is None:
            raise TokenRequired
        if shown.bearer is None:
            return await self._by_session(token, shown, origin)
        if shown.local and self._operator_token is not None and token == self._operator_token:
            return Admitted(actor=replace(system_actor("operator"), origin=origin))
        if token.reveal().startswith(KEY_PREFIX):
            return await self._by_key(token, origin)
        return await self._by_session(token, shown, origin)

    async def _by_session(self, token: Secret, shown: Shown, origin: Origin) -> Admitted:
        now_ms = self._clock.now_ms()
        claims = self._tokens.read_access(token, now_ms)
        if claims is None:
            raise SessionEnded("not an access token of ours")
        if claims.expired:
            raise SessionEnded(
                "the access token has expired", session_id=claims.session_id, ordinary=True
            )
        async with self._uow.begin() as tx:
            session = await tx.sessions.find(claims.session_id)
            if session is None or session.user_id != claims.user_id:
                raise SessionEnded(session_id=claims.session_id)
            session.check(ip=origin.ip, user_agent=origin.user_agent, now_ms=now_ms)
            if session.generation != claims.generation:
                raise SessionEnded("a token of an older generation", session_id=session.id)
            user = require_active(await tx.users.find(session.user_id))
            admitted = await self._admit(tx, session, user, origin)
            if session.wants_touch(now_ms):
                await tx.sessions.touch(session.id, now_ms)
                await tx.commit()
        cookie_changes = shown.bearer is None and shown.changes
        if cookie_changes and (shown.csrf is None or not self._tokens.is_csrf(shown.csrf, claims)):
            raise CsrfRefused(session_id=session.id)
        return admitted

    async def _admit(
        self, tx: Transaction, session: Session, user: User, origin: Origin
    ) -> Admitted:
        rights = await read_rights(tx, user)
        actor = replace(owner_of(session, user, origin), rights=rights)
        if user.must_change_password and session.method is SignInMethod.PASSWORD:
            return Admitted(actor=actor, restriction=Restriction.PASSWORD)
        if not session.second_factor:
            settings = Settings(await tx.settings.all(), self._environment)
            if totp_required_of(settings, rights.roles):
                return Admitted(actor=actor, restriction=Restriction.TOTP)
        return Admitted(actor=actor)

    async def _by_key(self, key: Secret, origin: Origin) -> Admitted:
        if not is_well_formed(key.reveal()):
            raise CredentialInvalid
        now_ms = self._clock.now_ms()
        caller = await self._keys.find(key_hash(key.reveal()))
        if caller is None:
            raise CredentialInvalid
        caller.check(Surface.CONSOLE, now_ms)
        caller.check_address(origin.ip or "")
        async with self._uow.begin() as tx:
            owner = await tx.users.find(caller.user_id) if caller.user_id is not None else None
            # The directory may be a few seconds behind; who is deactivated is out at once.
            if owner is None or owner.state is not UserState.ACTIVE:
                raise OwnerInactive
            rights = await read_rights(tx, owner)
        await self._touch(caller.key_id, now_ms)
        # A key without permissions of its own opens the console and nothing in it.
        named = frozenset(each for each in Permission if each.value in (caller.permissions or ()))
        actor = Actor(
            kind=ActorKind.API_KEY,
            id=caller.key_id,
            name=caller.key_name,
            rights=replace(rights, ceiling=named),
            origin=origin,
        )
        return Admitted(actor=actor)

    async def _touch(self, key_id: str, now_ms: int) -> None:
        if now_ms - self._touched.get(key_id, 0) < _TOUCH_EVERY_MS:
            return
        if len(self._touched) >= _MOST_TOUCHED:
            self._touched.clear()
        self._touched[key_id] = now_ms
        await self._keys.touch({key_id: now_ms})
