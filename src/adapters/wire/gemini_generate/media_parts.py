"""`inlineData` and `fileData` as media, and back.

https://ai.google.dev/gemini-api/docs/file-input-methods
"""

import re
from typing import Literal

from adapters.wire.gemini_generate.reading import SpelledMembers
from domain.errors import UnsupportedField
from domain.inference.conversation import (
    AudioPart,
    DocumentPart,
    ImagePart,
    Media,
    VideoPart,
)

MediaPart = ImagePart | DocumentPart | AudioPart | VideoPart

# A file that was uploaded to the provider, by its URI or its name.
_UPLOADED = re.compile(r"(?:https://[^/?#]*googleapis\.com/[^?#]*)?\bfiles/[\w.-]+")
_YOUTUBE = re.compile(r"https://(?:www\.)?(?:youtube\.com|youtu\.be)/")
_REACHABLE = re.compile(r"(?:https?|gs)://", re.IGNORECASE)
_SUFFIX = re.compile(r"\.(\w{2,5})(?:[?#]|$)")
_TYPE_OF_SUFFIX = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "heic": "image/heic",
    "heif": "image/heif",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "html": "text/html",
    "csv": "text/csv",
    "json": "application/json",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "aac": "audio/aac",
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "webm": "video/webm",
}
# The member is required for files; a server looks at the bytes rather than believe it.
_USUAL_TYPE = {
    "image": "image/jpeg",
    "document": "application/pdf",
    "audio": "audio/mpeg",
    "video": "video/mp4",
}
Kind = Literal["image", "document", "audio", "video"]


def read_blob(blob: SpelledMembers) -> MediaPart:
    """Return an `inlineData`.

    Raises:
        InvalidRequest: `mimeType` or `data` is missing.
    """
    source = Media(
        media_type=blob.required_text("mimeType"),
        data=standard_base64(blob.required_text("data")),
    )
    return _part(source, _named(blob, source))


def read_file(file: SpelledMembers) -> MediaPart:
    """Return a `fileData`.

    Raises:
        InvalidRequest: `fileUri` is missing.
    """
    uri = file.required_text("fileUri")
    given = file.text("mimeType") or ""
    if _UPLOADED.fullmatch(uri):
        source = Media(media_type=given, file_id=uri)
    else:
        source = Media(media_type=given, url=uri)
    return _part(source, _named(file, source))


def write_media(part: MediaPart) -> dict[str, object]:
    """Return the part as a member `inlineData` or `fileData` of Gemini's.

    Raises:
        UnsupportedField: the bytes are where the provider cannot get at them.
    """
    kind = _kind_of(part)
    source = part.source
    if source.data is not None:
        return {
            "inlineData": {
                "mimeType": source.media_type or _USUAL_TYPE[kind],
                "data": source.data,
            }
        }
    if source.file_id is not None:
        if not _UPLOADED.fullmatch(source.file_id):
            raise _unreachable(f"{kind}.file_id")
        return _file(source.file_id, source.media_type)
    if source.url is None or not _REACHABLE.match(source.url):
        raise _unreachable(f"{kind}.url")
    if _YOUTUBE.match(source.url):
        return _file(source.url, source.media_type)
    return _file(source.url, source.media_type or _guess(source.url) or _USUAL_TYPE[kind])


def standard_base64(text: str) -> str:
    """Return base64 in the standard alphabet and padded; protobuf JSON takes either alphabet."""
    if "-" in text or "_" in text:
        text = text.replace("-", "+").replace("_", "/")
    return text + "=" * (-len(text) % 4)


def _file(uri: str, media_type: str) -> dict[str, object]:
    file: dict[str, object] = {"mimeType": media_type} if media_type else {}
    return {"fileData": {**file, "fileUri": uri}}


def _named(members: SpelledMembers, source: Media) -> str:
    """Take the display name, for which only documents have a place."""
    if _kind(source) == "document":
        return members.text("displayName") or ""
    members.skip("displayName")
    return ""


def _part(source: Media, name: str) -> MediaPart:
    match _kind(source):
        case "image":
            return ImagePart(source=source)
        case "audio":
            return AudioPart(source=source)
        case "video":
            return VideoPart(source=source)
        case "document":
            return DocumentPart(source=source, name=name)


def _kind(source: Media) -> Kind:
    url = source.url or ""
    media_type = source.media_type or _guess(url or source.file_id or "")
    if not media_type and _YOUTUBE.match(url):
        return "video"
    match media_type.partition("/")[0].lower():
        case "image":
            return "image"
        case "audio":
            return "audio"
        case "video":
            return "video"
        case _:
            return "document"


def _kind_of(part: MediaPart) -> Kind:
    match part:
        case ImagePart():
            return "image"
        case AudioPart():
            return "audio"
        case VideoPart():
            return "video"
        case DocumentPart():
            return "document"


def _guess(url: str) -> str:
    found = _SUFFIX.search(url)
    return _TYPE_OF_SUFFIX.get(found[1].lower(), "") if found else ""


def _unreachable(field: str) -> UnsupportedField:
    return UnsupportedField(
        f"The field '{field}' cannot be sent to the provider of this model.", param=field
    )
