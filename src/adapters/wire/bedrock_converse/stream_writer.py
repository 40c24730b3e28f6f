"""Writing a streamed answer of ConverseStream.

One block is open at a time, numbered in the order in which blocks begin; pieces of others (parallel
calls that the provider mixes) wait until it has ended. Texts and thoughts have no start of their own.
`metadata` comes last, when all is known of the usage.
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStreamOutput.html
"""

from collections.abc import Iterator

from msgspec import Struct

from adapters.wire.bedrock_converse.carried import (
    write_signature,
    write_signature_of_previous,
)
from adapters.wire.bedrock_converse.citations import write_citation
from adapters.wire.bedrock_converse.encode_reply import METRICS, tier_member
from adapters.wire.bedrock_converse.reply_blocks import blocks_of, thought
from adapters.wire.bedrock_converse.stopping import asked_for, word_for
from adapters.wire.bedrock_converse.stream_pieces import event_frame, in_pieces, piece, signature
from adapters.wire.bedrock_converse.usage import write_usage
from adapters.wire.custom_tools import wrap_input
from adapters.wire.reading import JsonObject
from application.ports.dialect import ReplyContext, StreamEncoder
from domain.accounting.usage import TokenUsage
from domain.inference.conversation import OpaqueState, ThinkingPart
from domain.inference.events import (
    BlockDelta,
    BlockEnded,
    BlockStarted,
    CitationAdded,
    Finished,
    LogprobsAdded,
    Started,
    StreamEvent,
    UsageKnown,
)
from domain.inference.response import FinishReason

_BlockEvent = BlockStarted | BlockDelta | CitationAdded | BlockEnded


class _Block(Struct):
    """A block of the source that has begun.

    Attributes:
        waiting: its events so far, while another block is open.
        number: ours; None until something of it is written.
        empty: whether nothing of its text was written yet.
        held: free text of a custom tool, which becomes JSON when it is complete.
    """

    start: BlockStarted
    waiting: list[_BlockEvent] = []
    number: int | None = None
    empty: bool = True
    held: str = ""


