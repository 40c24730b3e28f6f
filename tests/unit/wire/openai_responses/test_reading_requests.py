import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.wire.opaque_state import Carried, carry_in_id
from application.ports.dialect import NOT_IN_URL
from domain.errors import InvalidRequest, UnsupportedField
from domain.inference.conversation import (
    AudioPart,
    CacheMark,
    DocumentPart,
    ImagePart,
    Media,
    Message,
    OpaqueState,
    RefusalPart,
    Role,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
    VendorPart,
)
from domain.inference.dialect import Dialect, WireFormat
from domain.inference.request import (
    CustomTool,
    Effort,
    FunctionTool,
    InferenceRequest,
    Reasoning,
    ResponseFormat,
    Sampling,
    ToolChoice,
    VendorTool,
)
from tests.unit.wire.openai_responses.reaches import CODEC
from tests.unit.wire.openai_responses.recorded import NOTE

OWN = WireFormat.OPENAI_RESPONSES
GRAMMAR: dict[str, object] = {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"}
PNG = "iVBORw0KGgo="


def read(**members: Any) -> InferenceRequest:
    body = {"model": "m", "input": "Hi"} | members
    return CODEC.decode(json.dumps(body).encode(), NOT_IN_URL)


def messages(*items: object, **members: Any) -> tuple[Message, ...]:
    return read(input=list(items), **members).messages


def content(*parts: object) -> tuple[Any, ...]:
    (message,) = messages({"role": "user", "content": list(parts)})
    return message.parts


def user(text: str) -> Message:
    return Message(role=Role.USER, parts=(TextPart(text=text),))


CODEX: dict[str, Any] = {
    "model": "gpt-5.1-codex",
    "instructions": "You are an agent that edits code.",
    "input": [
        {
            "type": "message",
            "role": "developer",
            "content": [{"type": "input_text", "text": "Sandbox: read-only."}],
        },
        {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "Fix the typo."}],
        },
        {
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "Look first."}],
            "content": None,
            "encrypted_content": "gAAAA+/=",
        },
        {
            "type": "function_call",
            "name": "shell_command",
            "arguments": '{"command":"cat a.txt"}',
            "call_id": "call_a",
        },
        {
            "type": "custom_tool_call",
            "status": "completed",
            "call_id": "call_b",
            "name": "apply_patch",
            "input": "*** Begin Patch\n",
        },
        {
            "type": "function_call",
            "name": "send",
            "namespace": "mcp__mail__",
            "arguments": "{}",
            "call_id": "call_c",
        },
        {"type": "function_call_output", "call_id": "call_a", "output": "teh"},
        {"type": "custom_tool_call_output", "call_id": "call_b", "output": "Done."},
        {
            "type": "function_call_output",
            "call_id": "call_c",
            "output": [{"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"}],
        },
    ],
    "tools": [
        {
            "type": "function",
            "name": "shell_command",
            "description": "Runs it.",
            "strict": False,
            "parameters": {"type": "object", "properties": {"command": {"type": "string"}}},
        },
        {"type": "custom", "name": "apply_patch", "description": "Edits.", "format": GRAMMAR},
        {
            "type": "namespace",
            "name": "mcp__mail__",
            "description": "Mail.",
            "tools": [
                {"type": "function", "name": "send", "strict": False, "parameters": {}},
                {"type": "custom", "name": "draft"},
            ],
        },
    ],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "reasoning": {"effort": "high", "summary": "auto"},
    "store": False,
    "stream": True,
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": "0199-ab",
    "text": {"verbosity": "low"},
    "client_metadata": {"x": "y"},
}


