"""An API key as authentication sees it, and the caller it stands for."""

from enum import StrEnum
from fnmatch import fnmatchcase
from ipaddress import ip_address, ip_network

from msgspec import Struct

from domain.access.roles import GatewayAccess
from domain.errors import (
    AddressNotAllowed,
    KeyExpired,
    KeyRevoked,
    OwnerInactive,
    SurfaceNotAllowed,
)
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
        tools: tools of MCP servers it may call, as `server/tool`, likewise.
        permissions: what a console key may do of what its owner may; None, like an empty set,
            is nothing.
        grace_ends_at_ms: for a rotated key, the instant at which it stops working.
        inactivity_ms: the key stops working when it was not used for this long, counted from its
            creation while it was never used.
        ip_allow: networks in CIDR form it may be used from; None means from anywhere.
        roles: names of the owner's roles, whose default limits bind the owner.
        access: what those roles open; the key opens nothing beyond.
    """

    key_id: ApiKeyId
    lineage_id: LineageId
    key_name: str
    state: KeyState
    surfaces: frozenset[Surface]
    models: tuple[str, ...] | None = None
    tools: tuple[str, ...] | None = None
    permissions: frozenset[str] | None = None
    expires_at_ms: int | None = None
    grace_ends_at_ms: int | None = None
    user_id: UserId | None = None
    user_email: str | None = None
    owner_active: bool = True
    team_ids: tuple[TeamId, ...] = ()
    team_names: tuple[str, ...] = ()
    cost_centre: str | None = None
    tags: dict[str, str] = {}
    created_at_ms: int = 0
    last_used_at_ms: int | None = None
    inactivity_ms: int | None = None
    ip_allow: tuple[str, ...] | None = None
    roles: tuple[str, ...] = ()
    access: GatewayAccess = GatewayAccess()

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
        if self.is_inactive(now_ms):
            raise KeyExpired("This API key was closed because it was not used for too long.")
        if not self.owner_active:
            raise OwnerInactive
        if surface not in self.surfaces or surface not in self.access.surfaces:
            raise SurfaceNotAllowed(surface)

    def is_inactive(self, now_ms: int) -> bool:
        """Tell whether the key has gone unused for its inactivity limit."""
        if self.inactivity_ms is None:
            return False
        last_sign_of_life = max(self.created_at_ms, self.last_used_at_ms or 0)
        return now_ms - last_sign_of_life >= self.inactivity_ms

    def check_address(self, client_ip: str) -> None:
        """Raise unless the key may be used from `client_ip` (text form, as the edge resolved it).

        Raises:
            AddressNotAllowed: outside the key's networks, or not an address at all.
        """
        if self.ip_allow is None:
            return
        try:
            address = ip_address(client_ip)
        except ValueError:
            raise AddressNotAllowed from None
        # A dual-stack listener reports IPv4 clients as ::ffff:a.b.c.d.
        address = getattr(address, "ipv4_mapped", None) or address
        if not any(address in ip_network(network) for network in self.ip_allow):
            raise AddressNotAllowed

    def may_use(self, model: str) -> bool:
        """Tell whether the key's model list and the owner's roles cover `model`."""
        if not self.access.may_use(model):
            return False
        if self.models is None:
            return True
        return any(fnmatchcase(model, pattern) for pattern in self.models)

    def may_call(self, tool: str) -> bool:
        """Tell whether the key's tool list and the owner's roles cover `server/tool`."""
        if not self.access.may_call(tool):
            return False
        if self.tools is None:
            return True
        return any(fnmatchcase(tool, pattern) for pattern in self.tools)
