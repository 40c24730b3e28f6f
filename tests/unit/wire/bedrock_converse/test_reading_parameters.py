"""Parameters of requests as boto3 writes them, read into the canonical model."""

import json
from typing import Any

import pytest

from adapters.wire.bedrock_converse.dialect import BedrockConverseCodec
from application.ports.dialect import RequestTarget
from domain.inference.conversation import (
    Part,
)
from domain.inference.dialect import WireFormat
from domain.inference.fields import Fate, losses
from domain.inference.request import (
    Effort,
    FunctionTool,
    InferenceRequest,
    Reasoning,
    ResponseFormat,
    Sampling,
    ToolChoice,
    VendorTool,
)
from tests.unit.wire.bedrock_converse import sdk

CODEC = BedrockConverseCodec()
OWN = WireFormat.BEDROCK_CONVERSE
TARGET = RequestTarget(model="claude-public", stream=True)
PNG = b"\x89PNG"


def decode(**request: Any) -> InferenceRequest:
    """Return what is read of a request that boto3 has checked and written."""
    return CODEC.decode(sdk.written(**request), TARGET)


def raw(**members: Any) -> InferenceRequest:
    return CODEC.decode(json.dumps(sdk.QUESTION | members).encode(), TARGET)


def user(*content: dict[str, Any], role: str = "user") -> list[dict[str, Any]]:
    return [{"role": role, "content": list(content)}]


def parts(*content: dict[str, Any], role: str = "user") -> tuple[Part, ...]:
    return decode(messages=user(*content, role=role)).messages[0].parts


def test_parameters_are_read() -> None:
    request = decode(
        inferenceConfig={
            "maxTokens": 100,
            "temperature": 0.5,
            "topP": 0.25,
            "stopSequences": ["END"],
        },
        requestMetadata={"team": "a"},
        serviceTier={"type": "flex"},
        performanceConfig={"latency": "optimized"},
        promptVariables={"x": {"text": "y"}},
        additionalModelResponseFieldPaths=["/stop_sequence"],
        outputConfig={
            "textFormat": {
                "type": "json_schema",
                "structure": {
                    "jsonSchema": {"schema": '{"type":"object"}', "name": "n", "description": "d"}
                },
            },
            "effort": "high",
        },
    )
    assert request.max_output_tokens == 100
    assert request.sampling == Sampling(temperature=0.5, top_p=0.25)
    assert request.stop == ("END",)
    assert request.metadata == {"team": "a"}
    assert request.service_tier == "flex"
    assert request.response_format == ResponseFormat(
        kind="json_schema", schema={"type": "object"}, name="n", description="d"
    )
    assert request.reasoning == Reasoning(effort=Effort.HIGH)
    assert set(request.extensions) == {
        "performanceConfig",
        "promptVariables",
        "additionalModelResponseFieldPaths",
    }


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"auto": {}}, ToolChoice(mode="auto")),
        ({"any": {}}, ToolChoice(mode="required")),
        ({"tool": {"name": "f"}}, ToolChoice(mode="named", name="f")),
        (None, None),
    ],
)
def test_tools_and_the_choice_among_them_are_read(
    choice: dict[str, Any] | None, expected: ToolChoice | None
) -> None:
    spec = {
        "name": "f",
        "description": "Looks.",
        "inputSchema": {"json": {"type": "object"}},
        "strict": True,
    }
    config: dict[str, Any] = {"tools": [{"toolSpec": spec}, {"systemTool": {"name": "g"}}]}
    request = decode(toolConfig=config | ({"toolChoice": choice} if choice else {}))
    assert request.tool_choice == expected
    assert request.tools == (
        FunctionTool(name="f", description="Looks.", parameters={"type": "object"}, strict=True),
        VendorTool(origin=OWN, kind="systemTool", raw={"systemTool": {"name": "g"}}),
    )


@pytest.mark.parametrize(
    ("fields", "reasoning"),
    [
        (
            {"thinking": {"type": "enabled", "budget_tokens": 2048}},
            Reasoning(enabled=True, budget_tokens=2048),
        ),
        (
            {"thinking": {"type": "adaptive", "display": "summarized"}},
            Reasoning(enabled=True, adaptive=True, show=True),
        ),
        ({"thinking": {"type": "disabled"}}, Reasoning(enabled=False)),
        ({"output_config": {"effort": "low"}}, Reasoning(effort=Effort.LOW)),
        ({"reasoning_effort": "medium"}, Reasoning(effort=Effort.MEDIUM)),
        (
            {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}},
            Reasoning(enabled=True, effort=Effort.LOW),
        ),
        ({"reasoningConfig": {"type": "disabled"}}, Reasoning(enabled=False)),
    ],
)
def test_thinking_of_each_family_of_models_is_read(
    fields: dict[str, Any], reasoning: Reasoning
) -> None:
    request = decode(additionalModelRequestFields=fields)
    assert request.reasoning == reasoning
    assert request.extensions == {}


def test_other_wishes_of_families_are_read() -> None:
    assert decode(additionalModelRequestFields={"top_k": 5}).sampling.top_k == 5
    nova = decode(additionalModelRequestFields={"inferenceConfig": {"topK": 6}})
    assert (nova.sampling.top_k, nova.extensions) == (6, {})
    serial = {"type": "auto", "disable_parallel_tool_use": True}
    claude = decode(additionalModelRequestFields={"tool_choice": serial})
    assert claude.parallel_tool_calls is False
    none = decode(additionalModelRequestFields={"tool_choice": {"type": "none"}})
    assert none.tool_choice == ToolChoice(mode="none")


@pytest.mark.parametrize(
    "fields",
    [
        {"anthropic_beta": ["x"]},
        {"thinking": {"type": "of_the_future"}},
        {"thinking": {"type": "enabled", "budget_tokens": 1024, "more": 1}},
        {"output_config": {"effort": "gigantic", "x": 1}},
        {"reasoning_effort": "gigantic"},
        {"reasoningConfig": {"type": "enabled"}},
        {"inferenceConfig": {"x": 1}},
        {"tool_choice": {"type": "any"}},
    ],
)
def test_wishes_nobody_else_knows_are_kept_for_bedrock(fields: dict[str, Any]) -> None:
    request = decode(additionalModelRequestFields=fields)
    assert request.extensions == {"additionalModelRequestFields": fields}
    assert request.reasoning is None


def test_a_conversation_with_a_guardrail_is_refused_by_every_other_vendor() -> None:
    guardrail = {"guardrailIdentifier": "g", "guardrailVersion": "1"}
    request = decode(guardrailConfig=guardrail)
    everything = dict.fromkeys(["text"], Fate.MAPPED)
    lost = losses(request, WireFormat.OPENAI_CHAT, everything)
    assert [CODEC.field_name(name) for name in lost.refused] == ["guardrailConfig"]
    assert losses(request, OWN, everything).refused == ()
