"""Images and sounds in a generateContent request: how many, and how much of the body they are."""

import msgspec
from msgspec import Raw

from adapters.wire.schemas.gemini_generate import (
    Blob,
    MaybeRaw,
    MediaContent,
    MediaPart,
)
from domain.inference.head import Media

_NONE = Media()
_CONTENTS: msgspec.json.Decoder[list[MediaContent] | MediaContent] = msgspec.json.Decoder(
    list[MediaContent] | MediaContent
)


def media_of(contents: MaybeRaw) -> Media:
    """Return what media `contents`, a JSON value, has, those in results of functions included.

    Contents of another shape are the provider's business and count as text.
    """
    if not isinstance(contents, Raw):
        return _NONE
    try:
        turns = _CONTENTS.decode(contents)
    except (msgspec.DecodeError, RecursionError):
        return _NONE
    counts = _Counts()
    for turn in turns if isinstance(turns, list) else [turns]:
        counts.add(turn.parts)
    return Media(
        images=counts.images, image_bytes=counts.image_bytes, audio_bytes=counts.audio_bytes
    )


class _Counts:
    def __init__(self) -> None:
        self.images = 0
        self.image_bytes = 0
        self.audio_bytes = 0

    def add(self, parts: list[MediaPart] | MediaPart | None) -> None:
        for part in [parts] if isinstance(parts, MediaPart) else parts or ():
            blobs = (
                part.inline_data,
                part.snake_inline_data,
                part.file_data,
                part.snake_file_data,
            )
            for blob in blobs:
                if blob is not None:
                    self._add_blob(blob)
            for result in (part.function_response, part.snake_function_response):
                if result is not None:
                    self.add(result.parts)

    def _add_blob(self, blob: Blob) -> None:
        kind = (blob.mime_type or blob.snake_mime_type).partition("/")[0].lower()
        size = len(memoryview(blob.data)) - 2 if isinstance(blob.data, Raw) else 0
        if kind == "image":
            self.images += 1
            self.image_bytes += max(0, size)
        elif kind == "audio":
            self.audio_bytes += max(0, size)