def test_a_turn_of_codex_is_understood() -> None:
    request = CODEC.decode(json.dumps(CODEX).encode(), NOT_IN_URL)
    image = ImagePart(source=Media(media_type="image/png", data=PNG))
    assert request == InferenceRequest(
        source=Dialect.OPENAI_RESPONSES,
        model="gpt-5.1-codex",
        stream=True,
        messages=(
            Message(role=Role.SYSTEM, parts=(TextPart(text="You are an agent that edits code."),)),
            Message(role=Role.SYSTEM, parts=(TextPart(text="Sandbox: read-only."),)),
            user("Fix the typo."),
            Message(
                role=Role.ASSISTANT,
                parts=(
                    ThinkingPart(
                        text="Look first.", state=OpaqueState(origin=OWN, data="gAAAA+/=")
                    ),
                    ToolCallPart(
                        id="call_a", name="shell_command", arguments='{"command":"cat a.txt"}'
                    ),
                    ToolCallPart(
                        id="call_b", name="apply_patch", arguments="*** Begin Patch\n", custom=True
                    ),
                    ToolCallPart(id="call_c", name="mcp__mail__send", arguments="{}"),
                ),
            ),
            Message(
                role=Role.USER,
                parts=(
                    ToolResultPart(
                        call_id="call_a", name="shell_command", content=(TextPart(text="teh"),)
                    ),
                    ToolResultPart(
                        call_id="call_b",
                        name="apply_patch",
                        content=(TextPart(text="Done."),),
                        custom=True,
                    ),
                    ToolResultPart(call_id="call_c", name="mcp__mail__send", content=(image,)),
                ),
            ),
        ),
        tools=(
            FunctionTool(
                name="shell_command",
                description="Runs it.",
                parameters={"type": "object", "properties": {"command": {"type": "string"}}},
                strict=False,
            ),
            CustomTool(name="apply_patch", description="Edits.", format=GRAMMAR),
            FunctionTool(
                name="mcp__mail__send", parameters={}, strict=False, namespace="mcp__mail__"
            ),
            CustomTool(name="mcp__mail__draft", namespace="mcp__mail__"),
        ),
        tool_choice=ToolChoice(mode="auto"),
        parallel_tool_calls=True,
        reasoning=Reasoning(effort=Effort.HIGH, summary="auto", show=True),
        store=False,
        cache_key="0199-ab",
        verbosity="low",
        extensions={"client_metadata": {"x": "y"}},
        unmapped=("tools[2].description",),
    )


def test_a_text_is_the_message_of_a_user() -> None:
    assert read(input="Hi").messages == (user("Hi"),)


def test_messages_need_no_type_and_their_content_may_be_a_text() -> None:
    assert messages(
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
    ) == (
        Message(role=Role.SYSTEM, parts=(TextPart(text="Be brief."),)),
        user("Hi"),
        Message(role=Role.ASSISTANT, parts=(TextPart(text="Hello"),)),
    )


def test_output_given_back_as_it_came_is_one_turn_of_the_assistant() -> None:
    (turn,) = messages(
        {
            "id": "msg_1",
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": [
                {"type": "output_text", "text": "a", "annotations": [NOTE], "logprobs": []},
                {"type": "refusal", "refusal": "b"},
            ],
        },
        {
            "id": "fc_1",
            "type": "function_call",
            "status": "completed",
            "call_id": "c",
            "name": "f",
            "arguments": "",
        },
    )
    text, refusal, call = turn.parts
    assert isinstance(text, TextPart)
    assert text.citations[0].url == NOTE["url"]
    assert refusal == RefusalPart(text="b")
    assert call == ToolCallPart(id="c", name="f", arguments="{}")


def test_results_of_calls_are_one_message_and_what_the_user_says_another() -> None:
    (results, said) = messages(
        {"type": "function_call_output", "call_id": "a", "output": "1"},
        {"type": "function_call_output", "call_id": "b", "output": "2"},
        {"role": "user", "content": "Go on."},
    )
    assert [part.call_id for part in results.parts if isinstance(part, ToolResultPart)] == [
        "a",
        "b",
    ]
    assert said == user("Go on.")


