"""Tools and parameters of Gemini clients, and what is refused."""

import base64
import json
from typing import Any

import pytest
from google.genai import types

from adapters.wire.gemini_generate.json_schema import to_json_schema
from application.ports.dialect import RequestTarget
from domain.errors import InvalidRequest, UnsupportedField
from domain.inference.conversation import (
    ImagePart,
    Media,
    Message,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from domain.inference.dialect import Dialect
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
from tests.unit.wire.gemini_generate import sdk
from tests.unit.wire.gemini_generate.reading import CODEC, GEMINI, HELLO, read, refusal, signed


def test_schemas_become_json_schema() -> None:
    schema: dict[str, object] = {
        "type": "OBJECT",
        "property_ordering": ["b", "a"],
        "required": ["a"],
        "properties": {
            "a": {"type": "STRING", "nullable": True, "enum": ["x"], "example": "x"},
            "b": {
                "anyOf": [{"type": "INTEGER", "minimum": 1}, {"type": "NULL"}],
                "nullable": False,
            },
            "type": {"type": "ARRAY", "minItems": "2", "items": {"nullable": True}},
            "nullable": {"$ref": "#/$defs/t"},
        },
        "additionalProperties": False,
        "defs": {"t": {"type": "TYPE_UNSPECIFIED", "title": "T"}},
    }
    converted = to_json_schema(schema)
    assert converted == {
        "type": "object",
        "required": ["a"],
        "properties": {
            "b": {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]},
            "a": {"type": ["string", "null"], "enum": ["x", None], "examples": ["x"]},
            "type": {"type": "array", "minItems": 2, "items": {"anyOf": [{}, {"type": "null"}]}},
            "nullable": {"$ref": "#/$defs/t"},
        },
        "additionalProperties": False,
        "$defs": {"t": {"title": "T"}},
    }
    properties: Any = converted["properties"]
    assert list(properties) == ["b", "a", "type", "nullable"]
    assert to_json_schema(converted) == converted


def test_tools_are_functions_or_googles() -> None:
    schema: dict[str, object] = {"type": "object", "properties": {}}
    request = read(
        tools=[
            {
                "functionDeclarations": [
                    {"name": "a", "description": "A.", "parameters": {"type": "OBJECT"}},
                    {"name": "b", "parametersJsonSchema": schema, "behavior": "BLOCKING"},
                    {"name": "c"},
                ],
                "googleSearch": {},
            },
            {"code_execution": {}},
        ]
    )
    assert request.tools == (
        FunctionTool(name="a", description="A.", parameters={"type": "object"}),
        FunctionTool(name="b", parameters=schema),
        FunctionTool(name="c"),
        VendorTool(origin=GEMINI, kind="googleSearch", raw={"googleSearch": {}}),
        VendorTool(origin=GEMINI, kind="codeExecution", raw={"codeExecution": {}}),
    )
    assert request.unmapped == ("tools[0].functionDeclarations[1].behavior",)


def test_a_function_with_two_schemas_is_refused() -> None:
    declared: dict[str, Any] = {"name": "a", "parameters": {}, "parametersJsonSchema": {}}
    error = refusal(tools=[{"functionDeclarations": [declared]}])
    assert error.param == "tools[0].functionDeclarations[0].parameters"


@pytest.mark.parametrize(
    ("config", "choice", "unmapped"),
    [
        ({}, None, ()),
        ({"mode": "MODE_UNSPECIFIED"}, None, ()),
        ({"mode": "AUTO"}, ToolChoice(mode="auto"), ()),
        ({"mode": "NONE"}, ToolChoice(mode="none"), ()),
        ({"mode": "ANY"}, ToolChoice(mode="required"), ()),
        (
            {"mode": "ANY", "allowedFunctionNames": ["a"]},
            ToolChoice(mode="named", name="a"),
            (),
        ),
        (
            {"mode": "ANY", "allowedFunctionNames": ["a", "b"]},
            ToolChoice(mode="required", allowed=("a", "b")),
            (),
        ),
        (
            {"mode": "VALIDATED", "allowedFunctionNames": ["a"]},
            ToolChoice(mode="auto", allowed=("a",)),
            ("toolConfig.functionCallingConfig.mode=VALIDATED",),
        ),
    ],
)
def test_modes_of_calling(config: Any, choice: ToolChoice | None, unmapped: Any) -> None:
    request = read(toolConfig={"functionCallingConfig": config})
    assert (request.tool_choice, request.unmapped) == (choice, unmapped)


def test_an_unknown_mode_is_refused() -> None:
    error = refusal(toolConfig={"functionCallingConfig": {"mode": "SOMETIMES"}})
    assert error.param == "toolConfig.functionCallingConfig.mode"


