"""Reading the parts of a turn, in requests and in answers.

https://ai.google.dev/api/caching#Part
"""

from typing import Protocol, cast

import msgspec

from adapters.wire.gemini_generate.media_parts import MediaPart, read_blob, read_file
from adapters.wire.gemini_generate.reading import SpelledMembers, camel_case
from adapters.wire.gemini_generate.signatures import read_signature
from adapters.wire.opaque_state import Carried, split_id
from adapters.wire.reading import JsonObject
from domain.inference.conversation import (
    OpaqueState,
    Part,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
    VendorPart,
)
from domain.inference.dialect import WireFormat

_ENCODER = msgspec.json.Encoder()
_VENDOR_KINDS = frozenset({"executableCode", "codeExecutionResult", "toolCall", "toolResponse"})
_OUTPUT = "output"
_ERROR = "error"


class Ids(Protocol):
    """Gives function calls and their results the ids that pair them."""

    def of_call(self, given: str | None, name: str) -> str:
        """Return the id of the next call."""
        ...

    def of_result(self, given: str | None, name: str) -> str:
        """Return the id of the call that the next result answers."""
        ...


def read_parts(content: SpelledMembers, ids: Ids) -> tuple[Part, ...]:
    """Return the parts of a turn in their order.

    Thinking that travelled in a signature comes before the part that had it, and replaces what the
    client was shown of it. Texts without content are left out.

    Raises:
        InvalidRequest: a member is of the wrong type, or missing.
    """
    parts: list[Part] = []
    path = content.name("parts")
    for index, value in enumerate(content.list("parts") or []):
        where = f"{path}[{index}]"
        thinking, part = _read_part(content.nested(value, where), value, ids)
        _drop_shown(parts, thinking)
        parts += thinking
        if part is not None:
            parts.append(part)
    return tuple(parts)


def _drop_shown(parts: list[Part], thinking: tuple[ThinkingPart, ...]) -> None:
    """Remove what the client was shown of `thinking`, which may have been in pieces."""
    shown = "".join(part.text for part in thinking)
    end = len(shown)
    while parts:
        last = parts[-1]
        if not (isinstance(last, ThinkingPart) and last.state is None and last.text):
            break
        if not shown.endswith(last.text, 0, end):
            break
        end -= len(last.text)
        parts.pop()


def _read_part(
    members: SpelledMembers, raw: object, ids: Ids
) -> tuple[tuple[ThinkingPart, ...], Part | None]:
    vendor = _vendor_part(cast("JsonObject", raw))
    if vendor is not None:
        return (), vendor
    signature = members.text("thoughtSignature")
    carried = read_signature(signature) if signature else Carried()
    thought = members.flag("thought") or False
    part = _read_data(members, carried.state, ids)
    if part is None:
        part = _read_text(members, carried.state, thought=thought)
    elif not isinstance(part, ToolCallPart):
        if signature:
            members.note("thoughtSignature")
        if thought:
            # A picture on the way to the real one: https://ai.google.dev/gemini-api/docs/image-generation
            members.note("inlineData")
            part = None
    members.done()
    return carried.thinking, part


def _vendor_part(raw: JsonObject) -> VendorPart | None:
    """Return a part that only Gemini knows, signature and all, or None for any other."""
    for name, value in raw.items():
        kind = camel_case(name)
        if kind in _VENDOR_KINDS and value is not None:
            return VendorPart(origin=WireFormat.GEMINI_GENERATE, kind=kind, raw=raw)
    return None


def _read_data(members: SpelledMembers, state: OpaqueState | None, ids: Ids) -> Part | None:
    """Return what the part holds, or None for text."""
    blob = members.members("inlineData")
    if blob is not None:
        return _finished(blob, read_blob(blob))
    file = members.members("fileData")
    if file is not None:
        return _finished(file, read_file(file))
    call = members.members("functionCall")
    if call is not None:
        return _finished(call, _read_call(call, state, ids))
    result = members.members("functionResponse")
    if result is not None:
        return _finished(result, _read_result(result, ids))
    return None


def _finished(members: SpelledMembers, part: Part) -> Part:
    members.done()
    return part


def _read_text(members: SpelledMembers, state: OpaqueState | None, *, thought: bool) -> Part | None:
    text = members.text("text") or ""
    if not text and state is None:
        return None
    if thought:
        return ThinkingPart(text=text, state=state)
    return TextPart(text=text, state=state)


def _read_call(call: SpelledMembers, state: OpaqueState | None, ids: Ids) -> ToolCallPart:
    name = call.required_text("name")
    given, carried = split_id(call.text("id") or "")
    arguments = call.object("args")
    return ToolCallPart(
        id=ids.of_call(given, name),
        name=name,
        arguments=_ENCODER.encode(arguments or {}).decode(),
        state=state or carried.state,
    )


def _read_result(result: SpelledMembers, ids: Ids) -> ToolResultPart:
    name = result.required_text("name")
    given, _ = split_id(result.text("id") or "")
    response = result.object("response") or {}
    media = tuple(_read_media(entry) for entry in result.objects("parts"))
    texts, is_error = _plain(response)
    structured = texts is None
    if texts is None:
        texts = (TextPart(text=_ENCODER.encode(response).decode()),)
    return ToolResultPart(
        call_id=ids.of_result(given, name),
        name=name,
        content=(*texts, *media),
        is_error=is_error,
        structured=structured,
    )


def _read_media(entry: SpelledMembers) -> MediaPart:
    blob = entry.members("inlineData")
    if blob is not None:
        part = read_blob(blob)
        blob.done()
    else:
        file = entry.required_members("fileData")
        part = read_file(file)
        file.done()
    entry.done()
    return part


def _plain(response: JsonObject) -> tuple[tuple[TextPart, ...] | None, bool]:
    """Return the texts of a response that is nothing but text, and whether they tell an error.

    The members `output` and `error` have that meaning; with any others, the object is the result.
    https://ai.google.dev/api/caching#FunctionResponse
    """
    if not response:
        return (), False
    is_error = _ERROR in response
    if len(response) != 1:
        return None, is_error
    if is_error and response[_ERROR] == "":
        return (), True
    value = response.get(_ERROR) if is_error else response.get(_OUTPUT)
    values = cast("list[object]", value) if isinstance(value, list) else [value]
    if isinstance(value, list) and len(values) < 2:
        return None, is_error
    texts = tuple(TextPart(text=text) for text in values if isinstance(text, str))
    return (texts if len(texts) == len(values) else None), is_error
