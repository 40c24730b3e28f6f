"""Requests as they are written for Anthropic, parsed again."""

import json
from typing import Any

from adapters.wire.anthropic_messages.wire import AnthropicMessagesWire
from adapters.wire.codec import Encoded, WireTarget
from domain.inference.conversation import (
    Message,
    Part,
    Role,
    TextPart,
    ToolResultPart,
)
from domain.inference.dialect import Dialect
from domain.inference.request import (
    InferenceRequest,
)

WIRE = AnthropicMessagesWire()


MODEL = "claude-sonnet-4-6"


HI = Message(role=Role.USER, parts=(TextPart(text="Hi"),))


Json = dict[str, Any]


def encode(
    *messages: Message, model: str = MODEL, bound: int | None = None, **members: Any
) -> Encoded:
    given: Json = {"source": Dialect.OPENAI_CHAT, "model": "m", "messages": messages or (HI,)}
    request = InferenceRequest(**given | members)
    return WIRE.encode_request(request, WireTarget(model=model, output_bound=bound))


def sent(*messages: Message, **members: Any) -> Json:
    """Return the body; nothing may be missing in it."""
    encoded = encode(*messages, **members)
    assert encoded.dropped == ()
    return json.loads(encoded.body)


def said(role: Role, *texts: str) -> Message:
    return Message(role=role, parts=tuple(TextPart(text=text) for text in texts))


def turn(role: Role, *parts: Part) -> Message:
    return Message(role=role, parts=parts)


def text(value: str) -> Json:
    return {"type": "text", "text": value}


def result(call_id: str, *content: Any, **members: Any) -> ToolResultPart:
    return ToolResultPart(call_id=call_id, content=content or (TextPart(text="ok"),), **members)
