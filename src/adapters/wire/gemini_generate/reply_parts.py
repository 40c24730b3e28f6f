"""Writing the parts of an answer for a client, whole or streamed."""

from adapters.wire.custom_tools import call_arguments
from adapters.wire.gemini_generate.encode_contents import call_object
from adapters.wire.gemini_generate.media_parts import write_media
from adapters.wire.gemini_generate.signatures import write_signature
from adapters.wire.reading import JsonObject
from domain.errors import UnsupportedField
from domain.inference.conversation import (
    AudioPart,
    DocumentPart,
    ImagePart,
    Media,
    OpaqueState,
    Part,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    VendorPart,
    VideoPart,
)
from domain.inference.dialect import WireFormat

_NO_MEDIA = Media()


class PartWriter:
    """Writes the parts of one candidate in their order.

    Thoughts are shown to clients that asked for them. Thinking that its provider must have back
    travels in the signature of the next part, whether or not it was shown: clients may leave thoughts
    away, but they give the signatures of texts and calls back.
    """

    def __init__(self, *, show_thoughts: bool) -> None:
        """`show_thoughts`: the client asked for them (`includeThoughts`)."""
        self._show = show_thoughts
        self._pending: list[ThinkingPart] = []

    def write(self, part: Part) -> list[JsonObject]:
        """Return a whole part: one in Gemini's form, or none."""
        written: list[JsonObject] = []
        match part:
            case TextPart():
                written = self.text(part.text, part.state)
            case RefusalPart():
                written = self.text(part.text)
            case ThinkingPart():
                written = self.thought(part.text)
                self.remember(part)
            case ToolCallPart():
                written = [self._call(part)]
            case ImagePart() | DocumentPart() | AudioPart() | VideoPart():
                written = _media(part)
            case VendorPart():
                if part.origin is WireFormat.GEMINI_GENERATE:
                    written = [part.raw]
            case _:
                pass
        return written

    def text(self, text: str, state: OpaqueState | None = None) -> list[JsonObject]:
        """Return a text, or a piece of one; nothing for an empty one that needs no signature."""
        signature = self._signature(state)
        return [{"text": text, **signature}] if text or signature else []

    def thought(self, text: str) -> list[JsonObject]:
        """Return a thought, or a piece of one, for a client that wants to see it."""
        return [{"text": text, "thought": True}] if text and self._show else []

    def remember(self, part: ThinkingPart) -> None:
        """Take a whole thought whose state is to come back."""
        if part.state is not None:
            self._pending.append(part)

    def rest(self) -> list[JsonObject]:
        """Return a part for what no other part has taken along."""
        return self.text("")

    def _call(self, part: ToolCallPart) -> JsonObject:
        call: JsonObject = {
            "id": part.id,
            "name": part.name,
            "args": call_object(call_arguments(part)),
        }
        return {"functionCall": call, **self._signature(part.state)}

    def _signature(self, state: OpaqueState | None) -> JsonObject:
        signature = write_signature(tuple(self._pending), state)
        self._pending.clear()
        return {} if signature is None else {"thoughtSignature": signature}


def _media(part: ImagePart | DocumentPart | AudioPart | VideoPart) -> list[JsonObject]:
    """Return generated media; what an audio says stands beside it."""
    written: JsonObject = {}
    if part.source != _NO_MEDIA:
        try:
            written = write_media(part)
        except UnsupportedField:
            return []  # stored with a provider that this client has no access to
    if isinstance(part, AudioPart) and part.transcript:
        written["audioTranscription"] = {"text": part.transcript}
    return [written] if written else []
