"""How requests of Chat Completions clients are read into the canonical model."""

import base64
import json
from typing import Any

import pytest

from adapters.wire.opaque_state import Carried, carry_in_id
from application.ports.dialect import NOT_IN_URL
from domain.errors import InvalidRequest
from domain.inference.conversation import (
    AudioPart,
    CacheMark,
    Citation,
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
    VideoPart,
)
from domain.inference.dialect import WireFormat
from domain.inference.request import (
    CustomTool,
    Effort,
    FunctionTool,
    InferenceRequest,
    Reasoning,
    ToolChoice,
    VendorTool,
)
from tests.unit.wire.openai_chat.reaches import CODEC

HELLO: list[dict[str, Any]] = [{"role": "user", "content": "Hello"}]
PNG = base64.b64encode(b"\x89PNG").decode()


def read(messages: list[dict[str, Any]] | None = None, **members: Any) -> InferenceRequest:
    body = {"model": "public", "messages": HELLO if messages is None else messages, **members}
    return CODEC.decode(json.dumps(body).encode(), NOT_IN_URL)


def parts(content: list[dict[str, Any]], role: str = "user") -> tuple[Any, ...]:
    return read([{"role": role, "content": content}]).messages[0].parts


def call(call_id: str | None, name: str, arguments: str = "{}") -> dict[str, Any]:
    given = {} if call_id is None else {"id": call_id}
    return {**given, "type": "function", "function": {"name": name, "arguments": arguments}}


def test_developer_and_system_are_the_same_and_stay_in_their_places() -> None:
    request = read(
        [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": "Hello", "name": "ada"},
            {"role": "system", "content": [{"type": "text", "text": "Be kind."}]},
        ]
    )

    assert request.messages == (
        Message(role=Role.SYSTEM, parts=(TextPart(text="Be brief."),)),
        Message(role=Role.USER, parts=(TextPart(text="Hello"),), name="ada"),
        Message(role=Role.SYSTEM, parts=(TextPart(text="Be kind."),)),
    )
    assert request.unmapped == ()


def test_every_kind_of_content_is_read() -> None:
    read_parts = parts(
        [
            {"type": "text", "text": "Look"},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
            {"type": "image_url", "image_url": {"url": "https://a.example/b", "detail": "low"}},
            {"type": "image_url", "image_url": "https://a.example/bare"},
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBE"}},
            {"type": "file", "file": {"file_data": "AAAA", "filename": "notes.txt"}},
            {"type": "file", "file": {"file_id": "file-1"}},
            {"type": "video_url", "video_url": {"url": "https://a.example/v"}},
            {"type": "audio_url", "audio_url": {"url": "https://a.example/s"}},
        ]
    )

    assert read_parts == (
        TextPart(text="Look"),
        ImagePart(source=Media(media_type="image/png", data=PNG)),
        ImagePart(source=Media(url="https://a.example/b"), detail="low"),
        ImagePart(source=Media(url="https://a.example/bare")),
        AudioPart(source=Media(media_type="audio/mpeg", data="AAAA")),
        DocumentPart(source=Media(media_type="application/pdf", data="JVBE")),
        DocumentPart(source=Media(media_type="text/plain", data="AAAA"), name="notes.txt"),
        DocumentPart(source=Media(file_id="file-1")),
        VideoPart(source=Media(url="https://a.example/v")),
        AudioPart(source=Media(url="https://a.example/s")),
    )


def test_an_unknown_kind_of_content_is_kept_whole_for_its_own_server() -> None:
    odd: dict[str, object] = {"type": "hologram", "hologram": {"id": 7}}

    assert parts([odd]) == (VendorPart(origin=WireFormat.OPENAI_CHAT, kind="hologram", raw=odd),)


