import base64
import json
from typing import Any

import pytest

from adapters.wire.anthropic_messages.dialect import AnthropicMessagesCodec
from adapters.wire.anthropic_messages.wire import AnthropicMessagesWire
from adapters.wire.codec import WireTarget
from adapters.wire.opaque_state import Carried, carry_in_id, wrap_state
from application.ports.dialect import NOT_IN_URL
from domain.errors import InvalidRequest, UnsupportedField
from domain.inference.conversation import (
    CacheMark,
    Citation,
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
)
from domain.inference.dialect import WireFormat
from domain.inference.request import (
    Effort,
    FunctionTool,
    InferenceRequest,
    Reasoning,
    ResponseFormat,
    ToolChoice,
    VendorTool,
)

CODEC = AnthropicMessagesCodec()
WIRE = AnthropicMessagesWire()
OWN = WireFormat.ANTHROPIC_MESSAGES
Block = dict[str, Any]


def decode(**members: Any) -> InferenceRequest:
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
    return CODEC.decode(json.dumps(body | members).encode(), NOT_IN_URL)


def parts(*blocks: Block, role: str = "user") -> tuple[Part, ...]:
    request = decode(messages=[{"role": role, "content": list(blocks)}])
    assert request.unmapped == ()
    return request.messages[0].parts


def again(**members: Any) -> dict[str, Any]:
    """Return the request as it goes out to Anthropic after it was read."""
    return json.loads(WIRE.encode_request(decode(**members), WireTarget(model="m")).body)


def refused(**members: Any) -> str | None:
    with pytest.raises(InvalidRequest) as caught:
        decode(**members)
    return caught.value.param


def test_strings_are_texts() -> None:
    request = decode(system="Be kind.", messages=[{"role": "assistant", "content": "Well"}])
    assert request.messages == (
        Message(role=Role.SYSTEM, parts=(TextPart(text="Be kind."),)),
        Message(role=Role.ASSISTANT, parts=(TextPart(text="Well"),)),
    )


def test_blocks_of_the_system_keep_their_cache_marks() -> None:
    block = {"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    assert decode(system=[block, {"type": "text", "text": "b"}]).messages[0].parts == (
        TextPart(text="a", cache=CacheMark(ttl="1h")),
        TextPart(text="b"),
    )


def test_a_system_message_in_mid_conversation_stays_there() -> None:
    messages = [
        {"role": "user", "content": "a"},
        {"role": "system", "content": "From now on in French."},
        {"role": "assistant", "content": "b"},
    ]
    assert [message.role for message in decode(messages=messages).messages] == [
        Role.USER,
        Role.SYSTEM,
        Role.ASSISTANT,
    ]
    assert [each["role"] for each in again(messages=messages)["messages"]] == [
        "user",
        "system",
        "assistant",
    ]


@pytest.mark.parametrize(
    ("source", "media"),
    [
        (
            {"type": "base64", "media_type": "image/png", "data": "QUJD"},
            Media(media_type="image/png", data="QUJD"),
        ),
        ({"type": "url", "url": "https://a.example/b"}, Media(url="https://a.example/b")),
        ({"type": "file", "file_id": "file_1"}, Media(file_id="file_1")),
    ],
)
def test_images_come_from_three_places(source: Block, media: Media) -> None:
    assert parts({"type": "image", "source": source}) == (ImagePart(source=media),)


PDF: Block = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}


@pytest.mark.parametrize(
    ("source", "media"),
    [
        (PDF, Media(media_type="application/pdf", data="JVBERi0=")),
        ({"type": "url", "url": "https://a.example/b"}, Media(url="https://a.example/b")),
        ({"type": "file", "file_id": "file_1"}, Media(file_id="file_1")),
        (
            {"type": "text", "media_type": "text/plain", "data": "Zoë"},
            Media(media_type="text/plain", data=base64.b64encode("Zoë".encode()).decode()),
        ),
        ({"type": "content", "content": "ab"}, Media(media_type="text/plain", data="YWI=")),
        (
            {"type": "content", "content": [{"type": "text", "text": "ab"}]},
            Media(media_type="text/plain", data="YWI="),
        ),
    ],
)
def test_documents_come_from_five_places(source: Block, media: Media) -> None:
    block = {
        "type": "document",
        "source": source,
        "title": "Report",
        "context": "of 2024",
        "citations": {"enabled": True},
        "cache_control": {"type": "ephemeral"},
    }
    assert parts(block) == (
        DocumentPart(source=media, name="Report", context="of 2024", cite=True, cache=CacheMark()),
    )


