"""Output items while they are streamed: which events each kind of item is told in.

https://platform.openai.com/docs/api-reference/responses-streaming. An item is added, its parts are
told and closed, and it is done; between the end of its last part and its being done there may be
time, as only the end of the answer tells whether its last item is complete.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

from adapters.wire.custom_tools import call_input
from adapters.wire.openai_responses.content import annotation_of
from adapters.wire.openai_responses.encode_output import (
    call_item,
    new_message,
    signature_item,
    text_content,
)
from adapters.wire.openai_responses.naming import ToolNames
from adapters.wire.openai_responses.thoughts import Owner, reasoning_item, sealed, summary_of
from adapters.wire.reading import JsonObject
from domain.inference.conversation import (
    Citation,
    OpaqueState,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
)

Emit = Callable[[str, JsonObject], bytes]
"""Returns the event of a kind with these members."""


class StreamedItem(ABC):
    """One item of the output, at its place."""

    def __init__(self, emit: Emit, place: int) -> None:
        """`place` is its `output_index`."""
        self._emit_event = emit
        self.place = place
        self.result: JsonObject | None = None
        """The whole item, once it is done."""

    @abstractmethod
    def item(self, status: str) -> JsonObject:
        """Return the item with what was said so far."""
        ...

    @abstractmethod
    def add(self, text: str) -> bytes:
        """Return the events for more of the open part."""
        ...

    @abstractmethod
    def close(self) -> bytes:
        """Return the events that end the open part, if one is open."""
        ...

    def begin(self) -> bytes:
        """Return the event that adds the item."""
        return self._emit_event(
            "response.output_item.added",
            {"output_index": self.place, "item": self.item("in_progress")},
        )

    def done(self, status: str) -> bytes:
        """Return the events that end the item; `status` is `completed` or `incomplete`."""
        closed = self.close()
        self.result = self.item(status)
        return closed + self._emit_event(
            "response.output_item.done", {"output_index": self.place, "item": self.result}
        )

    def emit(self, kind: str, identifier: object, **members: object) -> bytes:
        """Return an event about this item."""
        return self._emit_event(
            kind, {"item_id": identifier, "output_index": self.place, **members}
        )


class MessageInProgress(StreamedItem):
    """A message of texts and refusals, one open at a time."""

    def __init__(self, emit: Emit, place: int, identifier: str) -> None:
        """It has no parts yet."""
        super().__init__(emit, place)
        self._id = identifier
        self._content: list[JsonObject] = []
        self._pieces: list[str] | None = None
        self._kind = "text"
        self._citations: list[Citation] = []
        self._logprobs: list[object] = []

    @property
    def is_open(self) -> bool:
        """Whether a part is open."""
        return self._pieces is not None

    def item(self, status: str) -> JsonObject:
        """Return the message with its closed parts."""
        return new_message(self._id, list(self._content), status)

    def open(self, kind: str) -> bytes:
        """Return the event that adds a part; `kind` is `text` or `refusal`."""
        self._kind = kind
        self._pieces, self._citations, self._logprobs = [], [], []
        return self._tell("response.content_part.added", part=self._part(""))

    def add(self, text: str) -> bytes:
        """Return the delta for more of the open part."""
        assert self._pieces is not None
        self._pieces.append(text)
        if self._kind == "refusal":
            return self._tell("response.refusal.delta", delta=text)
        return self._tell("response.output_text.delta", delta=text, logprobs=[])

    def cite(self, citation: Citation) -> bytes:
        """Return the event for a source of the open text."""
        annotation = annotation_of(citation)
        if annotation is None or not self.is_open:
            return b""
        self._citations.append(citation)
        return self._tell(
            "response.output_text.annotation.added",
            annotation_index=len(self._citations) - 1,
            annotation=annotation,
        )

    def note_logprobs(self, logprobs: list[object]) -> None:
        """Keep log probabilities of the text that is open or was closed last."""
        if not self.is_open and self._content and self._kind == "text":
            self._content[-1]["logprobs"] = [*self._logprobs, *logprobs]
        self._logprobs += logprobs

    def close(self) -> bytes:
        """Return the events that end the open part."""
        if self._pieces is None:
            return b""
        text = "".join(self._pieces)
        part = self._part(text)
        if self._kind == "refusal":
            out = self._tell("response.refusal.done", refusal=text)
        else:
            out = self._tell("response.output_text.done", text=text, logprobs=self._logprobs)
        out += self._tell("response.content_part.done", part=part)
        self._pieces = None
        self._content.append(part)
        return out

    def _tell(self, kind: str, **members: object) -> bytes:
        return self.emit(kind, self._id, content_index=len(self._content), **members)

    def _part(self, text: str) -> JsonObject:
        if self._kind == "refusal":
            return text_content(RefusalPart(text=text))
        return text_content(TextPart(text=text, citations=tuple(self._citations)), self._logprobs)


class ReasoningInProgress(StreamedItem):
    """Thinking, shown as a summary of one part; without text it has none."""

    def __init__(
        self,
        emit: Emit,
        place: int,
        identifier: str,
        *,
        state: OpaqueState | None,
        owner: Owner | None,
    ) -> None:
        """`state` is what is known of it at the start."""
        super().__init__(emit, place)
        self._owner: Owner = "" if owner is None else owner
        self._pieces: list[str] = []
        self._closed = False
        self.state = state
        first = ThinkingPart(state=state)
        self._item = reasoning_item(first, identifier, owner)
        self._id = self._item["id"]

    def item(self, status: str) -> JsonObject:
        """Return the item; reasoning has no status."""
        text = "".join(self._pieces) if self._closed else ""
        item = {**self._item, "summary": summary_of(text)}
        if self.state is not None:
            item["encrypted_content"] = sealed(self.state, self._owner)
        return item

    def add(self, text: str) -> bytes:
        """Return the events for more of the summary."""
        out = b""
        if not self._pieces:
            out = self._tell(
                "response.reasoning_summary_part.added", part={"type": "summary_text", "text": ""}
            )
        self._pieces.append(text)
        return out + self._tell("response.reasoning_summary_text.delta", delta=text)

    def close(self) -> bytes:
        """Return the events that end the summary, if there is any."""
        if self._closed or not self._pieces:
            self._closed = True
            return b""
        self._closed = True
        text = "".join(self._pieces)
        return self._tell("response.reasoning_summary_text.done", text=text) + self._tell(
            "response.reasoning_summary_part.done", part={"type": "summary_text", "text": text}
        )

    def _tell(self, kind: str, **members: object) -> bytes:
        return self.emit(kind, self._id, summary_index=0, **members)


class CallInProgress(StreamedItem):
    """A call of a function or custom tool.

    The free text of a custom tool that a provider was offered as a function is inside JSON; it is
    told when that is complete.
    """

    def __init__(
        self, emit: Emit, place: int, identifier: str, *, call: ToolCallPart, names: ToolNames
    ) -> None:
        """`call` has its arguments still to come."""
        super().__init__(emit, place)
        self._id = identifier
        self._call = call
        self._names = names
        self._custom = call.custom or names.of(call.name).custom
        self._wrapped = self._custom and not call.custom
        self._pieces: list[str] = []
        self._closed = False

    def item(self, status: str) -> JsonObject:
        """Return the call; its arguments once they are complete."""
        item = call_item(self._call, self._id, self._names, status)
        item["input" if self._custom else "arguments"] = self._text() if self._closed else ""
        return item

    def add(self, text: str) -> bytes:
        """Return the delta for more of the arguments."""
        self._pieces.append(text)
        return b"" if self._wrapped else self._delta(text)

    def close(self) -> bytes:
        """Return the events that end the arguments."""
        if self._closed:
            return b""
        self._closed = True
        text = self._text()
        told = b"" if self._pieces and not self._wrapped else self._delta(text)
        if self._custom:
            return told + self.emit("response.custom_tool_call_input.done", self._id, input=text)
        return told + self.emit(
            "response.function_call_arguments.done",
            self._id,
            arguments=text,
            name=self._names.of(self._call.name).name,
        )

    def _delta(self, text: str) -> bytes:
        kind = "custom_tool_call_input" if self._custom else "function_call_arguments"
        return self.emit(f"response.{kind}.delta", self._id, delta=text) if text else b""

    def _text(self) -> str:
        text = "".join(self._pieces)
        if self._wrapped:
            return call_input(text)
        return text if self._custom or text else "{}"


class WholeItem(StreamedItem):
    """An item that is complete with its start."""

    def __init__(self, emit: Emit, place: int, item: JsonObject) -> None:
        """`item` is told as it is."""
        super().__init__(emit, place)
        self._item = item

    def item(self, status: str) -> JsonObject:
        """Return it as it is."""
        return self._item

    def add(self, text: str) -> bytes:
        """Return nothing: there is no more to it."""
        return b""

    def close(self) -> bytes:
        """Return nothing: no part is open."""
        return b""


def signature(
    emit: Emit, place: int, identifier: str, state: OpaqueState, owner: Owner
) -> WholeItem:
    """Return the item that holds the state of the text or call before it."""
    return WholeItem(emit, place, signature_item(state, owner, identifier))
