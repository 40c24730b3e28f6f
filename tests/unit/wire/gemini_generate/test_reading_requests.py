import base64
import json
from typing import Any

import pytest
from google.genai import types

from adapters.wire.gemini_generate.dialect import GeminiCodec
from adapters.wire.gemini_generate.json_schema import to_json_schema
from application.ports.dialect import RequestTarget
from domain.errors import InvalidRequest, UnsupportedField
from domain.inference.conversation import (
    AudioPart,
    DocumentPart,
    ImagePart,
    Media,
    Message,
    OpaqueState,
    Part,
    Role,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
    VendorPart,
    VideoPart,
)
from domain.inference.dialect import Dialect, WireFormat
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

CODEC = GeminiCodec()
GEMINI = WireFormat.GEMINI_GENERATE
HELLO = [{"role": "user", "parts": [{"text": "Hi"}]}]


def read(**members: Any) -> InferenceRequest:
    body = json.dumps({"contents": HELLO} | members).encode()
    return CODEC.decode(body, RequestTarget(model="m", stream=True))


def parts(*given: Any, role: str = "user") -> tuple[Part, ...]:
    request = read(contents=[{"role": role, "parts": list(given)}])
    return request.messages[0].parts


def refusal(**members: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        read(**members)
    return caught.value


def signed(text: str) -> OpaqueState:
    return OpaqueState(origin=GEMINI, data=text)


def test_the_smallest_request() -> None:
    assert read() == InferenceRequest(
        source=Dialect.GEMINI_GENERATE,
        model="m",
        stream=True,
        messages=(Message(role=Role.USER, parts=(TextPart(text="Hi"),)),),
    )


@pytest.mark.parametrize("contents", [None, [], {}, [{}], "Hi", [["Hi"]]])
def test_a_conversation_without_content(contents: Any) -> None:
    if contents in ({}, [{}]):
        assert read(contents=contents).messages == ()
    else:
        assert (refusal(contents=contents).param or "").startswith("contents")


def test_the_names_of_members_may_be_in_snake_case_at_every_depth() -> None:
    snaky = read(
        system_instruction={"parts": {"text": "Be brief."}},
        tools={"function_declarations": {"name": "look", "parameters_json_schema": {"a_b": 1}}},
        tool_config={"function_calling_config": {"mode": "ANY", "allowed_function_names": ["a", "b"]}},
        generation_config={"top_k": "40", "thinking_config": {"include_thoughts": True}},
        safety_settings=[1],
    )  # fmt: skip
    camels = read(
        systemInstruction={"parts": [{"text": "Be brief."}]},
        tools=[{"functionDeclarations": [{"name": "look", "parametersJsonSchema": {"a_b": 1}}]}],
        toolConfig={"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["a", "b"]}},
        generationConfig={"topK": 40, "thinkingConfig": {"includeThoughts": True}},
        safetySettings=[1],
    )
    assert snaky == camels
    assert camels.sampling == Sampling(top_k=40)
    assert camels.reasoning == Reasoning(show=True)


TWICE: list[tuple[dict[str, Any], str]] = [
    ({"systemInstruction": {}, "system_instruction": {}}, "systemInstruction"),
    ({"generationConfig": {"topK": 1, "top_k": 1}}, "generationConfig.topK"),
    (
        {"contents": [{"parts": [{"functionCall": {}, "function_call": {}}]}]},
        "contents[0].parts[0].functionCall",
    ),
]


@pytest.mark.parametrize(("members", "param"), TWICE)
def test_a_member_under_both_of_its_names_is_refused(members: Any, param: str) -> None:
    assert refusal(**members).param == param


def test_names_that_are_the_clients_own_stay_as_they_are() -> None:
    call = {"functionCall": {"name": "look", "args": {"snake_case": {"in_ner": 1}}}}
    (part,) = parts(call, role="model")
    assert isinstance(part, ToolCallPart)
    assert json.loads(part.arguments) == {"snake_case": {"in_ner": 1}}
    assert read(labels={"cost_center": "x"}).metadata == {"cost_center": "x"}


@pytest.mark.parametrize("role", ["user", "function", "", None])
def test_who_is_not_the_model_is_the_user(role: str | None) -> None:
    request = read(contents=[{"role": role, "parts": [{"text": "a"}]}])
    assert request.messages[0].role is Role.USER


def test_an_unknown_role_is_refused_by_name() -> None:
    assert refusal(contents=[{"role": "system", "parts": []}]).param == "contents[0].role"


PNG = {"mimeType": "image/png", "data": "AA+/"}


@pytest.mark.parametrize(
    ("part", "read_as"),
    [
        ({"inlineData": PNG}, ImagePart(source=Media(media_type="image/png", data="AA+/"))),
        (
            {"inlineData": {"mimeType": "image/png", "data": "AA-_AA"}},
            ImagePart(source=Media(media_type="image/png", data="AA+/AA==")),
        ),
        (
            {"inlineData": {"mimeType": "audio/wav", "data": "AAAA"}},
            AudioPart(source=Media(media_type="audio/wav", data="AAAA")),
        ),
        (
            {"inlineData": {"mimeType": "application/pdf", "data": "AAAA", "displayName": "a"}},
            DocumentPart(source=Media(media_type="application/pdf", data="AAAA"), name="a"),
        ),
        (
            {"fileData": {"fileUri": "gs://bucket/a.mp4"}},
            VideoPart(source=Media(url="gs://bucket/a.mp4")),
        ),
        (
            {"fileData": {"fileUri": "https://www.youtube.com/watch?v=1"}},
            VideoPart(source=Media(url="https://www.youtube.com/watch?v=1")),
        ),
        (
            {"fileData": {"fileUri": "https://a.example/b", "mimeType": "image/webp"}},
            ImagePart(source=Media(media_type="image/webp", url="https://a.example/b")),
        ),
        (
            {
                "fileData": {
                    "fileUri": "https://generativelanguage.googleapis.com/v1beta/files/abc-1",
                    "mimeType": "application/pdf",
                }
            },
            DocumentPart(
                source=Media(
                    media_type="application/pdf",
                    file_id="https://generativelanguage.googleapis.com/v1beta/files/abc-1",
                )
            ),
        ),
    ],
)
def test_media_are_read_by_their_type(part: Any, read_as: Part) -> None:
    assert parts(part) == (read_as,)


def test_what_describes_media_is_named_in_the_warnings() -> None:
    video = {
        "fileData": {"fileUri": "gs://a/b.mp4"},
        "videoMetadata": {"fps": 1},
        "part_metadata": {},
    }
    image = {"inlineData": {**PNG, "displayName": "x"}, "thoughtSignature": "c2ln"}
    request = read(contents=[{"parts": [video, image]}])
    assert request.unmapped == (
        "contents[0].parts[0].videoMetadata",
        "contents[0].parts[0].part_metadata",
        "contents[0].parts[1].inlineData.displayName",
        "contents[0].parts[1].thoughtSignature",
    )


def test_thoughts_and_signatures_stay_with_their_parts() -> None:
    assert parts(
        {"text": "Hm.", "thought": True},
        {"text": "So", "thoughtSignature": "c2ln+/"},
        {"text": "", "thoughtSignature": "c2ln-_"},
        {"text": ""},
        {"functionCall": {"name": "look"}, "thoughtSignature": "AAAA"},
        role="model",
    ) == (
        ThinkingPart(text="Hm."),
        TextPart(text="So", state=signed("c2ln+/")),
        TextPart(text="", state=signed("c2ln-_")),
        ToolCallPart(id="gmn_0_look", name="look", arguments="{}", state=signed("AAAA")),
    )


def test_a_picture_that_is_a_thought_is_no_answer() -> None:
    assert parts({"inlineData": PNG, "thought": True}, {"text": "a"}, role="model") == (
        TextPart(text="a"),
    )


@pytest.mark.parametrize(
    "kind", ["executableCode", "codeExecutionResult", "toolCall", "toolResponse"]
)
def test_what_google_runs_is_kept_whole(kind: str) -> None:
    part: dict[str, object] = {kind: {"id": "1"}, "thoughtSignature": "c2ln"}
    assert parts(part, role="model") == (VendorPart(origin=GEMINI, kind=kind, raw=part),)


def called(name: str, **more: Any) -> dict[str, Any]:
    return {"functionCall": {"name": name, "args": {}, **more}}


def answered(name: str, **more: Any) -> dict[str, Any]:
    return {"functionResponse": {"name": name, "response": {"output": "x"}, **more}}


def pairs(request: InferenceRequest) -> tuple[list[str], list[str]]:
    every = [part for message in request.messages for part in message.parts]
    return (
        [part.id for part in every if isinstance(part, ToolCallPart)],
        [part.call_id for part in every if isinstance(part, ToolResultPart)],
    )


def test_results_without_ids_are_paired_by_name_and_order() -> None:
    calls, results = pairs(
        read(
            contents=[
                {"role": "model", "parts": [called("a"), called("b"), called("a")]},
                {"role": "user", "parts": [answered("b"), answered("a"), answered("a")]},
                {"role": "model", "parts": [called("a"), called("d.e", id="own")]},
                {"role": "user", "parts": [answered("d.e", id="own"), answered("a")]},
            ]
        )
    )
    assert calls == ["gmn_0_a", "gmn_1_b", "gmn_2_a", "gmn_3_a", "own"]
    assert results == ["gmn_1_b", "gmn_0_a", "gmn_2_a", "own", "gmn_3_a"]


def test_ids_stay_the_same_while_the_conversation_grows() -> None:
    turns = [
        {"role": "model", "parts": [called("a" * 99 + "é")]},
        {"role": "user", "parts": [answered("a" * 99 + "é")]},
        {"role": "model", "parts": [called("b")]},
    ]
    shorter, _ = pairs(read(contents=turns[:2]))
    longer, _ = pairs(read(contents=turns))
    assert longer[:1] == shorter
    assert all(len(call_id) <= 64 and call_id.isascii() for call_id in longer)


def test_a_result_of_no_call_has_an_id_all_the_same() -> None:
    _, results = pairs(read(contents=[{"parts": [answered("a"), answered("a")]}]))
    assert len(set(results)) == 2


def result(**members: Any) -> ToolResultPart:
    (part,) = parts({"functionResponse": {"name": "look", "id": "1", **members}})
    assert isinstance(part, ToolResultPart)
    return part


@pytest.mark.parametrize(
    ("response", "texts", "structured", "is_error"),
    [
        ({"output": "fine"}, ["fine"], False, False),
        ({"output": ""}, [""], False, False),
        ({"output": ["a", "b"]}, ["a", "b"], False, False),
        ({"error": "broken"}, ["broken"], False, True),
        ({"error": ""}, [], False, True),
        ({}, [], False, False),
        (None, [], False, False),
        ({"output": 5}, ['{"output":5}'], True, False),
        ({"output": ["a"]}, ['{"output":["a"]}'], True, False),
        ({"output": ["a", 1]}, ['{"output":["a",1]}'], True, False),
        ({"result": "fine"}, ['{"result":"fine"}'], True, False),
        ({"output": "a", "b": 1}, ['{"output":"a","b":1}'], True, False),
        ({"error": {"code": 1}}, ['{"error":{"code":1}}'], True, True),
    ],
)
def test_results_are_text_or_objects(
    response: Any, texts: list[str], structured: bool, is_error: bool
) -> None:
    part = result(response=response)
    assert [inner.text for inner in part.content if isinstance(inner, TextPart)] == texts
    assert (part.structured, part.is_error) == (structured, is_error)


def test_a_result_with_an_image_keeps_its_bytes() -> None:
    part = result(response={"output": "see"}, parts=[{"inlineData": PNG}])
    image = ImagePart(source=Media(media_type="image/png", data="AA+/"))
    assert part.content == (TextPart(text="see"), image)


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