class ConverseStreamEncoder(StreamEncoder):
    """Writes one stream."""

    def __init__(self, context: ReplyContext) -> None:
        """`context` tells what the caller asked for."""
        self._context = context
        self._blocks: dict[int, _Block] = {}
        self._open: int | None = None
        self._next = 0
        self._started = False
        self._called = False
        self._finished: Finished | None = None
        self._usage: TokenUsage | None = None
        self._tier: str | None = None

    def encode(self, event: StreamEvent) -> bytes:
        """Return the frames for `event`; see the port."""
        return b"".join(self._frames(event))

    def finish(self) -> bytes:
        """Return `messageStop` and `metadata`; a provider that gave no reason has just ended."""
        return b"".join(self._ending())

    def _frames(self, event: StreamEvent) -> Iterator[bytes]:
        yield from self._begin()
        match event:
            case Started():
                self._usage = event.usage or self._usage
            case UsageKnown():
                self._usage = event.usage
                self._tier = event.service_tier or self._tier
            case LogprobsAdded():
                pass
            case Finished():
                self._finished = self._finished or event
            case _:
                # One answer is all that can have been asked for.
                if event.candidate == 0 and self._finished is None:
                    yield from self._take(event)

    def _begin(self) -> Iterator[bytes]:
        if not self._started:
            self._started = True
            yield event_frame("messageStart", {"role": "assistant"})

    def _ending(self) -> Iterator[bytes]:
        yield from self._begin()
        while self._open is not None:
            yield from self._take(BlockEnded(index=self._open))
        finished = self._finished or Finished(reason=FinishReason.STOP)
        stop: JsonObject = {"stopReason": word_for(finished.reason, calls=self._called)}
        asked = asked_for(self._context.request, finished.stop_sequence)
        if asked is not None:
            stop["additionalModelResponseFields"] = asked
        yield event_frame("messageStop", stop)
        usage = write_usage(self._usage or TokenUsage())
        yield event_frame(
            "metadata", {"usage": usage, "metrics": METRICS, **tier_member(self._tier)}
        )

    def _take(self, event: _BlockEvent) -> Iterator[bytes]:
        """Yield what is due for an event of a block, and for those that waited for its end."""
        if isinstance(event, BlockStarted):
            self._blocks[event.index] = _Block(event)
        block = self._blocks.get(event.index)
        if block is None:
            return
        if self._open is None:
            self._open = event.index
        elif self._open != event.index:
            block.waiting.append(event)
            return
        yield from self._write(block, event)
        while (resumed := self._resumed()) is not None:
            waiting, resumed.waiting = resumed.waiting, []
            for each in waiting:
                yield from self._write(resumed, each)

    def _resumed(self) -> _Block | None:
        """Open the block that waits longest; None when one is open or none waits."""
        if self._open is not None or not self._blocks:
            return None
        self._open, block = next(iter(self._blocks.items()))
        return block

    def _write(self, block: _Block, event: _BlockEvent) -> Iterator[bytes]:
        match event:
            case BlockStarted():
                if event.kind == "tool_call":
                    self._called = True
                    call: JsonObject = {"toolUseId": event.id, "name": event.name}
                    yield self._start(block, {"toolUse": call})
            case BlockDelta():
                yield from self._more(block, event)
            case CitationAdded():
                if block.start.kind == "text":
                    yield self._delta(block, {"citation": write_citation(event.citation)})
            case BlockEnded():
                yield from self._end(block, event.state or block.start.state)
                del self._blocks[event.index]
                self._open = None

    def _more(self, block: _Block, event: BlockDelta) -> Iterator[bytes]:
        kind = block.start.kind
        # Sound is nothing a stream of this format can hold; what it says is.
        text = event.transcript if kind == "audio" else event.text
        if kind == "tool_call" and block.start.custom:
            block.held += text
        elif text:
            block.empty = False
            yield self._delta(block, piece(kind, text))

    def _end(self, block: _Block, state: OpaqueState | None) -> Iterator[bytes]:
        start = block.start
        match start.kind:
            case "thinking":
                yield from self._end_thought(block, state)
                return
            case "redacted_thinking":
                if state is not None:
                    yield from self._whole(thought(ThinkingPart(state=state, redacted=True)))
                return
            case "tool_call":
                if start.custom:
                    yield self._delta(block, piece("tool_call", wrap_input(block.held)))
                elif block.empty:
                    yield self._delta(block, piece("tool_call", "{}"))
            case "image" | "vendor":
                part = start.image or start.vendor
                for written in blocks_of((part,) if part is not None else ()):
                    yield from self._whole(written)
            case _:
                pass
        yield from self._stop(block)
        if state is not None:
            carrier = _Block(BlockStarted(index=-1, kind="thinking"))
            yield self._delta(carrier, signature(write_signature_of_previous(state)))
            yield from self._stop(carrier)

    def _end_thought(self, block: _Block, state: OpaqueState | None) -> Iterator[bytes]:
        if state is not None or not block.empty:
            yield self._delta(block, signature(write_signature(state)))
        yield from self._stop(block)

    def _whole(self, written: JsonObject) -> Iterator[bytes]:
        """Yield a block that has no pieces."""
        start, delta = in_pieces(written)
        block = _Block(BlockStarted(index=-1, kind="vendor"))
        if start is not None:
            yield self._start(block, start)
        if delta is not None:
            yield self._delta(block, delta)
        yield from self._stop(block)

    def _start(self, block: _Block, start: JsonObject) -> bytes:
        return self._numbered("contentBlockStart", block, {"start": start})

    def _delta(self, block: _Block, delta: JsonObject) -> bytes:
        return self._numbered("contentBlockDelta", block, {"delta": delta})

    def _stop(self, block: _Block) -> Iterator[bytes]:
        """Yield the end of a block of which something was written."""
        if block.number is not None:
            yield self._numbered("contentBlockStop", block, {})

    def _numbered(self, name: str, block: _Block, payload: JsonObject) -> bytes:
        if block.number is None:
            block.number = self._next
            self._next += 1
        return event_frame(name, {**payload, "contentBlockIndex": block.number})
