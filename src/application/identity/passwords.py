"""Passwords of local accounts: judged when they are new, and asked for again."""

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from application.ports.clock import Clock, Randomness
from application.ports.identity import CommonPasswords, PasswordHasher
from application.ports.sessions import SignInAttempts
from application.ports.unit_of_work import Transaction, UnitOfWork
from domain.access.accounts import User
from domain.access.actor import Actor, Origin
from domain.access.password import (
    LONGEST,
    PASSWORD_BYTES,
    SHORTEST,
    made_up_password,
    password_faults,
)
from domain.access.refusals import SessionRequired, TooManyAttempts
from domain.access.throttle import account_throttle, network_throttle
from domain.errors import AccessDenied, InvalidRequest
from domain.identifiers import UserId
from domain.records.audit import AuditTarget
from domain.secret import Secret
from domain.settings.catalog import Settings, SettingValue


class WrongPassword(AccessDenied):
    """Somebody who has signed in did not know the password he was asked for again."""

    code = "wrong_password"

    def __init__(self) -> None:
        """Fixed text."""
        super().__init__("The current password is not right.")


class NewPassword(Struct, frozen=True):
    """A password that may be stored, as its PHC string."""

    phc: str


class LocalPasswords:
    """Every password that is stored or compared goes through here, throttled."""

    def __init__(
        self,
        uow: UnitOfWork,
        hasher: PasswordHasher,
        common: CommonPasswords,
        attempts: SignInAttempts,
        clock: Clock,
        randomness: Randomness,
        environment: Mapping[str, SettingValue],
    ) -> None:
        """`environment` is what settings are where nothing is stored."""
        self._environment = environment
        self._uow = uow
        self._hasher = hasher
        self._common = common
        self._attempts = attempts
        self._clock = clock
        self._randomness = randomness

    async def new(self, password: Secret, *, param: str = "password") -> NewPassword:
        """Judge a new password and hash it.

        Raises:
            InvalidRequest: it breaks the rules; `param` is named in the error.
            ServiceUnavailable: too many are hashed at this moment.
        """
        async with self._uow.begin() as tx:
            settings = Settings(await tx.settings.all(), self._environment)
        shortest = max(SHORTEST, settings.integer("security.password_min_length"))
        faults = password_faults(password.reveal(), shortest=shortest)
        if not faults and self._common.has(password):
            faults.append("is one of those that are tried first")
        if faults:
            raise InvalidRequest(f"The password {', '.join(faults)}.", param=param)
        return NewPassword(await self._hasher.hash(password))

    async def made_up(self) -> tuple[Secret, NewPassword]:
        """Return a password of ours."""
        password = made_up_password(self._randomness.token_bytes(PASSWORD_BYTES))
        return password, NewPassword(await self._hasher.hash(password))

    async def matches(self, password: Secret, phc: str | None) -> bool:
        """Tell whether a password is that of the PHC string; None takes as long."""
        too_long = len(password.reveal()) > LONGEST
        return await self._hasher.verify(Secret("") if too_long else password, phc)

    async def newer(self, password: Secret, phc: str) -> NewPassword | None:
        """Return a matching password at the costs of now, when it was hashed at others."""
        if not self._hasher.is_dated(phc):
            return None
        return NewPassword(await self._hasher.hash(password))

    async def begin_attempt(self, account: str, origin: Origin) -> None:
        """Count an attempt to prove to be `account`.

        Raises:
            TooManyAttempts: it has to wait.
        """
        throttles = account_throttle(account, origin.ip), network_throttle(origin.ip)
        wait_ms = await self._attempts.begin(throttles, self._clock.now_ms())
        if wait_ms > 0:
            raise TooManyAttempts(wait_ms)

    async def end_attempt(self, account: str, origin: Origin, *, proven: bool = True) -> None:
        """Take an attempt back; with `proven`, forget all failures of the account here."""
        throttles = account_throttle(account, origin.ip), network_throttle(origin.ip)
        await self._attempts.give_back(throttles)
        if proven:
            await self._attempts.forget(throttles[0])

    async def ask_again(self, by: Actor, password: Secret) -> str:
        """Make sure that whoever has the session knows the password; return its PHC string.

        Raises:
            SessionRequired, WrongPassword, TooManyAttempts
        """
        user_id = signed_in(by)
        await self.begin_attempt(by.name, by.origin)
        async with self._uow.begin() as tx:
            phc = await tx.users.password_hash(user_id)
        if not await self.matches(password, phc) or phc is None:
            raise WrongPassword
        await self.end_attempt(by.name, by.origin)
        return phc


class OwnPassword:
    """People change their own password."""

    def __init__(self, uow: UnitOfWork, passwords: LocalPasswords) -> None:
        """Take the port and what judges passwords."""
        self._uow = uow
        self._passwords = passwords

    async def change(self, by: Actor, current: Secret, new: Secret) -> None:
        """Change it; the user's other sessions end.

        Raises:
            SessionRequired, WrongPassword, TooManyAttempts
            InvalidRequest: the new one breaks the rules, or is the old one.
        """
        phc = await self._passwords.ask_again(by, current)
        if new == current:
            raise InvalidRequest("The new password is the old one.", param="new_password")
        chosen = await self._passwords.new(new, param="new_password")
        async with self._uow.begin() as tx:
            user_id = signed_in(by)
            if await tx.users.password_hash(user_id) != phc:
                raise WrongPassword
            user = await store_password(tx, user_id, chosen, must_change=False, keep=by.session_id)
            tx.audit.record(by, "user.change_password", user_target(user))
            await tx.commit()


async def store_password(
    tx: Transaction,
    user_id: UserId,
    password: NewPassword,
    *,
    must_change: bool,
    keep: str | None = None,
) -> User:
    """Store a password and end the user's sessions but `keep`; return the user as it is then.

    Raises:
        NotFound: there is no such user any more.
    """
    await tx.users.set_password(user_id, password.phc)  # first: it locks the user
    user = await tx.users.find(user_id)
    assert user is not None
    if user.must_change_password != must_change:
        user = replace(user, must_change_password=must_change)
        await tx.users.update(user)
    await tx.sessions.remove_of_user(user_id, except_id=keep)
    return user


def signed_in(by: Actor) -> UserId:
    """Return the user who acts in a session. Raises `SessionRequired` for keys and commands."""
    if by.session_id is None or by.user_id is None:
        raise SessionRequired
    return by.user_id


def user_target(user: User) -> AuditTarget:
    """Return how the audit trail names a user."""
    return AuditTarget(kind="user", id=user.id, name=user.email)
