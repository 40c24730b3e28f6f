"""Tools and parameters on their way to Gemini."""

import json
from typing import Any

import pytest
from google.genai import types

from adapters.wire.codec import WireTarget
from application.ports.dialect import RequestTarget
from domain.errors import UnsupportedField
from domain.inference.conversation import (
    CacheMark,
    DocumentPart,
    Media,
    Role,
    TextPart,
    ThinkingPart,
)
from domain.inference.dialect import Dialect, WireFormat
from domain.inference.request import (
    CustomTool,
    Effort,
    FunctionTool,
    Reasoning,
    ResponseFormat,
    Tool,
    ToolChoice,
    VendorTool,
)
from tests.unit.wire.gemini_generate.writing import (
    CODEC,
    GEMINI,
    IMAGE,
    SCHEMA,
    THREE,
    WIRE,
    answered,
    body,
    call,
    encoded,
    result,
    said,
    state,
)


def test_tools_keep_their_schemas_as_they_are() -> None:
    tools: tuple[Tool, ...] = (
        VendorTool(origin=GEMINI, kind="googleSearch", raw={"googleSearch": {}}),
        FunctionTool(name="a", description="A.", parameters=SCHEMA, cache=CacheMark()),
        CustomTool(name="b"),
        FunctionTool(name="c"),
    )
    found = encoded(tools=tools)
    assert found.dropped == ("cache",)
    search, functions = json.loads(found.body)["tools"]
    assert search == {"googleSearch": {}}
    first, custom, bare = functions["functionDeclarations"]
    assert first == {"name": "a", "description": "A.", "parametersJsonSchema": SCHEMA}
    assert custom["parametersJsonSchema"]["required"] == ["input"]
    assert bare == {"name": "c"}


def test_hosted_tools_of_others_are_refused_where_they_have_to_be_called() -> None:
    tool = VendorTool(origin=WireFormat.ANTHROPIC_MESSAGES, kind="web_search_20250305", raw={})
    with pytest.raises(UnsupportedField) as caught:
        encoded(tools=(tool,), tool_choice=ToolChoice(mode="required"))
    assert caught.value.param == "vendor.anthropic_messages.web_search_20250305"


FUNCTION = FunctionTool(name="a")


STRICT = FunctionTool(name="a", strict=True)


@pytest.mark.parametrize(
    ("tool", "choice", "calling"),
    [
        (FUNCTION, None, None),
        (STRICT, None, {"mode": "VALIDATED"}),
        (FUNCTION, ToolChoice(mode="auto"), {"mode": "AUTO"}),
        (STRICT, ToolChoice(mode="auto"), {"mode": "VALIDATED"}),
        (STRICT, ToolChoice(mode="none"), {"mode": "NONE"}),
        (STRICT, ToolChoice(mode="required"), {"mode": "ANY"}),
        (FUNCTION, ToolChoice(mode="named", name="a"), {"mode": "ANY", "allowedFunctionNames": ["a"]}),
        (FUNCTION, ToolChoice(mode="auto", allowed=("a",)), {"mode": "VALIDATED", "allowedFunctionNames": ["a"]}),
        (FUNCTION, ToolChoice(mode="required", allowed=("a",)), {"mode": "ANY", "allowedFunctionNames": ["a"]}),
    ],
)  # fmt: skip
def test_choices_become_modes(tool: Tool, choice: ToolChoice | None, calling: Any) -> None:
    found = body(tools=(tool,), tool_choice=choice)
    assert found.get("toolConfig", {}).get("functionCallingConfig") == calling


def test_how_to_call_functions_is_not_said_where_there_are_none() -> None:
    assert "toolConfig" not in body(tool_choice=ToolChoice(mode="none"))


@pytest.mark.parametrize(
    ("model", "reasoning", "config"),
    [
        ("gemini-2.5-pro", Reasoning(effort=Effort.LOW), {"thinkingBudget": 2048}),
        ("gemini-2.5-pro", Reasoning(effort=Effort.MAX), {"thinkingBudget": 32768}),
        ("gemini-2.5-flash", Reasoning(effort=Effort.MAX), {"thinkingBudget": 24576}),
        ("gemini-2.5-flash", Reasoning(effort=Effort.NONE), {"thinkingBudget": 0}),
        ("gemini-2.5-pro", Reasoning(enabled=False), {"thinkingBudget": 128}),
        ("gemini-2.5-flash", Reasoning(enabled=True), {"thinkingBudget": -1}),
        ("gemini-2.5-flash", Reasoning(adaptive=True), {"thinkingBudget": -1}),
        ("gemini-2.5-flash", Reasoning(budget_tokens=99_999), {"thinkingBudget": 24576}),
        (THREE, Reasoning(effort=Effort.MINIMAL), {"thinkingLevel": "LOW"}),
        ("gemini-3-flash", Reasoning(effort=Effort.MINIMAL), {"thinkingLevel": "MINIMAL"}),
        (THREE, Reasoning(effort=Effort.MEDIUM), {"thinkingLevel": "MEDIUM"}),
        (THREE, Reasoning(effort=Effort.XHIGH), {"thinkingLevel": "HIGH"}),
        (THREE, Reasoning(effort=Effort.NONE), {"thinkingLevel": "LOW"}),
        ("gemini-3-flash", Reasoning(enabled=False), {"thinkingLevel": "MINIMAL"}),
        (THREE, Reasoning(budget_tokens=2048), {"thinkingBudget": 2048}),
        (THREE, Reasoning(adaptive=True, show=True), {"includeThoughts": True}),
        (THREE, Reasoning(show=False), {"includeThoughts": False}),
        (THREE, Reasoning(summary="auto"), {"includeThoughts": True}),
        (THREE, Reasoning(enabled=True), None),
    ],
)  # fmt: skip
def test_how_much_to_think_is_said_the_way_the_model_takes_it(
    model: str, reasoning: Reasoning, config: Any
) -> None:
    found = body(model=model, reasoning=reasoning)
    assert found.get("generationConfig", {}).get("thinkingConfig") == config


