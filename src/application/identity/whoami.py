"""Who asks, and what that one may do: what pages are made from."""

from msgspec import Struct

from application.identity.passwords import signed_in
from application.ports.unit_of_work import UnitOfWork
from domain.access.actor import Actor
from domain.access.permissions import Permission
from domain.access.session import Restriction


class SelfView(Struct, frozen=True, kw_only=True):
    """Whoever asks.

    Attributes:
        kind: `user`, `api_key`, or `system` for a command on the machine.
        permissions: held over at least something.
        restriction: why nothing else is open: `password_change_required`,
            `totp_enrolment_required`, or null.
        totp: whether a second factor is on; recovery codes are what is left of them.
    """

    kind: str
    id: str
    name: str
    user_id: str | None
    email: str | None = None
    display_name: str | None = None
    roles: tuple[str, ...] = ()
    team_ids: tuple[str, ...] = ()
    permissions: tuple[str, ...] = ()
    restriction: str | None = None
    totp: bool = False
    recovery_codes: int = 0


class WhoAmI:
    """Reads what is not in the actor."""

    def __init__(self, uow: UnitOfWork) -> None:
        """Take the port."""
        self._uow = uow

    async def view(self, by: Actor, restriction: Restriction | None) -> SelfView:
        """Return who `by` is."""
        user, factor = None, None
        if by.user_id is not None:
            async with self._uow.begin() as tx:
                user = await tx.users.find(by.user_id)
                if by.session_id is not None:
                    factor = await tx.second_factors.find(signed_in(by))
        confirmed = factor is not None and factor.confirmed
        return SelfView(
            kind=by.kind.value,
            id=by.id,
            name=by.name,
            user_id=by.user_id,
            email=user.email if user is not None else None,
            display_name=user.display_name if user is not None else None,
            roles=by.rights.roles,
            team_ids=tuple(sorted(by.rights.team_ids)),
            permissions=tuple(each.value for each in Permission if by.rights.holds(each)),
            restriction=restriction.value if restriction is not None else None,
            totp=confirmed,
            recovery_codes=len(factor.recovery_hashes) if factor is not None and confirmed else 0,
        )
