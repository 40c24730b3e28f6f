"""Writing canonical parts as the content of a Chat Completions message."""

import base64
import binascii
from collections.abc import Sequence

from adapters.wire.data_urls import write_url
from adapters.wire.openai_chat.audio import format_of
from domain.errors import UnsupportedField
from domain.inference.conversation import (
    AudioPart,
    CacheMark,
    DocumentPart,
    ImagePart,
    Part,
    TextPart,
    VendorPart,
    VideoPart,
)

Json = dict[str, object]

# https://platform.openai.com/docs/guides/prompt-caching
_TTLS = frozenset({"30m", "12h"})


def write_content(parts: Sequence[Part], *, marks: bool, one_text: bool) -> str | list[Json]:
    """Return the content of a message: a text where that is all there is.

    `marks` writes cache marks; `one_text` joins several texts by line breaks, for servers that do
    not take a list of texts (DeepSeek) and templates that cannot handle one.
    """
    texts = [part for part in parts if isinstance(part, TextPart)]
    marked = marks and any(part.cache is not None for part in texts)
    if len(texts) == len(parts) and not marked and (one_text or len(texts) < 2):
        return "\n".join(part.text for part in texts)
    return [each for part in parts for each in write_part(part, marks=marks)]


def write_part(part: Part, *, marks: bool) -> list[Json]:
    """Return a part as content parts, mostly one.

    Raises:
        UnsupportedField: a part that has no place in the content of a message.
    """
    match part:
        case TextPart():
            written: list[Json] = [{"type": "text", "text": part.text}]
        case ImagePart():
            written = [_image(part)]
        case DocumentPart():
            written = _document(part)
        case AudioPart():
            written = [_audio(part)]
        case VideoPart():
            written = [{"type": "video_url", "video_url": {"url": write_url(part.source)}}]
        case VendorPart():
            return [part.raw]
        case _:
            raise UnsupportedField(
                "A message holds a part that cannot be sent to the provider of this model.",
                param="messages",
            )
    cache = getattr(part, "cache", None)
    if marks and isinstance(cache, CacheMark):
        written[-1]["prompt_cache_breakpoint"] = _mark(cache)
    return written


def _mark(cache: CacheMark) -> Json:
    mark: Json = {"mode": "explicit"}
    if cache.ttl in _TTLS:
        mark["ttl"] = cache.ttl
    return mark


def _image(part: ImagePart) -> Json:
    image: Json = {"url": write_url(part.source)}
    if part.detail is not None:
        image["detail"] = part.detail
    return {"type": "image_url", "image_url": image}


def _audio(part: AudioPart) -> Json:
    if part.source.url is not None:
        return {"type": "audio_url", "audio_url": {"url": part.source.url}}
    sound = {"data": part.source.data or "", "format": format_of(part.source.media_type)}
    return {"type": "input_audio", "input_audio": sound}


def _document(part: DocumentPart) -> list[Json]:
    source = part.source
    text = _plain_text(part)
    head = [line for line in (part.name if text is not None else "", part.context) if line]
    if text is not None:
        return [{"type": "text", "text": "\n\n".join([*head, text])}]
    file: Json = {}
    if source.file_id is not None:
        file["file_id"] = source.file_id
    else:
        file["file_data"] = write_url(source)
        file["filename"] = part.name or "document"
    written: list[Json] = [{"type": "text", "text": line} for line in head]
    return [*written, {"type": "file", "file": file}]


def _plain_text(part: DocumentPart) -> str | None:
    """Return the text of a document of plain text, which every server understands as text."""
    if part.source.media_type != "text/plain" or part.source.data is None:
        return None
    try:
        return base64.b64decode(part.source.data, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
