"""Who acts in tests: somebody who may do everything, or a user with the rights of the role."""

from msgspec.structs import replace

from domain.access.accounts import User
from domain.access.actor import Actor, ActorKind, system_actor
from domain.access.permissions import Permission
from domain.access.roles import rights_of

OPERATOR = system_actor("operator")


def acting(user: User, *scopes: Permission) -> Actor:
    """Return a user in a session; with `scopes`, a console key of the user with these."""
    rights = rights_of(user, (), {})
    if scopes:
        key = replace(rights, ceiling=frozenset(scopes))
        return Actor(kind=ActorKind.API_KEY, id="key", name="key", rights=key)
    return Actor(kind=ActorKind.USER, id=user.id, name=user.email, rights=rights)
