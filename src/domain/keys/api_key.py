"""An API key as authentication sees it, and the caller it stands for."""

from enum import StrEnum
from fnmatch import fnmatchcase

from msgspec import Struct

from domain.errors import KeyExpired, KeyRevoked, OwnerInactive, SurfaceNotAllowed
from domain.identifiers import ApiKeyId, LineageId, TeamId, UserId
from domain.inference.dialect import Surface


class KeyState(StrEnum):
    """Stored state; expiry is computed from the clock, not stored."""

    ACTIVE = "active"
    ROTATED = "rotated"
    REVOKED = "revoked"


class Caller(Struct, frozen=True, kw_only=True):
    """A key joined with its owner: all that authentication and authorisation look at.

    Attributes:
        lineage_id: shared by all rotations of a key; limits count on it.
        models: exact names or globs this key may use; None means every model, an empty tuple none.
        grace_ends_at_ms: for a rotated key, the instant at which it stops working.
    """

    key_id: ApiKeyId
    lineage_id: LineageId
    key_name: str
    state: KeyState
    surfaces: frozenset[Surface]
    models: tuple[str, ...] | None = None
    expires_at_ms: int | None = None
    grace_ends_at_ms: int | None = None
    user_id: UserId | None = None
    user_email: str | None = None
    owner_active: bool = True
    team_ids: tuple[TeamId, ...] = ()
    team_names: tuple[str, ...] = ()
    cost_centre: str | None = None
    tags: dict[str, str] = {}

    def check(self, surface: Surface, now_ms: int) -> None:
        """Raise unless this key opens `surface` at `now_ms`.

        Raises:
            KeyRevoked, KeyExpired, OwnerInactive, SurfaceNotAllowed
        """
        if self.state is KeyState.REVOKED:
            raise KeyRevoked
        if self.state is KeyState.ROTATED and now_ms >= (self.grace_ends_at_ms or 0):
            raise KeyExpired("This API key was rotated and its grace period has ended.")
        if self.expires_at_ms is not None and now_ms >= self.expires_at_ms:
            raise KeyExpired
        if not self.owner_active:
            raise OwnerInactive
        if surface not in self.surfaces:
            raise SurfaceNotAllowed(surface)

    def may_use(self, model: str) -> bool:
        """Tell whether the key's model list covers `model`."""
        if self.models is None:
            return True
        return any(fnmatchcase(model, pattern) for pattern in self.models)
