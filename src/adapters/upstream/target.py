"""Strict reading of request URLs."""

import re
from functools import lru_cache
from ipaddress import IPv6Address
from typing import NamedTuple

from msgspec import Struct

from domain.errors import InvalidRequest

MAX_URL_LENGTH = 16 * 1024

# RFC 3986 without what must not occur here: userinfo, fragments, non-ASCII, white space.
_URL = re.compile(
    r"(?P<scheme>https?)://"
    r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_.])?))"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/[A-Za-z0-9\-._~!$&'()*+,;=:@%/]*)?"
    r"(?P<query>\?[A-Za-z0-9\-._~!$&'()*+,;=:@%/?]*)?",
    re.IGNORECASE,
)


class Origin(NamedTuple):
    """What a connection is made to. `host` has no brackets and no trailing dot."""

    host: str
    port: int
    secure: bool


class Target(Struct, frozen=True):
    """A parsed URL: where to connect, what to put into `host`, what to ask for."""

    origin: Origin
    authority: bytes
    path: bytes


@lru_cache(maxsize=512)
def parse_target(url: str) -> Target:
    """Read an absolute http(s) URL whose path and query are encoded already.

    Raises:
        InvalidRequest: any other scheme or form; user info, fragments and bad ports included.
    """
    match = _URL.fullmatch(url) if len(url) <= MAX_URL_LENGTH else None
    if match is None:
        raise InvalidRequest("The provider URL is not an absolute http(s) URL.", param="url")
    secure = match["scheme"].lower() == "https"
    default_port = 443 if secure else 80
    port = int(match["port"] or default_port)
    if not 0 < port < 65536:
        raise InvalidRequest("The provider URL has an impossible port.", param="url")
    if match["ipv6"] is not None:
        try:
            host = str(IPv6Address(match["ipv6"]))
        except ValueError:
            raise InvalidRequest("The provider URL has a bad IPv6 address.", param="url") from None
        authority = f"[{host}]"
    else:
        authority = match["name"].lower()
        host = authority.removesuffix(".")
        if ".." in host or len(host) > 253 or any(len(label) > 63 for label in host.split(".")):
            raise InvalidRequest("The provider URL has a bad host name.", param="url")
    if port != default_port:
        authority = f"{authority}:{port}"
    path = (match["path"] or "/") + (match["query"] or "")
    return Target(Origin(host, port, secure), authority.encode(), path.encode())
