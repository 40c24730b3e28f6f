"""Tools, shapes of answers and sampling on their way to Anthropic."""

import json
from typing import Literal

import pytest

from domain.inference.conversation import (
    Role,
    ToolCallPart,
)
from domain.inference.request import (
    CustomTool,
    FunctionTool,
    ResponseFormat,
    Sampling,
    ToolChoice,
)
from tests.unit.wire.anthropic_messages.writing import (
    HI,
    MODEL,
    Json,
    encode,
    result,
    said,
    sent,
    turn,
)

TOOLS = (FunctionTool(name="look"), FunctionTool(name="now"))


def test_a_tool_without_parameters_has_an_empty_schema() -> None:
    assert sent(tools=(FunctionTool(name="now", description="d", strict=False),))["tools"] == [
        {"name": "now", "description": "d", "input_schema": {"type": "object"}}
    ]


def test_a_tool_of_free_text_is_one_with_a_text() -> None:
    call = ToolCallPart(id="c", name="patch", arguments="*** Begin", custom=True)
    body = sent(
        HI,
        turn(Role.ASSISTANT, call),
        turn(Role.USER, result("c", custom=True)),
        tools=(CustomTool(name="patch"),),
    )
    assert body["tools"][0]["input_schema"]["required"] == ["input"]
    assert body["messages"][1]["content"][0]["input"] == {"input": "*** Begin"}


STRICT: Json = {
    "type": "object",
    "properties": {"n": {"type": "integer", "minimum": 1}},
    "required": ["n"],
    "additionalProperties": False,
}


def test_a_strict_tool_is_strict_where_the_model_can_be() -> None:
    encoded = encode(tools=(FunctionTool(name="t", parameters=STRICT, strict=True),))
    (tool,) = json.loads(encoded.body)["tools"]
    assert tool["strict"] is True
    assert tool["input_schema"]["properties"] == {
        "n": {"type": "integer", "description": '{"minimum":1}'}
    }
    assert encoded.dropped == ("tools.strict",)


def test_a_strict_tool_is_a_loose_one_where_it_cannot() -> None:
    tools = (FunctionTool(name="t", parameters=STRICT, strict=True),)
    encoded = encode(tools=tools, model="claude-3-7-sonnet-20250219")
    assert json.loads(encoded.body)["tools"] == [{"name": "t", "input_schema": STRICT}]
    assert encoded.dropped == ("tools.strict",)


Mode = Literal["auto", "none", "required", "named"]


@pytest.mark.parametrize(
    ("choice", "parallel", "written"),
    [
        (ToolChoice(mode="auto"), None, {"type": "auto"}),
        (ToolChoice(mode="none"), False, {"type": "none"}),
        (ToolChoice(mode="required"), True, {"type": "any", "disable_parallel_tool_use": False}),
        (ToolChoice(mode="named", name="now"), None, {"type": "tool", "name": "now"}),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
    ],
)
def test_choices_of_tools_are_written(
    choice: ToolChoice | None, parallel: bool | None, written: Json
) -> None:
    body = sent(tools=TOOLS, tool_choice=choice, parallel_tool_calls=parallel)
    assert body["tool_choice"] == written


def test_a_choice_without_tools_is_none() -> None:
    assert "tool_choice" not in sent(tool_choice=ToolChoice(mode="auto"), parallel_tool_calls=False)


@pytest.mark.parametrize(
    ("mode", "allowed", "offered", "written"),
    [
        ("auto", ("now",), ["now"], {"type": "auto"}),
        ("required", ("now",), ["now"], {"type": "tool", "name": "now"}),
        ("required", ("now", "look"), ["look", "now"], {"type": "any"}),
    ],
)
def test_a_choice_among_some_tools_offers_only_those(
    mode: Mode, allowed: tuple[str, ...], offered: list[str], written: Json
) -> None:
    body = sent(tools=TOOLS, tool_choice=ToolChoice(mode=mode, allowed=allowed))
    assert [tool["name"] for tool in body["tools"]] == offered
    assert body["tool_choice"] == written


SHAPE = ResponseFormat(
    kind="json_schema", name="person", description="A person.", schema=STRICT, strict=True
)


def test_a_schema_for_the_answer_is_fitted() -> None:
    encoded = encode(response_format=SHAPE)
    assert encoded.dropped == ("response_format.json_schema",)
    assert json.loads(encoded.body)["output_config"]["format"] == {
        "type": "json_schema",
        "schema": {
            "description": "A person.",
            "type": "object",
            "properties": {"n": {"type": "integer", "description": '{"minimum":1}'}},
            "required": ["n"],
            "additionalProperties": False,
        },
    }


def test_a_schema_is_asked_for_in_words_where_the_model_cannot_be_held_to_it() -> None:
    encoded = encode(response_format=SHAPE, model="some-model")
    body = json.loads(encoded.body)
    assert "output_config" not in body
    assert '"required":["n"]' in body["system"][-1]["text"]
    assert encoded.dropped == ("response_format.json_schema",)


def test_json_of_any_shape_is_asked_for_in_words() -> None:
    encoded = encode(
        said(Role.SYSTEM, "Be kind."), HI, response_format=ResponseFormat(kind="json_object")
    )
    body = json.loads(encoded.body)
    assert "output_config" not in body
    assert [block["text"].split()[0] for block in body["system"]] == ["Be", "Answer"]
    assert encoded.dropped == ("response_format.json_object",)


@pytest.mark.parametrize(
    ("model", "sampling", "written", "lost"),
    [
        (MODEL, Sampling(temperature=1.5), {"temperature": 1.0}, ["temperature"]),
        (MODEL, Sampling(temperature=0, top_p=0.5), {"temperature": 0}, ["top_p"]),
        (MODEL, Sampling(temperature=0, top_p=1), {"temperature": 0}, []),
        (MODEL, Sampling(top_p=0.5, top_k=3), {"top_p": 0.5, "top_k": 3}, []),
        (
            "claude-3-5-sonnet-20241022",
            Sampling(temperature=0.5, top_p=0.5),
            {"temperature": 0.5, "top_p": 0.5},
            [],
        ),
        ("claude-opus-4-7", Sampling(temperature=0.5, top_k=3), {}, ["temperature", "top_k"]),
        ("claude-opus-5", Sampling(temperature=1, top_p=1), {}, []),
        ("claude-fable-5", Sampling(temperature=0), {}, ["temperature"]),
        ("glm-4.6", Sampling(temperature=0.5, top_p=0.5), {"temperature": 0.5, "top_p": 0.5}, []),
    ],
)
def test_sampling_is_what_the_model_takes(
    model: str, sampling: Sampling, written: Json, lost: list[str]
) -> None:
    encoded = encode(model=model, sampling=sampling)
    body = json.loads(encoded.body)
    found = {name: body[name] for name in ("temperature", "top_p", "top_k") if name in body}
    assert found == written
    assert encoded.dropped == tuple(f"sampling.{name}" for name in lost)
