import json
from typing import Any

import pytest

from adapters.wire.opaque_state import Carried, carry_in_id
from application.ports.dialect import NOT_IN_URL
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
    ToolChoice,
)
from tests.unit.wire.openai_responses.reaches import CODEC
from tests.unit.wire.openai_responses.reading import CODEX, GRAMMAR, OWN, PNG, read, user
from tests.unit.wire.openai_responses.recorded import NOTE


def messages(*items: object, **members: Any) -> tuple[Message, ...]:
    return read(input=list(items), **members).messages


def content(*parts: object) -> tuple[Any, ...]:
    (message,) = messages({"role": "user", "content": list(parts)})
    return message.parts


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
