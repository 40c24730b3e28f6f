"""Writing turns as Chat Completions messages."""

from collections.abc import Sequence

import msgspec

from adapters.wire.codec import WireTarget
from adapters.wire.openai_chat.call_ids import fitting_id
from adapters.wire.openai_chat.encode_assistant import AssistantWriter
from adapters.wire.openai_chat.encode_parts import Json, write_content
from adapters.wire.openai_chat.fates import is_openai, of_openai
from domain.inference.conversation import Message, Part, Role, TextPart, ToolResultPart
from domain.inference.request import InferenceRequest


class MessageWriter:
    """Writes the messages of one request."""

    def __init__(self, request: InferenceRequest, target: WireTarget) -> None:
        """What is written depends on who asks and on who answers."""
        self._target = target
        self._openai = is_openai(target)
        self._marks = self._openai and of_openai(request)

    def write(self, message: Message) -> list[Json]:
        """Return a turn as messages: one, or one for each result of a tool and what else there is.

        Raises:
            UnsupportedField: an assistant's turn with media that cannot be given back.
        """
        match message.role:
            case Role.SYSTEM:
                return [self._plain("system", message.parts, message.name)]
            case Role.USER:
                return self._user(message)
            case Role.ASSISTANT:
                return [AssistantWriter(self._target).write(message)]

    def _plain(self, role: str, parts: Sequence[Part], name: str = "") -> Json:
        content = write_content(parts, marks=self._marks, one_text=not self._openai)
        written: Json = {"role": role, "content": content}
        if name:
            written["name"] = name
        return written

    def _user(self, message: Message) -> list[Json]:
        """Return results first, as they have to follow the calls; what they show comes after."""
        results = [part for part in message.parts if isinstance(part, ToolResultPart)]
        others = [part for part in message.parts if not isinstance(part, ToolResultPart)]
        written = [self._result(result) for result in results]
        shown = [part for result in results for part in _shown(result)]
        if shown or others or not results:
            written.append(self._plain("user", [*shown, *others], message.name))
        return written

    def _result(self, result: ToolResultPart) -> Json:
        texts = [part for part in result.content if isinstance(part, TextPart)]
        if result.content and not texts:
            texts = [TextPart(text="The result follows in the next message.")]
        call_id = fitting_id(result.call_id, openai=self._openai)
        return {**self._plain("tool", texts), "tool_call_id": call_id}


def _shown(result: ToolResultPart) -> list[Part]:
    """Return what a `tool` message has no room for, with a word of where it belongs."""
    media: list[Part] = [part for part in result.content if not isinstance(part, TextPart)]
    if not media:
        return []
    of = msgspec.json.encode(result.name or result.call_id).decode()
    return [TextPart(text=f"From the result of {of}:"), *media]
