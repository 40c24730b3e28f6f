"""The first run: whoever has the set-up token makes the first super admin, once."""

from msgspec.structs import replace

from application.identity.passwords import LocalPasswords, store_password, user_target
from application.ports.clock import Clock, IdGenerator
from application.ports.people import UserFilter
from application.ports.sessions import SignInAttempts
from application.ports.unit_of_work import Transaction, UnitOfWork
from domain.access.accounts import Role, User, UserKind, UserState, normal_email
from domain.access.actor import Actor, ActorKind, Origin
from domain.access.refusals import TokenRefused, TooManyAttempts
from domain.access.rights import UNLIMITED, Area, Reach
from domain.access.session import network_of
from domain.access.throttle import FREE_OF_ACCOUNT, Throttle
from domain.errors import Conflict, InvalidRequest
from domain.identifiers import UserId
from domain.secret import Secret

_MOST_REMOVED = 1000


class SetUpClosed(Conflict):
    """Somebody can sign in already."""

    code = "setup_closed"

    def __init__(self) -> None:
        """Fixed text."""
        super().__init__("This installation has an administrator; set-up is closed.")


class SetUp:
    """Open until somebody has got in: by signing in, or by setting up; then closed for good.

    An administrator who was made by a command, with a password that nobody has used yet, does not
    close it: the link is there for whoever does not have that password. Who has got in keeps it
    closed also without being an administrator, or there, any more: the token stays what it was, and
    a successor who has yet to sign in must not open the installation to whoever once saw it.
    """

    def __init__(
        self,
        uow: UnitOfWork,
        passwords: LocalPasswords,
        attempts: SignInAttempts,
        token: Secret,
        clock: Clock,
        ids: IdGenerator,
    ) -> None:
        """Take the ports; `token` is the one-time set-up token."""
        self._uow = uow
        self._passwords = passwords
        self._attempts = attempts
        self._token = token
        self._clock = clock
        self._ids = ids

    async def is_open(self) -> bool:
        """Tell whether the first super admin is still to be made."""
        async with self._uow.begin() as tx:
            return await _is_open(tx)

    async def create(self, token: Secret, email: str, password: Secret, origin: Origin) -> User:
        """Make the first super admin; set-up is closed from then on.

        Raises:
            TooManyAttempts: too many wrong tokens from this network.
            TokenRefused: not the set-up token.
            SetUpClosed: there is an administrator.
            InvalidRequest: address or password break the rules.
            Conflict: somebody else has the address.
        """
        throttle = Throttle(f"setup {network_of(origin.ip)}", FREE_OF_ACCOUNT)
        wait_ms = await self._attempts.begin((throttle,), self._clock.now_ms())
        if wait_ms > 0:
            raise TooManyAttempts(wait_ms)
        if token != self._token:
            raise TokenRefused("not the set-up token")
        await self._attempts.forget(throttle)
        if not await self.is_open():
            raise SetUpClosed
        try:
            address = normal_email(email)
        except ValueError as error:
            raise InvalidRequest(f"The address is not valid: {error}.", param="email") from error
        chosen = await self._passwords.new(password)
        async with self._uow.begin(exclusive=True) as tx:
            if not await _is_open(tx):
                raise SetUpClosed
            user = await self._first(tx, address)
            await store_password(tx, user.id, chosen, must_change=False)
            by = Actor(
                kind=ActorKind.SETUP, id="setup", name="set-up", rights=UNLIMITED, origin=origin
            )
            tx.audit.record(by, "user.create", user_target(user), after=user)
            await tx.commit()
        return user

    async def _first(self, tx: Transaction, address: str) -> User:
        """Return the new user, or a super admin of that address who has never got in."""
        now_ms = self._clock.now_ms()
        present = await tx.users.by_email(address)
        if present is not None and _is_administrator(present):
            user = replace(present, last_sign_in_at_ms=now_ms)
            await tx.users.update(user)
            return user
        user = User(
            id=UserId(self._ids.new_id()),
            email=address,
            role=Role.SUPER_ADMIN,
            created_at_ms=now_ms,
            last_sign_in_at_ms=now_ms,
        )
        await tx.users.add(user)
        return user


async def _is_open(tx: Transaction) -> bool:
    if any(user.last_sign_in_at_ms is not None for user in await tx.users.all()):
        return False
    gone = UserFilter(removed=True, role=Role.SUPER_ADMIN.value)
    everybody = Reach(allowed=Area(everything=True))
    found = await tx.user_search.page(gone, everybody, after=None, limit=_MOST_REMOVED)
    return all(each.user.last_sign_in_at_ms is None for each in found)


def _is_administrator(user: User) -> bool:
    return (
        user.role == Role.SUPER_ADMIN
        and user.state is UserState.ACTIVE
        and user.kind is UserKind.PERSON
    )
