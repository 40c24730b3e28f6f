"""The payloads of stream frames: starts, pieces and whole blocks."""

from functools import cache
from typing import cast

import msgspec

from adapters.wire.aws_event_stream import frame_of, write_headers
from adapters.wire.reading import JsonObject

_ENCODER = msgspec.json.Encoder()
_RESULT_PIECES = frozenset({"text", "json"})


def event_frame(name: str, payload: JsonObject) -> bytes:
    """Return an event as a frame."""
    return frame_of(_headers(name), _ENCODER.encode(payload))


@cache
def _headers(name: str) -> bytes:
    return write_headers(
        {
            ":event-type": name,
            ":content-type": "application/json",
            ":message-type": "event",
        }
    )


def piece(kind: str, text: str) -> JsonObject:
    """Return the `delta` with more of a text, a thought, or the input of a call."""
    if kind == "tool_call":
        return {"toolUse": {"input": text}}
    return {"reasoningContent": {"text": text}} if kind == "thinking" else {"text": text}


def signature(text: str) -> JsonObject:
    """Return the `delta` with the signature of a thought."""
    return {"reasoningContent": {"signature": text}}


def in_pieces(block: JsonObject) -> tuple[JsonObject | None, JsonObject | None]:
    """Return `start` and `delta` of a whole block; None for what it has not.

    Neither for a block that no stream of this format can hold: sounds, videos, documents.
    """
    kind, value = next(iter(block.items()))
    members = cast("JsonObject", value) if isinstance(value, dict) else {}
    rest = dict(members)
    match kind:
        case "text":
            return None, {"text": value}
        case "reasoningContent":
            return None, {kind: value}
        case "toolUse":
            text = _ENCODER.encode(rest.pop("input", {})).decode()
            return {kind: rest}, {kind: {"input": text}}
        case "toolResult":
            content = cast("list[JsonObject]", rest.pop("content", []))
            return {kind: rest}, {kind: [each for each in content if each.keys() <= _RESULT_PIECES]}
        case "image":
            source = rest.pop("source", None)
            return {kind: rest}, {kind: {"source": source}}
        case _:
            return None, None
