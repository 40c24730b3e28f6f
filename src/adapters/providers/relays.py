"""Operations beyond conversations: relayed to the provider as they are, or answered here."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import partial

from msgspec import Struct

from adapters.providers.token_count import count_input
from adapters.wire.codec import WireCodec, WireTarget
from adapters.wire.openai_relay.edit import edit_relayed
from adapters.wire.openai_relay.scanners import (
    BytesRelayScanner,
    EventRelayScanner,
    JsonRelayScanner,
)
from adapters.wire.upstream_errors import MessageScrubber
from application.ports.dialect import ConversationCodec, CountingCodec
from application.ports.provider import ProviderCall, ReplyScanner, ReplySummary, UpstreamReply
from application.runtime.large_bodies import LargeBodies
from domain.accounting.usage import TokenUsage
from domain.errors import UnsupportedField
from domain.inference.dialect import Operation

JSON = b"application/json"
EVENTS = b"text/event-stream"
_PATHS = {
    Operation.COMPLETIONS: "/completions",
    Operation.EMBEDDINGS: "/embeddings",
    Operation.MODERATIONS: "/moderations",
    Operation.RERANK: "/rerank",
    Operation.IMAGES_GENERATIONS: "/images/generations",
    Operation.IMAGES_EDITS: "/images/edits",
    Operation.IMAGES_VARIATIONS: "/images/variations",
    Operation.AUDIO_SPEECH: "/audio/speech",
    Operation.AUDIO_TRANSCRIPTIONS: "/audio/transcriptions",
    Operation.AUDIO_TRANSLATIONS: "/audio/translations",
}
_OF_A_RESPONSE = {
    Operation.RETRIEVE_RESPONSE: ("GET", ""),
    Operation.DELETE_RESPONSE: ("DELETE", ""),
    Operation.CANCEL_RESPONSE: ("POST", "/cancel"),
    Operation.LIST_RESPONSE_INPUT: ("GET", "/input_items"),
}
# Their answers are text in the format the request asked for, or sounds: not only JSON.
_OF_ANY_TYPE = frozenset(
    {Operation.AUDIO_SPEECH, Operation.AUDIO_TRANSCRIPTIONS, Operation.AUDIO_TRANSLATIONS}
)


class RelayedRequest(Struct, frozen=True, kw_only=True):
    """A request of another operation than a conversation, ready to be sent.

    Attributes:
        content_type: of the body; empty when there is none.
        accept: media type asked for.
        types: media types an answer may have; empty for any.
        scanner: reads the answer.
    """

    method: str = "POST"
    url: str
    body: bytes = b""
    content_type: bytes = JSON
    accept: bytes = JSON
    types: tuple[bytes, ...] = (JSON,)
    scanner: ReplyScanner


async def relayed_to_openai(
    call: ProviderCall, base_url: str, *, bodies: LargeBodies, scrubber: MessageScrubber
) -> RelayedRequest | None:
    """Return what to send to a server of OpenAI's API; None when it has no such operation."""
    if call.operation in _OF_A_RESPONSE:
        return _of_a_response(call, base_url, scrubber)
    path = _PATHS.get(call.operation)
    if path is None:
        return None
    edit = partial(
        edit_relayed,
        model=call.upstream_model,
        content_type=call.content_type,
        ask_for_usage=call.operation is Operation.COMPLETIONS
        and call.head.stream
        and not call.head.include_usage,
    )
    in_events = call.head.stream and call.codec.stream_content_type.startswith(EVENTS)
    scanner: ReplyScanner
    if in_events:
        scanner = EventRelayScanner(scrubber=scrubber)
    elif call.operation in _OF_ANY_TYPE:
        scanner = BytesRelayScanner()
    else:
        scanner = JsonRelayScanner(max_bytes=call.max_reply_bytes, scrubber=scrubber)
    return RelayedRequest(
        url=base_url + path,
        body=await bodies.work(call.body, edit),
        content_type=call.content_type,
        accept=EVENTS if in_events else b"*/*" if call.operation in _OF_ANY_TYPE else JSON,
        types=_types(call.operation, in_events=in_events),
        scanner=scanner,
    )


