"""Scanners that translate: a provider's answer in, the client's dialect out."""

from adapters.wire.codec import StreamDecoder, WireCodec
from adapters.wire.scanning import WholeReplyScanner
from adapters.wire.upstream_errors import MessageScrubber
from application.ports.dialect import ConversationCodec, ReplyContext, StreamEncoder
from application.ports.provider import ReplyScanner, ReplySummary
from domain.errors import UpstreamFailure, UpstreamProtocolError
from domain.inference.conversation import (
    AudioPart,
    Part,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
)
from domain.inference.events import (
    BlockDelta,
    BlockStarted,
    Finished,
    Started,
    StreamEvent,
    UsageKnown,
)

_TOO_DEEP = "the answer nests objects and arrays too deeply"


class TranslatingReplyScanner(WholeReplyScanner):
    """Holds a whole answer, then hands it on in the client's dialect."""

    def __init__(
        self,
        wire: WireCodec,
        dialect: ConversationCodec,
        context: ReplyContext,
        *,
        max_bytes: int,
        scrubber: MessageScrubber,
    ) -> None:
        """`max_bytes` is the largest answer that is read."""
        super().__init__(max_bytes)
        self._wire = wire
        self._dialect = dialect
        self._context = context
        self._scrubber = scrubber

    def _read(self, body: bytes) -> bytes:
        """Return the whole answer, translated; raises as `WireCodec.decode_reply`."""
        reply = self._wire.decode_reply(body, scrubber=self._scrubber)
        summary = self._summary
        summary.usage = reply.usage
        summary.model = reply.model
        for candidate in reply.candidates:
            summary.finish_reason = summary.finish_reason or candidate.finish.value
            summary.output_characters += sum(_characters(part) for part in candidate.parts)
        summary.content_started = summary.output_characters > 0
        try:
            return self._dialect.encode_reply(reply, self._context)
        except RecursionError:
            raise UpstreamProtocolError(_TOO_DEEP) from None


class TranslatingStreamScanner(ReplyScanner):
    """Translates a streamed answer event by event."""

    def __init__(self, decoder: StreamDecoder, encoder: StreamEncoder) -> None:
        """Both are fresh: they serve this one answer."""
        self._decoder = decoder
        self._encoder = encoder
        self._summary = ReplySummary()
        self._failure: UpstreamFailure | None = None
        self._ended = False

    @property
    def summary(self) -> ReplySummary:
        """What the events so far have told."""
        return self._summary

    def feed(self, chunk: bytes) -> bytes:
        """Return what the events completed by `chunk` are in the client's dialect.

        Raises:
            UpstreamFailure: an error event; what came before it in the same chunk went out first.
            UpstreamProtocolError: not what the provider's format says.
        """
        if self._failure is not None:
            raise self._failure
        if self._ended:
            return b""
        out = self._encode(self._decoder.feed(chunk))
        if self._decoder.terminated and self._failure is None:
            return out + self._end()
        return out

    def finish(self) -> bytes:
        """Return what is due at the end of the stream.

        Raises:
            UpstreamProtocolError: the stream ended before its terminator.
        """
        if self._ended:
            return b""
        out = b"" if self._failure is not None else self._encode(self._decoder.finish())
        if self._failure is not None:
            raise self._failure
        return out + self._end()

    def _end(self) -> bytes:
        self._ended = self._summary.terminated = True
        return self._encoder.finish()

    def _encode(self, events: list[StreamEvent]) -> bytes:
        """Return the bytes for `events`, up to one that cannot be written; see `feed`."""
        written: list[bytes] = []
        for event in events:
            self._note(event)
            try:
                written.append(self._encoder.encode(event))
            except UpstreamFailure as failure:
                self._failure = failure
            except RecursionError:
                self._failure = UpstreamProtocolError(_TOO_DEEP)
            if self._failure is not None:
                break
        out = b"".join(written)
        if self._failure is not None and not out:
            raise self._failure
        return out

    def _note(self, event: StreamEvent) -> None:
        summary = self._summary
        match event:
            case BlockDelta():
                summary.content_started = True
                summary.output_characters += len(event.text) + len(event.transcript)
            case BlockStarted():
                if event.kind in {"tool_call", "redacted_thinking", "vendor", "image"}:
                    summary.content_started = True
                    summary.output_characters += len(event.name)
            case Started():
                summary.model = event.model
                summary.usage = event.usage or summary.usage
            case UsageKnown():
                summary.usage = event.usage
            case Finished():
                summary.finish_reason = summary.finish_reason or event.reason.value
            case _:
                pass


def _characters(part: Part) -> int:
    match part:
        case TextPart() | ThinkingPart() | RefusalPart():
            return len(part.text)
        case ToolCallPart():
            return len(part.name) + len(part.arguments)
        case AudioPart():
            return len(part.transcript)
        case _:
            return 1
