"""Writing a streamed answer for a client of Anthropic's API.

A state machine over canonical events: one `message_start`, then blocks one after another, then one
`message_delta` with the stop reason and all usage, then `message_stop`
(https://docs.claude.com/en/docs/build-with-claude/streaming). A provider may interleave parallel
calls; as blocks must not overlap here, one block at a time is written as it comes and the others
wait for its end.
"""

from collections import deque

import msgspec
from msgspec import Struct

from adapters.wire.anthropic_messages.carried import (
    write_signature,
    write_state,
    write_state_of_previous,
)
from adapters.wire.anthropic_messages.citations import write_citation
from adapters.wire.anthropic_messages.encode_reply import (
    call_block,
    carried_id,
    image_text,
    message_head,
    redacted_block,
    stop_details,
    text_block,
)
from adapters.wire.anthropic_messages.finishes import write_stop_reason
from adapters.wire.anthropic_messages.usage import write_usage
from adapters.wire.custom_tools import wrap_input
from adapters.wire.reading import JsonObject
from adapters.wire.sse import write_event
from application.ports.dialect import ReplyContext, StreamEncoder
from domain.accounting.usage import TokenUsage
from domain.inference.conversation import TextPart
from domain.inference.dialect import WireFormat
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

_ENCODER = msgspec.json.Encoder()
_BlockEvent = BlockDelta | CitationAdded | BlockEnded
_DELTA_TYPES = {
    "text": ("text_delta", "text"),
    "refusal": ("text_delta", "text"),
    "image": ("text_delta", "text"),
    "audio": ("text_delta", "text"),
    "thinking": ("thinking_delta", "thinking"),
    "tool_call": ("input_json_delta", "partial_json"),
}


class _Block(Struct):
    """A block and what of it still waits to be written.

    Attributes:
        number: its index in the stream; -1 until it is written, or for ever if it cannot be.
        held: text of a custom tool's input, which is JSON only when it is complete.
        spoke: whether a delta was written.
    """

    start: BlockStarted
    waiting: deque[_BlockEvent]
    number: int = -1
    held: str = ""
    spoke: bool = False
    ended: bool = False


