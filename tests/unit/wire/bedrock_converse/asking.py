"""Requests of other vendors' clients, and what is sent of them to a model."""

import json
from typing import Any

from adapters.wire.bedrock_converse.wire import BedrockConverseWire
from adapters.wire.codec import WireTarget
from domain.inference.conversation import (
    Message,
    Part,
    Role,
    TextPart,
)
from domain.inference.dialect import Dialect
from domain.inference.request import (
    FunctionTool,
    InferenceRequest,
)
from tests.unit.wire.bedrock_converse import sdk

WIRE = BedrockConverseWire()
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NEWER_CLAUDE = "anthropic.claude-opus-4-8"
OLD_CLAUDE = "anthropic.claude-3-5-sonnet-20240620-v1:0"
NOVA = "amazon.nova-pro-v1:0"
GPT = "openai.gpt-oss-120b-1:0"
LLAMA = "meta.llama3-3-70b-instruct-v1:0"
OPAQUE = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc123"
MODELS = [CLAUDE, NEWER_CLAUDE, OLD_CLAUDE, NOVA, GPT, LLAMA, OPAQUE]
HELLO = Message(role=Role.USER, parts=(TextPart(text="Hi"),))
SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
LOOK = FunctionTool(name="look", parameters=SCHEMA)
ASK = FunctionTool(name="ask", parameters=SCHEMA)


def asked(*parts: Part, **members: Any) -> InferenceRequest:
    messages = (Message(role=Role.USER, parts=parts),) if parts else (HELLO,)
    values: dict[str, Any] = {"source": Dialect.OPENAI_CHAT, "model": "m", "messages": messages}
    return InferenceRequest(**(values | members))


def sent(
    request: InferenceRequest, model: str = CLAUDE, bound: int | None = None
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the body, checked against the service model, and what was dropped."""
    encoded = WIRE.encode_request(request, WireTarget(model=model, output_bound=bound))
    sdk.refuse_unknown(encoded.body)
    return json.loads(encoded.body), encoded.dropped


def body(request: InferenceRequest, model: str = CLAUDE) -> dict[str, Any]:
    found, dropped = sent(request, model)
    assert dropped == ()
    return found


def content(*parts: Part, model: str = CLAUDE) -> list[dict[str, Any]]:
    return body(asked(*parts), model)["messages"][0]["content"]


def turn(role: Role, *parts: Part) -> Message:
    return Message(role=role, parts=parts)
