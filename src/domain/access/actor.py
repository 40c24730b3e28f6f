"""Who acts, from where, and with which rights: the first argument of every change."""

from enum import StrEnum

from msgspec import Struct

from domain.access.permissions import Permission
from domain.access.rights import INSTALLATION, UNLIMITED, Rights, Target
from domain.errors import NotFound, PermissionDenied
from domain.identifiers import UserId


class ActorKind(StrEnum):
    """By what somebody is known."""

    USER = "user"
    API_KEY = "api_key"
    SETUP = "setup"
    SYSTEM = "system"
    NOBODY = "nobody"


class Origin(Struct, frozen=True, kw_only=True):
    """Where a call came from; all None for the program's own work."""

    ip: str | None = None
    user_agent: str | None = None
    request_id: str | None = None


class Actor(Struct, frozen=True, kw_only=True):
    """Somebody who acts.

    Attributes:
        id: of the user or key; a word for the program itself.
        name: e-mail address or name of the key, as the audit trail shows it.
        session_id: of the console session, where there is one.
    """

    kind: ActorKind
    id: str
    name: str
    rights: Rights
    origin: Origin = Origin()
    session_id: str | None = None

    @property
    def user_id(self) -> UserId | None:
        """The user who acts, or for whom a key acts."""
        return self.rights.user_id

    def allows(self, permission: Permission, target: Target = INSTALLATION) -> bool:
        """Tell whether the act is allowed."""
        return self.rights.allows(permission, target)

    def require(
        self,
        permission: Permission,
        target: Target = INSTALLATION,
        *,
        seen_by: Permission | None = None,
        missing: str = "There is no such thing.",
    ) -> None:
        """Raise unless the act is allowed.

        Args:
            permission: what is about to be done.
            target: to what.
            seen_by: the permission to see the target. Without it the answer is that of a target
                that is not there, so that nobody learns what exists; None: its existence is known.
            missing: what a target that is not there is answered with.

        Raises:
            NotFound: the actor may not even see the target.
            PermissionDenied: the actor may see it and not do this.
        """
        if self.rights.allows(permission, target):
            return
        if seen_by is not None and not self.rights.allows(seen_by, target):
            raise NotFound(missing)
        raise PermissionDenied(permission.value)


def nobody(origin: Origin) -> Actor:
    """Return whoever has not proved who he is; he may do nothing."""
    return Actor(kind=ActorKind.NOBODY, id="", name="", rights=Rights(), origin=origin)


def system_actor(name: str) -> Actor:
    """Return the program itself: a job, or a command of whoever has the machine."""
    return Actor(kind=ActorKind.SYSTEM, id=name, name=name, rights=UNLIMITED)
