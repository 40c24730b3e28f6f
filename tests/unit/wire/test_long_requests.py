"""Requests that are made up to be long cost time in proportion to their length, and no more.

Each took minutes of a processor for a few megabytes where something was searched from its start for
every block.
"""

import base64
import json
import time
from collections.abc import Callable
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
FEW = 1_000
TIMES = 8
# Eight times as much takes eight times as long where work is linear, 64 times where it is quadratic.
MOST_TIMES = 28
STATE = OpaqueState(origin=WireFormat.ANTHROPIC_MESSAGES, data="x", id="call")


def ids(many: int) -> list[str]:
    return [chr(0x4E00 + number) for number in range(many)]


def calls(many: int) -> Json:
    function = {"name": "f", "arguments": "{}"}
    made = [{"id": each, "type": "function", "function": function} for each in ids(many)]
    return {"role": "assistant", "tool_calls": made}


def called(many: int) -> Json:
    return {"model": "m", "messages": [calls(many)]}


def hosted_tools(many: int) -> Json:
    asked = tools(many)
    hosted: list[Json] = [{"type": "web_search"}] * many
    return {**asked, "tools": [*asked["tools"], *hosted]}


def tools(many: int) -> Json:
    allowed = [{"type": "function", "name": f"tool_{number}"} for number in range(many)]
    return {
        "model": "m",
        "input": "Hi",
        "tools": allowed,
        "tool_choice": {"type": "allowed_tools", "mode": "required", "tools": allowed},
    }


def results_in_reverse(many: int) -> Json:
    results = [
        {"role": "tool", "tool_call_id": each, "content": ""} for each in reversed(ids(many))
    ]
    return {"model": "m", "messages": [calls(many), *results]}


def results_of_another_name(many: int) -> Json:
    made = [{"functionCall": {"name": "a"}}] * many
    given: list[Json] = [{"functionResponse": {"name": "b", "response": {}}}] * many
    contents: list[Json] = [{"role": "model", "parts": made}, {"role": "user", "parts": given}]
    return {"contents": contents}


def documents(many: int) -> Json:
    document = {
        "type": "document",
        "source": {"type": "text", "media_type": "text/plain", "data": "a"},
    }
    return {"model": "m", "messages": [{"role": "user", "content": [document] * many}]}


def marks_without_anything_to_mark(many: int) -> Json:
    thought = {"reasoningContent": {"redactedContent": "AA=="}}
    content = [thought] * many + [{"cachePoint": {"type": "default"}}] * many
    return {"messages": [{"role": "assistant", "content": content}]}


def marks_without_tools_to_mark(many: int) -> Json:
    entries = [{"systemTool": {"name": "a"}}] * many + [{"cachePoint": {"type": "default"}}] * many
    return {"messages": [], "toolConfig": {"tools": entries}}


def states_of_calls(many: int) -> Json:
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    state: Json = {"type": "reasoning", "summary": [], "encrypted_content": wrap_state(STATE)}
    return {"model": "m", "input": [call] * many + [state] * many}


def a_thought_in_pieces(many: int) -> Json:
    carried = Carried((ThinkingPart(text="a" * 200 * many, state=STATE),))
    signature = base64.b64encode(carry_in_id("", carried).encode()).decode()
    pieces = [{"text": "a", "thought": True}] * 3 * many
    parts = [*pieces, {"text": "b", "thoughtSignature": signature}]
    return {"contents": [{"role": "model", "parts": parts}]}


ANTHROPIC = AnthropicMessagesWire()
BEDROCK = BedrockConverseWire()
OPENAI = OpenAIChatWire()


@pytest.mark.parametrize(
    ("codec", "body_of", "wire"),
    [
        (CHAT, called, ANTHROPIC),
        (CHAT, results_in_reverse, None),
        (GEMINI, results_of_another_name, None),
        (GEMINI, a_thought_in_pieces, None),
        (MESSAGES, documents, BEDROCK),
        (CONVERSE, marks_without_anything_to_mark, None),
        (CONVERSE, marks_without_tools_to_mark, None),
        (RESPONSES, states_of_calls, None),
        (RESPONSES, tools, ANTHROPIC),
        (RESPONSES, tools, BEDROCK),
        (RESPONSES, tools, OPENAI),
        (RESPONSES, hosted_tools, OPENAI),
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
def test_a_request_of_eight_times_the_length_takes_no_more_than_its_length(
    codec: ConversationCodec, body_of: Callable[[int], Json], wire: WireCodec | None
) -> None:
    url = RequestTarget(model="m", stream=False) if codec in (GEMINI, CONVERSE) else RequestTarget()

    def seconds(many: int) -> float:
        """Return the processor time of the quickest of three."""
        body = json.dumps(body_of(many)).encode()
        took: list[float] = []
        for _ in range(3):
            begun = time.process_time()
            request = codec.decode(body, url)
            if wire is not None:
                wire.encode_request(request, WireTarget(model="m"))
            took.append(time.process_time() - begun)
        return min(took)

    assert seconds(FEW * TIMES) < MOST_TIMES * seconds(FEW)
