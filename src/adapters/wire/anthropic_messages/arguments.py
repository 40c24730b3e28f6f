"""Arguments of tool calls: JSON text in the canonical model, an object in Anthropic's blocks."""

import msgspec
from msgspec import Raw

from adapters.wire.reading import JsonObject

UNREADABLE = "arguments"
"""The one member of the object that stands for arguments which are no JSON object."""

_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_PARSED = msgspec.json.Decoder(dict[str, object])
_EMPTY = Raw(b"{}")


def input_of(arguments: str) -> Raw | JsonObject:
    """Return the `input` of a call: the text as it is when it is an object, `{}` when empty.

    Anything else (a model may write bad JSON) is kept as the text it is, in an object with the one
    member `arguments`.
    """
    if not arguments.strip():
        return _EMPTY
    try:
        _OBJECT.decode(arguments)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return {UNREADABLE: arguments}
    return Raw(arguments.encode())


def object_of(arguments: str) -> JsonObject:
    """Return the `input` of a call as an object, likewise."""
    try:
        return _PARSED.decode(arguments)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return {UNREADABLE: arguments}


def arguments_of(value: Raw) -> str:
    """Return the arguments in a block's `input`, byte for byte; `{}` for none."""
    text = bytes(value).decode()
    return "{}" if text == "null" else text
