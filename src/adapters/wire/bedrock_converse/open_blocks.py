"""The blocks of a streamed answer while they are open: the provider's numbers and ours."""

import base64
from collections.abc import Generator, Iterator
from typing import Literal

import msgspec
from msgspec import Struct

from adapters.wire.bedrock_converse.carried import OWN, read_signature
from adapters.wire.bedrock_converse.citations import read_citation
from adapters.wire.bedrock_converse.formats import media_type_of
from adapters.wire.reading import JsonObject, Members
from domain.errors import InvalidRequest
from domain.inference.conversation import ImagePart, Media, OpaqueState, VendorPart
from domain.inference.events import (
    BlockDelta,
    BlockEnded,
    BlockStarted,
    CitationAdded,
    StreamEvent,
)

_Kind = Literal["text", "thinking", "redacted", "tool_call", "image", "vendor"]


class _Block(Struct):
    """An open block.

    Attributes:
        index: our number; -1 while the block is collected, to be given out whole at its end.
        raw: what the start of a collected block said.
        pieces: of the signature, or of what is collected; of a call's input, the last.
        items: entries of a result that is collected.
    """

    kind: _Kind
    index: int = -1
    name: str = ""
    raw: JsonObject = {}
    pieces: list[str] = []
    items: list[JsonObject] = []


class OpenBlocks:
    """Turns starts, pieces and stops of numbered blocks into events."""

    def __init__(self) -> None:
        """No block is open."""
        self._open: dict[int, _Block] = {}
        self._next = 0

    def start(self, number: int, start: Members | None) -> Iterator[StreamEvent]:
        """Yield what a `contentBlockStart` means."""
        if start is None:
            return
        call = start.members("toolUse")
        result = start.object("toolResult")
        image = start.members("image")
        if call is not None and call.has("type"):
            yield from self.end(number)
            self._open[number] = _Block("vendor", name="toolUse", raw=call.rest())
        elif call is not None:
            yield from self.end(number)
            yield from self._close_others("tool_call")
            block = self._new(number, "tool_call")
            yield BlockStarted(
                index=block.index,
                kind="tool_call",
                id=call.required_text("toolUseId"),
                name=call.required_text("name"),
            )
        elif result is not None:
            yield from self.end(number)
            self._open[number] = _Block("vendor", name="toolResult", raw=result)
        elif image is not None:
            yield from self.end(number)
            self._open[number] = _Block("image", name=image.text("format") or "")

    def add(self, number: int, delta: Members | None) -> Iterator[StreamEvent]:
        """Yield what a `contentBlockDelta` means."""
        if delta is None:
            return
        if (text := delta.text("text")) is not None:
            block = yield from self._of(number, "text")
            yield BlockDelta(index=block.index, text=text)
        elif (call := delta.members("toolUse")) is not None:
            yield from self._more_input(number, call.text("input") or "")
        elif (thought := delta.members("reasoningContent")) is not None:
            yield from self._more_reasoning(number, thought)
        elif (citation := delta.object("citation")) is not None:
            block = yield from self._of(number, "text")
            yield CitationAdded(index=block.index, citation=read_citation(citation))
        else:
            self._collect(number, delta)

    def end(self, number: int) -> Iterator[StreamEvent]:
        """Yield what a `contentBlockStop` means; nothing for a block that never began."""
        block = self._open.pop(number, None)
        if block is None:
            return
        if block.kind in ("redacted", "image", "vendor"):
            yield from self._whole(block)
            return
        if block.kind == "tool_call" and not block.pieces:
            yield BlockDelta(index=block.index, text="{}")
        signature = "".join(block.pieces) if block.kind == "thinking" else ""
        yield BlockEnded(index=block.index, state=read_signature(signature))

    def end_all(self) -> Iterator[StreamEvent]:
        """Yield the ends of what is still open."""
        for number in sorted(self._open):
            yield from self.end(number)

    def _more_input(self, number: int, text: str) -> Iterator[StreamEvent]:
        block = self._open.get(number)
        if block is not None and block.kind == "vendor":
            block.pieces.append(text)
        elif block is not None and block.kind == "tool_call":
            if text:
                block.pieces = [text]
                yield BlockDelta(index=block.index, text=text)
        else:
            raise InvalidRequest("input for a tool call that did not start")

    def _more_reasoning(self, number: int, thought: Members) -> Iterator[StreamEvent]:
        redacted = thought.text("redactedContent")
        if redacted is not None:
            block = self._open.get(number)
            if block is None or block.kind != "redacted":
                yield from self.end(number)
                block = self._open[number] = _Block("redacted")
            block.pieces.append(redacted)
            return
        block = yield from self._of(number, "thinking")
        text = thought.text("text")
        if text:
            yield BlockDelta(index=block.index, text=text)
        block.pieces.append(thought.text("signature") or "")

    def _collect(self, number: int, delta: Members) -> None:
        """Note pieces of what is given out whole: images, results of the vendor's own tools."""
        block = self._open.get(number)
        if block is None:
            return
        image = delta.members("image")
        source = image.members("source") if image is not None else None
        if block.kind == "image" and source is not None:
            block.pieces.append(source.text("bytes") or "")
        elif block.kind == "vendor":
            block.items += [each.rest() for each in delta.objects("toolResult")]

    def _whole(self, block: _Block) -> Iterator[StreamEvent]:
        yield from self._close_others(block.kind)
        index = self._next
        self._next += 1
        if block.kind == "redacted":
            state = OpaqueState(origin=OWN, data=_joined(block.pieces))
            yield BlockStarted(index=index, kind="redacted_thinking", state=state)
        elif block.kind == "image":
            media = Media(media_type=media_type_of("image", block.name), data=_joined(block.pieces))
            yield BlockStarted(index=index, kind="image", image=ImagePart(source=media))
        else:
            vendor = VendorPart(origin=OWN, kind=block.name, raw={block.name: _collected(block)})
            yield BlockStarted(index=index, kind="vendor", vendor=vendor)
        yield BlockEnded(index=index)

    def _of(
        self, number: int, kind: Literal["text", "thinking"]
    ) -> Generator[StreamEvent, None, _Block]:
        """Yield the start of a block, unless it is open; return the block."""
        block = self._open.get(number)
        if block is None or block.kind != kind:
            yield from self.end(number)
            yield from self._close_others(kind)
            block = self._new(number, kind)
            yield BlockStarted(index=block.index, kind=kind)
        return block

    def _new(self, number: int, kind: _Kind) -> _Block:
        block = self._open[number] = _Block(kind, self._next)
        self._next += 1
        return block

    def _close_others(self, kind: _Kind) -> Iterator[StreamEvent]:
        """End blocks that would overlap with one of this kind; calls may run side by side."""
        for number, block in sorted(self._open.items()):
            if block.index >= 0 and not (block.kind == kind == "tool_call"):
                yield from self.end(number)


def _collected(block: _Block) -> JsonObject:
    if block.name == "toolResult":
        return {**block.raw, "content": block.items}
    text = "".join(block.pieces)
    try:
        return {**block.raw, "input": msgspec.json.decode(text or "{}")}
    except (msgspec.DecodeError, RecursionError):
        return {**block.raw, "input": text}


def _joined(pieces: list[str]) -> str:
    """Return base64 of the bytes that are given in pieces, each in base64 of its own."""
    if len(pieces) == 1:
        return pieces[0]
    try:
        return base64.b64encode(b"".join(base64.b64decode(each) for each in pieces)).decode()
    except ValueError:
        return "".join(pieces)
