"""The blocks of a request to Bedrock."""

from msgspec import structs

from adapters.wire.bedrock_converse.carried import OWN
from adapters.wire.bedrock_converse.citations import is_own
from adapters.wire.bedrock_converse.encode_content import (
    BLANK,
    cache_point,
    write_call,
    write_document,
    write_medium,
    write_result_text,
)
from adapters.wire.bedrock_converse.models import BedrockModel
from adapters.wire.bedrock_converse.naming import DocumentNames, fitting_id
from adapters.wire.reading import JsonObject
from domain.errors import UnsupportedField
from domain.inference.conversation import (
    AudioPart,
    CacheMark,
    DocumentPart,
    ImagePart,
    Message,
    Part,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
    VendorPart,
    VideoPart,
)

_PLAIN = (TextPart, ImagePart, DocumentPart, VideoPart)


class BlockWriter:
    """Writes the blocks of one request; `dropped` collects what had to be left out."""

    def __init__(self, model: BedrockModel, dropped: list[str], *, verbatim: bool) -> None:
        """`verbatim` writes what the client wrote, also what the provider will refuse."""
        self._model = model
        self._dropped = dropped
        self._verbatim = verbatim
        self._names = DocumentNames()

    def blocks(self, message: Message) -> list[JsonObject]:
        """Return the blocks of a message; those of parts that are left out are missing.

        Raises:
            UnsupportedField: a medium that Bedrock does not read.
        """
        written: list[JsonObject] = []
        for part in message.parts:
            block = self._block(part)
            if block is None:
                continue
            written.append(block)
            mark = _mark(part)
            if mark is not None:
                if self._verbatim or self._model.caches:
                    written.append(cache_point(mark))
                else:
                    self._dropped.append("cache")
        return written

    def _block(self, part: Part) -> JsonObject | None:
        block: JsonObject | None
        match part:
            case TextPart():
                block = self._text(part)
            case RefusalPart():
                block = self._text(TextPart(text=part.text))
            case ImagePart() | VideoPart():
                block = write_medium(part)
            case AudioPart():
                block = self._audio(part)
            case DocumentPart():
                block = write_document(part, self._document_name(part.name))
            case ToolCallPart():
                block = write_call(part, fitting_id(part.id))
            case ToolResultPart():
                block = self._result(part)
            case ThinkingPart():
                block = self._thinking(part)
            case VendorPart():
                block = part.raw
        return block

    def _document_name(self, name: str) -> str:
        return name if self._verbatim and name else self._names.name(name)

    def _text(self, part: TextPart) -> JsonObject | None:
        if not self._verbatim and not part.text.strip():
            return None
        own = [citation.raw for citation in part.citations if is_own(citation)]
        if len(own) < len(part.citations):
            self._dropped.append("text.citations")
        if own:
            return {"citationsContent": {"content": [{"text": part.text}], "citations": own}}
        return {"text": part.text}

    def _audio(self, part: AudioPart) -> JsonObject | None:
        """Return a sound; one that only its provider has is what it said."""
        if part.source.data is None and part.source.url is None and part.source.file_id is None:
            if not part.transcript:
                raise UnsupportedField(
                    "Bedrock does not have the earlier spoken answer.", param="audio.id"
                )
            return self._text(TextPart(text=part.transcript))
        return write_medium(part)

    def _result(self, part: ToolResultPart) -> JsonObject:
        structured = write_result_text(part)
        if structured is not None:
            content = [structured]
        else:
            content = [block for inner in part.content if (block := self._inner(inner)) is not None]
        if not content and not self._verbatim:
            content = [{"text": BLANK}]
        result: JsonObject = {"toolUseId": fitting_id(part.call_id), "content": content}
        if part.is_error:
            result["status"] = "error"
        return {"toolResult": result}

    def _inner(self, part: Part) -> JsonObject | None:
        if not isinstance(part, _PLAIN):
            raise UnsupportedField(
                "Bedrock takes no audio in results of tools.", param="tool_result.media"
            )
        if isinstance(part, TextPart):
            part = structs.replace(part, citations=())
        return self._block(part)

    def _thinking(self, part: ThinkingPart) -> JsonObject | None:
        """Return a thought that the model takes back: one with a state of its own making."""
        state = part.state
        if state is None:
            self._dropped.append("thinking.text")
            return None
        if state.origin is not OWN:
            return None  # `thinking.foreign_state`, which the table of fates drops
        if part.redacted:
            return {"reasoningContent": {"redactedContent": state.data}}
        return {"reasoningContent": {"reasoningText": {"text": part.text, "signature": state.data}}}


def _mark(part: Part) -> CacheMark | None:
    """Return the mark of a part; inside of results there can be no cache points."""
    if isinstance(part, ThinkingPart | VendorPart | AudioPart | RefusalPart):
        return None
    if part.cache is None and isinstance(part, ToolResultPart):
        marks = (None if isinstance(each, AudioPart) else each.cache for each in part.content)
        return next((mark for mark in marks if mark is not None), None)
    return part.cache