class MessagesStreamWriter(StreamEncoder):
    """One streamed answer."""

    def __init__(self, context: ReplyContext) -> None:
        """`context` is the request that is answered."""
        self._context = context
        self._begun = False
        self._blocks: dict[int, _Block] = {}
        self._count = 0
        self._called = False
        self._refused = ""
        self._finished: Finished | None = None
        self._usage: TokenUsage | None = None
        self._tier: str | None = None

    def encode(self, event: StreamEvent) -> bytes:
        """Return the bytes for `event`; nothing for candidates beside the first.

        Raises:
            UpstreamUnavailable: the provider says that the answer is broken.
        """
        match event:
            case Started():
                self._usage = event.usage or self._usage
                return self._begin(event.id)
            case UsageKnown():
                self._usage, self._tier = event.usage, event.service_tier or self._tier
                return b""
            case Finished() if event.candidate == 0:
                # Asked here so that a broken answer does not end like a good one.
                write_stop_reason(event.reason, called=self._called)
                self._finished = event
                return b""
            case BlockStarted() if event.candidate == 0:
                return self._begin() + self._open(event)
            case BlockDelta() | CitationAdded() | BlockEnded() if event.candidate == 0:
                return self._continue(event)
            case _:
                return b""

    def finish(self) -> bytes:
        """Return the end of the message; blocks that nobody ended are ended."""
        written = [self._begin()]
        while self._blocks:
            index, block = next(iter(self._blocks.items()))
            block.waiting.append(BlockEnded(index=index))
            written.append(self._drain())
        finished = self._finished or Finished(reason=FinishReason.STOP)
        delta: JsonObject = {
            "stop_reason": write_stop_reason(finished.reason, called=self._called),
            "stop_sequence": finished.stop_sequence,
        }
        if delta["stop_reason"] == "refusal":
            delta["stop_details"] = stop_details(self._refused)
        usage = write_usage(self._usage, self._tier)
        written += (
            _event("message_delta", {"delta": delta, "usage": usage}),
            _event("message_stop", {}),
        )
        return b"".join(written)

    def _begin(self, reply_id: str = "") -> bytes:
        if self._begun:
            return b""
        self._begun = True
        message = message_head(reply_id, self._context)
        message |= {
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": write_usage(self._usage),
        }
        return _event("message_start", {"message": message})

    def _open(self, event: BlockStarted) -> bytes:
        self._called = self._called or event.kind == "tool_call"
        block = _Block(start=event, waiting=deque())
        if event.image is not None:
            block.waiting.append(BlockDelta(index=event.index, text=image_text(event.image)))
        self._blocks[event.index] = block
        return self._drain()

    def _continue(self, event: _BlockEvent) -> bytes:
        block = self._blocks.get(event.index)
        if block is None:
            return b""
        block.waiting.append(event)
        return self._drain()

    def _drain(self) -> bytes:
        """Write what waits of the first block, and of the next ones when it has ended."""
        written: list[bytes] = []
        while self._blocks:
            index, block = next(iter(self._blocks.items()))
            if block.number < 0 and (head := self._head(block.start)) is not None:
                block.number = self._number()
                written.append(
                    _event("content_block_start", {"index": block.number, "content_block": head})
                )
            while block.waiting:
                written.append(self._more(block, block.waiting.popleft()))
            if not block.ended:
                break
            del self._blocks[index]
        return b"".join(written)

    def _head(self, start: BlockStarted) -> JsonObject | None:
        """Return the block as it starts, or None for one that cannot be written."""
        match start.kind:
            case "text" | "refusal" | "image" | "audio":
                return text_block(TextPart(text=""))
            case "thinking":
                return {"type": "thinking", "thinking": "", "signature": ""}
            case "redacted_thinking":
                return redacted_block(write_state(start.state))
            case "tool_call":
                return call_block(carried_id(start.id, start.state), start.name)
            case "vendor":
                vendor = start.vendor
                own = vendor is not None and vendor.origin is WireFormat.ANTHROPIC_MESSAGES
                return vendor.raw if own and vendor is not None else None

    def _more(self, block: _Block, event: _BlockEvent) -> bytes:
        if block.number < 0:
            block.ended = isinstance(event, BlockEnded)
            return b""
        match event:
            case BlockDelta():
                audio = block.start.kind == "audio"
                return self._delta(block, event.transcript if audio else event.text)
            case CitationAdded():
                citation = write_citation(event.citation)
                return _delta(block.number, {"type": "citations_delta", "citation": citation})
            case BlockEnded():
                return self._end(block, event)

    def _delta(self, block: _Block, text: str) -> bytes:
        names = _DELTA_TYPES.get(block.start.kind)
        if names is None or not text:
            return b""
        if block.start.custom:
            block.held += text
            return b""
        if block.start.kind == "refusal":
            self._refused += text
        block.spoke = True
        kind, member = names
        return _delta(block.number, {"type": kind, member: text})

    def _end(self, block: _Block, event: BlockEnded) -> bytes:
        block.ended = True
        start = block.start
        written: list[bytes] = []
        if start.kind == "tool_call" and not block.spoke:
            # Clients join the pieces and parse: nothing at all would not be JSON.
            arguments = wrap_input(block.held) if start.custom else "{}"
            written.append(
                _delta(block.number, {"type": "input_json_delta", "partial_json": arguments})
            )
        late = event.state
        if start.kind == "thinking":
            signature = write_signature(late or start.state)
            written.append(
                _delta(block.number, {"type": "signature_delta", "signature": signature})
            )
            late = None
        written.append(_event("content_block_stop", {"index": block.number}))
        if start.kind == "text":
            late = late or start.state
        if late is not None and start.kind in {"text", "tool_call"}:
            number = self._number()
            carrying = redacted_block(write_state_of_previous(late))
            written += (
                _event("content_block_start", {"index": number, "content_block": carrying}),
                _event("content_block_stop", {"index": number}),
            )
        return b"".join(written)

    def _number(self) -> int:
        number = self._count
        self._count += 1
        return number


def _delta(number: int, delta: JsonObject) -> bytes:
    return _event("content_block_delta", {"index": number, "delta": delta})


def _event(name: str, members: JsonObject) -> bytes:
    return write_event(_ENCODER.encode({"type": name, **members}), name)
