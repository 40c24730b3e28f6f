"""The client's address behind trusted proxies."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

from litestar.types import HTTPScope

Networks = Sequence[IPv4Network | IPv6Network]


def client_address(scope: HTTPScope, trusted: Networks) -> str:
    """Return the right-most address that is not a trusted proxy's.

    `x-forwarded-for` is read from the right only while the hop that wrote it is trusted; a client
    cannot choose its own address. Malformed entries end the walk.
    """
    client = scope.get("client")
    address = client[0] if client else ""
    if not trusted or not _is_trusted(address, trusted):
        return address
    hops: list[str] = []
    for name, value in scope["headers"]:
        if name == b"x-forwarded-for":
            hops.extend(part.strip() for part in value.decode("latin-1").split(","))
    for hop in reversed(hops):
        try:
            address = str(ip_address(hop))
        except ValueError:
            return address
        if not _is_trusted(address, trusted):
            return address
    return address


def _is_trusted(address: str, trusted: Networks) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in trusted)
