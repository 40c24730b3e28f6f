"""A provider's streamed answer as canonical events.

https://platform.openai.com/docs/api-reference/responses-streaming. Servers differ in how much they
say: some leave out deltas, some `content_part.added`, some everything but the last event. What the
later events say in full is only used where the earlier ones said nothing.
"""

import msgspec
from msgspec import Raw

from adapters.wire.decoding import EventDecoder
from adapters.wire.governing import MaybeRaw
from adapters.wire.openai_chat.usage import is_null
from adapters.wire.openai_responses.content import citation_of
from adapters.wire.openai_responses.decode_output import (
    CALLS,
    call_of,
    finish_of,
    part_of,
    read_call,
    read_kind,
    read_message,
    read_reasoning,
    state_of,
    thought_of,
    vendor_of,
)
from adapters.wire.openai_responses.decode_reply import seconds_of
from adapters.wire.openai_responses.errors import failure_of_frame, failure_of_reply
from adapters.wire.openai_responses.reading_json import decode
from adapters.wire.openai_responses.stream_blocks import Blocks, Kind, Place
from adapters.wire.openai_responses.stream_kinds import (
    ANNOTATION,
    ENDS,
    ERROR,
    FAILED,
    INPUTS,
    ITEM,
    OUTPUT_TEXT,
    PART,
    REASONING,
    REFUSAL,
    STARTS,
    SUMMARY,
    is_known,
)
from adapters.wire.openai_responses.thoughts import SEPARATOR
from adapters.wire.openai_responses.usage import parse_usage
from adapters.wire.schemas.openai_responses import (
    Frame,
    ItemKind,
    OutputPart,
    Reply,
    StreamFrame,
    WholeReply,
)
from adapters.wire.sse import Event
from adapters.wire.upstream_errors import MessageScrubber
from domain.errors import UpstreamProtocolError
from domain.inference.conversation import Part, RefusalPart, TextPart
from domain.inference.events import Finished, LogprobsAdded, Started, StreamEvent, UsageKnown

_FRAME = msgspec.json.Decoder(StreamFrame)
_KIND = msgspec.json.Decoder(ItemKind)
_ERROR = msgspec.json.Decoder(Frame)
_FAILED = msgspec.json.Decoder(Reply)
_WHOLE = msgspec.json.Decoder(WholeReply)
_PART = msgspec.json.Decoder(OutputPart)
_TEXT = msgspec.json.Decoder(str)
_WHOLE_ITEM = -1
_THOUGHTS = {SUMMARY: "summary", REASONING: "content"}
_TEXTS: dict[str, Kind] = {OUTPUT_TEXT: "text", REFUSAL: "refusal"}


