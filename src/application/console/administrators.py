"""Administrators made from the command line: the first one, and the break-glass one."""

from msgspec import Struct

from application.ports.clock import Clock, IdGenerator, Randomness
from application.ports.identity import PasswordHasher
from application.ports.unit_of_work import UnitOfWork
from domain.access.accounts import Role, User, normal_email
from domain.access.actor import Actor
from domain.access.password import PASSWORD_BYTES, made_up_password, password_faults
from domain.errors import InvalidRequest, NotFound
from domain.identifiers import UserId
from domain.records.audit import AuditTarget
from domain.secret import Secret


class Administrator(Struct, frozen=True, kw_only=True):
    """A user with a fresh password; `generated` is it, when we chose it."""

    user: User
    generated: Secret | None


class ManageAdministrators:
    """Works on the database alone, so it needs no administrator to sign in first."""

    def __init__(
        self,
        uow: UnitOfWork,
        passwords: PasswordHasher,
        clock: Clock,
        ids: IdGenerator,
        randomness: Randomness,
    ) -> None:
        """Take the ports."""
        self._uow = uow
        self._passwords = passwords
        self._clock = clock
        self._ids = ids
        self._randomness = randomness

    async def create(self, by: Actor, email: str, password: Secret | None = None) -> Administrator:
        """Store a super admin; a password is made up when none is given.

        Raises:
            InvalidRequest: the address or the password breaks the rules.
            Conflict: there is a user with this address.
        """
        address = _address(email)
        generated, password_hash = await self._hash(password)
        user = User(
            id=UserId(self._ids.new_id()),
            email=address,
            role=Role.SUPER_ADMIN,
            created_at_ms=self._clock.now_ms(),
        )
        async with self._uow.begin() as tx:
            await tx.users.add(user)
            await tx.users.set_password(user.id, password_hash)
            tx.audit.record(by, "user.create", _target(user), after=user)
            await tx.commit()
        return Administrator(user=user, generated=generated)

    async def reset_password(
        self, by: Actor, email: str, password: Secret | None = None
    ) -> Administrator:
        """Give an existing user a new password; console sessions of the user end.

        Raises:
            InvalidRequest: the password breaks the rules.
            NotFound: no such user.
        """
        address = _address(email)
        generated, password_hash = await self._hash(password)
        async with self._uow.begin() as tx:
            user = await tx.users.by_email(address)
            if user is None:
                raise NotFound(f"There is no user '{address}'.")
            await tx.users.set_password(user.id, password_hash)
            await tx.sessions.remove_of_user(user.id)
            tx.audit.record(by, "user.reset_password", _target(user))
            await tx.commit()
        return Administrator(user=user, generated=generated)

    async def _hash(self, password: Secret | None) -> tuple[Secret | None, str]:
        generated = (
            made_up_password(self._randomness.token_bytes(PASSWORD_BYTES))
            if password is None
            else None
        )
        chosen = generated or password
        assert chosen is not None
        if faults := password_faults(chosen.reveal()):
            raise InvalidRequest(f"The password {', '.join(faults)}.", param="password")
        return generated, await self._passwords.hash(chosen)


def _target(user: User) -> AuditTarget:
    return AuditTarget(kind="user", id=user.id, name=user.email)


def _address(email: str) -> str:
    try:
        return normal_email(email)
    except ValueError as error:
        raise InvalidRequest(f"The address is not valid: {error}.", param="email") from error
