"""Writing an assistant's turn as one Chat Completions message."""

from adapters.wire.codec import WireTarget
from adapters.wire.custom_tools import call_arguments
from adapters.wire.openai_chat.call_ids import fitting_id
from adapters.wire.openai_chat.encode_parts import Json, write_content, write_part
from adapters.wire.openai_chat.fates import is_openai
from adapters.wire.openai_chat.reasoning import write_thinking, write_thinking_parts
from adapters.wire.openai_chat.signatures import write_signature
from domain.errors import UnsupportedField
from domain.inference.conversation import (
    AudioPart,
    ImagePart,
    Message,
    Part,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
)


class AssistantWriter:
    """Collects the parts of one turn, each kind where the message has a member for it."""

    def __init__(self, target: WireTarget) -> None:
        """What is written depends on who answers."""
        self._openai = is_openai(target)
        self._said: list[Part] = []
        self._thoughts: list[ThinkingPart] = []
        self._members: Json = {}
        self._images: list[Json] = []
        self._calls: list[Json] = []

    def write(self, message: Message) -> Json:
        """Return the message.

        Raises:
            UnsupportedField: media that cannot be given back.
        """
        for part in message.parts:
            match part:
                case ThinkingPart():
                    self._thoughts.append(part)
                case ToolCallPart():
                    self._calls.append(self._call(part))
                case RefusalPart():
                    self._refuse(part)
                case AudioPart():
                    self._speak(part)
                case ImagePart():
                    self._show(part)
                case _:
                    self._said.append(part)
        return self._whole(message.name)

    def _whole(self, name: str) -> Json:
        written: Json = {"role": "assistant", "content": None}
        if name:
            written["name"] = name
        if self._said:
            written["content"] = write_content(
                self._said,
                marks=False,  # OpenAI takes none on what the model said
                one_text=not self._openai,
            )
        elif not self._calls and not self._members:
            written["content"] = ""
        written |= self._members
        if not self._openai:
            self._think(written)
        if self._images:
            written["images"] = self._images
        if self._calls:
            written["tool_calls"] = self._calls
        return written

    def _think(self, written: Json) -> None:
        """Give thoughts back to a server that knows the member they came by."""
        written |= write_thinking(self._thoughts)
        parts = write_thinking_parts(self._thoughts)
        if parts:
            texts = [each for part in self._said for each in write_part(part, marks=False)]
            written["content"] = [*parts, *texts]

    def _refuse(self, part: RefusalPart) -> None:
        """OpenAI has a member for it; its relatives would not read it."""
        if self._openai:
            self._members["refusal"] = str(self._members.get("refusal", "")) + part.text
        else:
            self._said.append(TextPart(text=part.text))

    def _speak(self, part: AudioPart) -> None:
        """Name an earlier spoken answer of OpenAI's; of others' only the words can be given back."""
        if part.id:
            self._members["audio"] = {"id": part.id}
        elif part.transcript:
            self._said.append(TextPart(text=part.transcript))
        else:
            raise UnsupportedField(
                "A spoken answer without its words cannot be sent to the provider of this model.",
                param="audio.data",
            )

    def _show(self, part: ImagePart) -> None:
        """Give a generated image back in OpenRouter's member for it; OpenAI has none.

        https://openrouter.ai/docs/features/multimodal/image-generation
        """
        if self._openai:
            raise UnsupportedField(
                "An image in an assistant's message cannot be sent to the provider of this model.",
                param="image.data" if part.source.data is not None else "image.url",
            )
        self._images += write_part(part, marks=False)

    def _call(self, call: ToolCallPart) -> Json:
        call_id = fitting_id(call.id, openai=self._openai)
        if call.custom and self._openai:
            custom = {"name": call.name, "input": call.arguments}
            return {"id": call_id, "type": "custom", "custom": custom}
        function = {"name": call.name, "arguments": call_arguments(call)}
        written: Json = {"id": call_id, "type": "function", "function": function}
        return written if self._openai else written | write_signature(call.state)
