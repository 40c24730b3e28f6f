"""Requests as they are written for Responses, parsed again."""

import json
from typing import Any, cast

from adapters.wire.codec import Encoded, WireTarget
from domain.inference.conversation import (
    Message,
    Part,
    Role,
    TextPart,
)
from domain.inference.dialect import Dialect, WireFormat
from domain.inference.request import (
    InferenceRequest,
)
from tests.unit.wire.openai_responses.reaches import WIRE

OWN = WireFormat.OPENAI_RESPONSES


ANTHROPIC = Dialect.ANTHROPIC_MESSAGES


def user(*parts: Part) -> Message:
    return Message(role=Role.USER, parts=parts or (TextPart(text="Hi"),))


def assistant(*parts: Part) -> Message:
    return Message(role=Role.ASSISTANT, parts=parts)


def encoded(
    *messages: Message, source: Dialect = ANTHROPIC, model: str = "gpt-5.1", **members: Any
) -> Encoded:
    request = InferenceRequest(
        source=source, model="public", messages=messages or (user(),), **members
    )
    return WIRE.encode_request(request, WireTarget(model=model))


def body(*messages: Message, **members: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", json.loads(encoded(*messages, **members).body))


def items(*messages: Message, **members: Any) -> list[dict[str, Any]]:
    return body(*messages, **members)["input"]
