"""Requests as they are written for Gemini, parsed again."""

import json
from typing import Any

from adapters.wire.codec import Encoded, WireTarget
from adapters.wire.gemini_generate.dialect import GeminiCodec
from adapters.wire.gemini_generate.wire import GeminiWire
from domain.inference.conversation import (
    ImagePart,
    Media,
    Message,
    OpaqueState,
    Part,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from domain.inference.dialect import Dialect, WireFormat
from domain.inference.request import (
    InferenceRequest,
)

WIRE = GeminiWire()


CODEC = GeminiCodec()


GEMINI = WireFormat.GEMINI_GENERATE


THREE = "gemini-3-pro-preview"


def encoded(
    *messages: Message, model: str = THREE, bound: int | None = None, **members: Any
) -> Encoded:
    asked = messages or (said(TextPart(text="Hi")),)
    source = members.pop("source", Dialect.OPENAI_CHAT)
    request = InferenceRequest(source=source, model="public", messages=asked, **members)
    return WIRE.encode_request(request, WireTarget(model=model, output_bound=bound))


def body(*messages: Message, **members: Any) -> dict[str, Any]:
    return json.loads(encoded(*messages, **members).body)


def said(*parts: Part, role: Role = Role.USER) -> Message:
    return Message(role=role, parts=parts)


def answered(*parts: Part) -> Message:
    return said(*parts, role=Role.ASSISTANT)


def state(origin: WireFormat = GEMINI, data: str = "c2ln") -> OpaqueState:
    return OpaqueState(origin=origin, data=data)


def call(call_id: str = "c1", name: str = "look", **more: Any) -> ToolCallPart:
    return ToolCallPart(id=call_id, name=name, arguments="{}", **more)


def result(call_id: str = "c1", *content: Any, **more: Any) -> ToolResultPart:
    return ToolResultPart(call_id=call_id, content=content or (TextPart(text="ok"),), **more)


IMAGE = ImagePart(source=Media(media_type="image/png", data="AAAA"))


SCHEMA: dict[str, object] = {"type": "object", "$defs": {}, "oneOf": [{}]}
