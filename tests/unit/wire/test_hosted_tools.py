"""Tools of one vendor's, in requests that go to another's."""

import json
from typing import Any

import pytest

from adapters.wire.anthropic_messages.dialect import AnthropicMessagesCodec
from adapters.wire.anthropic_messages.wire import AnthropicMessagesWire
from adapters.wire.bedrock_converse.wire import BedrockConverseWire
from adapters.wire.codec import Encoded, WireCodec, WireTarget
from adapters.wire.gemini_generate.dialect import GeminiCodec
from adapters.wire.gemini_generate.wire import GeminiWire
from adapters.wire.openai_chat.wire import OpenAIChatWire
from adapters.wire.openai_responses.dialect import OpenAIResponsesCodec
from adapters.wire.openai_responses.wire import OpenAIResponsesWire
from application.ports.dialect import NOT_IN_URL, ConversationCodec, RequestTarget
from domain.errors import UnsupportedField
from domain.inference.dialect import WireFormat

Json = dict[str, Any]

WIRES: dict[WireFormat, WireCodec] = {
    wire.wire_format: wire
    for wire in (
        OpenAIChatWire(),
        OpenAIResponsesWire(),
        AnthropicMessagesWire(),
        GeminiWire(),
        BedrockConverseWire(),
    )
}
SCHEMA: Json = {"type": "object", "properties": {}}
RESPONSES: Json = {
    "model": "m",
    "input": "Hi",
    "tools": [
        {"type": "function", "name": "look", "parameters": SCHEMA},
        {"type": "web_search", "external_web_access": False},
    ],
}
MESSAGES: Json = {
    "model": "m",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "Hi"}],
    "tools": [
        {"name": "look", "input_schema": SCHEMA},
        {"type": "web_search_20250305", "name": "web_search"},
    ],
}
GEMINI: Json = {
    "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
    "tools": [
        {"functionDeclarations": [{"name": "look", "parametersJsonSchema": SCHEMA}]},
        {"googleSearch": {}},
    ],
}
CLIENTS: dict[str, tuple[ConversationCodec, WireFormat, Json, str]] = {
    "responses": (
        OpenAIResponsesCodec(),
        WireFormat.OPENAI_RESPONSES,
        RESPONSES,
        "vendor.openai_responses.web_search",
    ),
    "messages": (
        AnthropicMessagesCodec(),
        WireFormat.ANTHROPIC_MESSAGES,
        MESSAGES,
        "vendor.anthropic_messages.web_search_20250305",
    ),
    "gemini": (
        GeminiCodec(),
        WireFormat.GEMINI_GENERATE,
        GEMINI,
        "vendor.gemini_generate.googleSearch",
    ),
}
PAIRS = [
    (client, target)
    for client, (_, own, _, _) in CLIENTS.items()
    for target in WIRES
    if target is not own
]
CHOICES: dict[str, list[Json]] = {
    "responses": [
        {"tool_choice": {"type": "web_search_preview"}},
        {"tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [{"type": "mcp"}]}},
        {"tool_choice": "required", "tools": RESPONSES["tools"][1:]},
    ],
    "messages": [
        {"tool_choice": {"type": "tool", "name": "web_search"}},
        {"tool_choice": {"type": "any"}, "tools": MESSAGES["tools"][1:]},
    ],
    "gemini": [],
}
FORCED = [(client, target, choice) for client, target in PAIRS for choice in CHOICES[client]]


def sent(client: str, target: WireFormat, **members: Any) -> Encoded:
    codec, _, body, _ = CLIENTS[client]
    where = RequestTarget(model="m", stream=False) if client == "gemini" else NOT_IN_URL
    request = codec.decode(json.dumps(body | members).encode(), where)
    return WIRES[target].encode_request(request, WireTarget(model="m"))


@pytest.mark.parametrize(("client", "target"), PAIRS)
def test_a_tool_that_only_its_vendor_runs_is_left_out_by_name(
    client: str, target: WireFormat
) -> None:
    encoded = sent(client, target)
    assert CLIENTS[client][3] in encoded.dropped
    assert b"look" in encoded.body
    assert b"earch" not in encoded.body


@pytest.mark.parametrize(("client", "target"), PAIRS)
def test_a_request_whose_only_tool_is_another_vendors_goes_without_any(
    client: str, target: WireFormat
) -> None:
    tools = CLIENTS[client][2]["tools"][1:]
    choice: Json = {"responses": {"tool_choice": "auto", "parallel_tool_calls": True}}.get(
        client, {}
    )
    encoded = sent(client, target, tools=tools, **choice)
    assert CLIENTS[client][3] in encoded.dropped
    assert not [name for name in json.loads(encoded.body) if "tool" in name.lower()]


@pytest.mark.parametrize(("client", "target", "choice"), FORCED)
def test_a_tool_that_has_to_be_called_is_refused_where_nobody_runs_it(
    client: str, target: WireFormat, choice: Json
) -> None:
    with pytest.raises(UnsupportedField) as raised:
        sent(client, target, **choice)
    assert raised.value.param == CLIENTS[client][3]


@pytest.mark.parametrize("target", [each for each in WIRES if each is not WireFormat.OPENAI_CHAT])
def test_some_call_may_be_demanded_while_there_are_tools_to_call(target: WireFormat) -> None:
    client = "responses" if target is not WireFormat.OPENAI_RESPONSES else "messages"
    choice: Json = {
        "responses": {"tool_choice": "required"},
        "messages": {"tool_choice": {"type": "any"}},
    }[client]
    assert CLIENTS[client][3] in sent(client, target, **choice).dropped


def test_a_block_of_another_vendors_is_refused_though_a_tool_has_its_name() -> None:
    call: Json = {"type": "mcp_tool_use", "id": "a", "name": "b", "server_name": "c", "input": {}}
    with pytest.raises(UnsupportedField) as raised:
        sent(
            "messages",
            WireFormat.OPENAI_CHAT,
            messages=[{"role": "assistant", "content": [call]}],
            tools=[{"type": "mcp_tool_use", "name": "x"}],
        )
    assert raised.value.param == "vendor.anthropic_messages.mcp_tool_use"