@pytest.mark.parametrize(
    ("mark", "ttl"),
    [
        ({"prompt_cache_breakpoint": {"mode": "explicit"}}, None),
        ({"prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}}, "12h"),
        ({"cache_control": {"type": "ephemeral", "ttl": "1h"}}, "1h"),
    ],
)
def test_a_cache_mark_is_read_in_both_spellings(mark: dict[str, Any], ttl: str | None) -> None:
    assert parts([{"type": "text", "text": "Long", **mark}]) == (
        TextPart(text="Long", cache=CacheMark(ttl=ttl)),
    )


def test_results_become_one_turn_and_know_their_calls() -> None:
    request = read(
        [
            *HELLO,
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    call("a", "weather", '{"city":"Rome"}'),
                    {"id": "b", "type": "custom", "custom": {"name": "shell", "input": "ls -l"}},
                ],
            },
            {"role": "tool", "tool_call_id": "a", "content": "sunny"},
            {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": "total 0"}]},
            {"role": "user", "content": "And?"},
        ]
    )

    assert request.messages[1:] == (
        Message(
            role=Role.ASSISTANT,
            parts=(
                ToolCallPart(id="a", name="weather", arguments='{"city":"Rome"}'),
                ToolCallPart(id="b", name="shell", arguments="ls -l", custom=True),
            ),
        ),
        Message(
            role=Role.USER,
            parts=(
                ToolResultPart(call_id="a", content=(TextPart(text="sunny"),), name="weather"),
                ToolResultPart(
                    call_id="b", content=(TextPart(text="total 0"),), name="shell", custom=True
                ),
            ),
        ),
        Message(role=Role.USER, parts=(TextPart(text="And?"),)),
    )


def test_calls_and_results_without_ids_find_each_other_the_same_way_every_time() -> None:
    messages = [
        *HELLO,
        {"role": "assistant", "tool_calls": [call(None, "a"), call("", "b"), call(None, "a")]},
        {"role": "tool", "name": "b", "content": "of b"},
        {"role": "tool", "content": "of the first a"},
        {"role": "tool", "content": "of the second a"},
    ]

    request = read(messages)
    calls = [part.id for part in request.messages[1].parts if isinstance(part, ToolCallPart)]
    results = {
        part.content[0].text: part.call_id
        for part in request.messages[2].parts
        if isinstance(part, ToolResultPart) and isinstance(part.content[0], TextPart)
    }

    assert len(set(calls)) == 3
    assert results == {"of b": calls[1], "of the first a": calls[0], "of the second a": calls[2]}
    assert read(messages) == request


def test_a_made_id_is_not_one_that_is_taken() -> None:
    request = read([{"role": "assistant", "tool_calls": [call("call_1", "a"), call(None, "b")]}])

    ids = [part.id for part in request.messages[0].parts if isinstance(part, ToolCallPart)]
    assert ids[0] == "call_1"
    assert ids[1] != "call_1"


def test_functions_of_the_older_form_are_tools_that_are_called_one_at_a_time() -> None:
    request = read(
        [
            *HELLO,
            {
                "role": "assistant",
                "content": None,
                "function_call": {"name": "f", "arguments": "{}"},
            },
            {"role": "function", "name": "f", "content": "42"},
        ],
        functions=[{"name": "f", "parameters": {"type": "object"}}],
        function_call={"name": "f"},
    )

    made = request.messages[1].parts[0]
    assert isinstance(made, ToolCallPart)
    assert request.messages[2].parts == (
        ToolResultPart(call_id=made.id, content=(TextPart(text="42"),), name="f"),
    )
    assert request.tools == (FunctionTool(name="f", parameters={"type": "object"}),)
    assert request.tool_choice == ToolChoice(mode="named", name="f")
    assert request.legacy_functions
    assert request.parallel_tool_calls is False


def test_an_answer_given_back_as_it_came_loses_nothing_and_warns_of_nothing() -> None:
    request = read(
        [
            *HELLO,
            {
                "role": "assistant",
                "content": "See a.example",
                "refusal": None,
                "function_call": None,
                "tool_calls": [],
                "audio": {"id": "audio_1", "data": "AAAA", "expires_at": 5, "transcript": "Hi"},
                "annotations": [
                    {
                        "type": "url_citation",
                        "url_citation": {
                            "url": "https://a.example",
                            "title": "A",
                            "start_index": 4,
                            "end_index": 13,
                        },
                    }
                ],
            },
        ]
    )

    assert request.messages[1].parts == (
        TextPart(
            text="See a.example",
            citations=(Citation(url="https://a.example", title="A", start=4, end=13),),
        ),
        AudioPart(source=Media(), id="audio_1", transcript="Hi"),
    )
    assert request.unmapped == ()


def test_a_refusal_is_read_as_a_member_and_as_a_part() -> None:
    as_part = [{"type": "refusal", "refusal": "No."}]
    request = read(
        [
            {"role": "assistant", "content": None, "refusal": "No."},
            {"role": "assistant", "content": as_part},
        ]
    )

    assert [message.parts for message in request.messages] == [(RefusalPart(text="No."),)] * 2


@pytest.mark.parametrize("member", ["reasoning_content", "reasoning"])
def test_a_thought_remembers_the_member_it_came_by(member: str) -> None:
    request = read([{"role": "assistant", "content": "4", member: "2 and 2"}])

    state = OpaqueState(origin=WireFormat.OPENAI_CHAT, data=member)
    assert request.messages[0].parts == (
        ThinkingPart(text="2 and 2", state=state),
        TextPart(text="4"),
    )


def test_what_rides_on_an_id_comes_off_and_stands_before_everything_else() -> None:
    signed = ThinkingPart(
        text="Rome?", state=OpaqueState(origin=WireFormat.ANTHROPIC_MESSAGES, data="c2ln")
    )
    between = ThinkingPart(
        state=OpaqueState(origin=WireFormat.ANTHROPIC_MESSAGES, data="cmVk"), redacted=True
    )
    own = OpaqueState(origin=WireFormat.GEMINI_GENERATE, data="dGhvdWdodA==")
    first = carry_in_id("toolu_1", Carried(thinking=(signed,)))
    second = carry_in_id("toolu_2", Carried(thinking=(between,), state=own))

    request = read(
        [
            {
                "role": "assistant",
                "content": "Let me see.",
                "reasoning_content": "Rome?",
                "tool_calls": [call(first, "a"), call(second, "b")],
            },
            {"role": "tool", "tool_call_id": first, "content": "1"},
            {"role": "tool", "tool_call_id": second, "content": "2"},
        ]
    )

    assert request.messages[0].parts == (
        signed,
        TextPart(text="Let me see."),
        ToolCallPart(id="toolu_1", name="a", arguments="{}"),
        between,
        ToolCallPart(id="toolu_2", name="b", arguments="{}", state=own),
    )
    results = [part for part in request.messages[1].parts if isinstance(part, ToolResultPart)]
    assert [part.call_id for part in results] == ["toolu_1", "toolu_2"]


def test_tools_of_every_kind_are_read() -> None:
    grammar: dict[str, object] = {
        "type": "grammar",
        "grammar": {"syntax": "regex", "definition": "a+"},
    }
    search: dict[str, Any] = {"search_context_size": "low"}
    request = read(
        tools=[
            {"type": "function", "function": {"name": "f", "strict": True}},
            {"type": "custom", "custom": {"name": "c", "description": "d", "format": grammar}},
            {"type": "builtin_function", "function": {"name": "$web_search"}},
        ],
        web_search_options=search,
    )

    builtin: dict[str, object] = {"type": "builtin_function", "function": {"name": "$web_search"}}
    chat = WireFormat.OPENAI_CHAT
    assert request.tools == (
        FunctionTool(name="f", strict=True),
        CustomTool(name="c", description="d", format=grammar),
        VendorTool(origin=chat, kind="builtin_function", raw=builtin),
        VendorTool(origin=chat, kind="web_search_options", raw=search),
    )
    assert request.extensions == {}


@pytest.mark.parametrize(
    ("given", "choice"),
    [
        ("auto", ToolChoice(mode="auto")),
        ("none", ToolChoice(mode="none")),
        ("required", ToolChoice(mode="required")),
        ("any", ToolChoice(mode="required")),
        ({"type": "function", "function": {"name": "f"}}, ToolChoice(mode="named", name="f")),
        ({"type": "custom", "custom": {"name": "c"}}, ToolChoice(mode="named", name="c")),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "required",
                    "tools": [
                        {"type": "function", "function": {"name": "f"}},
                        {"type": "custom", "custom": {"name": "c"}},
                    ],
                },
            },
            ToolChoice(mode="required", allowed=("f", "c")),
        ),
    ],
)
def test_the_choice_of_tools_is_read_in_every_form(given: Any, choice: ToolChoice) -> None:
    assert read(tool_choice=given).tool_choice == choice