def test_a_result_with_an_image_and_a_file_keeps_their_bytes() -> None:
    (message,) = messages(
        {
            "type": "function_call_output",
            "call_id": "a",
            "output": [
                {"type": "input_text", "text": "Here:"},
                {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"},
                {
                    "type": "input_file",
                    "filename": "a.pdf",
                    "file_data": "data:application/pdf;base64,JVBERg==",
                },
            ],
        }
    )
    (result,) = message.parts
    assert isinstance(result, ToolResultPart)
    assert result.content == (
        TextPart(text="Here:"),
        ImagePart(source=Media(media_type="image/png", data=PNG)),
        DocumentPart(source=Media(media_type="application/pdf", data="JVBERg=="), name="a.pdf"),
    )


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (
            {"type": "input_image", "image_url": "https://media.example/a", "detail": "low"},
            ImagePart(source=Media(url="https://media.example/a"), detail="low"),
        ),
        (
            {"type": "input_image", "file_id": "file-1", "detail": "auto"},
            ImagePart(source=Media(file_id="file-1")),
        ),
        (
            {"type": "input_file", "file_url": "https://media.example/a.pdf"},
            DocumentPart(source=Media(url="https://media.example/a.pdf")),
        ),
        (
            {"type": "input_file", "file_id": "file-1", "filename": "a.pdf"},
            DocumentPart(source=Media(file_id="file-1"), name="a.pdf"),
        ),
        (
            {"type": "input_file", "file_data": "JVBERg==", "filename": "a.pdf"},
            DocumentPart(source=Media(media_type="application/pdf", data="JVBERg=="), name="a.pdf"),
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
            AudioPart(source=Media(media_type="audio/wav", data="UklGRg==")),
        ),
        (
            {
                "type": "input_text",
                "text": "a",
                "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "30m"},
            },
            TextPart(text="a", cache=CacheMark(ttl="1h")),
        ),
    ],
)
def test_every_kind_of_content_is_understood(part: dict[str, Any], expected: object) -> None:
    assert content(part) == (expected,)


def test_reasoning_without_state_is_its_text_and_without_text_nothing() -> None:
    (turn,) = messages(
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"type": "reasoning", "id": "rs_2", "summary": [{"type": "summary_text", "text": "Hm."}]},
        {"role": "assistant", "content": "Yes."},
    )
    assert turn.parts == (ThinkingPart(text="Hm."), TextPart(text="Yes."))


def test_what_rides_on_the_id_of_a_call_is_taken_off_call_and_result() -> None:
    state = OpaqueState(origin=WireFormat.GEMINI_GENERATE, data="c2ln")
    long_id = carry_in_id("c1", Carried(state=state))
    turn, results = messages(
        {"type": "function_call", "call_id": long_id, "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": long_id, "output": "1"},
    )
    assert turn.parts == (ToolCallPart(id="c1", name="f", arguments="{}", state=state),)
    assert results.parts == (ToolResultPart(call_id="c1", name="f", content=(TextPart(text="1"),)),)


@pytest.mark.parametrize(
    ("item", "role"),
    [
        ({"type": "web_search_call", "id": "ws_1", "action": {"type": "search"}}, Role.ASSISTANT),
        ({"type": "local_shell_call", "call_id": "c", "action": {}}, Role.ASSISTANT),
        ({"type": "local_shell_call_output", "id": "c", "output": "{}"}, Role.USER),
        ({"type": "mcp_approval_response", "approve": True}, Role.USER),
        ({"type": "item_reference", "id": "msg_1"}, Role.ASSISTANT),
        ({"type": "compaction", "encrypted_content": "gA"}, Role.ASSISTANT),
        ({"type": "brand_new_call", "id": "x"}, Role.ASSISTANT),
    ],
)
def test_items_only_the_vendor_knows_are_kept_whole(item: dict[str, Any], role: Role) -> None:
    part = VendorPart(origin=OWN, kind=item["type"], raw=item)
    assert messages(item) == (Message(role=role, parts=(part,)),)


def test_an_item_with_nothing_but_an_id_refers_to_another() -> None:
    ((part,),) = (message.parts for message in messages({"id": "msg_1"}))
    assert isinstance(part, VendorPart)
    assert part.kind == "item_reference"


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
