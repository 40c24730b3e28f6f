"""The client's address behind trusted proxies."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from litestar.types import HTTPScope

Networks = Sequence[IPv4Network | IPv6Network]


def client_address(scope: HTTPScope, trusted: Networks) -> str:
    """Return the right-most address that is not a trusted proxy's.

    `x-forwarded-for` is read from the right only while the hop that wrote it is trusted; a client
    cannot choose its own address. Malformed entries end the walk. An IPv4 address is returned as
    such, also where a dual-stack listener or a proxy wrote it as `::ffff:a.b.c.d`.
    """
    client = scope.get("client")
    address = client[0] if client else ""
    if address.startswith("::ffff:"):
        address = str(_parsed(address) or address)
    if not trusted or not _is_trusted(address, trusted):
        return address
    hops: list[str] = []
    for name, value in scope["headers"]:
        if name == b"x-forwarded-for":
            hops.extend(part.strip() for part in value.decode("latin-1").split(","))
    for hop in reversed(hops):
        parsed = _parsed(hop)
        if parsed is None:
            return address
        address = str(parsed)
        if not _is_trusted(address, trusted):
            return address
    return address


def forwarded_protocol(scope: HTTPScope, trusted: Networks) -> str | None:
    """Return the last `x-forwarded-proto`, when a trusted proxy has sent it."""
    client = scope.get("client")
    peer = _parsed(client[0]) if client else None
    if peer is None or not _is_trusted(str(peer), trusted):
        return None
    said = [value for name, value in scope["headers"] if name == b"x-forwarded-proto"]
    return said[-1].decode("latin-1").rpartition(",")[2].strip().lower() if said else None


def _is_trusted(address: str, trusted: Networks) -> bool:
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in trusted)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
