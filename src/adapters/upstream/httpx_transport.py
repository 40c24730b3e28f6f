"""The reference UpstreamTransport on httpx; also the one that can use an HTTP proxy."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import cast

import httpcore
import httpx

from adapters.upstream.checked_network import CheckedBackend, forget_peer_close, peer_closed
from adapters.upstream.connecting import check_literal, connect_failure
from adapters.upstream.decoding import Decoder, decoder_for
from adapters.upstream.framing import MAX_HEADERS, Framing, framing_of
from adapters.upstream.options import TransportOptions
from adapters.upstream.request_head import transport_headers
from adapters.upstream.target import parse_target
from adapters.upstream.tls import client_context
from application.ports.upstream import (
    Headers,
    UpstreamRequest,
    UpstreamResponse,
    UpstreamTimeouts,
    UpstreamTransport,
)
from domain.errors import (
    InvalidRequest,
    UpstreamFailure,
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamUnavailable,
)


class HttpxTransport(UpstreamTransport):
    """One `httpx.AsyncClient` without redirects, cookies, environment proxies or default headers.

    A pooled connection is checked for being closed before it is used; nothing is ever repeated.
    The total deadline is enforced while the caller reads.
    """

    def __init__(self, options: TransportOptions) -> None:
        """Create without connecting.

        Raises:
            ValueError: the proxy URL or the CA certificates are unusable.
        """
        self._options = options
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=client_context(options.ca_pem),
            proxy=_proxy(options.proxy),
            max_connections=options.max_connections,
            max_keepalive_connections=options.max_idle_connections,
            keepalive_expiry=options.idle_seconds,
            network_backend=CheckedBackend(options.address_policy),
        )
        self._client = httpx.AsyncClient(
            transport=_PoolTransport(self._pool),
            trust_env=False,
            follow_redirects=False,
            timeout=None,  # noqa: S113 - one deadline per phase is kept here instead
            cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=())),
        )
        self._in_flight = 0
        self._closed = False

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        """See UpstreamTransport."""
        target = parse_target(request.url)
        outgoing = httpx.Request(
            request.method,
            request.url,
            headers=list(transport_headers(request, target)),
            content=request.body or None,
            extensions={_PATH: target.path},
        )
        if self._closed:
            raise UpstreamUnavailable("The connection to the model provider is shut down.")
        if self._in_flight >= self._options.max_connections + self._options.max_waiting:
            raise UpstreamUnavailable(
                "Too many requests are waiting for a connection to the model provider.",
                error_class="connect",
            )
        if self._options.proxy is not None:
            check_literal(target.origin.host, self._options.address_policy)
        self._in_flight += 1
        try:
            total_deadline = asyncio.get_running_loop().time() + request.timeouts.total
            response = await self._head(outgoing, request.timeouts, total_deadline)
            try:
                return _Response(self, request, response, total_deadline)
            except BaseException:
                await response.aclose()
                raise
        except BaseException:
            await self.ended()
            raise

    async def aclose(self) -> None:
        """See UpstreamTransport. New requests are refused."""
        self._closed = True
        await self._close_unused()

    async def ended(self) -> None:
        """Count an exchange that is over; its connection is idle or closed."""
        self._in_flight -= 1
        if self._closed:
            await self._close_unused()

    async def _close_unused(self) -> None:
        if self._in_flight == 0:
            await self._client.aclose()
        else:
            for connection in self._pool.connections:
                if connection.is_idle():
                    await connection.aclose()

    async def _head(
        self, outgoing: httpx.Request, timeouts: UpstreamTimeouts, total_deadline: float
    ) -> httpx.Response:
        """Send and wait for the head, with the bound of the phase the request is in."""
        loop = asyncio.get_running_loop()
        phase = "connect"
        moment = loop.time() + timeouts.connect

        async def trace(event: str, info: Mapping[str, object]) -> None:
            nonlocal phase, moment
            if event.endswith(".send_request_headers.started"):
                sent = info.get("request")
                if isinstance(sent, httpcore.Request) and sent.method != b"CONNECT":
                    phase, moment = "first_byte", loop.time() + timeouts.first_byte
                    deadline.reschedule(min(moment, total_deadline))

        outgoing.extensions["trace"] = trace
        forget_peer_close()
        try:
            async with asyncio.timeout_at(min(moment, total_deadline)) as deadline:
                return await self._client.send(outgoing, stream=True)
        except TimeoutError:
            raise UpstreamTimeout(phase if moment < total_deadline else "total") from None
        except (httpcore.LocalProtocolError, httpx.InvalidURL):
            raise InvalidRequest("The request cannot be sent over HTTP/1.1.") from None
        except _NETWORK_ERRORS as error:
            raise _translated(error) from None


class _Response(UpstreamResponse):
    """A response whose body is read under the idle and total bounds."""

    def __init__(
        self,
        transport: HttpxTransport,
        request: UpstreamRequest,
        response: httpx.Response,
        total_deadline: float,
    ) -> None:
        """Judge the head; raises UpstreamProtocolError."""
        self._headers = [(name.lower(), value) for name, value in response.headers.raw]
        status = response.status_code
        if response.http_version not in ("HTTP/1.1", "HTTP/1.0"):
            raise UpstreamProtocolError("not HTTP/1.1")
        if status < 200:
            raise UpstreamProtocolError("unexpected informational response")
        if len(self._headers) > MAX_HEADERS:
            raise UpstreamProtocolError("the response has too many headers")
        framing = framing_of(request.method, status, self._headers)
        self._decoder: Decoder | None = (
            decoder_for(self._headers) if framing is not Framing.NONE else None
        )
        self._transport = transport
        self._response = response
        self._raw = cast("AsyncGenerator[bytes]", response.aiter_raw())
        self._idle = request.timeouts.idle
        self._total_deadline = total_deadline
        self._failure: UpstreamFailure | None = None
        self._complete = False
        self._over = False

    @property
    def status(self) -> int:
        """See UpstreamResponse."""
        return self._response.status_code

    @property
    def headers(self) -> Headers:
        """See UpstreamResponse."""
        return self._headers

    def chunks(self) -> AsyncIterator[bytes]:
        """See UpstreamResponse. A second iterator continues where the first one stopped."""
        return self

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Return itself."""
        return self

    async def __anext__(self) -> bytes:
        """Return the next piece."""
        if self._failure is not None:
            raise self._failure
        try:
            data = await self._next()
        except UpstreamFailure as failure:
            self._failure = failure
            await self._end()
            raise
        except BaseException:
            await self.aclose()
            raise
        if not data:
            await self._end()
            raise StopAsyncIteration
        return data

    async def aclose(self) -> None:
        """See UpstreamResponse."""
        if self._failure is None and not self._complete:
            self._failure = UpstreamUnavailable(
                "The answer was closed before it was read.", error_class="reset"
            )
        await self._end()

    async def _next(self) -> bytes:
        """Return decoded bytes, or none at the end."""
        decoder = self._decoder
        while True:
            if decoder is not None:
                if decoder.pending:
                    await asyncio.sleep(0)  # let others run between steps over one input
                if data := decoder.step():
                    return data
            if self._complete:
                if decoder is not None:
                    decoder.finish()
                return b""
            data = await self._read()
            if not data:
                self._complete = True
            elif decoder is None:
                return data
            else:
                decoder.feed(data)

    async def _read(self) -> bytes:
        """Return what httpx has next, or none at the end."""
        idle_deadline = asyncio.get_running_loop().time() + self._idle
        forget_peer_close()
        try:
            async with asyncio.timeout_at(min(idle_deadline, self._total_deadline)):
                async for data in self._raw:
                    if data:
                        return data
        except TimeoutError:
            raise UpstreamTimeout(
                "idle" if idle_deadline < self._total_deadline else "total"
            ) from None
        except _NETWORK_ERRORS as error:
            raise _translated(error) from None
        return b""

    async def _end(self) -> None:
        """Close what is left of the exchange, once."""
        if self._over:
            return
        self._over = True
        try:
            await self._raw.aclose()
            await self._response.aclose()
        finally:
            await self._transport.ended()


