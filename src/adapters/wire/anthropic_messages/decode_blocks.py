"""Content blocks of an answer, read into canonical parts."""

import msgspec
from msgspec import Raw

from adapters.wire.anthropic_messages.arguments import arguments_of
from adapters.wire.anthropic_messages.carried import read_state
from adapters.wire.anthropic_messages.citations import read_citation
from adapters.wire.governing import MaybeRaw
from adapters.wire.reading import JsonObject
from adapters.wire.schemas.anthropic_messages import Block, Caller
from domain.errors import UpstreamProtocolError
from domain.inference.conversation import (
    Citation,
    Part,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    VendorPart,
)
from domain.inference.dialect import WireFormat

_BLOCK = msgspec.json.Decoder(Block)
_OBJECT = msgspec.json.Decoder(dict[str, object])
_OBJECTS = msgspec.json.Decoder(list[dict[str, object]] | None)
_CALLER = msgspec.json.Decoder(Caller | None)


def read_part(raw: Raw) -> Part:
    """Return the part of a block; a block that only Anthropic knows is kept whole.

    Raises:
        UpstreamProtocolError: a block without its members, or with members of other types.
    """
    try:
        block = _BLOCK.decode(raw)
        match block.type:
            case "text":
                return TextPart(text=block.text or "", citations=read_citations(block.citations))
            case "thinking":
                return ThinkingPart(
                    text=block.thinking or "", state=read_state(block.signature or "")
                )
            case "redacted_thinking":
                return ThinkingPart(state=read_state(block.data or ""), redacted=True)
            case "tool_use" if not is_vendor(block):
                return ToolCallPart(
                    id=call_id(block), name=block.name or "", arguments=call_arguments(block)
                )
            case _:
                return vendor_part(_OBJECT.decode(raw))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamProtocolError("a content block of the answer cannot be read") from None


def is_vendor(block: Block) -> bool:
    """Tell whether only Anthropic can make something of a block."""
    if block.type == "tool_use":
        caller = _CALLER.decode(block.caller) if isinstance(block.caller, Raw) else None
        return block.toolset_name is not None or (caller is not None and caller.type != "direct")
    return block.type not in {"text", "thinking", "redacted_thinking"}


def vendor_part(raw: JsonObject) -> VendorPart:
    """Return a block kept whole."""
    kind = str(raw.get("type", ""))
    return VendorPart(origin=WireFormat.ANTHROPIC_MESSAGES, kind=kind, raw=raw)


def read_citations(value: MaybeRaw) -> tuple[Citation, ...]:
    """Return the `citations` of a text block."""
    if not isinstance(value, Raw):
        return ()
    return tuple(read_citation(raw) for raw in _OBJECTS.decode(value) or ())


def call_id(block: Block) -> str:
    """Return the id of a call, without which its result could not be given back."""
    if not block.id:
        raise UpstreamProtocolError("a call of a tool has no id")
    return block.id


def call_arguments(block: Block) -> str:
    """Return the arguments of a call that came whole, byte for byte."""
    return arguments_of(block.input) if isinstance(block.input, Raw) else "{}"
