"""Reading a streamed answer of Anthropic's into canonical events.

https://docs.claude.com/en/docs/build-with-claude/streaming
"""

from collections.abc import Iterator

import msgspec
from msgspec import Raw, Struct

from adapters.wire.anthropic_messages.arguments import object_of
from adapters.wire.anthropic_messages.carried import read_state
from adapters.wire.anthropic_messages.citations import read_citation
from adapters.wire.anthropic_messages.decode_blocks import (
    call_arguments,
    call_id,
    is_vendor,
    read_citations,
    vendor_part,
)
from adapters.wire.anthropic_messages.errors import failure_inside
from adapters.wire.anthropic_messages.finishes import read_stop_reason
from adapters.wire.anthropic_messages.frames import (
    KNOWN_EVENTS,
    decode_frame,
    is_null,
    mend_surrogates,
)
from adapters.wire.anthropic_messages.usage import UsageTally
from adapters.wire.decoding import EventDecoder
from adapters.wire.governing import MaybeRaw
from adapters.wire.reading import JsonObject
from adapters.wire.schemas.anthropic_messages import (
    Block,
    Delta,
    StartedBlock,
    StopDetails,
    StreamFrame,
)
from adapters.wire.sse import Event
from adapters.wire.upstream_errors import MessageScrubber
from domain.errors import UpstreamFailure, UpstreamProtocolError, UpstreamUnavailable
from domain.inference.events import (
    BlockDelta,
    BlockEnded,
    BlockStarted,
    CitationAdded,
    Finished,
    Started,
    StreamEvent,
    UsageKnown,
)
from domain.inference.response import FinishReason

_STARTED_BLOCK = msgspec.json.Decoder(StartedBlock)
_OBJECT = msgspec.json.Decoder(dict[str, object])
_TEXT = msgspec.json.Decoder(str | None)
_STOP_DETAILS = msgspec.json.Decoder(StopDetails | None)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _OpenBlock(Struct):
    """A block that has begun.

    Attributes:
        index: its number among the canonical blocks.
        kind: its type.
        signature: of thinking.
        whole: arguments that came with the start, `{}` if none; used when no deltas follow.
        vendor: the block itself, when only Anthropic knows it; sent on when it is complete.
        partial: JSON of its input so far.
    """

    index: int
    kind: str
    signature: str = ""
    whole: str = ""
    vendor: JsonObject | None = None
    partial: str = ""


