"""Canonical parts as content blocks: what requests to the provider and answers to clients share."""

import base64

import msgspec

from adapters.wire.anthropic_messages.arguments import input_of
from adapters.wire.bedrock_converse.formats import MediaKind, format_of
from adapters.wire.custom_tools import call_arguments
from adapters.wire.reading import JsonObject
from domain.errors import UnsupportedField
from domain.inference.conversation import (
    AudioPart,
    CacheMark,
    DocumentPart,
    ImagePart,
    Media,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    VideoPart,
)

BLANK = "(empty)"
"""Stands for a text that must be there and has nothing in it; Bedrock refuses white space."""

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])


def write_medium(part: ImagePart | AudioPart | VideoPart) -> JsonObject:
    """Return the block of an image, sound or video.

    Raises:
        UnsupportedField: Bedrock does not read it: another format, a URL that is not s3, a file.
    """
    match part:
        case ImagePart():
            return {"image": _block("image", part.source)}
        case AudioPart():
            return {"audio": _block("audio", part.source)}
        case VideoPart():
            return {"video": _block("video", part.source)}


def write_document(part: DocumentPart, name: str) -> JsonObject:
    """Return the block of a document under a name that Bedrock takes.

    Plain text to be cited is given as text: only there and in PDFs can places be pointed to.

    Raises:
        UnsupportedField: as `write_medium`.
    """
    source = part.source
    text = _plain_text(source) if part.cite else None
    if text is not None:
        block: JsonObject = {"format": "txt", "source": {"text": text}}
    else:
        block = _block("document", source)
    block["name"] = name
    if part.context:
        block["context"] = part.context
    if part.cite:
        block["citations"] = {"enabled": True}
    return {"document": block}


def write_call(part: ToolCallPart, call_id: str) -> JsonObject:
    """Return the block of a call; arguments that are no JSON object are kept inside of one."""
    return {
        "toolUse": {
            "toolUseId": call_id,
            "name": part.name,
            "input": input_of(call_arguments(part)),
        }
    }


def write_result_text(part: ToolResultPart) -> JsonObject | None:
    """Return the one block of a structured result; None when it is not, or no JSON object."""
    if not part.structured or len(part.content) != 1:
        return None
    text = part.content[0]
    if not isinstance(text, TextPart):
        return None
    try:
        _OBJECT.decode(text.text)
    except (msgspec.DecodeError, RecursionError):
        return None
    return {"json": msgspec.Raw(text.text.encode())}


def cache_point(mark: CacheMark) -> JsonObject:
    """Return the block that says: the prompt up to here is worth caching."""
    point: JsonObject = {"type": "default"}
    if mark.ttl is not None:
        point["ttl"] = mark.ttl
    return {"cachePoint": point}


def _block(kind: MediaKind, media: Media) -> JsonObject:
    if media.file_id is not None:
        raise _unsupported(f"{kind}.file_id")
    if media.data is None and not (media.url or "").startswith("s3://"):
        raise _unsupported(f"{kind}.url")
    name = format_of(kind, media)
    block: JsonObject = {} if name is None else {"format": name}
    if name is None and (kind != "document" or media.media_type):
        raise _unsupported(f"{kind}.data" if media.data is not None else f"{kind}.url")
    if media.data is not None:
        block["source"] = {"bytes": media.data}
    else:
        block["source"] = {"s3Location": {"uri": media.url}}
    return block


def _plain_text(media: Media) -> str | None:
    if media.data is None or format_of("document", media) != "txt":
        return None
    try:
        return base64.b64decode(media.data).decode()
    except ValueError:
        return None


def _unsupported(field: str) -> UnsupportedField:
    return UnsupportedField(
        f"Bedrock does not read what the field '{field}' holds here.", param=field
    )
