import json
from typing import Any

import pytest

from domain.inference.conversation import (
    AudioPart,
    DocumentPart,
    ImagePart,
    Media,
    Message,
    Part,
    Role,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
    VendorPart,
    VideoPart,
)
from domain.inference.dialect import Dialect
from domain.inference.request import (
    InferenceRequest,
    Reasoning,
    Sampling,
)
from tests.unit.wire.gemini_generate.reading import GEMINI, read, refusal, signed


def parts(*given: Any, role: str = "user") -> tuple[Part, ...]:
    request = read(contents=[{"role": role, "parts": list(given)}])
    return request.messages[0].parts


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
