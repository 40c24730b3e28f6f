"""Opening a connection to an address that the policy permits."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from ipaddress import ip_address
from typing import TypeVar

from adapters.upstream.target import Origin
from domain.errors import UpstreamUnavailable
from domain.routing.address_policy import AddressPolicy

# How long a closing TLS connection waits for the other side's goodbye.
_TLS_SHUTDOWN_SECONDS = 2.0

ProtocolT = TypeVar("ProtocolT", bound=asyncio.Protocol)


async def permitted_addresses(host: str, port: int, policy: AddressPolicy) -> list[str]:
    """Resolve `host` and return the addresses that may be connected to, in the system's order.

    The caller connects to these addresses, not to the name: a second look-up could answer
    differently (DNS rebinding).

    Raises:
        UpstreamUnavailable: the name does not resolve, or to refused addresses only.
    """
    try:
        addresses = [str(ip_address(host))]
    except ValueError:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise UpstreamUnavailable(
                "The model provider's host name could not be resolved.", error_class="connect"
            ) from None
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    permitted = [address for address in addresses if policy.permits(address)]
    if not permitted:
        raise _refused()
    return permitted


def check_literal(host: str, policy: AddressPolicy) -> None:
    """Judge a host written as an address, for requests that somebody else connects (a proxy).

    Raises:
        UpstreamUnavailable: it is an address, and refused.
    """
    try:
        address = ip_address(host)
    except ValueError:
        return
    if not policy.permits(address):
        raise _refused()


def _refused() -> UpstreamUnavailable:
    return UpstreamUnavailable(
        "The model provider's address is refused by the network policy.", error_class="connect"
    )


def connect_failure(error: BaseException) -> UpstreamUnavailable:
    """Translate what connecting raised, without naming hosts or addresses."""
    if isinstance(error, ssl.SSLCertVerificationError):
        message = "The model provider's TLS certificate could not be verified."
    elif isinstance(error, ssl.SSLError):
        message = "The TLS handshake with the model provider failed."
    else:
        message = "The model provider could not be reached."
    return UpstreamUnavailable(message, error_class="connect")


async def connect(
    origin: Origin,
    policy: AddressPolicy,
    context: ssl.SSLContext,
    factory: Callable[[], ProtocolT],
    deadline: float,
) -> ProtocolT:
    """Connect to the first address of `origin` that answers.

    With several addresses each attempt but the last gets a fair share of the time left until
    `deadline` (loop time), so that one dead address does not use it up. The caller enforces
    `deadline` itself.

    Raises:
        UpstreamUnavailable: no address could be connected to.
    """
    loop = asyncio.get_running_loop()
    addresses = await permitted_addresses(origin.host, origin.port, policy)
    failure: Exception | None = None
    for position, address in enumerate(addresses):
        share = (deadline - loop.time()) / (len(addresses) - position)
        try:
            async with asyncio.timeout(share if position + 1 < len(addresses) else None):
                _, connection = await loop.create_connection(
                    factory,
                    address,
                    origin.port,
                    ssl=context if origin.secure else None,
                    server_hostname=origin.host if origin.secure else None,
                    ssl_shutdown_timeout=_TLS_SHUTDOWN_SECONDS if origin.secure else None,
                )
        except ssl.SSLCertVerificationError as error:
            raise connect_failure(error) from None
        except OSError as error:
            failure = error
        else:
            return connection
    assert failure is not None
    raise connect_failure(failure) from None
