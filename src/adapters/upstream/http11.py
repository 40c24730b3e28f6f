"""The default UpstreamTransport: an HTTP/1.1 client over asyncio and httptools."""

import asyncio

from adapters.upstream.connection import Connection
from adapters.upstream.exchange import Exchange
from adapters.upstream.options import TransportOptions
from adapters.upstream.pool import ConnectionPool
from adapters.upstream.request_head import encode_head
from adapters.upstream.target import Origin, parse_target
from adapters.upstream.tls import client_context
from application.ports.upstream import UpstreamRequest, UpstreamResponse, UpstreamTransport
from domain.errors import UpstreamTimeout, UpstreamUnavailable

# Methods that change nothing (RFC 9110 section 9.2.1). PUT and DELETE could be repeated too, but
# the second DELETE would report 404 for what the first one did.
_SAFE = frozenset(("GET", "HEAD", "OPTIONS"))


class Http11Transport(UpstreamTransport):
    """Keep-alive connections, no task per request or chunk, one write per request.

    A request that meets a connection the server has just closed is repeated once on a fresh one:
    any request while it is certain that not a byte of it was taken, a safe one also when the
    connection breaks before any byte of the answer (RFC 9112 section 9.3.1).
    """

    def __init__(self, options: TransportOptions) -> None:
        """Create without connecting.

        Raises:
            ValueError: a proxy is wanted, or the CA certificates are unusable.
        """
        if options.proxy is not None:
            raise ValueError("the http11 transport cannot use a proxy; choose the httpx transport")
        self._pool = ConnectionPool(options, client_context(options.ca_pem))
        self._closed = False

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        """See UpstreamTransport."""
        target = parse_target(request.url)
        head = encode_head(request, target)
        if self._closed:
            raise UpstreamUnavailable("The connection to the model provider is shut down.")
        loop = asyncio.get_running_loop()
        total_deadline = loop.time() + request.timeouts.total
        exchange, used = await self._start(request, target.origin, head, total_deadline)
        try:
            await exchange.head()
        except UpstreamUnavailable:
            if not used or exchange.answered or request.method not in _SAFE:
                raise
            exchange, _ = await self._start(
                request, target.origin, head, total_deadline, fresh=True
            )
            await exchange.head()
        return exchange

    async def aclose(self) -> None:
        """See UpstreamTransport. New requests are refused."""
        self._closed = True
        self._pool.close()

    async def _start(
        self,
        request: UpstreamRequest,
        origin: Origin,
        head: bytes,
        total_deadline: float,
        *,
        fresh: bool = False,
    ) -> tuple[Exchange, bool]:
        """Write the request; return its exchange and whether its connection was used before."""
        connection = None if fresh else self._pool.take(origin)
        while True:
            if connection is None:
                connection = await self._obtain(request, origin, total_deadline, fresh=fresh)
            used = connection.served > 0
            exchange = connection.start(
                request.method, head, request.body, request.timeouts, total_deadline
            )
            if exchange is not None:
                return exchange, used
            if not used:
                raise UpstreamUnavailable(
                    "The model provider closed the connection.", error_class="reset"
                )
            connection, fresh = None, True

    async def _obtain(
        self, request: UpstreamRequest, origin: Origin, total_deadline: float, *, fresh: bool
    ) -> Connection:
        deadline = asyncio.get_running_loop().time() + request.timeouts.connect
        phase = "connect"
        if total_deadline < deadline:
            deadline, phase = total_deadline, "total"
        try:
            async with asyncio.timeout_at(deadline):
                return await self._pool.obtain(origin, deadline, fresh=fresh)
        except TimeoutError:
            raise UpstreamTimeout(phase) from None