def test_what_has_no_place_is_kept_or_named() -> None:
    request = read(
        [{"role": "user", "content": [{"type": "text", "text": "Hi", "shout": True}], "mood": 1}],
        prediction={"type": "content", "content": "x"},
        min_p=0.1,
        nothing=None,
    )

    assert request.extensions == {
        "prediction": {"type": "content", "content": "x"},
        "min_p": 0.1,
    }
    assert set(request.unmapped) == {"messages[0].content[0].shout", "messages[0].mood"}


def test_reasoning_is_read_in_both_forms() -> None:
    assert read(reasoning_effort="xhigh").reasoning == Reasoning(effort=Effort.XHIGH)
    given = {"max_tokens": 2000, "exclude": True, "enabled": True}
    assert read(reasoning=given).reasoning == Reasoning(
        enabled=True, budget_tokens=2000, show=False
    )


def test_of_two_bounds_the_larger_one_counts_and_zero_is_none() -> None:
    assert read(max_tokens=5, max_completion_tokens=9).max_output_tokens == 9
    assert read(max_tokens=0).max_output_tokens is None


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"messages": [{"content": "x"}]}, "messages[0].role"),
    ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
    ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content[0]"),
    ({"messages": [{"role": "user", "content": [{}]}]}, "messages[0].content[0].type"),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
        "messages[0].content[0].image_url",
    ),
    (
        {
            "messages": [
                {"role": "user", "content": [{"type": "image_url", "image_url": "data:x,y"}]}
            ]
        },
        "messages[0].content[0].image_url",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]},
        "messages[0].content[0].file.file_data",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]},
        "messages[0].content[0].input_audio",
    ),
    ({"messages": None}, "messages"),
    ({"messages": "x"}, "messages"),
    ({"tools": [{"type": "function"}]}, "tools[0].function"),
    ({"tools": [{"type": "custom", "custom": {}}]}, "tools[0].custom.name"),
    ({"tool_choice": "maybe"}, "tool_choice"),
    ({"tool_choice": 5}, "tool_choice"),
    ({"tool_choice": {"type": "function"}}, "tool_choice"),
    ({"tool_choice": {"type": "allowed_tools"}}, "tool_choice.allowed_tools"),
    ({"stop": [1]}, "stop[0]"),
    ({"stop": 1}, "stop"),
    ({"temperature": "hot"}, "temperature"),
    ({"logit_bias": {"5": "x"}}, "logit_bias.5"),
    ({"metadata": {"a": 1}}, "metadata.a"),
    ({"reasoning_effort": "frantic"}, "reasoning_effort"),
    ({"response_format": {"type": "yaml"}}, "response_format.type"),
    ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
]


@pytest.mark.parametrize(("members", "param"), WRONG)
def test_what_is_wrong_is_named(members: dict[str, Any], param: str) -> None:
    body = json.dumps({"model": "public", "messages": HELLO, **members}).encode()

    with pytest.raises(InvalidRequest) as refused:
        CODEC.decode(body, NOT_IN_URL)

    assert refused.value.param == param


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'{"model":"a","messages":"\\ud800"}'])
def test_what_is_no_request_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        CODEC.decode(body, NOT_IN_URL)


@pytest.mark.parametrize("member", ["models", "fallbacks"])
def test_models_beside_the_governed_one_are_refused(member: str) -> None:
    body: dict[str, Any] = {"model": "public", "messages": HELLO, member: ["other"]}

    with pytest.raises(InvalidRequest) as refused:
        CODEC.peek(json.dumps(body).encode(), 32, NOT_IN_URL)

    assert refused.value.param == member
    body[member] = None
    assert CODEC.peek(json.dumps(body).encode(), 32, NOT_IN_URL).model == "public"