CALLS: list[Block] = [
    {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"a": 1.0}},
    {
        "type": "tool_use",
        "id": "toolu_2",
        "name": "now",
        "input": {},
        "caller": {"type": "direct"},
    },
]


def test_calls_have_json_text_and_results_have_parts() -> None:
    assert parts(*CALLS, role="assistant") == (
        ToolCallPart(id="toolu_1", name="look", arguments='{"a":1.0}'),
        ToolCallPart(id="toolu_2", name="now", arguments="{}"),
    )
    image = {"type": "image", "source": {"type": "url", "url": "https://a.example/b"}}
    assert parts(
        {"type": "tool_result", "tool_use_id": "toolu_1", "content": "fine"},
        {
            "type": "tool_result",
            "tool_use_id": "toolu_2",
            "is_error": True,
            "content": [{"type": "text", "text": "a"}, image, {"type": "document", "source": PDF}],
            "cache_control": {"type": "ephemeral"},
        },
        {"type": "tool_result", "tool_use_id": "toolu_3"},
    ) == (
        ToolResultPart(call_id="toolu_1", content=(TextPart(text="fine"),)),
        ToolResultPart(
            call_id="toolu_2",
            content=(
                TextPart(text="a"),
                ImagePart(source=Media(url="https://a.example/b")),
                DocumentPart(source=Media(media_type="application/pdf", data="JVBERi0=")),
            ),
            is_error=True,
            cache=CacheMark(),
        ),
        ToolResultPart(call_id="toolu_3", content=()),
    )


def test_thinking_keeps_its_signature_and_redacted_thinking_its_data() -> None:
    assert parts(
        {"type": "thinking", "thinking": "Hm.", "signature": "EqQ+/=="},
        {"type": "redacted_thinking", "data": "Emw+/=="},
        {"type": "thinking", "thinking": "unsigned", "signature": ""},
        role="assistant",
    ) == (
        ThinkingPart(text="Hm.", state=OpaqueState(origin=OWN, data="EqQ+/==")),
        ThinkingPart(state=OpaqueState(origin=OWN, data="Emw+/=="), redacted=True),
        ThinkingPart(text="unsigned"),
    )


def test_state_of_other_providers_is_taken_out_again() -> None:
    state = OpaqueState(origin=WireFormat.OPENAI_RESPONSES, data="gAAAA", id="rs_1")
    call_id = carry_in_id("call_1", Carried(state=state))
    assert parts(
        {"type": "thinking", "thinking": "Hm.", "signature": wrap_state(state)},
        {"type": "redacted_thinking", "data": wrap_state(state)},
        {"type": "tool_use", "id": call_id, "name": "now", "input": {}},
        role="assistant",
    ) == (
        ThinkingPart(text="Hm.", state=state),
        ThinkingPart(state=state, redacted=True),
        ToolCallPart(id="call_1", name="now", arguments="{}", state=state),
    )
    assert parts({"type": "tool_result", "tool_use_id": call_id}) == (
        ToolResultPart(call_id="call_1", content=()),
    )


VENDOR_BLOCKS: list[Block] = [
    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "a"}},
    {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"url": "b"}]},
    {"type": "code_execution_tool_result", "tool_use_id": "s", "content": {"return_code": 0}},
    {"type": "mcp_tool_use", "id": "m", "name": "n", "server_name": "s", "input": {}},
    {"type": "container_upload", "file_id": "file_1"},
    {"type": "search_result", "source": "a", "title": "b", "content": [], "citations": None},
    {"type": "tool_use", "id": "a", "name": "b", "input": {}, "caller": {"type": "code_execution"}},
    {"type": "tool_use", "id": "a", "name": "b", "input": {}, "toolset_name": "browser"},
    {
        "type": "tool_result",
        "tool_use_id": "a",
        "content": [{"type": "tool_reference", "tool_name": "b"}],
    },
    {
        "type": "document",
        "source": {"type": "content", "content": [{"type": "image"}, {"type": "text"}]},
    },
    {
        "type": "document",
        "source": {
            "type": "content",
            "content": [
                {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}},
            ],
        },
    },
    {"type": "image", "source": {"type": "from_the_future", "x": 1}},
    {"type": "from_the_future", "y": [None, {"z": 1}]},
]


