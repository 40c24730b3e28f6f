"""Messages as `input` items, for providers.

Thinking is sent back when this vendor made its state: without it, reasoning is nothing the vendor
could use. Ids of items are left out: what is not stored there cannot be found by them
(https://platform.openai.com/docs/guides/conversation-state).
"""

from collections.abc import Iterable, Sequence

from adapters.wire.openai_responses.content import (
    annotation_of,
    plain_text,
    write_output_part,
    write_part,
)
from adapters.wire.openai_responses.naming import ToolNames, fitting_call_id
from adapters.wire.openai_responses.thoughts import OWN, reasoning_item
from adapters.wire.reading import JsonObject
from domain.errors import UnsupportedField
from domain.inference.conversation import (
    Message,
    Part,
    RefusalPart,
    Role,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
    VendorPart,
)


class ItemWriter:
    """Writes the messages of one request."""

    def __init__(self, names: ToolNames, *, marks: bool) -> None:
        """`marks` says whether marks of the prompt cache are written."""
        self.items: list[JsonObject] = []
        self.left_out_thoughts = False
        """Whether thinking without any state was met."""
        self.left_out_state = False
        """Whether reasoning was met that led to no text and no call."""
        self.left_out_citations = False
        """Whether citations were met that name no page."""
        self._names = names
        self._marks = marks

    def write(self, messages: Iterable[Message]) -> None:
        """Append the items for `messages`.

        Raises:
            UnsupportedField: an assistant's message holds an image or the like.
        """
        for message in messages:
            if message.role is not Role.ASSISTANT:
                self._drop_dangling()
            said: list[Part] = []
            for part in message.parts:
                item = self._own_item(part)
                if item is None:
                    said.append(part)
                    continue
                self._flush(message.role, said)
                said = []
                self.items += item
            self._flush(message.role, said)
        self._drop_dangling()

    def _drop_dangling(self) -> None:
        """Take back reasoning that led to nothing: the vendor wants what followed it."""
        while self.items and self.items[-1]["type"] == "reasoning":
            self.items.pop()
            self.left_out_state = True

    def _own_item(self, part: Part) -> list[JsonObject] | None:
        """Return the items of a part that is not content of a message; None for content."""
        match part:
            case ThinkingPart():
                if part.state is not None and part.state.origin is OWN:
                    return [reasoning_item(part, "")]
                self.left_out_thoughts = self.left_out_thoughts or part.state is None
                return []
            case ToolCallPart():
                return [self._call(part)]
            case ToolResultPart():
                return [self._result(part)]
            case VendorPart():
                return [part.raw] if part.origin is OWN else []
            case _:
                return None

    def _flush(self, role: Role, said: Sequence[Part]) -> None:
        """Append the message for parts in a row."""
        if not said:
            return
        text = plain_text(said, marks=self._marks)
        content: str | list[JsonObject]
        if text is not None:
            content = text
        elif role is Role.ASSISTANT:
            content = [self._output(part) for part in said]
        else:
            content = self._input(said)
        self.items.append({"type": "message", "role": role.value, "content": content})

    def _output(self, part: Part) -> JsonObject:
        if not isinstance(part, TextPart | RefusalPart):
            raise UnsupportedField(
                "Images, documents and sounds of an assistant cannot be sent to this provider.",
                param="messages",
            )
        if isinstance(part, TextPart) and any(
            annotation_of(citation) is None for citation in part.citations
        ):
            self.left_out_citations = True
        return write_output_part(part)

    def _input(self, parts: Iterable[Part]) -> list[JsonObject]:
        written = (write_part(part, marks=self._marks) for part in parts)
        return [part for part in written if part is not None]

    def _call(self, part: ToolCallPart) -> JsonObject:
        tool = self._names.of(part.name)
        item: JsonObject = {
            "type": "custom_tool_call" if part.custom else "function_call",
            "call_id": fitting_call_id(part.id),
            "name": tool.name,
            "input" if part.custom else "arguments": part.arguments,
        }
        if tool.namespace:
            item["namespace"] = tool.namespace
        return item

    def _result(self, part: ToolResultPart) -> JsonObject:
        text = plain_text(part.content, marks=self._marks)
        return {
            "type": "custom_tool_call_output" if part.custom else "function_call_output",
            "call_id": fitting_call_id(part.call_id),
            "output": text if text is not None else self._input(part.content),
        }
