"""Which IP addresses the gateway may connect to: the rule against server-side request forgery.

Provider, webhook and MCP URLs are named by operators only, but a name may resolve to anything, so
the address is judged at the moment of connecting. Three classes, after the IANA special-purpose
registries (RFC 6890, RFC 8190):

* never: link-local, cloud metadata services, multicast, unspecified and reserved addresses;
* by permission: loopback, private and other non-public addresses, if the operator allows the range;
* always: everything else.

An IPv6 address that carries an IPv4 address is judged by the address that is really reached.
"""

from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from msgspec import Struct

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

NEVER: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",  # "this network"; Linux connects 0.0.0.0 to loopback
        "169.254.0.0/16",  # link-local: EC2, GCP, Azure, OCI, DigitalOcean, ECS metadata
        "100.100.100.200/32",  # Alibaba Cloud metadata
        "168.63.129.16/32",  # Azure WireServer
        "192.0.0.192/32",  # Oracle Cloud (classic) metadata
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast included
        "::/128",
        "fe80::/10",  # link-local
        "fd00:ec2::/32",  # EC2 metadata and its siblings
        "fd20:ce::254/128",  # GCP metadata
        "ff00::/8",  # multicast
        "2001::/32",  # Teredo: the address inside is obfuscated, nobody needs it
    )
)

BY_PERMISSION: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT, used inside clouds and overlay networks
        "127.0.0.0/8",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "::1/128",
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",
        "2001:db8::/32",
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fec0::/10",
    )
)

_IPV4_COMPATIBLE = IPv6Network("::/96")
_NAT64 = IPv6Network("64:ff9b::/96")
_IPV4_TRANSLATED = IPv6Network("::ffff:0:0:0/96")  # RFC 2765, still what some translators take


class AddressPolicy(Struct, frozen=True):
    """The operator's rule. `allowed` lists the non-public ranges that may be reached."""

    allowed: tuple[Network, ...] = ()

    @classmethod
    def allowing(cls, ranges: Iterable[str]) -> "AddressPolicy":
        """Build a policy from CIDR ranges or single addresses.

        Raises:
            ValueError: a text is not a range; the message repeats it.
        """
        return cls(tuple(ip_network(text.strip()) for text in ranges))

    def permits(self, address: str | Address) -> bool:
        """Tell whether a connection to `address` may be made; what is not an address may not."""
        try:
            subject = _reached(ip_address(address))
        except ValueError:
            return False
        if _inside(subject, NEVER):
            return False
        return not _inside(subject, BY_PERMISSION) or _inside(subject, self.allowed)


def _inside(address: Address, networks: Iterable[Network]) -> bool:
    # Membership tests across IP versions are False in ipaddress, so mixed tables are fine.
    return any(address in network for network in networks)


def _reached(address: Address) -> Address:
    """Return the address packets go to: embedded IPv4 unwrapped, the zone of IPv6 dropped."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    number = int(address)
    plain = IPv6Address(number)
    carries = plain in _NAT64 or plain in _IPV4_TRANSLATED
    if carries or (plain in _IPV4_COMPATIBLE and number > 1):
        return IPv4Address(number & 0xFFFFFFFF)
    return plain
