"""Short ways to say what a test sends through an UpstreamTransport and reads back."""

from collections.abc import Callable

from application.ports.upstream import (
    UpstreamRequest,
    UpstreamResponse,
    UpstreamTimeouts,
    UpstreamTransport,
)
from domain.routing.address_policy import AddressPolicy

OpenTransport = Callable[..., UpstreamTransport]
"""Builds a transport from options by keyword; the default may connect to this machine."""

LOOPBACK = AddressPolicy.allowing(["127.0.0.0/8", "::1"])

PATIENT = UpstreamTimeouts(connect=10, first_byte=10, idle=10, total=20)


def within(
    *, connect: float = 10, first_byte: float = 10, idle: float = 10, total: float = 20
) -> UpstreamTimeouts:
    """Return generous timeouts but for those given."""
    return UpstreamTimeouts(connect=connect, first_byte=first_byte, idle=idle, total=total)


def post(
    url: str,
    body: bytes = b"{}",
    *headers: tuple[bytes, bytes],
    method: str = "POST",
    timeouts: UpstreamTimeouts = PATIENT,
) -> UpstreamRequest:
    """Return a request."""
    return UpstreamRequest(method=method, url=url, headers=headers, body=body, timeouts=timeouts)


async def read(response: UpstreamResponse) -> bytes:
    """Return the rest of the body and release the connection."""
    body = b"".join([chunk async for chunk in response.chunks()])
    await response.aclose()
    return body


async def collect(response: UpstreamResponse, into: list[bytes]) -> None:
    """Append the chunks as they come, so that a test can see what came before an error."""
    async for chunk in response.chunks():
        into.append(chunk)  # noqa: PERF401 - a comprehension would lose them


async def fetch(
    transport: UpstreamTransport, url: str, body: bytes = b"{}", method: str = "POST"
) -> tuple[int, bytes]:
    """Return status and body of one exchange."""
    response = await transport.send(post(url, body, method=method))
    return response.status, await read(response)