@pytest.mark.parametrize("block", VENDOR_BLOCKS, ids=lambda block: block["type"])
def test_a_block_only_anthropic_knows_is_kept_whole_and_goes_back_as_it_came(block: Block) -> None:
    assert parts(block) == (VendorPart(origin=OWN, kind=block["type"], raw=block),)
    turn = {"role": "assistant", "content": [block]}
    assert again(messages=[turn])["messages"] == [turn]


def test_citations_are_kept_whole() -> None:
    cited: Block = {
        "type": "char_location",
        "cited_text": "grass is green",
        "document_index": 0,
        "document_title": None,
        "start_char_index": 0,
        "end_char_index": 14,
    }
    block = {"type": "text", "text": "Green.", "citations": [cited]}
    assert parts(block, role="assistant") == (
        TextPart(
            text="Green.",
            citations=(Citation(cited_text="grass is green", origin=OWN, raw=cited),),
        ),
    )
    turn = {"role": "assistant", "content": [block]}
    assert again(messages=[turn])["messages"] == [turn]


def test_members_nobody_knows_are_named_by_their_paths() -> None:
    request = decode(
        messages=[
            {
                "role": "user",
                "clear_at": "never",
                "content": [
                    {"type": "text", "text": "a", "mood": "good"},
                    {"type": "image", "source": {"type": "url", "url": "u", "size": 1}},
                ],
            }
        ],
        tools=[{"name": "now", "input_schema": {}, "eager_input_streaming": True}],
    )
    assert request.unmapped == (
        "messages[0].content[0].mood",
        "messages[0].content[1].source.size",
        "messages[0].clear_at",
        "tools[0].eager_input_streaming",
    )


def test_further_members_are_kept_by_name_and_go_back_as_they_came() -> None:
    members: dict[str, Any] = {
        "container": "container_1",
        "context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]},
        "speed": "fast",
        "from_the_future": [1],
    }
    request = decode(**members)
    assert request.extensions == members
    assert request.unmapped == ()
    assert again(**members).items() >= members.items()


def test_tools_of_the_client_and_of_anthropic_are_told_apart() -> None:
    schema: Block = {"type": "object", "properties": {"a": {"type": "string"}}}
    search: Block = {"type": "web_search_20250305", "name": "web_search", "max_uses": 5}
    server: Block = {"type": "url", "name": "s", "url": "https://mcp.example"}
    custom = {
        "type": "custom",
        "name": "look",
        "description": "Looks.",
        "input_schema": schema,
        "strict": True,
        "cache_control": {"type": "ephemeral"},
    }
    tools = [custom, search]
    assert decode(tools=tools, mcp_servers=[server]).tools == (
        FunctionTool(
            name="look",
            description="Looks.",
            parameters=schema,
            strict=True,
            cache=CacheMark(),
        ),
        VendorTool(origin=OWN, kind="web_search_20250305", raw=search),
        VendorTool(origin=OWN, kind="mcp_servers", raw=server),
    )
    del custom["type"]
    sent = again(tools=tools, mcp_servers=[server])
    assert sent["tools"] == tools
    assert sent["mcp_servers"] == [server]


@pytest.mark.parametrize(
    ("given", "choice", "parallel"),
    [
        ({"type": "auto"}, ToolChoice(mode="auto"), None),
        ({"type": "any", "disable_parallel_tool_use": True}, ToolChoice(mode="required"), False),
        ({"type": "none"}, ToolChoice(mode="none"), None),
        (
            {"type": "tool", "name": "look", "disable_parallel_tool_use": False},
            ToolChoice(mode="named", name="look"),
            True,
        ),
    ],
)
def test_choices_of_tools_are_read(given: Block, choice: ToolChoice, parallel: bool | None) -> None:
    request = decode(tool_choice=given)
    assert request.tool_choice == choice
    assert request.parallel_tool_calls is parallel