@pytest.mark.parametrize(
    ("config", "reasoning"),
    [
        ({"thinkingBudget": 0}, Reasoning(enabled=False)),
        ({"thinkingBudget": -1}, Reasoning(adaptive=True)),
        ({"thinkingBudget": 512, "includeThoughts": False}, Reasoning(budget_tokens=512, show=False)),
        ({"thinkingLevel": "HIGH"}, Reasoning(effort=Effort.HIGH)),
        ({"thinkingLevel": "minimal"}, Reasoning(effort=Effort.MINIMAL)),
        ({"thinkingLevel": "THINKING_LEVEL_UNSPECIFIED"}, Reasoning()),
    ],
)  # fmt: skip
def test_thinking(config: Any, reasoning: Reasoning) -> None:
    assert read(generationConfig={"thinkingConfig": config}).reasoning == reasoning


SCHEMA: dict[str, object] = {"type": "object"}


@pytest.mark.parametrize(
    ("config", "shape"),
    [
        ({"responseMimeType": "application/json"}, ResponseFormat(kind="json_object")),
        ({"responseMimeType": "text/plain"}, ResponseFormat(kind="text")),
        ({"responseSchema": {"type": "OBJECT"}}, ResponseFormat(kind="json_schema", schema=SCHEMA)),
        ({"responseJsonSchema": SCHEMA}, ResponseFormat(kind="json_schema", schema=SCHEMA)),
        ({"_responseJsonSchema": SCHEMA}, ResponseFormat(kind="json_schema", schema=SCHEMA)),
        (
            {"responseFormat": {"text": {"mimeType": "application/json", "schema": SCHEMA}}},
            ResponseFormat(kind="json_schema", schema=SCHEMA),
        ),
        ({"responseFormat": [{"text": {"mimeType": "application/json"}}]}, ResponseFormat(kind="json_object")),
    ],
)  # fmt: skip
def test_shapes_of_answers(config: Any, shape: ResponseFormat) -> None:
    request = read(generationConfig=config)
    assert (request.response_format, request.unmapped) == (shape, ())


def test_a_shape_given_twice_is_refused() -> None:
    both = {"responseSchema": SCHEMA, "responseJsonSchema": SCHEMA}
    assert refusal(generationConfig=both).param == "generationConfig.responseJsonSchema"


def test_a_kind_of_answer_that_nobody_else_has_is_named_in_the_warnings() -> None:
    request = read(generationConfig={"responseMimeType": "text/x.enum", "responseSchema": {}})
    assert request.unmapped == ("generationConfig.responseMimeType=text/x.enum",)


def test_parameters() -> None:
    request = read(
        generationConfig={
            "stopSequences": ["a"],
            "candidateCount": 2,
            "maxOutputTokens": "9",
            "temperature": 0.5,
            "topP": "0.25",
            "seed": 1,
            "presencePenalty": 0.5,
            "frequencyPenalty": 1,
            "responseLogprobs": True,
            "logprobs": 3,
            "responseModalities": ["TEXT", "IMAGE"],
        },
        serviceTier="STANDARD",
        store=False,
    )
    assert (request.stop, request.candidates, request.max_output_tokens) == (("a",), 2, 9)
    assert request.sampling == Sampling(
        temperature=0.5,
        top_p=0.25,
        seed=1,
        presence_penalty=0.5,
        frequency_penalty=1,
        logprobs=True,
        top_logprobs=3,
    )
    assert request.modalities == ("text", "image")
    assert (request.service_tier, request.store) == ("default", False)


def test_what_is_gemini_s_own_is_kept_for_gemini() -> None:
    request = read(
        safetySettings=[{"category": "X"}],
        brandNew=1,
        generation_config={"speechConfig": {"a_b": 1}, "imageConfig": None},
    )
    assert request.extensions == {
        "safetySettings": [{"category": "X"}],
        "brandNew": 1,
        "generation_config.speechConfig": {"a_b": 1},
    }


def test_a_cached_part_of_the_conversation_cannot_be_translated() -> None:
    with pytest.raises(UnsupportedField) as caught:
        read(cachedContent="cachedContents/1")
    assert caught.value.param == "cachedContent"


def test_of_a_count_of_tokens_the_request_inside_is_read() -> None:
    inner = {
        "model": "models/m",
        "contents": HELLO,
        "systemInstruction": {"parts": [{"text": "S"}]},
    }
    body = json.dumps({"generateContentRequest": inner}).encode()
    request = CODEC.decode(body, RequestTarget(model="m"))
    assert [message.role for message in request.messages] == [Role.SYSTEM, Role.USER]
    assert request.extensions == {}


