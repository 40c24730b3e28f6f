"""The address of one Redis or Valkey server."""

import ssl
from collections.abc import Mapping
from typing import cast
from urllib.parse import urlsplit, urlunsplit

from msgspec import Struct
from redis.asyncio.connection import SSLConnection, parse_url

from domain.secret import Secret


class Endpoint(Struct, frozen=True, kw_only=True):
    """One server. `path` is a unix socket and takes the place of `host` and `port`."""

    host: str = "localhost"
    port: int = 6379
    path: str | None = None
    username: str | None = None
    password: Secret | None = None
    db: int = 0
    tls: ssl.SSLContext | None = None

    def __str__(self) -> str:
        """Return the address without credentials, for messages."""
        return self.path or f"{self.host}:{self.port}"


def endpoint(url: str) -> Endpoint:
    """Read a `redis://`, `rediss://` or `unix://` URL with redis-py's own options.

    Raises:
        ValueError: not a usable URL.
    """
    options = parse_url(url)
    password = options.get("password")
    return Endpoint(
        host=options.get("host", "localhost"),
        port=options.get("port", 6379),
        path=options.get("path"),
        username=options.get("username"),
        password=None if password is None else Secret(password),
        db=options.get("db", 0),
        tls=_tls(options) if options.get("connection_class") is SSLConnection else None,
    )


def endpoints(url: str) -> list[Endpoint]:
    """Read every server of a URL like `redis+cluster://user:secret@one:6379,two:6379?option=1`.

    Raises:
        ValueError: not a usable URL.
    """
    parts = urlsplit(url)
    scheme = parts.scheme.partition("+")[0]
    credentials, at, hosts = parts.netloc.rpartition("@")
    return [
        endpoint(urlunsplit((scheme, f"{credentials}{at}{host}", "", parts.query, "")))
        for host in hosts.split(",")
    ]


def _tls(options: Mapping[str, object]) -> ssl.SSLContext:
    """Build the context from the URL's `ssl_…` options exactly as redis-py would."""
    wanted = {name: value for name, value in options.items() if name.startswith("ssl_")}
    context = SSLConnection(**wanted).ssl_context.get()  # pyright: ignore[reportUnknownVariableType, reportArgumentType]
    return cast("ssl.SSLContext", context)
