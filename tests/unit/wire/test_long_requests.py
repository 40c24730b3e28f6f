"""Requests that are made up to be long cost time in proportion to their length, and no more.

Each took minutes of a processor for a few megabytes where something was searched from its start for
every block.
"""

import base64
import json
import time
from typing import Any

import pytest

from adapters.wire.anthropic_messages.dialect import AnthropicMessagesCodec
from adapters.wire.anthropic_messages.wire import AnthropicMessagesWire
from adapters.wire.bedrock_converse.dialect import BedrockConverseCodec
from adapters.wire.bedrock_converse.wire import BedrockConverseWire
from adapters.wire.codec import WireCodec, WireTarget
from adapters.wire.gemini_generate.dialect import GeminiCodec
from adapters.wire.opaque_state import Carried, carry_in_id, wrap_state
from adapters.wire.openai_chat.dialect import OpenAIChatCodec
from adapters.wire.openai_chat.wire import OpenAIChatWire
from adapters.wire.openai_responses.dialect import OpenAIResponsesCodec
from application.ports.dialect import ConversationCodec, RequestTarget
from domain.inference.conversation import OpaqueState, ThinkingPart
from domain.inference.dialect import WireFormat

Json = dict[str, Any]

CHAT = OpenAIChatCodec()
RESPONSES = OpenAIResponsesCodec()
MESSAGES = AnthropicMessagesCodec()
GEMINI = GeminiCodec()
CONVERSE = BedrockConverseCodec()
MANY = 16_000
MOST_S = 3.0
STATE = OpaqueState(origin=WireFormat.ANTHROPIC_MESSAGES, data="x", id="call")
IDS = [chr(0x4E00 + number) for number in range(MANY)]
NAMES = [f"tool_{number}" for number in range(MANY)]


def calls(ids: list[str]) -> Json:
    function = {"name": "f", "arguments": "{}"}
    made = [{"id": each, "type": "function", "function": function} for each in ids]
    return {"role": "assistant", "tool_calls": made}


def tools(*more: Json) -> Json:
    allowed = [{"type": "function", "name": name} for name in NAMES]
    return {
        "model": "m",
        "input": "Hi",
        "tools": [*allowed, *more],
        "tool_choice": {"type": "allowed_tools", "mode": "required", "tools": allowed},
    }


def results_in_reverse() -> Json:
    results = [{"role": "tool", "tool_call_id": each, "content": ""} for each in reversed(IDS)]
    return {"model": "m", "messages": [calls(IDS), *results]}


def results_of_another_name() -> Json:
    called = [{"functionCall": {"name": "a"}}] * MANY
    given: list[Json] = [{"functionResponse": {"name": "b", "response": {}}}] * MANY
    contents: list[Json] = [{"role": "model", "parts": called}, {"role": "user", "parts": given}]
    return {"contents": contents}


def documents() -> Json:
    document = {
        "type": "document",
        "source": {"type": "text", "media_type": "text/plain", "data": "a"},
    }
    return {"model": "m", "messages": [{"role": "user", "content": [document] * MANY}]}


def marks_without_anything_to_mark() -> Json:
    thought = {"reasoningContent": {"redactedContent": "AA=="}}
    content = [thought] * MANY + [{"cachePoint": {"type": "default"}}] * MANY
    return {"messages": [{"role": "assistant", "content": content}]}


def marks_without_tools_to_mark() -> Json:
    entries = [{"systemTool": {"name": "a"}}] * MANY + [{"cachePoint": {"type": "default"}}] * MANY
    return {"messages": [], "toolConfig": {"tools": entries}}


def states_of_calls() -> Json:
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    state: Json = {"type": "reasoning", "summary": [], "encrypted_content": wrap_state(STATE)}
    return {"model": "m", "input": [call] * MANY + [state] * MANY}


def a_thought_in_pieces() -> Json:
    carried = Carried((ThinkingPart(text="a" * 3_000_000, state=STATE),))
    signature = base64.b64encode(carry_in_id("", carried).encode()).decode()
    pieces = [{"text": "a", "thought": True}] * 3 * MANY
    parts = [*pieces, {"text": "b", "thoughtSignature": signature}]
    return {"contents": [{"role": "model", "parts": parts}]}


ANTHROPIC = AnthropicMessagesWire()
BEDROCK = BedrockConverseWire()
OPENAI = OpenAIChatWire()


@pytest.mark.parametrize(
    ("codec", "body", "wire"),
    [
        (CHAT, {"model": "m", "messages": [calls(IDS)]}, ANTHROPIC),
        (CHAT, results_in_reverse(), None),
        (GEMINI, results_of_another_name(), None),
        (GEMINI, a_thought_in_pieces(), None),
        (MESSAGES, documents(), BEDROCK),
        (CONVERSE, marks_without_anything_to_mark(), None),
        (CONVERSE, marks_without_tools_to_mark(), None),
        (RESPONSES, states_of_calls(), None),
        (RESPONSES, tools(), ANTHROPIC),
        (RESPONSES, tools(), BEDROCK),
        (RESPONSES, tools(), OPENAI),
        (RESPONSES, tools(*[{"type": "web_search"}] * MANY), OPENAI),
    ],
    ids=[
        "ids that become the same",
        "results in reverse",
        "results of another name",
        "a thought in pieces",
        "documents without names",
        "marks without anything to mark",
        "marks without tools to mark",
        "states of calls",
        "allowed tools, Anthropic",
        "allowed tools, Bedrock",
        "allowed tools, OpenAI",
        "hosted tools",
    ],
)
def test_a_long_request_is_read_and_written_in_time(
    codec: ConversationCodec, body: Json, wire: WireCodec | None
) -> None:
    url = RequestTarget(model="m", stream=False)
    encoded = json.dumps(body).encode()
    begun = time.process_time()
    request = codec.decode(encoded, url if codec in (GEMINI, CONVERSE) else RequestTarget())
    if wire is not None:
        wire.encode_request(request, WireTarget(model="m"))
    assert time.process_time() - begun < MOST_S
