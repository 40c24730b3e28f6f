"""Parts of messages and of tools' results, both ways.

https://platform.openai.com/docs/api-reference/responses/create: `input`, content lists. Marks of
the prompt cache (`prompt_cache_breakpoint`) live 30 minutes or 12 hours at this vendor; other
vendors' longer mark, one hour, stands for both.
"""

from collections.abc import Iterable

from adapters.wire.data_urls import read_url, write_url
from adapters.wire.reading import JsonObject, Members
from domain.errors import InvalidRequest, UnsupportedField
from domain.inference.conversation import (
    AudioPart,
    CacheMark,
    Citation,
    DocumentPart,
    ImagePart,
    Media,
    Part,
    RefusalPart,
    TextPart,
)
from domain.inference.dialect import WireFormat

ResultPart = TextPart | ImagePart | DocumentPart
InputPart = ResultPart | AudioPart

_TEXTS = frozenset({"input_text", "output_text", "text"})
_AUDIO_FORMATS = {"mp3": "audio/mpeg", "wav": "audio/wav"}
_AUDIO_TYPES = {
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
}
_URL_CITATION = frozenset({"type", "url", "title", "start_index", "end_index"})
_PDF = "application/pdf"
_HOUR = "1h"
_SHORTER, _LONGER = "30m", "12h"


def read_part(part: Members) -> InputPart | RefusalPart:
    """Return one part of a content list.

    Raises:
        InvalidRequest: of a kind this API has not, or without what its kind needs.
    """
    kind = part.required_text("type")
    read: InputPart | RefusalPart
    if kind in _TEXTS:
        read = _read_text(part)
    elif kind == "refusal":
        read = RefusalPart(text=part.required_text("refusal"))
    elif kind == "input_image":
        detail = part.text("detail")
        source = _read_source(part, url="image_url", data=None)
        read = ImagePart(
            source=source, detail=None if detail == "auto" else detail, cache=_read_mark(part)
        )
    elif kind == "input_file":
        source = _read_source(part, url="file_url", data="file_data")
        read = DocumentPart(source=source, name=part.text("filename") or "", cache=_read_mark(part))
    elif kind == "input_audio":
        read = AudioPart(source=_read_audio(part))
    else:
        raise InvalidRequest(
            f"The field '{part.name('type')}' has the unknown value '{kind[:64]}'.",
            param=part.name("type"),
        )
    part.done()
    return read


def read_result_part(part: Members) -> ResultPart:
    """Return one part of a tool's result.

    Raises:
        InvalidRequest: as `read_part`, or of a kind that results have not.
    """
    path = part.name("type")
    read = read_part(part)
    if isinstance(read, AudioPart | RefusalPart):
        raise InvalidRequest(f"The field '{path}' must be a text, an image or a file.", param=path)
    return read


def write_part(part: Part, *, marks: bool) -> JsonObject | None:
    """Return a part of an input message or result; None for what has no place in one.

    `marks` says whether marks of the prompt cache are written.

    Raises:
        UnsupportedField: an address the vendor cannot load.
    """
    match part:
        case TextPart():
            written: JsonObject = {"type": "input_text", "text": part.text}
        case ImagePart():
            written = {"type": "input_image"}
            if part.source.file_id is not None:
                written["file_id"] = part.source.file_id
            else:
                written["image_url"] = _address(part.source, "image.url")
            if part.detail is not None:
                written["detail"] = part.detail
        case DocumentPart():
            written = _write_file(part)
        case AudioPart():
            form = _AUDIO_TYPES.get(
                part.source.media_type, part.source.media_type.rpartition("/")[2]
            )
            return {
                "type": "input_audio",
                "input_audio": {"data": part.source.data, "format": form},
            }
        case _:
            return None
    if marks and part.cache is not None:
        mark: JsonObject = {"mode": "explicit"}
        if part.cache.ttl == _HOUR:
            mark["ttl"] = _SHORTER
        written["prompt_cache_breakpoint"] = mark
    return written


def write_output_part(part: TextPart | RefusalPart) -> JsonObject:
    """Return a part of an assistant's message."""
    if isinstance(part, RefusalPart):
        return {"type": "refusal", "refusal": part.text}
    annotations = [note for each in part.citations if (note := annotation_of(each)) is not None]
    return {"type": "output_text", "text": part.text, "annotations": annotations}


