"""A console session: where it may be used from, how long, and which of its tokens count."""

import re
from enum import StrEnum
from ipaddress import ip_address, ip_network

from msgspec import Struct
from msgspec.structs import replace

from domain.access.refusals import SessionElsewhere, SessionEnded
from domain.identifiers import SsoProviderId, UserId

ACCESS_LIFETIME_MS = 5 * 60_000
"""An access token is refreshed this often."""
TOUCH_EVERY_MS = 60_000
"""`last_seen_at_ms` is not written more often than this."""
REFRESH_OVERLAP_MS = 10_000
"""A refresh token that was rotated so lately is refused without ending the session: two tabs of one
browser refresh at the same moment. Nothing is given for it either."""
LONGEST_USER_AGENT = 400
_VERSIONS = re.compile(r"[0-9][0-9._+-]*")


class IpBinding(StrEnum):
    """How near to where a session began its tokens must be used."""

    EXACT = "exact"
    NETWORK = "network"


class SignInMethod(StrEnum):
    """How somebody has proved who he is."""

    PASSWORD = "password"  # noqa: S105 - a word
    SSO = "sso"


class Restriction(StrEnum):
    """Why a session opens nothing but what would lift it; the values are error codes."""

    PASSWORD = "password_change_required"  # noqa: S105 - a code
    TOTP = "totp_enrolment_required"


class SsoSession(Struct, frozen=True, kw_only=True):
    """Which identity provider a session came from.

    Attributes:
        sealed_id_token: an envelope of the `SecretCipher` around the hint that a logout there
            wants; None: signing out here does not sign out there.
    """

    provider_id: SsoProviderId
    sealed_id_token: str | None = None


class Session(Struct, frozen=True, kw_only=True):
    """A session as the server keeps it. Its tokens are worth nothing without it.

    Attributes:
        ip: where it began.
        binding: network (CIDR) in which its tokens count.
        device: kind of browser they count in (see `device_of`).
        generation: grows with every refresh; tokens of another one do not count.
        refresh_hash: SHA-256 of the one refresh token that counts.
        refreshed_at_ms: when `generation` began.
        idle_ms: it ends when it was not used for this long.
        expires_at_ms: it ends then, however much it is used.
        second_factor: proved with a second factor as well.
        sso: where it came from; None: from a password.
    """

    id: str
    user_id: UserId
    method: SignInMethod = SignInMethod.PASSWORD
    ip: str
    binding: str
    device: str
    user_agent: str = ""
    created_at_ms: int
    last_seen_at_ms: int
    generation: int = 1
    refresh_hash: bytes
    refreshed_at_ms: int
    idle_ms: int
    expires_at_ms: int
    second_factor: bool = False
    sso: SsoSession | None = None

    def is_over(self, now_ms: int) -> bool:
        """Tell whether it has ended by itself."""
        return now_ms >= self.expires_at_ms or now_ms - self.last_seen_at_ms >= self.idle_ms

    def check(self, *, ip: str | None, user_agent: str | None, now_ms: int) -> None:
        """Raise unless the session may be used from there.

        Raises:
            SessionEnded: it is over.
            SessionElsewhere: from another network or browser.
        """
        if self.is_over(now_ms):
            raise SessionEnded("the session has expired", session_id=self.id)
        if not _inside(ip, self.binding):
            raise SessionElsewhere("used from another network", session_id=self.id)
        if device_of(user_agent) != self.device:
            raise SessionElsewhere("used from another browser", session_id=self.id)

    def wants_touch(self, now_ms: int) -> bool:
        """Tell whether it is time to write that it was seen."""
        return now_ms - self.last_seen_at_ms >= TOUCH_EVERY_MS

    def refreshed(self, refresh_hash: bytes, now_ms: int) -> "Session":
        """Return the session in its next generation."""
        return replace(
            self,
            generation=self.generation + 1,
            refresh_hash=refresh_hash,
            refreshed_at_ms=now_ms,
            last_seen_at_ms=now_ms,
        )

    def is_overlap(self, generation: int, now_ms: int) -> bool:
        """Tell whether a token of that generation was rotated a moment ago."""
        late = now_ms - self.refreshed_at_ms
        return generation == self.generation - 1 and late < REFRESH_OVERLAP_MS


def network_of(ip: str | None, mode: IpBinding = IpBinding.NETWORK) -> str:
    """Return the network (CIDR) around an address: itself, or its /24 (IPv4) or /64 (IPv6).

    What is no address, as of a unix socket, is a network of its own.
    """
    try:
        address = ip_address(ip or "")
    except ValueError:
        return "none"
    address = getattr(address, "ipv4_mapped", None) or address
    if mode is IpBinding.EXACT:
        return str(ip_network(address))
    return str(ip_network((address, 24 if address.version == 4 else 64), strict=False))


def device_of(user_agent: str | None) -> str:
    """Return what a browser calls itself without its versions, so that an update changes nothing."""
    return _VERSIONS.sub("", user_agent or "")[:LONGEST_USER_AGENT]


def _inside(ip: str | None, binding: str) -> bool:
    exact = network_of(ip, IpBinding.EXACT)
    if "none" in (exact, binding):
        return exact == binding
    inner, outer = ip_network(exact), ip_network(binding)
    return inner.version == outer.version and inner[0] in outer