@pytest.mark.parametrize(
    ("members", "reasoning"),
    [
        (
            {"thinking": {"type": "enabled", "budget_tokens": 2000}},
            Reasoning(enabled=True, budget_tokens=2000),
        ),
        (
            {"thinking": {"type": "adaptive", "display": "omitted"}},
            Reasoning(enabled=True, adaptive=True, show=False),
        ),
        ({"thinking": {"type": "disabled"}}, Reasoning(enabled=False)),
        ({"output_config": {"effort": "max"}}, Reasoning(effort=Effort.MAX)),
        (
            {
                "thinking": {"type": "adaptive", "display": "summarized"},
                "output_config": {"effort": "low"},
            },
            Reasoning(enabled=True, adaptive=True, show=True, effort=Effort.LOW),
        ),
    ],
)
def test_wishes_about_thinking_are_read(members: dict[str, Any], reasoning: Reasoning) -> None:
    request = decode(**members)
    assert request.reasoning == reasoning
    assert request.extensions == {}


@pytest.mark.parametrize(
    "members",
    [
        {"thinking": {"type": "between_tools"}},
        {"thinking": {"type": "adaptive", "display": "updates"}},
        {"thinking": {"type": "enabled", "budget_tokens": 1024, "block_binding": {"a": 1}}},
        {"output_config": {"effort": "ultra"}},
        {"output_config": {"effort": "low", "task_budget": {"type": "tokens", "total": 9}}},
    ],
)
def test_newer_wishes_about_thinking_go_back_as_they_came(members: dict[str, Any]) -> None:
    assert list(decode(**members).extensions) == list(members)
    assert again(**members).items() >= members.items()


SCHEMA: Block = {"type": "object", "properties": {}, "additionalProperties": False}


@pytest.mark.parametrize("where", ["output_config", "output_format"])
def test_a_schema_for_the_answer_has_an_old_and_a_new_name(where: str) -> None:
    shape: Block = {"type": "json_schema", "schema": SCHEMA}
    members: Block = {where: {"format": shape} if where == "output_config" else shape}
    assert decode(**members).response_format == ResponseFormat(kind="json_schema", schema=SCHEMA)
    assert again(**members)["output_config"] == {"format": shape}


def test_the_tier_has_a_canonical_name() -> None:
    assert decode(service_tier="standard_only").service_tier == "default"
    assert again(service_tier="standard_only")["service_tier"] == "standard_only"
    assert again(service_tier="auto")["service_tier"] == "auto"


def test_a_request_to_count_has_no_bound() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    assert CODEC.decode(json.dumps(body).encode(), NOT_IN_URL).max_output_tokens is None


WRONG: list[tuple[Block, str]] = [
    ({"messages": None}, "messages"),
    ({"messages": {}}, "messages"),
    ({"messages": ["Hi"]}, "messages[0]"),
    ({"messages": [{"content": "a"}]}, "messages[0].role"),
    ({"messages": [{"role": "tool", "content": "a"}]}, "messages[0].role"),
    ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
    (
        {"messages": [{"role": "user", "content": [{"text": "a"}]}]},
        "messages[0].content[0].type",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
        "messages[0].content[0].text",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]},
        "messages[0].content[0].tool_use_id",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "image", "source": {}}]}]},
        "messages[0].content[0].source.type",
    ),
    ({"system": 1}, "system"),
    ({"tools": [{"input_schema": {}}]}, "tools[0].name"),
    ({"tool_choice": {"type": "some"}}, "tool_choice.type"),
    ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
    ({"thinking": {}}, "thinking.type"),
    ({"thinking": {"type": "enabled", "budget_tokens": "9"}}, "thinking.budget_tokens"),
    ({"output_config": {"format": {"type": "yaml"}}}, "output_config.format.type"),
    ({"stop_sequences": ["a", 1]}, "stop_sequences[1]"),
    ({"temperature": "hot"}, "temperature"),
]


@pytest.mark.parametrize(("members", "param"), WRONG)
def test_a_member_of_the_wrong_kind_is_named(members: dict[str, Any], param: str) -> None:
    assert refused(**members) == param


@pytest.mark.parametrize("name", ["thread", "compaction"])
def test_what_only_the_provider_can_do_is_refused_by_name(name: str) -> None:
    with pytest.raises(UnsupportedField) as caught:
        decode(**{name: {"type": "x"}})
    assert caught.value.param == name
