"""Writing a streamed answer: every chunk a `GenerateContentResponse` of its own.

Texts go out as they come, function calls when they are whole. Finish reasons and usage are the last
chunk, as usage may come late.
"""

from collections.abc import Callable

import msgspec

from adapters.wire.gemini_generate.array import ArrayOutput
from adapters.wire.gemini_generate.citations import write_grounding
from adapters.wire.gemini_generate.encode_reply import content_of, shows_thoughts
from adapters.wire.gemini_generate.finish import write_finish
from adapters.wire.gemini_generate.logprobs import write_logprobs
from adapters.wire.gemini_generate.reply_parts import PartWriter
from adapters.wire.gemini_generate.usage import write_usage
from adapters.wire.reading import JsonObject
from adapters.wire.sse import write_event
from application.ports.dialect import ReplyContext, StreamEncoder
from domain.accounting.usage import TokenUsage
from domain.inference.conversation import (
    AudioPart,
    Citation,
    Media,
    Part,
    ThinkingPart,
    ToolCallPart,
)
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

_ENCODER = msgspec.json.Encoder()
# Spoken answers are streamed in this form by those who stream them in pieces.
_STREAMED_AUDIO = "audio/pcm;rate=24000"
_EMPTY_TEXT: JsonObject = {"text": ""}


class GeminiStreamEncoder(StreamEncoder):
    """Writes one answer, as server-sent events or as elements of an array."""

    def __init__(self, context: ReplyContext, array: ArrayOutput | None) -> None:
        """`array` is where the chunks go, unless they are server-sent events."""
        self._write: Callable[[bytes], bytes] = write_event if array is None else array.element
        self._end = array.end if array is not None else bytes
        self._show = shows_thoughts(context)
        self._model = context.model
        self._id = context.reply_id
        self._usage: TokenUsage | None = None
        self._candidates: dict[int, _Candidate] = {}

    def encode(self, event: StreamEvent) -> bytes:
        """Return the chunk for `event`, if it makes one."""
        match event:
            case Started():
                self._id = event.id or self._id
                self._model = event.model or self._model
                self._usage = event.usage
                return b""
            case UsageKnown():
                self._usage = event.usage
                return b""
            case _:
                candidate = self._candidate(event.candidate)
                written = candidate.take(event)
                return b"".join([self._chunk([found]) for found in written])

    def finish(self) -> bytes:
        """Return the last chunk, with how every candidate ended."""
        candidates = [self._candidates[number] for number in sorted(self._candidates)]
        endings = [candidate.ending() for candidate in candidates or [self._candidate(0)]]
        return self._chunk(endings, last=True) + self._end()

    def _candidate(self, number: int) -> "_Candidate":
        found = self._candidates.get(number)
        if found is None:
            found = _Candidate(number, PartWriter(show_thoughts=self._show))
            self._candidates[number] = found
        return found

    def _chunk(self, candidates: list[JsonObject], *, last: bool = False) -> bytes:
        chunk: JsonObject = {"candidates": candidates}
        if last and self._usage is not None:
            chunk["usageMetadata"] = write_usage(self._usage)
        chunk["modelVersion"] = self._model
        chunk["responseId"] = self._id
        return self._write(_ENCODER.encode(chunk))


class _Block:
    """An open block: how it began, and what is held of it."""

    def __init__(self, start: BlockStarted) -> None:
        self.start = start
        self.pieces: list[str] = []
        self.citations: list[Citation] = []


class _Candidate:
    """One candidate: its open blocks, and what is said of it at the end."""

    def __init__(self, number: int, writer: PartWriter) -> None:
        self._number = number
        self._writer = writer
        self._open: dict[int, _Block] = {}
        self._texts: list[tuple[str, list[Citation], None]] = []
        self._finish = FinishReason.STOP

    def take(self, event: StreamEvent) -> list[JsonObject]:
        """Return the candidates of the chunks for `event`."""
        parts: list[JsonObject] = []
        match event:
            case BlockStarted():
                parts = self._started(event)
            case BlockDelta():
                parts = self._delta(event)
            case BlockEnded():
                parts = self._ended(event)
            case CitationAdded():
                block = self._open.get(event.index)
                if block is not None:
                    block.citations.append(event.citation)
            case LogprobsAdded():
                logprobs = write_logprobs(event.logprobs)
                return [{**self._of([_EMPTY_TEXT]), "logprobsResult": logprobs}]
            case Finished():
                self._finish = event.reason
            case _:
                pass
        return [self._of(parts)] if parts else []

    def ending(self) -> JsonObject:
        """Return the candidate of the last chunk. Some clients take one without parts for broken."""
        parts = [
            part for index in sorted(self._open) for part in self._ended(BlockEnded(index=index))
        ]
        parts += self._writer.rest()
        ending = self._of(parts or [_EMPTY_TEXT])
        ending["finishReason"] = write_finish(self._finish)
        if any(citations for _, citations, _ in self._texts):
            ending["groundingMetadata"] = write_grounding(self._texts)
        return ending

    def _of(self, parts: list[JsonObject]) -> JsonObject:
        return {"content": content_of(parts), "index": self._number}

    def _started(self, start: BlockStarted) -> list[JsonObject]:
        self._open[start.index] = _Block(start)
        whole = start.vendor or start.image
        return [] if whole is None else self._writer.write(whole)

    def _delta(self, delta: BlockDelta) -> list[JsonObject]:
        block = self._open.get(delta.index)
        if block is None:
            return []
        if block.start.kind == "audio":
            source = Media(media_type=_STREAMED_AUDIO, data=delta.text) if delta.text else Media()
            return self._writer.write(AudioPart(source=source, transcript=delta.transcript))
        block.pieces.append(delta.text)
        match block.start.kind:
            case "text" | "refusal":
                return self._writer.text(delta.text) if delta.text else []
            case "thinking":
                return self._writer.thought(delta.text)
            case _:
                return []

    def _ended(self, end: BlockEnded) -> list[JsonObject]:
        block = self._open.pop(end.index, None)
        if block is None:
            return []
        start = block.start
        state = end.state or start.state
        text = "".join(block.pieces)
        whole: Part | None = None
        match start.kind:
            case "text":
                self._texts.append((text, block.citations, None))
                return [] if state is None else self._writer.text("", state)
            case "thinking" | "redacted_thinking":
                redacted = start.kind == "redacted_thinking"
                self._writer.remember(ThinkingPart(text=text, state=state, redacted=redacted))
            case "tool_call":
                whole = ToolCallPart(
                    id=start.id,
                    name=start.name,
                    arguments=text if text or start.custom else "{}",
                    custom=start.custom,
                    state=state,
                )
            case _:
                pass
        return [] if whole is None else self._writer.write(whole)
