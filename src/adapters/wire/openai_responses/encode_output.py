"""Parts of an answer as output items, for clients; alike for whole and for streamed answers.

https://platform.openai.com/docs/api-reference/responses/object: `output`.
"""

from collections.abc import Sequence
from typing import cast

from adapters.wire.custom_tools import call_input
from adapters.wire.opaque_state import Carried, carry_in_id
from adapters.wire.openai_responses.content import write_output_part
from adapters.wire.openai_responses.naming import ToolNames, item_id
from adapters.wire.openai_responses.thoughts import OWN, Owner, reasoning_item
from adapters.wire.reading import JsonObject
from domain.inference.conversation import (
    AudioPart,
    ImagePart,
    OpaqueState,
    Part,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    VendorPart,
)


def new_message(identifier: str, content: list[JsonObject], status: str) -> JsonObject:
    """Return a message of the model."""
    return {
        "id": identifier,
        "type": "message",
        "role": "assistant",
        "status": status,
        "content": content,
    }


def text_content(part: TextPart | RefusalPart, logprobs: Sequence[object] = ()) -> JsonObject:
    """Return a part of a message of the model; texts always have `logprobs`."""
    written = write_output_part(part)
    return written if isinstance(part, RefusalPart) else {**written, "logprobs": list(logprobs)}


def call_prefix(part: ToolCallPart, names: ToolNames) -> str:
    """Return what the id of a call's item begins with."""
    return "ctc" if part.custom or names.of(part.name).custom else "fc"


def call_item(part: ToolCallPart, identifier: str, names: ToolNames, status: str) -> JsonObject:
    """Return a call; of a custom tool's, the free text, whatever the provider made of it.

    State of the call travels in its id.
    """
    tool = names.of(part.name)
    custom = part.custom or tool.custom
    item: JsonObject = {
        "id": identifier,
        "type": "custom_tool_call" if custom else "function_call",
        "status": status,
        "call_id": carry_in_id(part.id, Carried(state=part.state)),
        "name": tool.name,
    }
    if custom:
        item["input"] = part.arguments if part.custom else call_input(part.arguments)
    else:
        item["arguments"] = part.arguments
    return item | ({"namespace": tool.namespace} if tool.namespace else {})


def image_item(part: ImagePart, identifier: str) -> JsonObject:
    """Return a generated image as the work of the tool that makes them here."""
    return {
        "id": identifier,
        "type": "image_generation_call",
        "status": "completed",
        "result": part.source.data,
        "output_format": part.source.media_type.rpartition("/")[2] or "png",
    }


def signature_item(state: OpaqueState, owner: Owner, identifier: str) -> JsonObject:
    """Return the reasoning item that holds the state of the text or call before it."""
    return reasoning_item(ThinkingPart(state=state), identifier, owner)


def logprobs_of(logprobs: JsonObject | None) -> Sequence[object]:
    """Return the log probabilities of a text in Chat Completions' object."""
    found = (logprobs or {}).get("content")
    return cast("list[object]", found) if isinstance(found, list) else ()


class OutputWriter:
    """Writes the parts of one whole answer."""

    def __init__(self, response: str, names: ToolNames, logprobs: Sequence[object]) -> None:
        """`response` is the id of the answer; `logprobs` go with its first text."""
        self.items: list[JsonObject] = []
        self._response = response
        self._names = names
        self._logprobs = logprobs
        self._content: list[JsonObject] = []

    def write(self, parts: Sequence[Part], last_status: str) -> None:
        """Append the items for `parts`. `last_status` is that of the last item, if it has one."""
        for part in parts:
            self._write_part(part)
        self._end_message()
        if self.items and "status" in self.items[-1]:
            self.items[-1]["status"] = last_status

    def _write_part(self, part: Part) -> None:
        match part:
            case TextPart() | RefusalPart():
                self._say(part)
            case AudioPart():
                self._say(TextPart(text=part.transcript))
            case ThinkingPart():
                self._end_message()
                self.items.append(reasoning_item(part, self._next_id("rs")))
            case ToolCallPart():
                self._end_message()
                prefix = call_prefix(part, self._names)
                self.items.append(call_item(part, self._next_id(prefix), self._names, "completed"))
            case ImagePart() if part.source.data is not None:
                self._end_message()
                self.items.append(image_item(part, self._next_id("ig")))
            case VendorPart() if part.origin is OWN:
                self._end_message()
                self.items.append(part.raw)
            case _:
                pass  # nothing a client of this API could be told of

    def _say(self, part: TextPart | RefusalPart) -> None:
        state = part.state if isinstance(part, TextPart) else None
        if part.text:
            logprobs, self._logprobs = (
                ((), self._logprobs) if isinstance(part, RefusalPart) else (self._logprobs, ())
            )
            self._content.append(text_content(part, logprobs))
        if state is not None:
            self._end_message()
            self.items.append(signature_item(state, "text", self._next_id("rs")))

    def _end_message(self) -> None:
        if self._content:
            self.items.append(new_message(self._next_id("msg"), self._content, "completed"))
            self._content = []

    def _next_id(self, prefix: str) -> str:
        return item_id(prefix, self._response, len(self.items))
