"""Reading a streamed answer as canonical events.

Chunks are answers of their own: text comes in pieces, everything else whole. Where one part ends and
the next begins is told by their kinds, and by a signature, which ends the part that it is on.
"""

from typing import Literal

from adapters.wire.decoding import EventDecoder
from adapters.wire.gemini_generate.chunks import CandidateChunk, Chunk, ChunkReader
from adapters.wire.gemini_generate.citations import FoundCitation
from adapters.wire.gemini_generate.finish import read_finish
from adapters.wire.gemini_generate.media_parts import write_media
from adapters.wire.gemini_generate.scanners import chunk_data
from adapters.wire.sse import Event
from adapters.wire.upstream_errors import MessageScrubber
from domain.accounting.usage import TokenUsage
from domain.errors import UpstreamProtocolError
from domain.inference.conversation import (
    AudioPart,
    DocumentPart,
    ImagePart,
    OpaqueState,
    Part,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    VendorPart,
    VideoPart,
)
from domain.inference.dialect import WireFormat
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

_Prose = Literal["text", "thinking"]


class GeminiStreamDecoder(EventDecoder):
    """Reads one streamed answer. It ends with the connection, and then must have been complete."""

    def __init__(self, scrubber: MessageScrubber) -> None:
        """`scrubber` makes the messages of errors fit for clients."""
        super().__init__()
        self._reader = ChunkReader(scrubber)
        self._started = False
        self._blocked = False
        self._candidates: dict[int, _Candidate] = {}
        self._usage: TokenUsage | None = None

    @property
    def terminated(self) -> bool:
        """False: there is no terminator. Some models give a finish reason with every chunk."""
        return False

    def finish(self) -> list[StreamEvent]:
        """Return the end of every candidate, and the usage.

        Raises:
            UpstreamFailure: an error that came last.
            UpstreamProtocolError: not every candidate has a finish reason.
        """
        events = self._last()
        candidates = [self._candidates[index] for index in sorted(self._candidates)]
        if not all(candidate.finish_reason for candidate in candidates):
            raise UpstreamProtocolError("the stream ended without a finish reason")
        if candidates:
            for candidate in candidates:
                events += candidate.finish()
        elif self._blocked:
            events.append(Finished(reason=FinishReason.CONTENT_FILTER))
        else:
            raise UpstreamProtocolError("the stream ended without candidates")
        if self._usage is not None:
            events.append(UsageKnown(usage=self._usage))
        return events

    def _read(self, event: Event) -> list[StreamEvent]:
        data = chunk_data(event)
        if data is None:
            return []
        chunk = self._reader.read(data)
        self._blocked = self._blocked or chunk.blocked
        self._usage = chunk.usage or self._usage
        events = [] if self._started else [_start(chunk)]
        self._started = True
        for found in chunk.candidates:
            candidate = self._candidates.setdefault(found.index, _Candidate(found.index))
            events += candidate.read(found)
        return events


def _start(chunk: Chunk) -> StreamEvent:
    return Started(id=chunk.id, model=chunk.model, created_s=chunk.created_s, usage=chunk.usage)


class _Candidate:
    """One candidate: which block is open, and how it ended as far as is known."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._next = 0
        self._open: _Prose | None = None
        self._text: list[str] = []
        self._cited: list[FoundCitation] = []
        self._with_calls = False
        self.finish_reason = ""

    def read(self, chunk: CandidateChunk) -> list[StreamEvent]:
        """Return the events of what a chunk tells."""
        events: list[StreamEvent] = []
        for part in chunk.parts:
            events += self._part(part)
        for found in chunk.citations:
            events += self._citation(found)
        if chunk.logprobs is not None:
            events.append(LogprobsAdded(logprobs=chunk.logprobs, candidate=self._number))
        self.finish_reason = chunk.finish or self.finish_reason
        return events

    def finish(self) -> list[StreamEvent]:
        """Return the end of the candidate."""
        reason = read_finish(self.finish_reason, with_calls=self._with_calls)
        return [*self._close(None), Finished(reason=reason, candidate=self._number)]

    def _part(self, part: Part) -> list[StreamEvent]:
        match part:
            case TextPart() | RefusalPart():
                state = part.state if isinstance(part, TextPart) else None
                return self._prose("text", part.text, state)
            case ThinkingPart():
                return self._prose("thinking", part.text, part.state)
            case _:
                return [*self._close(None), *self._whole(part)]

    def _prose(self, kind: _Prose, text: str, state: OpaqueState | None) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        if self._open != kind:
            events += self._close(None)
            events.append(BlockStarted(index=self._next, kind=kind, candidate=self._number))
            self._open = kind
        if text:
            self._text.append(text)
            events.append(BlockDelta(index=self._next, text=text, candidate=self._number))
        return events if state is None else [*events, *self._close(state)]

    def _close(self, state: OpaqueState | None) -> list[StreamEvent]:
        """End the open block, if there is one."""
        if self._open is None:
            return []
        self._open = None
        self._text.clear()
        return [self._ended(state)]

    def _ended(self, state: OpaqueState | None = None) -> StreamEvent:
        index = self._next
        self._next += 1
        return BlockEnded(index=index, candidate=self._number, state=state)

    def _whole(self, part: Part) -> list[StreamEvent]:
        """Return the events of a part that comes in one piece."""
        index, number = self._next, self._number
        start: BlockStarted | None = None
        text = ""
        match part:
            case ToolCallPart():
                self._with_calls = True
                start = BlockStarted(
                    index=index,
                    kind="tool_call",
                    candidate=number,
                    id=part.id,
                    name=part.name,
                    state=part.state,
                )
                text = part.arguments
            case ImagePart():
                start = BlockStarted(index=index, kind="image", candidate=number, image=part)
            case AudioPart():
                start = BlockStarted(index=index, kind="audio", candidate=number)
                text = part.source.data or ""
            case VendorPart():
                start = BlockStarted(index=index, kind="vendor", candidate=number, vendor=part)
            case _:
                vendor = _other(part)
                if vendor is not None:
                    start = BlockStarted(
                        index=index, kind="vendor", candidate=number, vendor=vendor
                    )
        if start is None:
            return []
        deltas = [BlockDelta(index=index, text=text, candidate=number)] if text else []
        return [start, *deltas, self._ended()]

    def _citation(self, found: FoundCitation) -> list[StreamEvent]:
        """Return the event of a citation that is new, while the text that it may be of is open."""
        if self._open != "text" or found in self._cited:
            return []
        self._cited.append(found)
        citation = found.placed("".join(self._text)) or found.citation
        return [CitationAdded(index=self._next, citation=citation, candidate=self._number)]


def _other(part: Part) -> VendorPart | None:
    """Return media that streams have no block of their own for as the vendor's own."""
    if not isinstance(part, VideoPart | DocumentPart):
        return None
    return VendorPart(origin=WireFormat.GEMINI_GENERATE, kind="media", raw=write_media(part))
