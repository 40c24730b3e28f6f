"""httpcore's network, with every connection judged by the address policy."""

import ssl
from collections.abc import Iterable
from contextvars import ContextVar
from typing import cast

import httpcore

from adapters.upstream.connecting import permitted_addresses
from domain.routing.address_policy import AddressPolicy

# httpcore raises the same RemoteProtocolError for rubbish and for an early end of the connection;
# whether the end was seen tells them apart. httpcore reads in the task that called it.
_peer_closed: ContextVar[bool] = ContextVar("peer_closed", default=False)


def forget_peer_close() -> None:
    """Start watching for the end of the connection in this task."""
    _peer_closed.set(False)


def peer_closed() -> bool:
    """Whether a read of this task met the end of the connection since the watch began."""
    return _peer_closed.get()


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """Resolves names itself and connects to permitted addresses only (no DNS rebinding)."""

    def __init__(self, policy: AddressPolicy) -> None:
        """`policy` is asked for every address."""
        self._policy = policy
        self._network = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first permitted address that answers.

        Raises:
            UpstreamUnavailable: the name does not resolve, or to refused addresses only.
            httpcore.ConnectError: no address could be connected to.
        """
        failure: httpcore.ConnectError | None = None
        for address in await permitted_addresses(host, port, self._policy):
            try:
                stream = await self._network.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except httpcore.ConnectError as error:
                failure = error
            else:
                return _WatchedStream(stream)
        assert failure is not None
        raise failure


class _WatchedStream(httpcore.AsyncNetworkStream):
    """Notes the end of the connection."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream

    async def read(
        self,
        max_bytes: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
    ) -> bytes:
        data = await self._stream.read(max_bytes, timeout)
        if not data:
            _peer_closed.set(True)
        return data

    async def write(
        self,
        buffer: bytes,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
    ) -> None:
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
    ) -> httpcore.AsyncNetworkStream:
        return _WatchedStream(await self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)
