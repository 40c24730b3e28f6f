"""Content blocks of a Messages request, read into canonical parts.

A block that only Anthropic knows is kept whole as a `VendorPart`: hosted tools and their results,
search results, uploads, calls made by code. The same goes for a tool result with such a block
inside, and for a custom document that is not plain text.
"""

import base64
from collections.abc import Iterator, Sequence
from typing import cast

import msgspec
from msgspec import structs

from adapters.wire.anthropic_messages.carried import read_state, state_of_previous
from adapters.wire.anthropic_messages.citations import read_citation
from adapters.wire.opaque_state import split_id
from adapters.wire.reading import JsonObject, Members, wrong_type
from domain.inference.conversation import (
    CacheMark,
    Citation,
    DocumentPart,
    ImagePart,
    Media,
    Part,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
    VendorPart,
)
from domain.inference.dialect import WireFormat

_RESULT_PARTS = (TextPart, ImagePart, DocumentPart)
_TEXT_JOINT = "\n"


def read_content(members: Members, member: str, unmapped: list[str]) -> tuple[Part, ...]:
    """Take a member that is a string or a list of blocks; nothing when it is absent."""
    value = members.any(member)
    if value is None:
        return ()
    path = members.name(member)
    if isinstance(value, str):
        return (TextPart(text=value),)
    if not isinstance(value, list):
        raise wrong_type(path, "a string or a list", value)
    parts: list[Part] = []
    for index, block in enumerate(cast("list[object]", value)):
        _add(parts, _read_block(block, f"{path}[{index}]", unmapped))
    return tuple(parts)


def read_cache(members: Members) -> CacheMark | None:
    """Take `cache_control`."""
    control = members.members("cache_control")
    if control is None:
        return None
    control.text("type")  # `ephemeral` is all there is
    mark = CacheMark(ttl=control.text("ttl"))
    control.done()
    return mark


def vendor_part(block: object) -> VendorPart:
    """Return a block, a JSON object, that is kept whole."""
    raw = cast("JsonObject", block)
    return VendorPart(origin=WireFormat.ANTHROPIC_MESSAGES, kind=str(raw.get("type", "")), raw=raw)


def _add(parts: list[Part], found: Iterator[Part]) -> None:
    """Append parts; state that belongs to the part before goes there."""
    for part in found:
        before = parts[-1] if parts else None
        state = state_of_previous(part.state) if isinstance(part, ThinkingPart) else None
        if state is not None and isinstance(before, TextPart | ToolCallPart):
            parts[-1] = structs.replace(before, state=state)
        else:
            parts.append(part)


def _read_block(block: object, path: str, unmapped: list[str]) -> Iterator[Part]:
    members = Members(block, path, unmapped)
    match members.required_text("type"):
        case "text":
            yield _text(members)
        case "image":
            yield _image(members, block)
        case "document":
            yield _document(members, block)
        case "tool_use":
            yield from _tool_use(members, block)
        case "tool_result":
            yield _tool_result(members, block, unmapped)
        case "thinking":
            state = read_state(members.text("signature") or "")
            yield ThinkingPart(text=members.text("thinking") or "", state=state)
            members.done()
        case "redacted_thinking":
            yield ThinkingPart(state=read_state(members.required_text("data")), redacted=True)
            members.done()
        case _:
            yield vendor_part(block)


def _text(members: Members) -> TextPart:
    part = TextPart(
        text=members.required_text("text"),
        citations=_citations(members),
        cache=read_cache(members),
    )
    members.done()
    return part


def _citations(members: Members) -> tuple[Citation, ...]:
    given = cast("Sequence[object]", members.list("citations") or ())
    for index, each in enumerate(given):
        if not isinstance(each, dict):
            raise wrong_type(f"{members.name('citations')}[{index}]", "an object", each)
    return tuple(read_citation(cast("JsonObject", each)) for each in given)


def _image(members: Members, block: object) -> Part:
    source = members.members("source")
    media = _media(source) if source is not None else None
    if media is None:
        return vendor_part(block)
    part = ImagePart(source=media, cache=read_cache(members))
    members.done()
    return part


def _document(members: Members, block: object) -> Part:
    source = members.members("source")
    media = _document_media(source) if source is not None else None
    if media is None:
        return vendor_part(block)
    citations = members.members("citations")
    part = DocumentPart(
        source=media,
        name=members.text("title") or "",
        context=members.text("context") or "",
        cite=bool(citations.flag("enabled")) if citations is not None else False,
        cache=read_cache(members),
    )
    if citations is not None:
        citations.done()
    members.done()
    return part


def _media(source: Members) -> Media | None:
    """Return where the bytes are, or None for a kind of source nobody else knows."""
    match source.required_text("type"):
        case "base64":
            media_type = source.required_text("media_type")
            media = Media(media_type=media_type, data=source.required_text("data"))
        case "url":
            media = Media(url=source.required_text("url"))
        case "file":
            media = Media(file_id=source.required_text("file_id"))
        case _:
            return None
    source.done()
    return media


def _document_media(source: Members) -> Media | None:
    if source.has("content"):
        text = _plain_text(source.any("content"))
        return _text_media(text) if text is not None else None
    if source.has("data") and source.has("media_type"):
        media_type = source.required_text("media_type")
        data = source.required_text("data")
        if source.text("type") == "text":
            source.done()
            return Media(media_type=media_type, data=_base64(data))
        source.done()
        return Media(media_type=media_type, data=data)
    return _media(source)


def _plain_text(content: object) -> str | None:
    """Return a custom document that is nothing but text in one piece, else None."""
    if isinstance(content, str):
        return content
    blocks = cast("list[object]", content) if isinstance(content, list) else []
    if len(blocks) != 1 or not isinstance(blocks[0], dict):
        return None
    block = cast("JsonObject", blocks[0])
    text = block.get("text")
    return text if block.keys() == {"type", "text"} and isinstance(text, str) else None


def _text_media(text: str) -> Media:
    return Media(media_type="text/plain", data=_base64(text))


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _tool_use(members: Members, block: object) -> Iterator[Part]:
    caller = members.members("caller")
    if members.has("toolset_name") or (caller is not None and caller.text("type") != "direct"):
        yield vendor_part(block)
        return
    call_id, carried = split_id(members.required_text("id"))
    yield from carried.thinking
    yield ToolCallPart(
        id=call_id,
        name=members.required_text("name"),
        arguments=msgspec.json.encode(members.object("input") or {}).decode(),
        state=carried.state,
        cache=read_cache(members),
    )
    members.done()


def _tool_result(members: Members, block: object, unmapped: list[str]) -> Part:
    if members.has("toolset_name"):
        return vendor_part(block)
    known = len(unmapped)
    content = read_content(members, "content", unmapped)
    if not all(isinstance(part, _RESULT_PARTS) for part in content):
        del unmapped[known:]
        return vendor_part(block)
    call_id, _ = split_id(members.required_text("tool_use_id"))
    part = ToolResultPart(
        call_id=call_id,
        content=cast("tuple[TextPart | ImagePart | DocumentPart, ...]", content),
        is_error=members.flag("is_error") or False,
        cache=read_cache(members),
    )
    members.done()
    return part
