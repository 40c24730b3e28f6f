"""Whether somebody may do a thing at all: the question before any target is known."""

from domain.access.actor import Actor
from domain.access.permissions import Permission
from domain.errors import PermissionDenied


def require_somewhere(by: Actor, permission: Permission) -> None:
    """Raise unless there is any target at all for which the act is allowed.

    Raises:
        PermissionDenied: there is none, so a list would be empty and every change refused.
    """
    if not by.rights.holds(permission):
        raise PermissionDenied(permission.value)
