"""Canonical parts as content blocks of a Messages request."""

import base64
import re
from collections.abc import Iterable

from adapters.wire.anthropic_messages.arguments import input_of
from adapters.wire.anthropic_messages.citations import is_own, write_citation
from adapters.wire.custom_tools import call_arguments
from adapters.wire.reading import JsonObject
from domain.errors import UnsupportedField
from domain.inference.conversation import (
    AudioPart,
    CacheMark,
    DocumentPart,
    ImagePart,
    Media,
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
from domain.inference.dialect import WireFormat

_FITTING_ID = re.compile(r"[a-zA-Z0-9_-]+")
_UNFITTING = re.compile(r"[^a-zA-Z0-9_-]")
_IMAGE_STARTS = {
    "/9j/": "image/jpeg",
    "iVBOR": "image/png",
    "R0lG": "image/gif",
    "UklG": "image/webp",
}
_TEXT_TYPES = frozenset({"application/json", "application/xml", "application/x-yaml"})
_PDF = "application/pdf"


class BlockWriter:
    """Writes the blocks of one request; `dropped` collects what had to be left out."""

    def __init__(self, messages: Iterable[Message], dropped: list[str], *, verbatim: bool) -> None:
        """`verbatim` writes what the client wrote, also what the provider will refuse."""
        self._dropped = dropped
        self._verbatim = verbatim
        self._ids = _fitting_ids(messages)

    def block(self, part: Part) -> JsonObject | None:
        """Return the block of a part, or None for a part that is left out.

        Raises:
            UnsupportedField: a media type or kind of URL that Anthropic does not read.
        """
        match part:
            case ThinkingPart():
                return self._thinking(part)
            case VendorPart():
                return part.raw
            case RefusalPart():
                return self._text(TextPart(text=part.text))
            case AudioPart() | VideoPart():
                raise UnsupportedField("Anthropic reads no audio and no video.", param="messages")
            case _:
                block = self._cacheable(part)
        if block is not None and part.cache is not None:
            block["cache_control"] = cache_control(part.cache)
        return block

    def _cacheable(
        self, part: TextPart | ImagePart | DocumentPart | ToolCallPart | ToolResultPart
    ) -> JsonObject | None:
        match part:
            case TextPart():
                return self._text(part)
            case ImagePart():
                return {"type": "image", "source": _image_source(part.source)}
            case DocumentPart():
                return _document(part)
            case ToolCallPart():
                return {
                    "type": "tool_use",
                    "id": self._ids.get(part.id, part.id),
                    "name": part.name,
                    "input": input_of(call_arguments(part)),
                }
            case ToolResultPart():
                return self._tool_result(part)

    def _text(self, part: TextPart) -> JsonObject | None:
        """Anthropic refuses texts of nothing but white space, so they are left out."""
        if not self._verbatim and not part.text.strip():
            return None
        block: JsonObject = {"type": "text", "text": part.text}
        own = [write_citation(each) for each in part.citations if is_own(each)]
        if own:
            block["citations"] = own
        if len(own) < len(part.citations):
            self._dropped.append("text.citations")
        return block

    def _tool_result(self, part: ToolResultPart) -> JsonObject:
        block: JsonObject = {
            "type": "tool_result",
            "tool_use_id": self._ids.get(part.call_id, part.call_id),
        }
        content = [found for inner in part.content if (found := self.block(inner)) is not None]
        if content:
            block["content"] = content
        if part.is_error:
            block["is_error"] = True
        return block

    def _thinking(self, part: ThinkingPart) -> JsonObject | None:
        state = part.state
        if state is None:
            self._dropped.append("thinking.text")
            return None
        if state.origin is not WireFormat.ANTHROPIC_MESSAGES:
            return None  # `thinking.foreign_state`, which the table of fates drops
        if part.redacted:
            return {"type": "redacted_thinking", "data": state.data}
        return {"type": "thinking", "thinking": part.text, "signature": state.data}


def cache_control(mark: CacheMark) -> JsonObject:
    """Return a cache marker."""
    control: JsonObject = {"type": "ephemeral"}
    if mark.ttl is not None:
        control["ttl"] = mark.ttl
    return control


def _image_source(media: Media) -> JsonObject:
    if media.data is not None:
        media_type = media.media_type or next(
            (kind for start, kind in _IMAGE_STARTS.items() if media.data.startswith(start)), ""
        )
        return {"type": "base64", "media_type": media_type, "data": media.data}
    return _reference(media, "image.url")


def _document(part: DocumentPart) -> JsonObject:
    block: JsonObject = {"type": "document", "source": _document_source(part.source)}
    if part.name:
        block["title"] = part.name
    if part.context:
        block["context"] = part.context
    if part.cite:
        block["citations"] = {"enabled": True}
    return block


def _document_source(media: Media) -> JsonObject:
    """Return the source of a PDF or of any kind of text; Anthropic reads nothing else."""
    if media.data is None:
        return _reference(media, "document.url")
    kind = media.media_type.partition(";")[0].strip().lower()
    if kind == _PDF or (not kind and media.data.startswith("JVBER")):
        return {"type": "base64", "media_type": _PDF, "data": media.data}
    if kind.startswith("text/") or kind in _TEXT_TYPES:
        try:
            text = base64.b64decode(media.data, validate=True).decode()
        except ValueError:
            pass
        else:
            return {"type": "text", "media_type": "text/plain", "data": text}
    raise UnsupportedField(
        f"Documents of the type '{kind[:64]}' cannot be sent to the provider of this model.",
        param="document.data",
    )


def _reference(media: Media, field: str) -> JsonObject:
    if media.file_id is not None:
        return {"type": "file", "file_id": media.file_id}
    url = media.url or ""
    if not url.lower().startswith(("http://", "https://")):
        raise UnsupportedField(
            "The provider of this model reads http and https addresses only.", param=field
        )
    return {"type": "url", "url": url}


def _fitting_ids(messages: Iterable[Message]) -> dict[str, str]:
    """Return ids of calls -> ids that Anthropic takes, for those it would refuse.

    The same id is translated the same way in call and result, and never to one in use.
    """
    given = {
        part.id if isinstance(part, ToolCallPart) else part.call_id
        for message in messages
        for part in message.parts
        if isinstance(part, ToolCallPart | ToolResultPart)
    }
    taken = {each for each in given if _FITTING_ID.fullmatch(each)}
    fitted: dict[str, str] = {}
    counts: dict[str, int] = {}  # where to go on counting, as many ids may become the same
    for each in sorted(given - taken):
        stem = _UNFITTING.sub("_", each) or "call"
        count = counts.get(stem, 1)
        name = stem if count == 1 else f"{stem}_{count}"
        while name in taken:
            count += 1
            name = f"{stem}_{count}"
        counts[stem] = count + 1
        taken.add(name)
        fitted[each] = name
    return fitted
