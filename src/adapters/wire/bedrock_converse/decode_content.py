"""Content blocks of requests and answers, read into canonical parts.

A block is an object with one member, whose name says what it is. What only Bedrock knows is kept
whole as a `VendorPart`: calls of tools that run at the model's vendor with their results, changes of
the tools in mid-conversation.
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html
"""

import base64
from collections.abc import Iterator
from typing import cast

import msgspec
from msgspec import structs

from adapters.wire.bedrock_converse.carried import (
    OWN,
    read_redacted,
    read_signature,
    read_signature_of_previous,
)
from adapters.wire.bedrock_converse.citations import read_citation
from adapters.wire.bedrock_converse.formats import MediaKind, media_type_of
from adapters.wire.reading import JsonObject, Members, wrong_type
from domain.errors import InvalidRequest
from domain.inference.conversation import (
    AudioPart,
    CacheMark,
    DocumentPart,
    ImagePart,
    Media,
    Part,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
    VendorPart,
    VideoPart,
)

FURTHEST_MARKED = 64
"""Parts that may stand between a mark and what it marks; a bound for what is made up to be long."""

_CHUNK_JOINT = "\n\n"
_ResultPart = TextPart | ImagePart | DocumentPart | VideoPart | AudioPart
_RESULT_KINDS = frozenset({"json", "text", "image", "document", "video", "searchResult"})


class ContentReader:
    """Reads the blocks of one request or answer; `unmapped` collects what has no place."""

    def __init__(self, unmapped: list[str]) -> None:
        """`unmapped` is shared by the whole request."""
        self._unmapped = unmapped

    def read(self, members: Members, member: str) -> tuple[Part, ...]:
        """Take a list of blocks; nothing when it is absent.

        Raises:
            InvalidRequest: a block of the wrong shape.
        """
        parts: list[Part] = []
        for block in members.objects(member):
            self._add(parts, block)
        return tuple(parts)

    def _add(self, parts: list[Part], block: Members) -> None:
        raw = block.rest()
        if len(raw) != 1:
            raise InvalidRequest(
                f"The field '{block.path}' must have exactly one member.", param=block.path
            )
        kind, value = next(iter(raw.items()))
        path = f"{block.path}.{kind}"
        if kind == "cachePoint":
            mark = read_cache_point(Members(value, path, self._unmapped))
            if not mark_last(parts, mark):
                self._unmapped.append(path)
            return
        for part in self._part(kind, value, path):
            if isinstance(part, _OfPrevious):
                self._sign_last(parts, part)
            else:
                parts.append(part)

    def _part(self, kind: str, value: object, path: str) -> "Iterator[Part | _OfPrevious]":
        if kind == "text":
            yield TextPart(text=_text(value, path))
            return
        if not isinstance(value, dict):
            raise wrong_type(path, "an object", value)
        raw = cast("JsonObject", value)
        members = Members(raw, path, self._unmapped)
        match kind:
            case "image" | "document" | "audio" | "video":
                yield self._medium(kind, members)
            case "searchResult":
                yield _search_result(members)
            case "toolUse":
                yield _tool_use(members, raw)
            case "toolResult":
                yield self._tool_result(members, raw)
            case "reasoningContent":
                yield from _reasoning(members)
            case "citationsContent":
                yield _cited_text(members)
            case "guardContent":
                yield from self._guarded(members)
            case _:
                yield _vendor_part(kind, raw)
                return
        members.done()

    def _medium(self, kind: MediaKind, members: Members) -> Part:
        """Return an image, document, sound or video."""
        media = _media(kind, members)
        match kind:
            case "image":
                return ImagePart(source=media)
            case "audio":
                return AudioPart(source=media)
            case "video":
                return VideoPart(source=media)
            case "document":
                return DocumentPart(
                    source=media,
                    name=members.text("name") or "",
                    context=members.text("context") or "",
                    cite=_enabled(members),
                )

    def _tool_result(self, members: Members, raw: object) -> Part:
        blocks = [_only_member(each) for each in _list(members, "content")]
        if members.has("type") or not all(kind in _RESULT_KINDS for kind, _ in blocks):
            members.rest()
            return _vendor_part("toolResult", raw)
        content: list[_ResultPart] = []
        for index, (kind, value) in enumerate(blocks):
            path = f"{members.name('content')}[{index}].{kind}"
            if kind == "json":
                content.append(TextPart(text=msgspec.json.encode(value).decode()))
            else:
                content += cast("Iterator[_ResultPart]", self._part(kind, value, path))
        return ToolResultPart(
            call_id=members.required_text("toolUseId"),
            content=tuple(content),
            is_error=members.text("status") == "error",
            structured=[kind for kind, _ in blocks] == ["json"],
        )

    def _guarded(self, members: Members) -> Iterator[Part]:
        """Yield content that a guardrail of the provider looks at: elsewhere it is just content."""
        text = members.members("text")
        if text is not None:
            yield TextPart(text=text.required_text("text"))
            text.done()
        image = members.members("image")
        if image is not None:
            yield self._medium("image", image)
            image.done()
        self._unmapped.append(members.path)

    def _sign_last(self, parts: list[Part], found: "_OfPrevious") -> None:
        last = parts[-1] if parts else None
        if isinstance(last, TextPart | ToolCallPart):
            parts[-1] = structs.replace(last, state=found.thought.state)
        else:
            parts.append(found.thought)