def _types(operation: Operation, *, in_events: bool) -> tuple[bytes, ...]:
    if operation in _OF_ANY_TYPE:
        return ()
    return (EVENTS,) if in_events else (JSON,)


def _of_a_response(call: ProviderCall, base_url: str, scrubber: MessageScrubber) -> RelayedRequest:
    method, tail = _OF_A_RESPONSE[call.operation]
    query = f"?{call.target.query}" if call.target.query else ""
    return RelayedRequest(
        method=method,
        url=f"{base_url}/responses/{call.head.continues}{tail}{query}",
        content_type=b"",
        accept=EVENTS if call.head.stream else JSON,
        types=(EVENTS,) if call.head.stream else (JSON,),
        scanner=EventRelayScanner(scrubber=scrubber, free=True)
        if call.head.stream
        else JsonRelayScanner(max_bytes=call.max_reply_bytes, scrubber=scrubber, free=True),
    )


class LocalReply(UpstreamReply):
    """An answer made here, without asking anybody."""

    def __init__(self, body: bytes, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """`body` is JSON in the caller's dialect."""
        self._body = body
        self._headers = ((b"content-type", JSON), *headers)
        self._scanner = _Known()

    @property
    def status(self) -> int:
        """Always 200."""
        return 200

    @property
    def headers(self) -> Sequence[tuple[bytes, bytes]]:
        """Content type, and what was given."""
        return self._headers

    @property
    def scanner(self) -> ReplyScanner:
        """A scanner that changes nothing."""
        return self._scanner

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body."""
        yield self._body

    async def aclose(self) -> None:
        """Nothing is held."""


class _Known(ReplyScanner):
    def __init__(self) -> None:
        self._summary = ReplySummary(usage=TokenUsage(), content_started=True)

    @property
    def summary(self) -> ReplySummary:
        return self._summary

    def feed(self, chunk: bytes) -> bytes:
        return chunk

    def finish(self) -> bytes:
        return b""


async def relayed_count(
    call: ProviderCall,
    wire: WireCodec,
    url: str,
    *,
    bodies: LargeBodies,
    scrubber: MessageScrubber,
) -> RelayedRequest | None:
    """Return what to send to `url` to count tokens, for clients of the provider's own API.

    None for other operations and other clients: for the latter tokens are counted here.
    """
    if call.operation is not Operation.COUNT_TOKENS:
        return None
    if call.codec.dialect.value != wire.wire_format.value:
        return None
    target = WireTarget(model=call.upstream_model)
    edit = partial(wire.edit_request, head=call.head, target=target)
    return RelayedRequest(
        url=url,
        body=await bodies.work(call.body, edit),
        scanner=JsonRelayScanner(max_bytes=call.max_reply_bytes, scrubber=scrubber, free=True),
    )


async def count_here(call: ProviderCall, bodies: LargeBodies) -> UpstreamReply:
    """Answer `count_tokens` with this program's own count, and mark it as an estimate.

    Raises:
        InvalidRequest: the request cannot be read.
        UnsupportedField: the dialect has no such operation.
    """
    codec = call.codec
    if not isinstance(codec, ConversationCodec) or not isinstance(codec, CountingCodec):
        raise not_offered(call)
    decode = partial(codec.decode, target=call.target)
    request = await bodies.work(call.body, decode)
    # In a thread: the vocabulary takes a second to read, and long texts some milliseconds.
    tokens = await asyncio.to_thread(count_input, request)
    return LocalReply(
        codec.encode_count(tokens), [(b"x-thinkwatch-warnings", b"input tokens estimated")]
    )


def not_offered(call: ProviderCall) -> UnsupportedField:
    """Return the error for an operation that the provider does not have."""
    return UnsupportedField(
        f"The provider of the model '{call.head.model}' does not offer this operation."
    )
