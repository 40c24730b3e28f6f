"""Tools and parameters of Responses clients, and what is refused."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from application.ports.dialect import NOT_IN_URL
from domain.errors import InvalidRequest, UnsupportedField
from domain.inference.request import (
    CustomTool,
    ResponseFormat,
    Sampling,
    ToolChoice,
    VendorTool,
)
from tests.unit.wire.openai_responses.reaches import CODEC
from tests.unit.wire.openai_responses.reading import CODEX, OWN, read, user


def test_tools_given_in_the_middle_are_tools() -> None:
    more = {
        "type": "additional_tools",
        "role": "developer",
        "tools": [{"type": "custom", "name": "b"}],
    }
    request = read(
        input=[{"role": "user", "content": "Hi"}, more], tools=[{"type": "custom", "name": "a"}]
    )
    assert request.tools == (CustomTool(name="a"), CustomTool(name="b"))
    assert request.messages == (user("Hi"),)


def test_hosted_tools_are_kept_whole() -> None:
    raw: dict[str, object] = {
        "type": "web_search",
        "filters": {"allowed_domains": ["media.example"]},
    }
    assert read(tools=[raw]).tools == (VendorTool(origin=OWN, kind="web_search", raw=raw),)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", ToolChoice(mode="auto")),
        ("none", ToolChoice(mode="none")),
        ("required", ToolChoice(mode="required")),
        ({"type": "function", "name": "f"}, ToolChoice(mode="named", name="f")),
        ({"type": "custom", "name": "f"}, ToolChoice(mode="named", name="f")),
        (
            {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "function", "name": "f"}, {"type": "custom", "name": "g"}],
            },
            ToolChoice(mode="required", allowed=("f", "g")),
        ),
    ],
)
def test_every_choice_among_functions_is_understood(choice: object, expected: ToolChoice) -> None:
    request = read(tool_choice=choice)
    assert request.tool_choice == expected
    assert request.extensions == {}


@pytest.mark.parametrize(
    "choice",
    [
        {"type": "web_search_preview"},
        {"type": "mcp", "server_label": "mail"},
        {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "image_generation"}]},
    ],
)
def test_a_choice_of_hosted_tools_is_kept_for_the_vendor(choice: dict[str, Any]) -> None:
    request = read(tool_choice=choice)
    assert request.tool_choice is None
    assert request.extensions == {"tool_choice": choice}


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({"type": "text"}, ResponseFormat(kind="text")),
        ({"type": "json_object"}, ResponseFormat(kind="json_object")),
        (
            {
                "type": "json_schema",
                "name": "shape",
                "description": "It.",
                "schema": {"type": "object"},
                "strict": True,
            },
            ResponseFormat(
                kind="json_schema",
                name="shape",
                description="It.",
                schema={"type": "object"},
                strict=True,
            ),
        ),
    ],
)
def test_every_shape_of_answers_is_understood(
    form: dict[str, Any], expected: ResponseFormat
) -> None:
    assert read(text={"format": form}).response_format == expected


def test_what_to_include_is_log_probabilities_or_for_the_vendor() -> None:
    request = read(
        include=[
            "message.output_text.logprobs",
            "reasoning.encrypted_content",
            "file_search_call.results",
        ],
        top_logprobs=3,
    )
    assert request.sampling == Sampling(logprobs=True, top_logprobs=3)
    assert request.extensions == {"include": ["file_search_call.results"]}


def test_the_newer_name_of_the_end_user_counts() -> None:
    assert read(user="a").end_user == "a"
    request = read(user="a", safety_identifier="b")
    assert request.end_user == "b"
    assert request.extensions == {"user": "a"}


def test_members_without_a_place_are_kept_and_deeper_ones_named() -> None:
    request = read(
        input=[
            {"role": "assistant", "content": "a", "phase": "commentary"},
            {
                "role": "user",
                "content": [{"type": "input_file", "file_id": "f", "detail": "high"}],
            },
            {
                "type": "function_call",
                "call_id": "c",
                "name": "f",
                "arguments": "{}",
                "async": True,
            },
        ],
        truncation="auto",
        max_tool_calls=3,
        reasoning={"context": "all_turns"},
    )
    assert request.extensions == {"truncation": "auto", "max_tool_calls": 3}
    assert request.reasoning is None
    assert request.unmapped == (
        "input[0].phase",
        "input[1].content[0].detail",
        "input[2].async",
        "reasoning.context",
    )


def test_what_goes_without_saying_is_not_named() -> None:
    request = read(
        truncation="disabled",
        background=False,
        conversation=None,
        input=[
            {
                "type": "function_call",
                "id": "fc_1",
                "status": "completed",
                "caller": {"type": "direct"},
                "call_id": "c",
                "name": "f",
                "arguments": "{}",
            }
        ],
    )
    assert request.extensions == {}
    assert request.unmapped == ()


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"background": True}, "background"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
    ],
)
def test_what_only_the_vendor_can_do_is_refused(members: dict[str, Any], param: str) -> None:
    with pytest.raises(UnsupportedField) as raised:
        read(**members)
    assert raised.value.param == param


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"input": 5}, "input"),
        ({"input": ["Hi"]}, "input[0]"),
        ({"input": [{"role": "robot", "content": "Hi"}]}, "input[0].role"),
        ({"input": [{"type": "message", "content": "Hi"}]}, "input[0].role"),
        ({"input": [{"role": "user"}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": [5]}]}, "input[0].content[0]"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_smell"}]}]},
            "input[0].content[0].type",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image"}]}]},
            "input[0].content[0].image_url",
        ),
        (
            {
                "input": [
                    {"role": "user", "content": [{"type": "input_image", "image_url": "data:,a"}]}
                ]
            },
            "input[0].content[0].image_url",
        ),
        ({"input": [{"type": "function_call", "name": "f"}]}, "input[0].call_id"),
        (
            {"input": [{"type": "function_call", "call_id": "c", "name": "f"}]},
            "input[0].arguments",
        ),
        (
            {"input": [{"type": "function_call_output", "call_id": "c", "output": 5}]},
            "input[0].output",
        ),
        (
            {
                "input": [
                    {
                        "type": "function_call_output",
                        "call_id": "c",
                        "output": [{"type": "refusal", "refusal": "a"}],
                    }
                ]
            },
            "input[0].output[0].type",
        ),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": {}}, "tools"),
        ({"tool_choice": "sometimes"}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.name"),
        ({"tool_choice": {"type": "allowed_tools"}}, "tool_choice.tools"),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
        ({"reasoning": {"effort": "enormous"}}, "reasoning.effort"),
        ({"metadata": {"a": 5}}, "metadata"),
        ({"temperature": "hot"}, "temperature"),
        ({"include": [5]}, "include[0]"),
    ],
)
def test_an_error_names_the_member(members: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        read(**members)
    assert raised.value.param == param


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=3,
)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_members_of_any_type_are_read_or_named_and_nothing_else(data: st.DataObject) -> None:
    body = json.loads(json.dumps(CODEX))
    targets = [body, *body["input"], *body["tools"], body["reasoning"], body["text"]]
    target = data.draw(st.sampled_from(targets))
    target[data.draw(st.sampled_from(sorted(target)))] = data.draw(VALUES)
    with contextlib.suppress(InvalidRequest):
        CODEC.decode(json.dumps(body, allow_nan=False).encode(), NOT_IN_URL)
