"""A streamed answer of any provider in the events of this API.

https://platform.openai.com/docs/api-reference/responses-streaming. Every block becomes an item at
the next place of the output, but for texts and refusals in a row, which are parts of one message.
Calls may be told in turns, as every event names its item.
"""

import msgspec

from adapters.wire.openai_responses.encode_output import call_prefix, image_item, logprobs_of
from adapters.wire.openai_responses.naming import item_id, names_of, response_id
from adapters.wire.openai_responses.response_object import (
    Ending,
    ResponseObject,
    ending_of,
)
from adapters.wire.openai_responses.stream_items import (
    CallInProgress,
    MessageInProgress,
    ReasoningInProgress,
    StreamedItem,
    WholeItem,
    signature,
)
from adapters.wire.openai_responses.thoughts import OWN, Owner
from adapters.wire.reading import JsonObject
from adapters.wire.sse import write_event
from application.ports.dialect import ReplyContext, StreamEncoder
from domain.accounting.usage import TokenUsage
from domain.inference.conversation import OpaqueState, ToolCallPart
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


class ResponsesStreamWriter(StreamEncoder):
    """Writes one answer; of several candidates, which nobody can ask for here, the first."""

    def __init__(self, context: ReplyContext) -> None:
        """`context` is that of the request."""
        self._context = context
        self._object = ResponseObject(context)
        self._names = names_of(context.request)
        self._id = ""
        self._created_s = context.created_s
        self._number = 0
        self._items: list[StreamedItem] = []
        self._blocks: dict[int, StreamedItem] = {}
        self._spoken: set[int] = set()
        """Blocks of audio, of which the words are told."""
        self._refused = False
        self._finish = FinishReason.STOP
        self._usage: TokenUsage | None = None
        self._service_tier: str | None = None

    def encode(self, event: StreamEvent) -> bytes:
        """Return the events for `event`."""
        if isinstance(event, Started):
            self._usage = event.usage
            return self._start(event)
        if isinstance(event, UsageKnown):
            self._usage = event.usage
            self._service_tier = event.service_tier or self._service_tier
            return b""
        if event.candidate:
            return b""
        out = self._start(Started())
        if isinstance(event, Finished):
            self._finish = event.reason
            return out + self._settle(last_status=self._ending_status())
        return out + self._progress(event)

    def _progress(
        self, event: BlockStarted | BlockDelta | CitationAdded | LogprobsAdded | BlockEnded
    ) -> bytes:
        match event:
            case BlockStarted():
                return self._begin(event)
            case BlockEnded():
                return self._end(event)
            case LogprobsAdded():
                self._note_logprobs(event)
            case BlockDelta():
                item = self._blocks.get(event.index)
                text = event.transcript if event.index in self._spoken else event.text
                if item is not None and text:
                    return item.add(text)
            case CitationAdded():
                item = self._blocks.get(event.index)
                if isinstance(item, MessageInProgress):
                    return item.cite(event.citation)
        return b""

    def finish(self) -> bytes:
        """Return the event that ends the answer: completed, incomplete or failed."""
        out = self._start(Started())
        out += self._settle(last_status=self._ending_status())
        ending = ending_of(self._finish, refused=self._refused)
        return out + self._tell(f"response.{ending.status}", ending)

    def _start(self, event: Started) -> bytes:
        if self._id:
            return b""
        self._id = response_id(event.id or self._context.reply_id)
        self._created_s = event.created_s or self._created_s
        now = Ending()
        return self._tell("response.created", now) + self._tell("response.in_progress", now)

    def _begin(self, event: BlockStarted) -> bytes:
        kind = event.kind
        if kind == "audio":
            self._spoken.add(event.index)
        if kind in {"text", "refusal", "audio"}:
            return self._begin_text(event)
        out = self._settle()
        place = len(self._items)
        item: StreamedItem
        if kind == "tool_call":
            call = ToolCallPart(
                id=event.id, name=event.name, arguments="{}", custom=event.custom, state=event.state
            )
            identifier = self._item_id(call_prefix(call, self._names))
            item = CallInProgress(self._emit, place, identifier, call=call, names=self._names)
        elif kind in {"thinking", "redacted_thinking"}:
            owner: Owner | None = "redacted" if kind == "redacted_thinking" else None
            item = ReasoningInProgress(
                self._emit, place, self._item_id("rs"), state=event.state, owner=owner
            )
        elif event.image is not None and event.image.source.data is not None:
            item = WholeItem(self._emit, place, image_item(event.image, self._item_id("ig")))
        elif event.vendor is not None and event.vendor.origin is OWN:
            item = WholeItem(self._emit, place, event.vendor.raw)
        else:
            return out  # nothing a client of this API could be told of
        return out + self._append(item, event.index)

    def _begin_text(self, event: BlockStarted) -> bytes:
        self._refused = self._refused or event.kind == "refusal"
        last = self._items[-1] if self._items else None
        out = b""
        if isinstance(last, MessageInProgress) and last.result is None and not last.is_open:
            message = last
            self._blocks[event.index] = message
        else:
            out = self._settle()
            message = MessageInProgress(self._emit, len(self._items), self._item_id("msg"))
            out += self._append(message, event.index)
        return out + message.open(event.kind)

    def _end(self, event: BlockEnded) -> bytes:
        item = self._blocks.pop(event.index, None)
        if item is None:
            return b""
        if event.state is None:
            return item.close()
        if isinstance(item, ReasoningInProgress):
            item.state = event.state
            return item.close()
        owner: Owner = "text" if isinstance(item, MessageInProgress) else "call"
        return item.close() + self._sign(event.state, owner)

    def _sign(self, state: OpaqueState, owner: Owner) -> bytes:
        """Add the item that holds the state of what was said just before."""
        out = self._settle()
        sign = signature(self._emit, len(self._items), self._item_id("rs"), state, owner)
        self._items.append(sign)
        return out + sign.begin() + sign.done("completed")

    def _append(self, item: StreamedItem, index: int) -> bytes:
        self._items.append(item)
        self._blocks[index] = item
        return item.begin()

    def _settle(self, last_status: str | None = None) -> bytes:
        """End the items whose blocks have ended; with `last_status`, every item.

        `last_status` is that of the last item; all others are complete.
        """
        out = b""
        still_open = set(map(id, self._blocks.values())) if last_status is None else set[int]()
        for item in self._items:
            if item.result is None and id(item) not in still_open:
                last = last_status is not None and item is self._items[-1]
                out += item.done(last_status if last and last_status else "completed")
        if last_status is not None:
            self._blocks.clear()
        return out

    def _ending_status(self) -> str:
        ending = ending_of(self._finish, refused=self._refused)
        return "completed" if ending.status == "completed" else "incomplete"

    def _note_logprobs(self, event: LogprobsAdded) -> None:
        for item in reversed(self._items):
            if isinstance(item, MessageInProgress):
                item.note_logprobs(list(logprobs_of(event.logprobs)))
                return

    def _item_id(self, prefix: str) -> str:
        return item_id(prefix, self._id, len(self._items))

    def _tell(self, kind: str, ending: Ending) -> bytes:
        response = self._object.at(
            ending,
            identifier=self._id,
            created_s=self._created_s,
            output=[item.result for item in self._items if item.result is not None],
            usage=None if ending.status == "in_progress" else self._usage,
            service_tier=self._service_tier,
        )
        return self._emit(kind, {"response": response})

    def _emit(self, kind: str, members: JsonObject) -> bytes:
        event = {"type": kind, "sequence_number": self._number, **members}
        self._number += 1
        return write_event(_ENCODER.encode(event), kind)
