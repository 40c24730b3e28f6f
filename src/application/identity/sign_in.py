"""Sign in with a password and, where there is one, a second factor."""

from msgspec import Struct

from application.identity.passwords import LocalPasswords, NewPassword, user_target
from application.identity.second_factor import SecondFactors
from application.identity.sessions import ConsoleSessions, SessionGrant, owner_of
from application.ports.unit_of_work import UnitOfWork
from domain.access.accounts import User, UserKind, UserState, normal_email
from domain.access.actor import Origin
from domain.access.refusals import SessionEnded, SignInFailed, TooManyAttempts, TotpRequired
from domain.access.session import SignInMethod
from domain.errors import NotFound
from domain.secret import Secret


class Credentials(Struct, frozen=True, kw_only=True):
    """What somebody shows to sign in."""

    email: str
    password: Secret
    totp_code: Secret | None = None
    recovery_code: Secret | None = None


class SignIn:
    """Costs one argon2id, whoever asks: for an unknown account too."""

    def __init__(
        self,
        uow: UnitOfWork,
        passwords: LocalPasswords,
        factors: SecondFactors,
        sessions: ConsoleSessions,
    ) -> None:
        """Take the port and what each step is done with."""
        self._uow = uow
        self._passwords = passwords
        self._factors = factors
        self._sessions = sessions

    async def sign_in(self, shown: Credentials, origin: Origin) -> SessionGrant:
        """Begin a session.

        Raises:
            SignInFailed: something is not right; nothing says what.
            TotpRequired: the password is right and a code is needed as well.
            TooManyAttempts: this account from this network, or the network, has to wait.
            ServiceUnavailable: too many sign in at this moment.
        """
        account = _account(shown.email)
        try:
            return await self._attempt(account, shown, origin)
        except (SignInFailed, TooManyAttempts) as error:
            error.account = account
            raise

    async def _attempt(self, account: str, shown: Credentials, origin: Origin) -> SessionGrant:
        await self._passwords.begin_attempt(account, origin)
        async with self._uow.begin() as tx:
            user = await tx.users.by_email(account)
            known = _can_sign_in(user)
            phc = await tx.users.password_hash(known.id) if known is not None else None
        if not await self._passwords.matches(shown.password, phc) or known is None or phc is None:
            raise SignInFailed
        newer = await self._passwords.newer(shown.password, phc)
        try:
            grant = await self._begin(known, phc, newer, shown, origin)
        except TotpRequired:
            await self._passwords.end_attempt(account, origin, proven=False)
            raise
        await self._passwords.end_attempt(account, origin)
        return grant

    async def _begin(
        self,
        user: User,
        phc: str,
        newer: NewPassword | None,
        shown: Credentials,
        origin: Origin,
    ) -> SessionGrant:
        async with self._uow.begin() as tx:
            factor = await tx.second_factors.find(user.id)
            has_factor = factor is not None and factor.confirmed
            try:
                grant = await self._sessions.issue(
                    tx,
                    user,
                    origin,
                    method=SignInMethod.PASSWORD,
                    second_factor=has_factor,
                )
            except (NotFound, SessionEnded):
                raise SignInFailed from None
            # The user is locked now: what is read from here on holds until the commit.
            if await tx.users.password_hash(user.id) != phc:
                raise SignInFailed
            await self._factors.require(tx, user.id, shown.totp_code, shown.recovery_code)
            if newer is not None:
                await tx.users.set_password(user.id, newer.phc)
                by = owner_of(grant.session, user, origin)
                tx.audit.record(by, "user.rehash_password", user_target(user))
            await tx.commit()
        return grant


def _account(email: str) -> str:
    try:
        return normal_email(email)
    except ValueError:
        return email.strip().lower()[:300]


def _can_sign_in(user: User | None) -> User | None:
    active = user is not None and user.state is UserState.ACTIVE and user.kind is UserKind.PERSON
    return user if active else None