FAULTY: list[tuple[dict[str, Any], str]] = [
        ({"contents": [{"parts": [{"text": 7}]}]}, "contents[0].parts[0].text"),
        ({"contents": [{"parts": ["Hi"]}]}, "contents[0].parts[0]"),
        ({"contents": [{"parts": [{"inlineData": {"data": "AA"}}]}]}, "contents[0].parts[0].inlineData.mimeType"),
        ({"contents": [{"parts": [{"fileData": {}}]}]}, "contents[0].parts[0].fileData.fileUri"),
        ({"contents": [{"parts": [{"functionCall": {}}]}]}, "contents[0].parts[0].functionCall.name"),
        ({"contents": [{"parts": [{"functionCall": {"name": "a", "args": []}}]}]}, "contents[0].parts[0].functionCall.args"),
        ({"tools": [{"functionDeclarations": [{}]}]}, "tools[0].functionDeclarations[0].name"),
        ({"generationConfig": {"topP": "high"}}, "generationConfig.topP"),
        ({"generationConfig": {"thinkingConfig": {"thinkingLevel": "EXTREME"}}}, "generationConfig.thinkingConfig.thinkingLevel"),
        ({"labels": {"a": 1}}, "labels.a"),
    ]  # fmt: skip


@pytest.mark.parametrize(("members", "param"), FAULTY)
def test_members_of_the_wrong_type_are_refused_by_name(members: Any, param: str) -> None:
    assert refusal(**members).param == param


def test_a_number_that_cannot_be_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        CODEC.decode(b'{"contents":[],"x":1e999}', RequestTarget(model="m"))


def test_the_official_clients_request_is_understood_whole() -> None:
    contents = [
        types.Content(
            role="user",
            parts=[
                types.Part(text="Hi"),
                types.Part.from_bytes(data=b"\xfb\xff\xfe", mime_type="image/png"),
            ],
        ),
        types.Content(
            role="model",
            parts=[
                types.Part(
                    function_call=types.FunctionCall(id="c1", name="look", args={"a": 1}),
                    thought_signature=b"\xfb\xff",
                )
            ],
        ),
        types.Content(
            role="user",
            parts=[types.Part.from_function_response(name="look", response={"result": "x"})],
        ),
    ]
    declared = types.FunctionDeclaration(
        name="look",
        parameters=types.Schema(
            type=types.Type.OBJECT,
            properties={"a": types.Schema(type=types.Type.INTEGER, nullable=True)},
        ),
    )
    config = types.GenerateContentConfig(
        system_instruction="Be brief.",
        tools=[types.Tool(function_declarations=[declared])],
        thinking_config=types.ThinkingConfig(include_thoughts=True, thinking_budget=512),
        max_output_tokens=99,
        top_k=40,
        response_schema=types.Schema(type=types.Type.STRING),
        response_mime_type="application/json",
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )
    body = json.dumps(sdk.sent(contents, config)).encode()
    assert CODEC.peek(body, 64, RequestTarget(model="m")).max_output_tokens == 99
    request = CODEC.decode(body, RequestTarget(model="m"))
    image = ImagePart(
        source=Media(media_type="image/png", data=base64.b64encode(b"\xfb\xff\xfe").decode())
    )
    call = ToolCallPart(id="c1", name="look", arguments='{"a":1}', state=signed("-_8="))
    answer = ToolResultPart(
        call_id="c1",
        name="look",
        content=(TextPart(text='{"result":"x"}'),),
        structured=True,
    )
    assert request == InferenceRequest(
        source=Dialect.GEMINI_GENERATE,
        model="m",
        messages=(
            Message(role=Role.SYSTEM, parts=(TextPart(text="Be brief."),)),
            Message(role=Role.USER, parts=(TextPart(text="Hi"), image)),
            Message(role=Role.ASSISTANT, parts=(call,)),
            Message(role=Role.USER, parts=(answer,)),
        ),
        tools=(
            FunctionTool(
                name="look",
                parameters={"type": "object", "properties": {"a": {"type": ["integer", "null"]}}},
            ),
        ),
        reasoning=Reasoning(budget_tokens=512, show=True),
        max_output_tokens=99,
        sampling=Sampling(top_k=40),
        response_format=ResponseFormat(kind="json_schema", schema={"type": "string"}),
    )


def test_a_count_that_no_number_can_hold_stays_a_text() -> None:
    schema: dict[str, object] = {"type": "ARRAY", "maxItems": "9" * 5000, "minItems": "2"}
    converted = to_json_schema(schema)
    assert converted == {"type": "array", "maxItems": "9" * 5000, "minItems": 2}
