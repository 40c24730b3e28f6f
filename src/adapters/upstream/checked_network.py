"""httpcore's network, with every connection judged by the address policy."""

import ssl
from collections.abc import Iterable
from contextvars import ContextVar
from typing import cast

import httpcore
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

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


class _Answers:
    """Follows the responses on a connection and notices bytes that belong to none of them.

    h11 keeps bytes that came after a response in the same read and takes them for the answer to
    the next request, so one caller could be handed what was meant for nobody or another. With a
    second parser the connection is known to be spoilt and is not used again.
    """

    def __init__(self) -> None:
        self.spoilt = False
        self._answered = True
        self._parser = HttpResponseParser(self)

    def asked(self) -> None:
        self._answered = False

    def feed(self, data: bytes) -> None:
        if not self.spoilt:
            try:
                self._parser.feed_data(data)
            except (HttpParserError, HttpParserUpgrade):
                self.spoilt = True

    def on_message_begin(self) -> None:
        if self._answered:
            self.spoilt = True

    def on_message_complete(self) -> None:
        self._answered = self._parser.get_status_code() >= 200


class _WatchedStream(httpcore.AsyncNetworkStream):
    """Notes the end of the connection, and bytes that belong to no response."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self._answers = _Answers()

    async def read(
        self,
        max_bytes: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
    ) -> bytes:
        data = await self._stream.read(max_bytes, timeout)
        if data:
            self._answers.feed(data)
        else:
            _peer_closed.set(True)
        return data

    async def write(
        self,
        buffer: bytes,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
    ) -> None:
        self._answers.asked()
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
    ) -> httpcore.AsyncNetworkStream:
        try:
            secured = await self._stream.start_tls(ssl_context, server_hostname, timeout)
        except BaseException:
            await self._stream.aclose()  # httpcore forgets the socket when cancelled here
            raise
        return _WatchedStream(secured)

    def get_extra_info(self, info: str) -> object:
        # httpcore asks an idle connection this before using it again: yes means "spoilt".
        if info == "is_readable" and self._answers.spoilt:
            return True
        return self._stream.get_extra_info(info)