class ResponsesStreamReader(EventDecoder):
    """Reads one answer."""

    def __init__(self, *, scrubber: MessageScrubber) -> None:
        """`scrubber` cleans the messages of errors."""
        super().__init__()
        self._scrubber = scrubber
        self._blocks = Blocks()
        self._done: set[int] = set()
        self._thoughts: dict[int, tuple[str, int]] = {}
        """Of a reasoning item: which of its two texts is read, and the last part of it."""
        self._said: list[Part] = []
        self._started = False
        self._terminated = False

    @property
    def terminated(self) -> bool:
        """`response.completed` or `response.incomplete` was seen."""
        return self._terminated

    def finish(self) -> list[StreamEvent]:
        """Return the events of a last event that lacks its empty line; see the protocol."""
        events = self._last()
        if not self._terminated:
            raise UpstreamProtocolError("the stream ended without its terminator")
        return events

    def _read(self, event: Event) -> list[StreamEvent]:
        data = event.data
        if not data or self._terminated or data.startswith(b"["):  # `[DONE]` of other servers
            return []
        try:
            frame = decode(_FRAME, data)
        except UpstreamProtocolError:
            # Kinds unknown so far may have the same members in other shapes.
            if is_known(decode(_KIND, data).type):
                raise
            return []
        kind = frame.type or event.name.decode("latin-1")
        if kind in {ERROR, ""}:
            error = decode(_ERROR, data)
            if kind or not is_null(error.error):
                raise failure_of_frame(error, self._scrubber)
            return []
        if kind in STARTS:
            return self._start(frame.response)
        if kind == FAILED:
            failed = decode(_FAILED, _given(frame.response))
            raise failure_of_reply(failed, self._scrubber)
        if kind in ENDS:
            return self._end(decode(_WHOLE, _given(frame.response)))
        return self._progress(kind, frame)

    def _start(self, response: MaybeRaw) -> list[StreamEvent]:
        if self._started:
            return []
        self._started = True
        reply = decode(_WHOLE, response) if isinstance(response, Raw) else WholeReply()
        return [
            Started(
                id=reply.id or "", model=reply.model or "", created_s=seconds_of(reply.created_at)
            )
        ]

    def _progress(self, kind: str, frame: StreamFrame) -> list[StreamEvent]:
        """Return what an event in the middle of the answer says."""
        events = self._start(msgspec.UNSET)
        stem, _, verb = kind.rpartition(".")
        if stem == ITEM:
            if verb == "added":
                events += self._item_added(frame.output_index, _given(frame.item))
            elif verb == "done":
                events += self._item_done(frame.output_index, _given(frame.item))
        elif stem in _TEXTS and verb in {"delta", "done"}:
            events += self._text(_TEXTS[stem], frame, done=verb == "done")
        elif stem in _THOUGHTS and verb in {"delta", "done"}:
            events += self._thought(_THOUGHTS[stem], frame, done=verb == "done")
        elif stem in INPUTS and verb in {"delta", "done"}:
            events += self._input(frame, done=verb == "done")
        elif kind == ANNOTATION and frame.annotation is not None:
            place = (frame.output_index, frame.content_index)
            events += self._blocks.cite(place, citation_of(frame.annotation))
        elif stem == PART and verb == "done" and isinstance(frame.part, Raw):
            place = (frame.output_index, frame.content_index)
            events += self._part_done(place, decode(_PART, frame.part))
        return events

    def _item_added(self, place: int, item: Raw) -> list[StreamEvent]:
        kind = read_kind(item)
        if kind not in CALLS:
            return []
        call = call_of(read_call(item), place, custom=kind == "custom_tool_call")
        self._said.append(call)
        return self._blocks.start(
            (place, _WHOLE_ITEM), "tool_call", call_id=call.id, name=call.name, custom=call.custom
        )

    def _text(self, kind: Kind, frame: StreamFrame, *, done: bool) -> list[StreamEvent]:
        place = (frame.output_index, frame.content_index)
        if done:
            whole = frame.text if kind == "text" else frame.refusal
            return [] if self._blocks.heard(place) else self._say(place, kind, whole or "")
        events = self._say(place, kind, _delta(frame))
        if frame.logprobs:
            events.append(LogprobsAdded(logprobs={"content": frame.logprobs}))
        return events

    def _say(self, place: Place, kind: Kind, text: str) -> list[StreamEvent]:
        if kind == "refusal" and text:
            self._said.append(RefusalPart(text=text))
        return self._blocks.add(place, kind, text)

    def _thought(self, source: str, frame: StreamFrame, *, done: bool) -> list[StreamEvent]:
        item = frame.output_index
        number = frame.summary_index if source == "summary" else frame.content_index
        known, last = self._thoughts.get(item, (source, -1))
        if known != source or (done and number <= last):
            return []
        text = (frame.text or "") if done else _delta(frame)
        if not text:
            return []
        self._thoughts[item] = (source, number)
        separator = SEPARATOR if -1 < last < number else ""
        return self._blocks.add((item, _WHOLE_ITEM), "thinking", separator + text)

    def _input(self, frame: StreamFrame, *, done: bool) -> list[StreamEvent]:
        place = (frame.output_index, _WHOLE_ITEM)
        if not self._blocks.is_open(place):
            return []  # its item has it all
        if not done:
            return self._blocks.add(place, "tool_call", _delta(frame))
        if self._blocks.heard(place):
            return []
        return self._blocks.add(place, "tool_call", frame.arguments or frame.input or "")

    def _part_done(self, place: Place, part: OutputPart) -> list[StreamEvent]:
        read = part_of(part)
        events: list[StreamEvent] = []
        if isinstance(read, TextPart):
            if not self._blocks.heard(place):
                events += self._blocks.add(place, "text", read.text)
                if part.logprobs:
                    events.append(LogprobsAdded(logprobs={"content": part.logprobs}))
            if not self._blocks.cited(place):
                for citation in read.citations:
                    events += self._blocks.cite(place, citation)
        elif read is not None and not self._blocks.heard(place):
            events += self._say(place, "refusal", read.text)
        return events + self._blocks.end(place)

    def _item_done(self, item: int, raw: Raw) -> list[StreamEvent]:
        if item in self._done:
            return []
        self._done.add(item)
        kind = read_kind(raw)
        place = (item, _WHOLE_ITEM)
        events: list[StreamEvent] = []
        if kind == "message":
            for number, part in enumerate(read_message(raw).content or ()):
                events += self._part_done((item, number), part)
            events += self._blocks.end_item(item)
        elif kind == "reasoning":
            thought = read_reasoning(raw)
            state = state_of(thought)
            if not self._blocks.heard(place):
                events += self._blocks.add(place, "thinking", thought_of(thought).text)
            if state is not None:
                events += self._blocks.start(place, "thinking")
            events += self._blocks.end(place, state)
        elif kind in CALLS:
            call = call_of(read_call(raw), item, custom=kind == "custom_tool_call")
            if not self._blocks.is_open(place):
                events += self._item_added(item, raw)
            if not self._blocks.heard(place):
                events += self._blocks.add(place, "tool_call", call.arguments)
            events += self._blocks.end(place)
        else:
            events += self._blocks.whole(vendor_of(raw, kind))
        return events

    def _end(self, reply: WholeReply) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        if not self._started:
            self._started = True
            events.append(
                Started(
                    id=reply.id or "",
                    model=reply.model or "",
                    created_s=seconds_of(reply.created_at),
                )
            )
        for place, item in enumerate(reply.output or ()):
            events += self._item_done(place, item)
        events += self._blocks.end_all()
        self._terminated = True
        reason = reply.incomplete_details.reason if reply.incomplete_details else None
        events.append(Finished(reason=finish_of(reply.status, reason, self._said)))
        usage = parse_usage(reply.usage)
        if usage is not None:
            events.append(UsageKnown(usage=usage, service_tier=reply.service_tier))
        return events


def _given(value: MaybeRaw) -> Raw:
    if isinstance(value, Raw):
        return value
    raise UpstreamProtocolError("an event lacks what it is about")


def _delta(frame: StreamFrame) -> str:
    return decode(_TEXT, _given(frame.delta))
