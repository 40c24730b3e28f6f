"""Passwords and second factors of others, reset by who may (`users:reset_credentials`)."""

from msgspec import Struct

from application.identity.passwords import LocalPasswords, store_password, user_target
from application.identity.rights import read_gateway_access, read_rights, require_no_more_than
from application.identity.roster import Roster
from application.ports.unit_of_work import Transaction, UnitOfWork
from domain.access.accounts import User, UserKind
from domain.access.actor import Actor
from domain.access.permissions import Permission
from domain.access.rights import Target
from domain.errors import InvalidRequest, NotFound
from domain.identifiers import UserId
from domain.secret import Secret

_MISSING = "There is no such user."


class ResetPassword(Struct, frozen=True, kw_only=True):
    """A password of ours, shown once; its user has to change it."""

    user: User
    password: Secret


class CredentialResets:
    """Nobody resets what belongs to somebody mightier: it would be his own then."""

    def __init__(self, uow: UnitOfWork, passwords: LocalPasswords) -> None:
        """Take the port and what makes passwords."""
        self._uow = uow
        self._passwords = passwords

    async def reset_password(self, by: Actor, user_id: UserId) -> ResetPassword:
        """Give a user a password of ours; the user's sessions end.

        Raises:
            NotFound: no such user, or not within sight.
            PermissionDenied, BeyondOwnRights
            InvalidRequest: it is one's own, or that of a service account.
        """
        async with self._uow.begin() as tx:
            await _resettable(tx, by, user_id)  # before the costly part
        password, chosen = await self._passwords.made_up()
        # Exclusive: neither who asks nor the user may become somebody else meanwhile.
        async with self._uow.begin(exclusive=True) as tx:
            await _resettable(tx, by, user_id)
            user = await store_password(tx, user_id, chosen, must_change=True)
            tx.audit.record(by, "user.reset_password", user_target(user))
            await tx.commit()
        return ResetPassword(user=user, password=password)

    async def reset_second_factor(self, by: Actor, user_id: UserId) -> User:
        """Take away the second factor of a user who has lost it; the user's sessions end.

        Raises:
            NotFound: no such user or factor, or not within sight.
            PermissionDenied, BeyondOwnRights
            InvalidRequest: it is one's own, or that of a service account.
        """
        async with self._uow.begin(exclusive=True) as tx:
            user = await _resettable(tx, by, user_id)
            if not await tx.second_factors.remove(user_id):
                raise NotFound("The user has no second factor.")
            await tx.sessions.remove_of_user(user_id)
            tx.audit.record(by, "user.reset_second_factor", user_target(user))
            await tx.commit()
        return user


async def _resettable(tx: Transaction, by: Actor, user_id: UserId) -> User:
    roster = await Roster.read(tx)
    by = roster.present(by)  # hashing may have taken a while
    user = roster.users.get(user_id)
    if user is None:
        raise NotFound(_MISSING)
    by.require(
        Permission.USERS_RESET,
        Target(owner_id=user.id, team_ids=user.team_ids),
        seen_by=Permission.USERS_READ,
        missing=_MISSING,
    )
    if user.kind is UserKind.SERVICE:
        raise InvalidRequest("A service account never signs in.", param="user_id")
    if user.id == by.user_id:
        raise InvalidRequest("Your own you change at /api/me, with your password.", param="user_id")
    access = await read_gateway_access(tx, user)
    await require_no_more_than(tx, by.rights, await read_rights(tx, user), access)
    return user
