"""How a request reached the console: from where, over what, by whose page."""

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from litestar.types import HTTPScope
from msgspec import Struct

from domain.access.actor import Origin
from domain.errors import InvalidRequest
from entrypoints.asgi import REQUEST_ID, header_values
from entrypoints.client_address import Networks, client_address, forwarded_protocol

_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_PASSED_ON = (b"x-forwarded-for", b"x-real-ip", b"forwarded", b"via")
_DEFAULT_PORTS = {"http": 80, "https": 443}


class ConsoleEdge(Struct, frozen=True, kw_only=True):
    """What is known about the network around this installation.

    Attributes:
        trusted_proxies: whose `X-Forwarded-*` is believed.
        public_url: where people reach the console, when that is configured.
        cors_origins: web origins whose pages may call it.
    """

    trusted_proxies: Networks = ()
    public_url: str | None = None
    cors_origins: tuple[str, ...] = ()

    def origin(self, scope: HTTPScope) -> Origin:
        """Return where a request came from."""
        agents = header_values(scope, b"user-agent")
        return Origin(
            ip=client_address(scope, self.trusted_proxies) or None,
            user_agent=agents[0].decode("latin-1") if agents else None,
            request_id=scope["state"].get(REQUEST_ID),
        )

    def is_https(self, scope: HTTPScope) -> bool:
        """Tell whether the browser speaks TLS, to us or to a proxy that says so."""
        if scope["scheme"] == "https" or (self.public_url or "").startswith("https://"):
            return True
        return forwarded_protocol(scope, self.trusted_proxies) == "https"

    def own_url(self, scope: HTTPScope, path: str) -> str:
        """Return the address of `path` here: under the configured URL, or as this request came.

        Raises:
            InvalidRequest: nothing is configured, and `Host` is none.
        """
        if self.public_url is not None:
            return self.public_url.rstrip("/") + path
        hosts = header_values(scope, b"host")
        host = hosts[0].decode("latin-1") if hosts else ""
        if not _HOST.fullmatch(host):
            raise InvalidRequest("The 'Host' header is not a host.")
        return f"{'https' if self.is_https(scope) else 'http'}://{host}{path}"

    def is_local(self, scope: HTTPScope, origin: Origin) -> bool:
        """Tell whether a request comes from this machine: by loopback, or by an address of its own.

        One that a proxy has passed on does not, whether the proxy is trusted or unknown: it may run
        here, and its clients elsewhere.
        """
        server = scope.get("server")
        if origin.ip is None or server is None:
            return False
        if any(header_values(scope, name) for name in _PASSED_ON):
            return False
        try:
            return ip_address(origin.ip).is_loopback or origin.ip == server[0]
        except ValueError:
            return False

    def is_own_page(self, scope: HTTPScope) -> bool:
        """Tell whether the page that sends a request may; what is no page names no origin."""
        named = header_values(scope, b"origin")
        if not named:
            return True
        origin = named[0].decode("latin-1").lower()
        known = {each.lower() for each in self.cors_origins}
        if self.public_url is not None:
            known.add(_origin_of(self.public_url))
        if origin in known:
            return True
        # Not the scheme: a proxy that ends TLS hides it.
        hosts = header_values(scope, b"host")
        return bool(hosts) and urlsplit(origin).netloc == hosts[0].decode("latin-1").lower()


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    default = parts.port is None or parts.port == _DEFAULT_PORTS.get(parts.scheme)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}" + ("" if default else f":{parts.port}")
