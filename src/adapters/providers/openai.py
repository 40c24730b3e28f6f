"""OpenAI, and every server that speaks its Chat Completions format."""

from collections.abc import AsyncIterator, Sequence
from functools import partial

from adapters.providers.openai_config import OpenAIConfig
from adapters.providers.retry_after import retry_after_ms
from adapters.wire.edit import OutputBound, edit_request
from adapters.wire.openai_chat_replies import ChatReplyScanner, ChatStreamScanner
from adapters.wire.openai_errors import (
    MessageScrubber,
    failure_for,
    parse_error_body,
    status_of,
)
from application.ports.clock import Clock
from application.ports.provider import Provider, ProviderCall, ReplyScanner, UpstreamReply
from application.ports.upstream import (
    Headers,
    UpstreamRequest,
    UpstreamResponse,
    UpstreamTransport,
)
from application.runtime.large_bodies import LargeBodies
from domain.errors import UpstreamFailure, UpstreamProtocolError
from domain.inference.dialect import WireFormat

_EVENT_STREAM = b"text/event-stream"
_JSON = b"application/json"
_LARGEST_ERROR_BODY = 64 * 1024
# What a client may see of the provider's headers; `content-type` is written by us.
_SHOWN_HEADERS = frozenset({b"openai-processing-ms", b"openai-version"})


class OpenAIReply(UpstreamReply):
    """A 2xx answer of the content type that was asked for."""

    def __init__(self, response: UpstreamResponse, scanner: ReplyScanner, headers: Headers) -> None:
        """`headers` are those of `response` that may be shown."""
        self._response = response
        self._scanner = scanner
        self._headers = headers

    @property
    def status(self) -> int:
        """HTTP status of the provider."""
        return self._response.status

    @property
    def headers(self) -> Sequence[tuple[bytes, bytes]]:
        """Content type and the provider's timing and version, if sent."""
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


class OpenAIProvider(Provider):
    """One configured endpoint and its connections."""

    def __init__(
        self,
        config: OpenAIConfig,
        *,
        transport: UpstreamTransport,
        clock: Clock,
        bodies: LargeBodies,
        user_agent: str,
    ) -> None:
        """Take ownership of `transport`; it is closed with the provider."""
        self._config = config
        self._transport = transport
        self._clock = clock
        self._bodies = bodies
        self._scrubber = MessageScrubber(config.private)
        names = {name for name, _ in config.headers}
        agent = () if b"user-agent" in names else ((b"user-agent", user_agent.encode()),)
        self._headers = (
            *config.headers,
            *agent,
            (b"content-type", _JSON),
            # Compression would only cost time: the bytes are read and passed on as they come.
            (b"accept-encoding", b"identity"),
        )

    @property
    def wire_format(self) -> WireFormat:
        """OpenAI Chat Completions."""
        return WireFormat.OPENAI_CHAT

    async def open(self, call: ProviderCall) -> UpstreamReply:
        """Send the caller's body with the model replaced, and bounded if it must be.

        Nothing else of the client's goes out.
        """
        head = call.head
        ask_for_usage = head.stream and not head.include_usage and self._config.stream_usage
        edit = partial(
            edit_request,
            model=call.upstream_model,
            ask_for_usage=ask_for_usage,
            bound=self._bound(call),
        )
        response = await self._transport.send(
            UpstreamRequest(
                method="POST",
                url=self._config.chat_url,
                headers=(
                    *self._headers,
                    (b"accept", _EVENT_STREAM if head.stream else _JSON),
                    (b"x-request-id", call.request_id.encode()),
                ),
                body=await self._bodies.work(call.body, edit),
                timeouts=call.timeouts,
            )
        )
        try:
            await self._check(response, stream=head.stream)
        except BaseException:
            await response.aclose()
            raise
        scanner: ReplyScanner
        if head.stream:
            scanner = ChatStreamScanner(
                choices=head.choices, strip_usage=ask_for_usage, scrubber=self._scrubber
            )
        else:
            scanner = ChatReplyScanner(max_bytes=call.max_reply_bytes, scrubber=self._scrubber)
        return OpenAIReply(response, scanner, _shown(response.headers, stream=head.stream))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    def _bound(self, call: ProviderCall) -> OutputBound | None:
        if call.output_bound is None:
            return None
        return OutputBound(self._config.bound_name, call.output_bound)

    async def _check(self, response: UpstreamResponse, *, stream: bool) -> None:
        """Raise for everything that is not an answer to be relayed."""
        status = response.status
        if 200 <= status < 300:
            found = _media_type(response.headers)
            wanted = _EVENT_STREAM if stream else _JSON
            # A missing type is forgiven: the scanner looks at the content anyway.
            if found in (wanted, b""):
                return
            if stream and found == _JSON:
                # Some servers report an error with 200 when a stream was asked for.
                error = parse_error_body(await _read_bounded(response))
                if error is not None:
                    raise failure_for(status_of(error), error, self._scrubber)
            raise UpstreamProtocolError(
                f"content type {found.decode('latin-1')!r} where {wanted.decode()} was expected"
            )
        if status < 400:
            raise UpstreamProtocolError(f"unexpected status {status}")
        raise failure_for(
            status,
            parse_error_body(await _read_bounded(response)),
            self._scrubber,
            retry_after_ms=retry_after_ms(response.headers, self._clock.now_ms()),
        )


def _media_type(headers: Headers) -> bytes:
    """Return the content type in lower case without parameters, empty when there is none."""
    value = dict(headers).get(b"content-type", b"")
    return value.partition(b";")[0].strip().lower()


def _shown(headers: Headers, *, stream: bool) -> Headers:
    default = _EVENT_STREAM if stream else _JSON
    content_type = dict(headers).get(b"content-type") or default
    shown = ((name, value) for name, value in headers if name in _SHOWN_HEADERS)
    return ((b"content-type", content_type), *shown)


async def _read_bounded(response: UpstreamResponse) -> bytes:
    """Return an error body, or nothing when it is too large or does not arrive whole."""
    body = bytearray()
    try:
        async for chunk in response.chunks():
            body += chunk
            if len(body) > _LARGEST_ERROR_BODY:
                return b""
    except UpstreamFailure:
        return b""  # the status is known, and that is what decides
    return bytes(body)