class MessagesStreamReader(EventDecoder):
    """One streamed answer. Blocks that only Anthropic knows appear when they are complete."""

    def __init__(self, *, scrubber: MessageScrubber) -> None:
        """`scrubber` makes the messages of error events presentable."""
        super().__init__()
        self._scrubber = scrubber
        self._open: dict[int, _OpenBlock] = {}
        self._count = 0
        self._spoke = False
        self._called = False
        self._tally = UsageTally()
        self._stop_reason: str | None = None
        self._stop_sequence: str | None = None
        self._explanation = ""
        self._terminated = False

    @property
    def terminated(self) -> bool:
        """`message_stop` was seen."""
        return self._terminated

    def finish(self) -> list[StreamEvent]:
        """Return the events of a last frame that lacks its empty line; see the port."""
        events = self._last()
        if not self._terminated:
            raise UpstreamProtocolError("the stream ended without its terminator")
        return events

    def _read(self, event: Event) -> Iterator[StreamEvent]:
        data = event.data
        if not data or self._terminated or event.name not in KNOWN_EVENTS:
            return
        frame = decode_frame(data)
        if frame.type == "error" or event.name == b"error" or not is_null(frame.error):
            raise self._failed(frame.error)
        if not isinstance(frame, StreamFrame):
            if frame.type == "ping" or frame.type.encode() not in KNOWN_EVENTS:
                return
            raise UpstreamProtocolError(f"a '{frame.type}' event cannot be read")
        try:
            yield from self._translate(frame, data)
        except _UNREADABLE:
            raise UpstreamProtocolError(f"a '{frame.type}' event cannot be read") from None

    def _translate(self, frame: StreamFrame, data: bytes) -> Iterator[StreamEvent]:
        match frame.type:
            case "content_block_delta":
                yield from self._delta(frame)
            case "content_block_start":
                yield from self._start_block(frame, data)
            case "content_block_stop":
                yield from self._end_block(self._block(frame.index))
                del self._open[frame.index]
            case "message_start":
                yield self._start(frame)
            case "message_delta":
                self._note_end(frame)
            case "message_stop":
                yield from self._end()
            case _:
                pass

    def _failed(self, error: MaybeRaw) -> UpstreamFailure:
        if self._count:
            return UpstreamUnavailable(error_class="server_error")
        return failure_inside(error, self._scrubber)

    def _start(self, frame: StreamFrame) -> Started:
        message = frame.message
        if message is None:
            raise UpstreamProtocolError("a 'message_start' event without its message")
        self._tally.note(message.usage)
        return Started(id=message.id or "", model=message.model or "", usage=self._tally.usage)

    def _start_block(self, frame: StreamFrame, data: bytes) -> Iterator[StreamEvent]:
        block = frame.content_block
        if block is None:
            raise UpstreamProtocolError("a 'content_block_start' event without its block")
        if frame.index in self._open:
            raise UpstreamProtocolError("a content block begins twice")
        opened = _OpenBlock(index=self._count, kind=block.type)
        self._open[frame.index] = opened
        if is_vendor(block):
            opened.vendor = _object(_STARTED_BLOCK.decode(data).content_block)
            return
        self._count += 1
        yield from self._begin(opened, block)

    def _begin(self, opened: _OpenBlock, block: Block) -> Iterator[StreamEvent]:
        index = opened.index
        match block.type:
            case "tool_use":
                self._called = True
                opened.whole = call_arguments(block)
                yield BlockStarted(
                    index=index, kind="tool_call", id=call_id(block), name=block.name or ""
                )
            case "thinking":
                opened.signature = block.signature or ""
                yield BlockStarted(index=index, kind="thinking")
                if block.thinking:
                    yield BlockDelta(index=index, text=block.thinking)
            case "redacted_thinking":
                state = read_state(block.data or "")
                yield BlockStarted(index=index, kind="redacted_thinking", state=state)
            case _:
                yield BlockStarted(index=index, kind="text")
                if block.text:
                    self._spoke = True
                    yield BlockDelta(index=index, text=block.text)
                for citation in read_citations(block.citations):
                    yield CitationAdded(index=index, citation=citation)

    def _delta(self, frame: StreamFrame) -> Iterator[StreamEvent]:
        delta = frame.delta
        opened = self._block(frame.index)
        if delta is None:
            raise UpstreamProtocolError("a 'content_block_delta' event without its delta")
        if opened.vendor is not None:
            _grow(opened, opened.vendor, delta)
            return
        match delta.type:
            case "text_delta" | "thinking_delta" | "input_json_delta":
                text = _text_of(delta, opened)
                self._spoke = self._spoke or opened.kind == "text"
                if text:
                    yield BlockDelta(index=opened.index, text=text)
            case "signature_delta":
                opened.signature = delta.signature or ""
            case "citations_delta" if isinstance(delta.citation, Raw):
                citation = read_citation(_object(delta.citation))
                yield CitationAdded(index=opened.index, citation=citation)
            case _:
                pass  # an addition nobody knows yet

    def _end_block(self, opened: _OpenBlock) -> Iterator[StreamEvent]:
        if opened.vendor is not None:
            opened.index = self._count
            self._count += 1
            if opened.partial:
                opened.vendor["input"] = object_of(opened.partial)
            part = vendor_part(opened.vendor)
            yield BlockStarted(index=opened.index, kind="vendor", vendor=part)
        if opened.whole:
            yield BlockDelta(index=opened.index, text=opened.whole)
        yield BlockEnded(index=opened.index, state=read_state(opened.signature))

    def _note_end(self, frame: StreamFrame) -> None:
        self._tally.note(frame.usage)
        delta = frame.delta
        if delta is None:
            return
        self._stop_reason = delta.stop_reason or self._stop_reason
        self._stop_sequence = delta.stop_sequence or self._stop_sequence
        if isinstance(delta.stop_details, Raw):
            self._explanation = _explanation(delta.stop_details)

    def _end(self) -> Iterator[StreamEvent]:
        for opened in self._open.values():
            yield from self._end_block(opened)
        self._open.clear()
        reason = read_stop_reason(self._stop_reason, called=self._called)
        if reason is FinishReason.REFUSAL and self._explanation and not self._spoke:
            index, self._count = self._count, self._count + 1
            yield BlockStarted(index=index, kind="refusal")
            yield BlockDelta(index=index, text=self._explanation)
            yield BlockEnded(index=index)
        yield Finished(reason=reason, stop_sequence=self._stop_sequence)
        usage = self._tally.usage
        if usage is not None:
            yield UsageKnown(usage=usage, service_tier=self._tally.service_tier)
        self._terminated = True

    def _block(self, index: int) -> _OpenBlock:
        opened = self._open.get(index)
        if opened is None:
            raise UpstreamProtocolError("an event of a content block that has not begun")
        return opened


def _text_of(delta: Delta, opened: _OpenBlock) -> str | None:
    """Return the text of a delta, which must be of the kind of its block."""
    match delta.type, opened.kind:
        case "text_delta", "text":
            return delta.text
        case "thinking_delta", "thinking":
            return delta.thinking
        case "input_json_delta", "tool_use":
            opened.whole = "" if delta.partial_json else opened.whole
            return delta.partial_json
        case _:
            raise UpstreamProtocolError(f"a '{delta.type}' in a block of '{opened.kind}'")


def _grow(opened: _OpenBlock, vendor: JsonObject, delta: Delta) -> None:
    """Add a delta to a block that is kept whole: its input, or the text of a summary."""
    opened.partial += delta.partial_json or ""
    if delta.type != "compaction_delta":
        return
    for name, value in (
        ("content", delta.content),
        ("encrypted_content", delta.encrypted_content),
    ):
        if isinstance(value, Raw):
            vendor[name] = _TEXT.decode(value)


def _object(raw: Raw) -> JsonObject:
    return _OBJECT.decode(mend_surrogates(bytes(raw)))


def _explanation(stop_details: Raw) -> str:
    """Return the explanation of a refusal, empty when there is none to be read."""
    try:
        details = _STOP_DETAILS.decode(stop_details)
    except _UNREADABLE:
        return ""
    return (details.explanation if details is not None else None) or ""