@pytest.mark.parametrize(
    ("reasoning", "shown"),
    [
        (Reasoning(enabled=True, budget_tokens=2048), True),
        (Reasoning(enabled=True, budget_tokens=2048, show=False), False),
        (Reasoning(enabled=True, adaptive=True), None),
        (Reasoning(effort=Effort.LOW), None),
    ],
)
@pytest.mark.parametrize("source", [Dialect.ANTHROPIC_MESSAGES, Dialect.BEDROCK_CONVERSE])
def test_thinking_with_a_budget_is_included_for_clients_to_whom_that_means_shown(
    source: Dialect, reasoning: Reasoning, shown: bool | None
) -> None:
    found = body(reasoning=reasoning, source=source).get("generationConfig", {})
    assert found.get("thinkingConfig", {}).get("includeThoughts") is shown


def test_of_effort_and_budget_the_model_gets_the_one_that_it_takes() -> None:
    both = Reasoning(effort=Effort.HIGH, budget_tokens=2048)
    assert encoded(reasoning=both).dropped == ("reasoning.budget_tokens",)
    assert encoded(reasoning=both, model="gemini-2.5-pro").dropped == ("reasoning.effort",)


def test_the_bound_of_the_gateway_goes_before_the_callers() -> None:
    assert body(max_output_tokens=9)["generationConfig"] == {"maxOutputTokens": 9}
    assert body(max_output_tokens=9, bound=5)["generationConfig"] == {"maxOutputTokens": 5}
    assert body(bound=5)["generationConfig"] == {"maxOutputTokens": 5}


def test_the_schema_of_the_answer_is_kept_as_it_is() -> None:
    shape = ResponseFormat(kind="json_schema", name="n", schema=SCHEMA, strict=True)
    assert body(response_format=shape)["generationConfig"] == {
        "responseMimeType": "application/json",
        "responseJsonSchema": SCHEMA,
    }


@pytest.mark.parametrize(
    ("tier", "sent", "dropped"),
    [
        ("auto", None, ()),
        ("standard_only", "standard", ()),
        ("flex", "flex", ()),
        ("scale", None, ("service_tier",)),
    ],
)
def test_tiers_of_service(tier: str, sent: str | None, dropped: tuple[str, ...]) -> None:
    found = encoded(service_tier=tier)
    assert json.loads(found.body).get("serviceTier") == sent
    assert found.dropped == dropped


def test_wishes_that_gemini_does_not_know_are_named() -> None:
    found = encoded(
        parallel_tool_calls=False,
        end_user="u",
        metadata={"a": "b"},
        cache_key="k",
        store=True,
        verbosity="low",
        extensions={"prediction": {}},
        unmapped=("messages[0].foo",),
    )
    assert set(found.dropped) == {
        "parallel_tool_calls",
        "end_user",
        "metadata",
        "cache_key",
        "store",
        "verbosity",
        "extensions.prediction",
        "messages[0].foo",
    }
    assert list(json.loads(found.body)) == ["contents"]


@pytest.mark.parametrize("field", ["previous_response_id", "audio"])
def test_what_changes_the_answer_is_refused(field: str) -> None:
    value: Any = {"voice": "alloy"} if field == "audio" else "resp_1"
    with pytest.raises(UnsupportedField) as caught:
        encoded(**{field: value})
    assert caught.value.param == field


def test_members_of_geminis_own_go_back_to_gemini() -> None:
    given = {
        "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
        "labels": {"a": "b"},
        "store": True,
        "serviceTier": "flex",
        "safetySettings": [{"category": "X"}],
        "generationConfig": {"speechConfig": {"x": 1}, "responseModalities": ["AUDIO"]},
    }
    request = CODEC.decode(json.dumps(given).encode(), RequestTarget(model="m"))
    found = WIRE.encode_request(request, WireTarget(model=THREE))
    assert json.loads(found.body) == given
    assert found.dropped == ()


def test_the_official_client_knows_every_member_that_is_written() -> None:
    found = body(
        said(TextPart(text="S"), role=Role.SYSTEM),
        said(TextPart(text="Hi"), IMAGE, DocumentPart(source=Media(url="gs://a/b.pdf"))),
        answered(ThinkingPart(text="own", state=state()), call("1", state=state())),
        said(result("1", TextPart(text="a"), IMAGE)),
        tools=(FunctionTool(name="look", parameters=SCHEMA),),
        tool_choice=ToolChoice(mode="named", name="look"),
        reasoning=Reasoning(effort=Effort.LOW, show=True),
        response_format=ResponseFormat(kind="json_schema", schema=SCHEMA),
        candidates=2,
        stop=("a",),
        modalities=("text",),
    )
    for content in [*found.pop("contents"), found.pop("systemInstruction")]:
        types.Content.model_validate(content)
    for tool in found.pop("tools"):
        types.Tool.model_validate(tool)
    types.ToolConfig.model_validate(found.pop("toolConfig"))
    types.GenerationConfig.model_validate(found.pop("generationConfig"))
    assert found == {}
