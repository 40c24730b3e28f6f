"""One choice of a streamed answer: deltas in, blocks that begin and end out."""

from typing import Literal

from adapters.wire.openai_chat.call_ids import made_id
from adapters.wire.openai_chat.citations import read_annotation
from adapters.wire.openai_chat.decode_reply import image_of, thought_in
from adapters.wire.openai_chat.finish import read_finish
from adapters.wire.openai_chat.reasoning import (
    CONTENT,
    PART,
    Detail,
    merge_details,
    own_state,
    shown_text,
)
from adapters.wire.openai_chat.stream_calls import CallFinder, StreamedCall
from adapters.wire.schemas.openai_chat_replies import (
    AudioPiece,
    CallPiece,
    ContentPiece,
    Said,
    WholeChoice,
)
from domain.errors import UpstreamProtocolError
from domain.inference.events import (
    BlockDelta,
    BlockEnded,
    BlockStarted,
    CitationAdded,
    Finished,
    LogprobsAdded,
    StreamEvent,
)

_Kind = Literal["text", "thinking", "refusal", "audio"]
_LEGACY = -1
"""Position of the one call that `function_call` has room for."""


class CandidateReader:
    """Turns the deltas of one choice into events.

    The end is not told before `finish`: some servers send content after the reason they stopped.
    """

    def __init__(self, number: int, reply_id: str) -> None:
        """`reply_id` goes into ids of calls that come without."""
        self._number = number
        self._reply_id = reply_id
        self._events: list[StreamEvent] = []
        self._blocks = 0
        self._kind: _Kind | None = None
        self._finder = CallFinder()
        self._open_calls: list[StreamedCall] = []
        self._called = 0
        self._refused = False
        self._text_before = 0
        self._text_length = 0
        self._thought_name = CONTENT
        self._details: list[Detail] = []
        self._word: str | None = None
        self._stop_reason: str | int | None = None

    @property
    def finished(self) -> bool:
        """Whether the server said why it stopped."""
        return self._word is not None

    def read(self, choice: WholeChoice) -> list[StreamEvent]:
        """Return the events of a choice of a frame.

        Raises:
            UpstreamProtocolError: pieces that belong to nothing.
        """
        said = choice.delta or choice.message
        if said is not None:
            self._read(said)
        if choice.logprobs:
            self._events.append(LogprobsAdded(logprobs=choice.logprobs, candidate=self._number))
        if choice.finish_reason and self._word is None:
            self._word = choice.finish_reason
            self._stop_reason = choice.stop_reason
        return self._taken()

    def finish(self) -> list[StreamEvent]:
        """Return what ends the choice.

        Raises:
            UpstreamUnavailable: it ended through a fault of the server.
            UpstreamProtocolError: a call without a name.
        """
        self._end_blocks()
        reason, sequence = read_finish(
            self._word, self._stop_reason, called=self._called > 0, refused=self._refused
        )
        self._events.append(Finished(reason=reason, candidate=self._number, stop_sequence=sequence))
        return self._taken()

    def _taken(self) -> list[StreamEvent]:
        events, self._events = self._events, []
        return events

    def _read(self, said: Said) -> None:
        self._think(said)
        if isinstance(said.content, list):
            self._listed(said.content)
        elif said.content:
            self._say("text", said.content)
        if said.annotations:
            self._cite(said)
        if said.refusal:
            self._refused = True
            self._say("refusal", said.refusal)
        if said.audio is not None:
            self._sound(said.audio)
        if said.images:
            self._show(said)
        for piece in said.tool_calls or ():
            self._call(piece)
        if said.function_call is not None:
            self._call(CallPiece(index=_LEGACY, function=said.function_call))

    def _listed(self, pieces: list[ContentPiece]) -> None:
        for piece in pieces:
            thought = thought_in(piece)
            if thought:
                self._thought_name = PART
                self._say("thinking", thought)
            if piece.text:
                self._say("text", piece.text)

    def _think(self, said: Said) -> None:
        text = said.reasoning_content or said.reasoning or ""
        if said.reasoning_details:
            text = text or shown_text(said.reasoning_details)
            self._open("thinking")
            merge_details(self._details, said.reasoning_details)
        if text:
            own = said.reasoning_content or not said.reasoning
            self._thought_name = CONTENT if own else "reasoning"
            self._say("thinking", text)

    def _say(self, kind: _Kind, text: str) -> None:
        self._open(kind)
        if kind == "text":
            self._text_length += len(text)
        self._events.append(BlockDelta(index=self._blocks - 1, text=text, candidate=self._number))

    def _sound(self, audio: AudioPiece) -> None:
        if self._kind != "audio":
            self._open("audio", audio.id or "")
        if audio.data or audio.transcript:
            self._events.append(
                BlockDelta(
                    index=self._blocks - 1,
                    text=audio.data or "",
                    candidate=self._number,
                    transcript=audio.transcript or "",
                )
            )

    def _show(self, said: Said) -> None:
        for piece in said.images or ():
            image = image_of(piece)
            if image is None:
                continue
            self._end_blocks()
            index = self._next_block()
            self._events += (
                BlockStarted(index=index, kind="image", candidate=self._number, image=image),
                BlockEnded(index=index, candidate=self._number),
            )

    def _cite(self, said: Said) -> None:
        """Add sources to the text they come with; without a text open there is nothing to cite."""
        if self._kind != "text":
            return
        for annotation in said.annotations or ():
            citation = read_annotation(annotation, self._text_before)
            if citation is not None:
                self._events.append(
                    CitationAdded(index=self._blocks - 1, citation=citation, candidate=self._number)
                )

    def _call(self, piece: CallPiece) -> None:
        call, new = self._finder.find(piece)
        if new:
            self._end_block()
            call.number = self._called
            self._called += 1
            self._open_calls.append(call)
        text = call.add(piece)
        if not text:
            self._start_call(call)
            return
        if call.ended:
            raise UpstreamProtocolError("arguments of a tool call after its end")
        call.held += text
        self._start_call(call)

    def _start_call(self, call: StreamedCall) -> None:
        """Begin a call once its name is known, and give what is there of its arguments."""
        if call.ended or not call.name:
            return
        if call.index is None:
            call.index = self._next_block()
            call.id = call.id or made_id(self._reply_id, self._number, call.number, call.name)
            self._events.append(
                BlockStarted(
                    index=call.index,
                    kind="tool_call",
                    candidate=self._number,
                    id=call.id,
                    name=call.name,
                    custom=call.custom,
                    state=call.state,
                )
            )
        if call.held:
            call.empty = False
            self._events.append(
                BlockDelta(index=call.index, text=call.held, candidate=self._number)
            )
            call.held = ""

    def _open(self, kind: _Kind, block_id: str = "") -> None:
        if self._kind == kind:
            return
        self._end_blocks()
        self._kind = kind
        self._text_before = self._text_length
        self._events.append(
            BlockStarted(index=self._next_block(), kind=kind, candidate=self._number, id=block_id)
        )

    def _next_block(self) -> int:
        self._blocks += 1
        return self._blocks - 1

    def _end_blocks(self) -> None:
        self._end_block()
        for call in self._open_calls:
            self._end_call(call)
        self._open_calls.clear()

    def _end_block(self) -> None:
        if self._kind is None:
            return
        state = None
        if self._kind == "thinking":
            state = own_state(self._thought_name, self._details)
            self._details = []
        self._events.append(BlockEnded(index=self._blocks - 1, candidate=self._number, state=state))
        self._kind = None

    def _end_call(self, call: StreamedCall) -> None:
        if call.index is None:
            raise UpstreamProtocolError("a tool call without a name")
        if call.empty and not call.custom:
            self._events.append(BlockDelta(index=call.index, text="{}", candidate=self._number))
        self._events.append(BlockEnded(index=call.index, candidate=self._number))
        call.ended = True
