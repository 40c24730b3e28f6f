"""The rights of a user, as they are stored now."""

from application.ports.unit_of_work import Transaction
from domain.access.accounts import User
from domain.access.rights import Rights
from domain.access.roles import GatewayAccess, gateway_access, rights_of
from domain.errors import BeyondOwnRights, Conflict


class LastSuperAdmin(Conflict):
    """Somebody must be left who can do everything."""

    code = "last_super_admin"

    def __init__(self) -> None:
        """Fixed text."""
        super().__init__("This is the last active super admin; make another one first.")


async def read_rights(tx: Transaction, user: User) -> Rights:
    """Return what a user may do now."""
    given = await tx.roles.assignments_of(user.id, user.team_ids)
    return rights_of(user, given, {role.name: role for role in await tx.roles.custom()})


async def read_gateway_access(tx: Transaction, user: User) -> GatewayAccess:
    """Return what the roles of a user open on the gateway now."""
    given = await tx.roles.assignments_of(user.id, user.team_ids)
    return gateway_access(user, given, {role.name: role for role in await tx.roles.custom()})


async def require_no_more_than(
    tx: Transaction, actor: Rights, given: Rights, given_access: GatewayAccess | None = None
) -> None:
    """Raise unless everything in `given` is within the actor's own rights.

    Args:
        tx: where the actor's own roles are read.
        actor: rights of who gives.
        given: what the receiver would hold, or holds: whoever acts on somebody must not be less.
        given_access: what the receiver could use on the gateway, when that is at stake too.

    Raises:
        BeyondOwnRights: it names what is beyond.
    """
    beyond = list(actor.may_give(given))
    if given_access is not None and not actor.unlimited and actor.user_id is not None:
        own = await tx.users.find(actor.user_id)
        if own is None:
            beyond.append("anything, as your account is gone")
        else:
            beyond.extend((await read_gateway_access(tx, own)).beyond(given_access))
    if beyond:
        raise BeyondOwnRights(beyond)