class _OfPrevious(msgspec.Struct, frozen=True):
    """A state that belongs to the part before it."""

    thought: ThinkingPart


def read_cache_point(members: Members) -> CacheMark:
    """Return the mark that a cache point stands for; `type` is always `default`."""
    members.text("type")
    mark = CacheMark(ttl=members.text("ttl"))
    members.done()
    return mark


def mark_last(parts: list[Part], mark: CacheMark) -> bool:
    """Put a mark on the last part that can have one; False when there is none.

    A prefix that ends a little earlier is cached then.
    """
    for index in range(len(parts) - 1, max(-1, len(parts) - 1 - FURTHEST_MARKED), -1):
        part = parts[index]
        if not isinstance(part, ThinkingPart | VendorPart | AudioPart) and hasattr(part, "cache"):
            parts[index] = structs.replace(part, cache=mark)
            return True
    return False


def _media(kind: MediaKind, members: Members) -> Media:
    media_type = media_type_of(kind, members.text("format") or "")
    source = members.members("source")
    if source is None:
        raise InvalidRequest(
            f"The field '{members.name('source')}' is missing.", param=members.name("source")
        )
    place = source.members("s3Location")
    if place is not None:
        media = Media(media_type=media_type, url=place.required_text("uri"))
        place.done()
    elif kind == "document" and source.has("text"):
        media = _plain_text(source.required_text("text"))
    elif kind == "document" and source.has("content"):
        chunks = [each.required_text("text") for each in source.objects("content")]
        if len(chunks) > 1:
            source.note("content")  # where one chunk ends, for citations
        media = _plain_text(_CHUNK_JOINT.join(chunks))
    else:
        media = Media(media_type=media_type, data=source.required_text("bytes"))
    source.done()
    return media


def _plain_text(text: str) -> Media:
    return Media(media_type="text/plain", data=base64.b64encode(text.encode()).decode())


def _enabled(members: Members) -> bool:
    citations = members.members("citations")
    if citations is None:
        return False
    enabled = citations.flag("enabled") or False
    citations.done()
    return enabled


def _search_result(members: Members) -> DocumentPart:
    """Return a search result as the document that it is to everybody else."""
    texts = [each.required_text("text") for each in members.objects("content")]
    return DocumentPart(
        source=_plain_text(_CHUNK_JOINT.join(texts)),
        name=members.text("title") or "",
        context=members.text("source") or "",
        cite=_enabled(members),
    )


def _tool_use(members: Members, raw: object) -> Part:
    if members.has("type"):  # a tool that the model's vendor runs
        members.rest()
        return _vendor_part("toolUse", raw)
    return ToolCallPart(
        id=members.required_text("toolUseId"),
        name=members.required_text("name"),
        arguments=arguments_of(members.any("input")),
    )


def arguments_of(value: object) -> str:
    """Return the JSON text of an `input`; `{}` for none."""
    return "{}" if value is None else msgspec.json.encode(value).decode()


def _reasoning(members: Members) -> "Iterator[Part | _OfPrevious]":
    text = members.members("reasoningText")
    if text is not None:
        said, signature = text.text("text") or "", text.text("signature") or ""
        carried = read_signature_of_previous(signature)
        if carried is not None:
            yield _OfPrevious(ThinkingPart(text=said, state=carried))
        else:
            yield ThinkingPart(text=said, state=read_signature(signature))
        text.done()
    content = members.text("redactedContent")
    if content is not None:
        yield ThinkingPart(state=read_redacted(content), redacted=True)


def _cited_text(members: Members) -> TextPart:
    texts = [each.text("text") or "" for each in members.objects("content")]
    given = _list(members, "citations")
    for index, each in enumerate(given):
        if not isinstance(each, dict):
            raise wrong_type(f"{members.name('citations')}[{index}]", "an object", each)
    citations = tuple(read_citation(each) for each in cast("list[JsonObject]", given))
    return TextPart(text="".join(texts), citations=citations)


def _vendor_part(kind: str, raw: object) -> VendorPart:
    return VendorPart(origin=OWN, kind=kind, raw={kind: raw})


def _only_member(block: object) -> tuple[str, object]:
    """Return the one member of a block; a name that nobody knows for any other shape."""
    members = cast("JsonObject", block) if isinstance(block, dict) else {}
    return next(iter(members.items())) if len(members) == 1 else ("", None)


def _list(members: Members, member: str) -> list[object]:
    return members.list(member) or []


def _text(value: object, path: str) -> str:
    if not isinstance(value, str):
        raise wrong_type(path, "a string", value)
    return value
