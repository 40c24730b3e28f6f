"""What an operator can choose about the connections to one provider."""

from msgspec import Struct

from domain.routing.address_policy import AddressPolicy


class TransportOptions(Struct, frozen=True, kw_only=True):
    """Options of either transport.

    Attributes:
        max_connections: connections open at once, idle ones included, over all origins.
        max_idle_connections: kept alive unused; the rest is closed after its exchange.
        max_waiting: requests that may wait for a connection; one more is refused at once.
        idle_seconds: an unused connection is closed after this long. Keep it below the
            provider's own keep-alive time, so that requests do not meet a closing connection.
        ca_pem: PEM certificates to trust instead of the system's.
        proxy: URL of an HTTP proxy, `http://[user:password@]host[:port]`. Only HttpxTransport
            takes one. The proxy, not the gateway, then resolves the provider's name, so
            `address_policy` holds for the proxy's address and for literal addresses only.
        address_policy: judged for every address at the moment of connecting.
    """

    max_connections: int = 200
    max_idle_connections: int = 100
    max_waiting: int = 1000
    idle_seconds: float = 30.0
    ca_pem: str | None = None
    proxy: str | None = None
    address_policy: AddressPolicy = AddressPolicy()

    def __post_init__(self) -> None:
        """Refuse bounds that would make the transport useless."""
        if self.max_connections < 1:
            raise ValueError("max_connections must be at least 1")
        if self.max_idle_connections < 0 or self.max_waiting < 0:
            raise ValueError("max_idle_connections and max_waiting must not be negative")
        if self.idle_seconds <= 0:
            raise ValueError("idle_seconds must be positive")
