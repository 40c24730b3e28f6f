"""What all providers that are reached over HTTP do alike; each kind says where and how."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from typing import ClassVar

from msgspec import Struct

from adapters.providers.authorized_sender import AuthorizedSender
from adapters.providers.credentials import Credential, CredentialRing
from adapters.providers.listing import ModelListing, read_lists
from adapters.providers.outgoing import Outgoing, outgoing
from adapters.providers.relays import RelayedRequest, count_here, not_offered
from adapters.providers.retry_after import retry_after_ms
from adapters.wire.codec import WireCodec, WireTarget
from adapters.wire.upstream_errors import MessageScrubber
from application.ports.clock import Clock
from application.ports.provider import (
    Provider,
    ProviderCall,
    RemoteModel,
    ReplyScanner,
    UpstreamReply,
)
from application.ports.upstream import (
    Headers,
    UpstreamRequest,
    UpstreamResponse,
    UpstreamTimeouts,
    UpstreamTransport,
)
from application.runtime.large_bodies import LargeBodies
from domain.errors import (
    UnsupportedField,
    UpstreamFailure,
    UpstreamProtocolError,
    UpstreamRejected,
)
from domain.inference.dialect import Operation

JSON = b"application/json"
LARGEST_ERROR_BODY = 64 * 1024
# What servers without a list of models say to whoever asks for one.
_NO_LIST = frozenset({404, 405, 501})


class Connection(Struct, frozen=True, kw_only=True):
    """What every HTTP provider is built from.

    Attributes:
        base_url: without a slash at its end.
        headers: headers of every request, without credentials.
        credentials: at least one.
        private: texts that must never appear in a message to a client.
        transport: owned by the provider; closed with it.
    """

    base_url: str
    headers: tuple[tuple[bytes, bytes], ...]
    credentials: tuple[Credential, ...]
    private: tuple[str, ...]
    transport: UpstreamTransport
    clock: Clock
    bodies: LargeBodies
    user_agent: str


class HttpReply(UpstreamReply):
    """A 2xx answer of the content type that was asked for."""

    def __init__(self, response: UpstreamResponse, scanner: ReplyScanner, headers: Headers) -> None:
        """`headers` are those that may be shown."""
        self._response = response
        self._scanner = scanner
        self._headers = headers

    @property
    def status(self) -> int:
        """HTTP status of the provider."""
        return self._response.status

    @property
    def headers(self) -> Sequence[tuple[bytes, bytes]]:
        """Content type, warnings, and what the kind of provider shows of its own."""
        return self._headers

    @property
    def scanner(self) -> ReplyScanner:
        """The scanner for this body."""
        return self._scanner

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as the transport receives it."""
        return self._response.chunks()

    async def aclose(self) -> None:
        """Give the connection back, or close it when the body was not read to its end."""
        await self._response.aclose()