def annotation_of(citation: Citation) -> JsonObject | None:
    """Return the annotation for a citation; None when it names no page and no own object."""
    if citation.origin is WireFormat.OPENAI_RESPONSES:
        return citation.raw
    if not citation.url:
        return None
    return {
        "type": "url_citation",
        "url": citation.url,
        "title": citation.title,
        "start_index": citation.start or 0,
        "end_index": citation.end or 0,
    }


def citation_of(annotation: JsonObject) -> Citation:
    """Return the citation for an annotation; the object is kept where it says more."""
    url, title = _text(annotation, "url"), _text(annotation, "title")
    start, end = _index(annotation.get("start_index")), _index(annotation.get("end_index"))
    if annotation.get("type") == "url_citation" and annotation.keys() == _URL_CITATION:
        return Citation(url=url, title=title, start=start, end=end)
    return Citation(
        url=url,
        title=title or _text(annotation, "filename"),
        start=start,
        end=end,
        origin=WireFormat.OPENAI_RESPONSES,
        raw=annotation,
    )


def plain_text(parts: Iterable[Part], *, marks: bool) -> str | None:
    """Return the text of parts that are one text with nothing to it; None for any others."""
    found = tuple(parts)
    if len(found) != 1 or not isinstance(text := found[0], TextPart):
        return None
    if text.citations or (marks and text.cache is not None):
        return None
    return text.text


def _read_text(part: Members) -> TextPart:
    citations = tuple(citation_of(each.rest()) for each in part.objects("annotations"))
    if part.list("logprobs"):
        part.note("logprobs")
    return TextPart(text=part.required_text("text"), citations=citations, cache=_read_mark(part))


def _read_source(part: Members, *, url: str, data: str | None) -> Media:
    """Return where the bytes are: the first of id, bytes and URL that is given."""
    file_id = part.text("file_id")
    inline = part.text(data) if data is not None else None
    address = part.text(url)
    if file_id is not None:
        return Media(file_id=file_id)
    if inline is not None:
        found = read_url(inline) if inline[:5].lower() == "data:" else None
        # Bytes without a type: the vendor goes by the name of the file, and takes PDF mostly.
        return found or Media(media_type=_PDF, data=inline)
    if address is None:
        raise InvalidRequest(
            f"The field '{part.name(url)}' or '{part.name('file_id')}' is missing.",
            param=part.name(url),
        )
    media = read_url(address)
    if media is None:
        raise InvalidRequest(
            f"The field '{part.name(url)}' must be a web address or a base64 data URL.",
            param=part.name(url),
        )
    return media


def _read_audio(part: Members) -> Media:
    audio = part.members("input_audio")
    if audio is None:
        raise InvalidRequest(
            f"The field '{part.name('input_audio')}' is missing.", param=part.name("input_audio")
        )
    form = audio.required_text("format")
    source = Media(
        media_type=_AUDIO_FORMATS.get(form, f"audio/{form}"), data=audio.required_text("data")
    )
    audio.done()
    return source


def _read_mark(part: Members) -> CacheMark | None:
    mark = part.members("prompt_cache_breakpoint")
    if mark is None:
        return None
    mark.text("mode")
    ttl = mark.text("ttl")
    if ttl == _LONGER:
        mark.note("ttl")
    mark.done()
    return CacheMark(ttl=None if ttl is None else _HOUR)


def _write_file(part: DocumentPart) -> JsonObject:
    written: JsonObject = {"type": "input_file"}
    source = part.source
    if source.file_id is not None:
        written["file_id"] = source.file_id
    elif source.url is not None:
        written["file_url"] = _address(source, "document.url")
    else:
        written["file_data"] = write_url(source)
        written["filename"] = part.name or _default_name(source.media_type)
    if part.name:
        written["filename"] = part.name
    return written


def _address(source: Media, field: str) -> str | None:
    if source.url is not None and not source.url.lower().startswith(("https:", "http:")):
        raise UnsupportedField(
            f"The field '{field}' must be a web address for the provider of this model.",
            param=field,
        )
    return write_url(source)


def _default_name(media_type: str) -> str:
    """Return a file name: the vendor wants one with bytes."""
    kind = media_type.rpartition("/")[2]
    return f"document.{ {'plain': 'txt', 'markdown': 'md'}.get(kind, kind or 'pdf') }"


def _text(annotation: JsonObject, member: str) -> str:
    value = annotation.get(member)
    return value if isinstance(value, str) else ""


def _index(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
