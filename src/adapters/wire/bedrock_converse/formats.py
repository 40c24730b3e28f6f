"""Bedrock's names of media formats, and the MIME types of everybody else.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html
"""

from collections.abc import Mapping
from typing import Literal
from urllib.parse import urlsplit

from domain.inference.conversation import Media

MediaKind = Literal["image", "document", "audio", "video"]

_TYPES: Mapping[MediaKind, Mapping[str, str]] = {
    "image": {
        "png": "image/png",
        "jpeg": "image/jpeg",
        "gif": "image/gif",
        "webp": "image/webp",
    },
    "document": {
        "pdf": "application/pdf",
        "csv": "text/csv",
        "doc": "application/msword",
        "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xls": "application/vnd.ms-excel",
        "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "html": "text/html",
        "txt": "text/plain",
        "md": "text/markdown",
    },
    "audio": {
        "mp3": "audio/mpeg",
        "opus": "audio/opus",
        "wav": "audio/wav",
        "aac": "audio/aac",
        "flac": "audio/flac",
        "mp4": "audio/mp4",
        "ogg": "audio/ogg",
        "mka": "audio/x-matroska",
        "x-aac": "audio/x-aac",
        "m4a": "audio/x-m4a",
        "pcm": "audio/pcm",
        "webm": "audio/webm",
    },
    "video": {
        "mkv": "video/x-matroska",
        "mov": "video/quicktime",
        "mp4": "video/mp4",
        "webm": "video/webm",
        "flv": "video/x-flv",
        "mpeg": "video/mpeg",
        "wmv": "video/x-ms-wmv",
        "three_gp": "video/3gpp",
    },
}
# Further names of the same, read only.
_MORE_FORMATS: Mapping[tuple[MediaKind, str], str] = {
    ("audio", "mkv"): "audio/x-matroska",
    ("audio", "mpeg"): "audio/mpeg",
    ("audio", "mpga"): "audio/mpeg",
    ("video", "mpg"): "video/mpeg",
}
_MORE_TYPES = {
    "image/jpg": "jpeg",
    "audio/mp3": "mp3",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/vnd.wave": "wav",
    "audio/m4a": "m4a",
    "audio/l16": "pcm",
    "text/x-markdown": "md",
}
_FORMATS = {
    kind: {media_type: name for name, media_type in types.items()} for kind, types in _TYPES.items()
}
_EXTENSIONS = {"jpg": "jpeg", "3gp": "three_gp", "mpg": "mpeg", "htm": "html"}
_TEXT_TYPES = frozenset({"application/json", "application/xml", "application/x-yaml"})
# The first bytes of images, in base64.
_IMAGE_STARTS = {"/9j/": "jpeg", "iVBOR": "png", "R0lG": "gif", "UklG": "webp"}


def media_type_of(kind: MediaKind, name: str) -> str:
    """Return the MIME type of a format; empty for no format."""
    if not name:
        return ""
    found = _TYPES[kind].get(name) or _MORE_FORMATS.get((kind, name))
    return found or f"{'application' if kind == 'document' else kind}/{name}"


def format_of(kind: MediaKind, media: Media) -> str | None:
    """Return the format of media by its type, its bytes or its URL; None when Bedrock has none.

    Texts of any type (JSON, XML, source code) are documents of plain text.
    """
    media_type = media.media_type.partition(";")[0].strip().lower()
    found = _FORMATS[kind].get(media_type) or _MORE_TYPES.get(media_type)
    if found in _TYPES[kind]:
        return found
    if kind == "document" and (media_type.startswith("text/") or media_type in _TEXT_TYPES):
        return "txt"
    if media_type:
        return None
    if kind == "image" and media.data is not None:
        return next(
            (name for start, name in _IMAGE_STARTS.items() if media.data.startswith(start)), None
        )
    extension = urlsplit(media.url or "").path.rpartition(".")[2].lower()
    extension = _EXTENSIONS.get(extension, extension)
    return extension if extension in _TYPES[kind] else None