class HttpProvider(Provider, ABC):
    """One configured endpoint and its connections."""

    SHOWN_HEADERS: ClassVar[frozenset[bytes]] = frozenset()
    """The provider's headers that a client of the same format may see."""

    def __init__(self, connection: Connection) -> None:
        """Take ownership of the transport."""
        self._connection = connection
        self._scrubber = MessageScrubber(connection.private)
        self._sender = AuthorizedSender(
            connection.transport, CredentialRing(connection.credentials, connection.clock)
        )
        names = {name for name, _ in connection.headers}
        agent = () if b"user-agent" in names else ((b"user-agent", connection.user_agent.encode()),)
        self._headers = (
            *connection.headers,
            *agent,
            # Compression would only cost time: the bytes are read and passed on as they come.
            (b"accept-encoding", b"identity"),
        )

    @abstractmethod
    def wire_for(self, call: ProviderCall) -> WireCodec:
        """Return the format in which the provider is asked for this call."""
        ...

    @abstractmethod
    def url_for(self, call: ProviderCall, wire: WireCodec) -> str:
        """Return the absolute URL of the operation."""
        ...

    @abstractmethod
    def listings(self) -> Sequence[ModelListing]:
        """Return the lists of models, the first of which must be readable; none if not known."""
        ...

    @property
    @abstractmethod
    def own_wire(self) -> WireCodec:
        """The format in which the provider tells errors of its lists."""
        ...

    def listing_headers(self) -> Headers:
        """Return the headers that only this kind of provider wants for its lists."""
        return ()

    def target_for(self, call: ProviderCall) -> WireTarget:
        """Return what the provider's side decides of the body."""
        return WireTarget(model=call.upstream_model, output_bound=call.output_bound)

    def headers_for(self, call: ProviderCall) -> Headers:
        """Return the headers that only this kind of provider wants."""
        return ()

    async def open(self, call: ProviderCall) -> UpstreamReply:
        """Ask with one credential after the other, until one is not refused."""
        if call.operation is not Operation.CHAT:
            return await self._open_other(call)
        wire = self.wire_for(call)
        out = await outgoing(
            call,
            wire,
            self.target_for(call),
            bodies=self._connection.bodies,
            scrubber=self._scrubber,
        )
        accept = wire.stream_content_type if call.head.stream else JSON
        request = UpstreamRequest(
            method="POST",
            url=self.url_for(call, wire),
            headers=(
                *self._headers,
                *self.headers_for(call),
                (b"content-type", JSON),
                (b"accept", accept),
                (b"x-request-id", call.request_id.encode()),
                *call.trace_headers,
            ),
            body=out.body,
            timeouts=call.timeouts,
        )
        response = await self._sender.send(request, lambda got: self._check(got, wire, call, out))
        return HttpReply(response, out.scanner, self._shown(response, wire, call, out))

    async def relayed(self, call: ProviderCall) -> RelayedRequest | None:
        """Return what to send for another operation; None when the provider has none such."""
        return None

    async def _open_other(self, call: ProviderCall) -> UpstreamReply:
        relayed = await self.relayed(call)
        if relayed is None:
            if call.operation is Operation.COUNT_TOKENS:
                return await count_here(call, self._connection.bodies)
            raise not_offered(call)
        content_type = ((b"content-type", relayed.content_type),) if relayed.content_type else ()
        request = UpstreamRequest(
            method=relayed.method,
            url=relayed.url,
            headers=(
                *self._headers,
                *self.headers_for(call),
                *content_type,
                (b"accept", relayed.accept),
                (b"x-request-id", call.request_id.encode()),
                *call.trace_headers,
            ),
            body=relayed.body,
            timeouts=call.timeouts,
        )
        wire = self.wire_for(call)

        async def check(response: UpstreamResponse) -> None:
            if response.status >= 400:
                raise await self._failure(response, wire)
            if not 200 <= response.status < 300:
                raise UpstreamProtocolError(f"unexpected status {response.status}")
            found = media_type(response.headers)
            if relayed.types and found not in (*relayed.types, b""):
                raise UpstreamProtocolError(f"unexpected content type {found.decode('latin-1')!r}")

        response = await self._sender.send(request, check)
        relayed.scanner.summary.dialect_out = call.codec.dialect.value
        found = dict(response.headers).get(b"content-type") or relayed.accept
        shown = (pair for pair in response.headers if pair[0] in self.SHOWN_HEADERS)
        return HttpReply(response, relayed.scanner, ((b"content-type", found), *shown))

    async def models(self, timeouts: UpstreamTimeouts) -> tuple[RemoteModel, ...]:
        """Read the lists page by page; `timeouts.total` holds for all of them together."""

        async def get(url: str) -> UpstreamResponse:
            request = UpstreamRequest(
                method="GET",
                url=url,
                headers=(*self._headers, *self.listing_headers(), (b"accept", JSON)),
                body=b"",
                timeouts=timeouts,
            )
            return await self._sender.send(request, self._check_list)

        return await read_lists(self.listings(), get, total_s=timeouts.total)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._connection.transport.aclose()

    async def _check_list(self, response: UpstreamResponse) -> None:
        if response.status in _NO_LIST:
            raise UnsupportedField("The server offers no list of its models at this base_url.")
        if response.status >= 400:
            raise await self._failure(response, self.own_wire)
        if response.status != 200:
            raise UpstreamProtocolError(f"unexpected status {response.status}")

    async def _check(
        self, response: UpstreamResponse, wire: WireCodec, call: ProviderCall, out: Outgoing
    ) -> None:
        """Raise for everything that is not an answer to be relayed."""
        status = response.status
        if status >= 400:
            raise self._told(await self._failure(response, wire), out)
        if not 200 <= status < 300:
            raise UpstreamProtocolError(f"unexpected status {status}")
        found = media_type(response.headers)
        wanted = wire.stream_content_type if call.head.stream else JSON
        # A missing type is forgiven: the scanner looks at the content anyway.
        if found in (wanted, b""):
            return
        if call.head.stream and found == JSON:
            # Some servers report an error with 200 when a stream was asked for.
            self._told_in_json(await read_bounded(response), wire, out)
        raise UpstreamProtocolError(
            f"content type {found.decode('latin-1')!r} where {wanted.decode()} was expected"
        )

    def _told_in_json(self, body: bytes, wire: WireCodec, out: Outgoing) -> None:
        try:
            wire.decode_reply(body, scrubber=self._scrubber)
        except UpstreamProtocolError:
            return
        except UpstreamFailure as failure:
            raise self._told(failure, out) from None

    async def _failure(self, response: UpstreamResponse, wire: WireCodec) -> UpstreamFailure:
        return wire.failure(
            response.status,
            await read_bounded(response),
            scrubber=self._scrubber,
            retry_after_ms=retry_after_ms(response.headers, self._connection.clock.now_ms()),
        )

    @staticmethod
    def _told(failure: UpstreamFailure, out: Outgoing) -> UpstreamFailure:
        """Take away the words of one vendor's API before another's client sees them."""
        if isinstance(failure, UpstreamRejected) and out.translated:
            return UpstreamRejected(failure.status, failure.message)
        return failure

    def _shown(
        self, response: UpstreamResponse, wire: WireCodec, call: ProviderCall, out: Outgoing
    ) -> Headers:
        speaker = call.codec if out.translated else wire
        default = speaker.stream_content_type if call.head.stream else JSON
        if out.translated:
            return ((b"content-type", default), *out.headers)
        content_type = dict(response.headers).get(b"content-type") or default
        if call.head.stream and call.codec.stream_content_type.startswith(JSON):
            content_type = call.codec.stream_content_type  # one array instead of events (Gemini)
        shown = (pair for pair in response.headers if pair[0] in self.SHOWN_HEADERS)
        return ((b"content-type", content_type), *shown)


def media_type(headers: Headers) -> bytes:
    """Return the content type in lower case without parameters, empty when there is none."""
    value = dict(headers).get(b"content-type", b"")
    return value.partition(b";")[0].strip().lower()


async def read_bounded(response: UpstreamResponse) -> bytes:
    """Return an error body, or nothing when it is too large or does not arrive whole."""
    body = bytearray()
    try:
        async for chunk in response.chunks():
            body += chunk
            if len(body) > LARGEST_ERROR_BODY:
                return b""
    except UpstreamFailure:
        return b""  # the status is known, and that is what decides
    return bytes(body)
