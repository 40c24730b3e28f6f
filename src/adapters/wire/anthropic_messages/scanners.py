"""Scanners for Anthropic answers: what was used, how it ended, what went wrong.

A usual frame is decoded into the few members of `schemas.anthropic_messages.StreamFrame`, in less
than a microsecond, whatever its white space and order of members.
"""

from msgspec import Raw

from adapters.wire.anthropic_messages.errors import failure_inside
from adapters.wire.anthropic_messages.frames import (
    KNOWN_EVENTS,
    decode_frame,
    decode_reply,
    is_null,
)
from adapters.wire.anthropic_messages.usage import UsageTally
from adapters.wire.governing import MaybeRaw
from adapters.wire.scanning import EventScanner, WholeReplyScanner
from adapters.wire.schemas.anthropic_messages import (
    Block,
    Delta,
    LooseFrame,
    LooseReply,
    StreamFrame,
)
from adapters.wire.sse import Event
from adapters.wire.upstream_errors import MessageScrubber
from application.ports.provider import ReplySummary
from domain.errors import UpstreamFailure, UpstreamProtocolError, UpstreamUnavailable

# Blocks that are content as soon as they begin; text and thinking are once they say something.
_SPOKEN = frozenset({"", "text", "thinking"})


class MessagesReplyScanner(WholeReplyScanner):
    """Holds a whole (non-streamed) answer until it is known to be one, then hands it on as it came."""

    def __init__(self, *, max_bytes: int, scrubber: MessageScrubber) -> None:
        """`max_bytes` is the largest answer that is relayed."""
        super().__init__(max_bytes)
        self._scrubber = scrubber

    def _read(self, body: bytes) -> bytes:
        """Return the whole answer.

        Raises:
            UpstreamProtocolError: not JSON, or no `content`.
            UpstreamFailure: an error object instead of an answer.
        """
        reply = decode_reply(body)
        if reply.type == "error" or not is_null(reply.error):
            raise failure_inside(reply.error, self._scrubber)
        summary = self._summary
        tally = UsageTally()
        tally.note(reply.usage)
        summary.usage = tally.usage
        if isinstance(reply, LooseReply):
            size = 0 if is_null(reply.content) else _size(reply.content)
            if not size:
                raise UpstreamProtocolError("the answer has no content")
            _note(summary, size, started=True)
            return body
        if not isinstance(reply.content, list):
            raise UpstreamProtocolError("the answer has no content")
        summary.model = reply.model or ""
        summary.finish_reason = reply.stop_reason or ""
        for block in reply.content:
            _note(summary, _block_characters(block), started=block.type not in _SPOKEN)
        return body


class MessagesStreamScanner(EventScanner):
    """Passes stream events on as they came, whole events at a time."""

    def __init__(self, *, scrubber: MessageScrubber) -> None:
        """`scrubber` makes the messages of error events presentable."""
        super().__init__()
        self._scrubber = scrubber
        self._tally = UsageTally()

    def _pass(self, event: Event) -> bytes:
        self._observe(event)
        return event.raw

    def _observe(self, event: Event) -> None:
        data = event.data
        if not data or self._summary.terminated or event.name not in KNOWN_EVENTS:
            return
        frame = decode_frame(data)
        match frame.type:
            case "content_block_delta":
                self._note_delta(frame)
            case "content_block_start":
                self._note_block(frame)
            case "message_start":
                self._note_start(frame)
            case "message_delta":
                self._note_end(frame)
            case "message_stop":
                self._summary.terminated = True
            case _:
                if event.name == b"error" or frame.type == "error" or not is_null(frame.error):
                    raise self._failed(frame.error)

    def _failed(self, error: MaybeRaw) -> UpstreamFailure:
        if self._summary.content_started:
            return UpstreamUnavailable(error_class="server_error")
        return failure_inside(error, self._scrubber)

    def _note_delta(self, frame: StreamFrame | LooseFrame) -> None:
        if isinstance(frame, LooseFrame):
            _note(self._summary, _size(frame.delta), started=True)
        elif frame.delta is not None:
            delta = frame.delta
            _note(self._summary, _delta_characters(delta), started=delta.signature is not None)

    def _note_block(self, frame: StreamFrame | LooseFrame) -> None:
        if isinstance(frame, LooseFrame):
            _note(self._summary, _size(frame.content_block), started=True)
        elif frame.content_block is not None:
            block = frame.content_block
            _note(self._summary, _block_characters(block), started=block.type not in _SPOKEN)

    def _note_start(self, frame: StreamFrame | LooseFrame) -> None:
        if isinstance(frame, StreamFrame) and frame.message is not None:
            self._summary.model = self._summary.model or frame.message.model or ""
            self._tally.note(frame.message.usage)
            self._summary.usage = self._tally.usage

    def _note_end(self, frame: StreamFrame | LooseFrame) -> None:
        if isinstance(frame, StreamFrame) and frame.delta is not None:
            self._summary.finish_reason = frame.delta.stop_reason or self._summary.finish_reason
        self._tally.note(frame.usage)
        self._summary.usage = self._tally.usage


def _note(summary: ReplySummary, characters: int, *, started: bool) -> None:
    summary.output_characters += characters
    summary.content_started = summary.content_started or started or characters > 0


def _delta_characters(delta: Delta) -> int:
    return len(delta.text or "") + len(delta.partial_json or "") + len(delta.thinking or "")


def _block_characters(block: Block) -> int:
    """Return the number of generated characters; of redacted thinking, a rough idea of them."""
    arguments = _size(block.input)
    return (
        len(block.text or "")
        + len(block.thinking or "")
        + len(block.name or "")
        + (arguments if arguments > 2 else 0)  # `{}` opens a streamed call and says nothing
        + len(block.data or "") * 3 // 4
    )


def _size(value: MaybeRaw) -> int:
    return len(memoryview(value)) if isinstance(value, Raw) else 0
