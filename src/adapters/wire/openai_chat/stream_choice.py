"""One choice of a streamed answer: canonical events in, deltas out."""

from collections.abc import Callable

from adapters.wire.custom_tools import call_input
from adapters.wire.openai_chat.carrying import Luggage
from adapters.wire.openai_chat.citations import write_annotation
from adapters.wire.openai_chat.encode_reply import image_member
from adapters.wire.schemas.openai_chat_replies import AnnotationOut
from domain.inference.conversation import Citation, OpaqueState, ThinkingPart
from domain.inference.events import BlockDelta, BlockEnded, BlockStarted, CitationAdded

Json = dict[str, object]


class StreamedCall:
    """A call on its way to the client.

    Attributes:
        index: its number in `tool_calls`; None for the one in `function_call`.
        wrapped: a custom tool's call that a provider gave as a function's: its text can be told
            once its arguments are complete.
        held: deltas that wait for the calls before it.
    """

    __slots__ = ("custom", "ended", "held", "index", "started", "text", "wrapped")

    def __init__(self, index: int | None, *, custom: bool, wrapped: bool) -> None:
        """Nothing of it has been written."""
        self.index = index
        self.custom = custom
        self.wrapped = wrapped
        self.text = ""
        self.started = False
        self.ended = False
        self.held: list[Json] = []

    def opening(self, call_id: str, name: str) -> Json:
        """Return the delta that begins it."""
        if self.index is None:
            return {"function_call": {"name": name, "arguments": ""}}
        if self.custom:
            inner: Json = {"type": "custom", "custom": {"name": name, "input": ""}}
        else:
            inner = {"type": "function", "function": {"name": name, "arguments": ""}}
        return {"tool_calls": [{"index": self.index, "id": call_id, **inner}]}

    def piece(self, text: str) -> Json:
        """Return the delta of more arguments."""
        if self.index is None:
            return {"function_call": {"arguments": text}}
        if self.custom:
            return {"tool_calls": [{"index": self.index, "custom": {"input": text}}]}
        return {"tool_calls": [{"index": self.index, "function": {"arguments": text}}]}


class ChoiceWriter:
    """Turns the blocks of one candidate into deltas.

    `called`, `refused` and `finished` say what has been seen of them so far. Calls that a provider mixes are written one after the other: the official client takes a call
    for complete as soon as another one goes on.
    """

    def __init__(
        self,
        number: int,
        write: Callable[[int, Json], bytes],
        custom: frozenset[str],
        *,
        legacy: bool,
    ) -> None:
        """`write` makes a chunk of a delta of choice `number`.

        `custom` are the names of custom tools, `legacy` as in `InferenceRequest`.
        """
        self._write = write
        self._number = number
        self._custom = custom
        self._legacy = legacy
        self._luggage = Luggage()
        self._kinds: dict[int, str] = {}
        self._calls: dict[int, StreamedCall] = {}
        self._waiting: list[StreamedCall] = []
        self._written_calls = 0
        self._thought = ""
        self._length = 0
        self._block_at = 0
        self._citations: list[Citation] = []
        self._annotations = 0
        self.called = False
        self.refused = False
        self.finished = False

    def take(self, event: BlockStarted | BlockDelta | CitationAdded | BlockEnded) -> bytes:
        """Return the chunks of `event`; the sources of a text follow it, when it is complete."""
        match event:
            case BlockDelta():
                return self._more(event)
            case BlockStarted():
                return self._start(event)
            case BlockEnded():
                return self._end(event)
            case CitationAdded():
                self._citations.append(event.citation)
                return b""

    def finish(self) -> bytes:
        """Return what is still to be said before the reason is."""
        self.finished = True
        return b"".join([self._end_call(call) for call in tuple(self._waiting)])

    def _start(self, event: BlockStarted) -> bytes:
        self._kinds[event.index] = event.kind
        match event.kind:
            case "text":
                self._block_at = self._length
            case "thinking":
                self._thought = ""
            case "redacted_thinking":
                self._luggage.add(ThinkingPart(state=event.state, redacted=True))
            case "tool_call":
                return self._start_call(event)
            case "audio" if event.id:
                return self._delta({"audio": {"id": event.id}})
            case "image" if event.image is not None:
                return self._delta({"images": [image_member(event.image)]})
            case _:
                pass  # what only its own format knows
        return b""

    def _more(self, event: BlockDelta) -> bytes:
        text = event.text
        match self._kinds[event.index]:
            case "text":
                self._length += len(text)
                return self._delta({"content": text})
            case "thinking":
                self._thought += text
                return self._delta({"reasoning_content": text})
            case "refusal":
                self.refused = True
                return self._delta({"refusal": text})
            case "tool_call":
                return self._more_of_call(self._calls[event.index], text)
            case "audio":
                given = {"data": text, "transcript": event.transcript}
                return self._delta({"audio": {name: each for name, each in given.items() if each}})
            case _:
                return b""

    def _end(self, event: BlockEnded) -> bytes:
        match self._kinds[event.index]:
            case "text":
                return self._end_text()
            case "thinking":
                self._keep_thought(event.state)
            case "tool_call":
                return self._end_call(self._calls[event.index])
            case _:
                pass
        return b""

    def _delta(self, delta: Json) -> bytes:
        return self._write(self._number, delta)

    def _end_text(self) -> bytes:
        """Return the sources of a text, numbered: the official client puts lists together so."""
        annotations: list[AnnotationOut] = []
        for citation in self._citations:
            length = self._length - self._block_at
            annotation = write_annotation(citation, self._block_at, length, self._annotations)
            if annotation is not None:
                self._annotations += 1
                annotations.append(annotation)
        self._citations = []
        return self._delta({"annotations": annotations}) if annotations else b""

    def _keep_thought(self, state: OpaqueState | None) -> None:
        self._luggage.add(ThinkingPart(text=self._thought, state=state))

    def _start_call(self, event: BlockStarted) -> bytes:
        wrapped = not event.custom and event.name in self._custom
        custom = event.custom or wrapped
        legacy = self._legacy and not self.called and not custom
        index = None if legacy else self._written_calls
        self._written_calls += 0 if legacy else 1
        self.called = True
        call = StreamedCall(index, custom=custom, wrapped=wrapped)
        self._calls[event.index] = call
        self._waiting.append(call)
        call_id = event.id if legacy else self._luggage.ticket(event.id, event.state)
        call.held.append(call.opening(call_id, event.name))
        return self._flush()

    def _more_of_call(self, call: StreamedCall, text: str) -> bytes:
        call.started = True
        if call.wrapped:
            call.text += text
            return b""
        call.held.append(call.piece(text))
        return self._flush()

    def _end_call(self, call: StreamedCall) -> bytes:
        if call.wrapped:
            call.held.append(call.piece(call_input(call.text)))
        elif not call.started and not call.custom:
            call.held.append(call.piece("{}"))
        call.ended = True
        return self._flush()

    def _flush(self) -> bytes:
        """Return what may be written now: of the first call that has not ended, and those before."""
        written = b""
        while self._waiting:
            call = self._waiting[0]
            written += b"".join([self._delta(delta) for delta in call.held])
            call.held.clear()
            if not call.ended:
                break
            self._waiting.pop(0)
        return written