class _PoolTransport(httpx.AsyncBaseTransport):
    """Lets httpx use a connection pool whose network backend is ours."""

    def __init__(self, pool: httpcore.AsyncConnectionPool) -> None:
        self._pool = pool

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert isinstance(request.stream, httpx.AsyncByteStream)
        url, path = request.url, cast("bytes", request.extensions[_PATH])
        answer = await self._pool.handle_async_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=path
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(
            answer.status,
            headers=answer.headers,
            stream=_Body(answer),
            extensions={"http_version": answer.extensions["http_version"]},
        )

    async def aclose(self) -> None:
        await self._pool.aclose()


class _Body(httpx.AsyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._answer.aiter_stream():
            yield part

    async def aclose(self) -> None:
        await self._answer.aclose()


# The path exactly as the caller wrote it; httpx would normalise it. (httpcore's own extension
# `target` would end up in the request to a proxy as well.)
_PATH = "thinkwatch.path"

_NETWORK_ERRORS = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.TimeoutException,
)


def _proxy(url: str | None) -> httpcore.Proxy | None:
    if url is None:
        return None
    try:
        parsed = httpx.Proxy(url)
    except httpx.InvalidURL:
        raise ValueError("the proxy is not a URL") from None
    if parsed.url.scheme != "http" or not parsed.url.host:
        raise ValueError("the proxy must be an http:// URL")
    return httpcore.Proxy(str(parsed.url), auth=parsed.raw_auth)


def _tls_cause(error: BaseException) -> BaseException:
    """Return the TLS error that httpcore and anyio wrapped, or what they wrapped it in."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return cause
        cause = cause.__cause__ or cause.__context__
    return error


def _translated(error: Exception) -> UpstreamFailure:
    if isinstance(error, httpcore.ConnectError):
        return connect_failure(_tls_cause(error))
    if isinstance(error, httpcore.ProxyError):
        return UpstreamUnavailable("The HTTP proxy refused the connection.", error_class="connect")
    if isinstance(error, httpcore.ProtocolError) and not peer_closed():
        return UpstreamProtocolError(str(error))
    return UpstreamUnavailable(
        "The model provider closed the connection before its answer was complete.",
        error_class="reset",
    )
