"""Reading the content of a Chat Completions message: a text, or a list of typed parts."""

from typing import cast

from adapters.wire.data_urls import read_url
from adapters.wire.openai_chat.audio import media_type_of
from adapters.wire.openai_chat.reasoning import PART, own_state
from adapters.wire.reading import JsonObject, Members, missing, wrong_type
from domain.errors import InvalidRequest
from domain.inference.conversation import (
    AudioPart,
    CacheMark,
    DocumentPart,
    ImagePart,
    Media,
    Part,
    RefusalPart,
    TextPart,
    ThinkingPart,
    VendorPart,
    VideoPart,
)
from domain.inference.dialect import WireFormat

_OFFICE = "application/vnd.openxmlformats-officedocument"
_TYPES = {
    "csv": "text/csv",
    "docx": f"{_OFFICE}.wordprocessingml.document",
    "html": "text/html",
    "json": "application/json",
    "md": "text/markdown",
    "pptx": f"{_OFFICE}.presentationml.presentation",
    "txt": "text/plain",
    "xlsx": f"{_OFFICE}.spreadsheetml.sheet",
    "xml": "text/xml",
}


def read_content(message: Members, unmapped: list[str]) -> tuple[Part, ...]:
    """Take `content` of a message; an empty text is no part.

    `unmapped` is that of `message`.
    """
    content = message.any("content")
    if content is None or content == "":
        return ()
    if isinstance(content, str):
        return (TextPart(text=content),)
    path = message.name("content")
    if not isinstance(content, list):
        raise wrong_type(path, "a string or a list of parts", content)
    return tuple(
        _part(value, f"{path}[{index}]", unmapped)
        for index, value in enumerate(cast("list[object]", content))
    )


def read_cache(part: Members) -> CacheMark | None:
    """Take the cache mark of a part or tool: OpenAI's, or Anthropic's as gateways have it here.

    https://platform.openai.com/docs/guides/prompt-caching
    """
    mark = None
    for name in ("prompt_cache_breakpoint", "cache_control"):
        given = part.members(name)
        if given is not None:
            given.any("mode")
            given.any("type")
            mark = CacheMark(ttl=given.text("ttl"))
            given.done()
    return mark


def _part(value: object, path: str, unmapped: list[str]) -> Part:
    members = Members(value, path, unmapped)
    kind = members.required_text("type")
    match kind:
        case "text":
            part = TextPart(text=members.text("text") or "", cache=read_cache(members))
        case "image_url":
            url, detail = _url(members, "image_url", unmapped)
            part = ImagePart(source=url, detail=detail, cache=read_cache(members))
        case "input_audio":
            part = AudioPart(source=_sound(members))
        case "audio_url":
            part = AudioPart(source=_url(members, "audio_url", unmapped)[0])
        case "video_url":
            part = VideoPart(
                source=_url(members, "video_url", unmapped)[0], cache=read_cache(members)
            )
        case "file":
            part = _file(members)
        case "refusal":
            part = RefusalPart(text=members.required_text("refusal"))
        case "thinking":
            part = _thinking(members, unmapped)
        case _:
            return VendorPart(
                origin=WireFormat.OPENAI_CHAT, kind=kind, raw=cast("JsonObject", value)
            )
    members.done()
    return part


def _url(members: Members, name: str, unmapped: list[str]) -> tuple[Media, str | None]:
    """Take media given as `{"url": …}`, with its detail; some servers take the bare URL too."""
    path = members.name(name)
    value = members.any(name)
    if value is None:
        raise missing(path)
    if isinstance(value, str):
        return _media(value, path), None
    inner = Members(value, path, unmapped)
    url = inner.required_text("url")
    detail = inner.text("detail")
    inner.done()
    return _media(url, f"{path}.url"), detail


def _media(url: str, path: str) -> Media:
    media = read_url(url)
    if media is None:
        raise InvalidRequest(f"The data URL in '{path}' is not in base64.", param=path)
    return media


def _sound(members: Members) -> Media:
    sound = members.members("input_audio")
    if sound is None:
        raise missing(members.name("input_audio"))
    name = sound.text("format") or "wav"
    media = Media(media_type=media_type_of(name), data=sound.required_text("data"))
    sound.done()
    return media


def _file(members: Members) -> DocumentPart:
    file = members.members("file")
    if file is None:
        raise missing(members.name("file"))
    name = file.text("filename") or ""
    file_id = file.text("file_id")
    data = file.text("file_data")
    path = file.name("file_data")
    file.done()
    if data is None:
        if file_id is None:
            raise missing(path)
        source = Media(file_id=file_id)
    elif data[:5].lower() == "data:":
        source = _media(data, path)
    else:
        source = Media(media_type=_type_of(name), data=data)
    return DocumentPart(source=source, name=name, cache=read_cache(members))


def _type_of(name: str) -> str:
    """Return the media type of a file given without one; OpenAI takes it for a PDF."""
    return _TYPES.get(name.rpartition(".")[2].lower(), "application/pdf")


def _thinking(members: Members, unmapped: list[str]) -> ThinkingPart:
    """Take a thought among the parts, as Mistral has it: a text or a list of texts.

    https://docs.mistral.ai/capabilities/reasoning/
    """
    inner = Members({"content": members.any("thinking")}, members.path, unmapped)
    texts = [part.text for part in read_content(inner, unmapped) if isinstance(part, TextPart)]
    return ThinkingPart(text="".join(texts), state=own_state(PART, ()))
