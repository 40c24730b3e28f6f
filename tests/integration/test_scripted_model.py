"""The scripted model refuses what the vendors refuse; otherwise the clients would prove nothing."""

import copy
import json
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer

from tests.support.model import anthropic, chat, converse, gemini, responses, tour
from tests.support.model.frames import frame
from tests.support.model.server import KEY, ModelServer, state_of
from tests.support.model.talk import Refused

MESSAGES: dict[str, Any] = {
    "model": "claude-sonnet-4-5",
    "max_tokens": 4096,
    "thinking": {"type": "enabled", "budget_tokens": 2048},
    "tools": [{"name": "look", "input_schema": {"type": "object"}}],
    "messages": [
        {"role": "user", "content": "Hi"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": state_of("anthropic", 0)},
                {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "seen"}],
        },
    ],
}
VERSION = "2023-06-01"


def test_what_a_vendor_takes_is_taken() -> None:
    asked = anthropic.read(MESSAGES, VERSION)
    assert asked.gives_state
    assert [message.role for message in asked.messages] == ["user", "assistant", "user"]


def test_a_call_without_its_result_is_refused() -> None:
    body = copy.deepcopy(MESSAGES)
    body["messages"][2]["content"] = "never mind"
    with pytest.raises(Refused, match="results"):
        anthropic.read(body, VERSION)


def test_a_turn_that_waits_for_results_and_lost_its_thought_is_refused() -> None:
    body = copy.deepcopy(MESSAGES)
    del body["messages"][1]["content"][0]
    with pytest.raises(Refused, match="thinking block"):
        anthropic.read(body, VERSION)


def test_an_unknown_parameter_is_refused() -> None:
    with pytest.raises(Refused, match="novelty"):
        anthropic.read({**MESSAGES, "novelty": 1}, VERSION)


def test_a_changed_signature_is_refused() -> None:
    body = copy.deepcopy(MESSAGES)
    with ModelServer({"claude-sonnet-4-5": tour.tour}) as model:
        headers = {"x-api-key": KEY, "anthropic-version": VERSION}
        model.reply("/v1/messages", headers, json.dumps(body).encode())
        body["messages"][1]["content"][0]["signature"] = state_of("anthropic", 1)
        model.reply("/v1/messages", headers, json.dumps(body).encode())
        first, second = model.refusals()
    assert "system prompt" in first  # of the tour, which this is not
    assert "signature" in second


def test_an_id_that_is_too_long_is_refused_by_openai() -> None:
    call = {"id": "c" * 41, "type": "function", "function": {"name": "look", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c" * 41, "content": "seen"},
    ]
    with pytest.raises(Refused, match="maximum length 40"):
        chat.read({"model": "gpt", "messages": messages})


def test_reasoning_without_its_item_is_refused_by_openai() -> None:
    reasoning: dict[str, Any] = {"type": "reasoning", "id": "rs_1", "summary": []}
    reasoning["encrypted_content"] = "x"
    body: dict[str, Any] = {"model": "gpt", "input": [{"role": "user", "content": "Hi"}, reasoning]}
    with pytest.raises(Refused, match="required following item"):
        responses.read(body, responses.Memory())


def test_a_call_without_its_signature_is_refused_by_gemini() -> None:
    contents: list[dict[str, Any]] = [
        {"role": "user", "parts": [{"text": "Hi"}]},
        {"role": "model", "parts": [{"functionCall": {"name": "look", "args": {}}}]},
        {
            "role": "user",
            "parts": [{"functionResponse": {"name": "look", "response": {"output": "seen"}}}],
        },
    ]
    with pytest.raises(Refused, match="thought_signature"):
        gemini.read({"contents": contents}, "gemini-3-pro", stream=False)


def test_members_that_aws_does_not_know_are_refused_by_bedrock() -> None:
    content = [{"text": "Hi"}]
    body: dict[str, Any] = {"messages": [{"role": "user", "content": content, "novelty": 1}]}
    with pytest.raises(Refused, match="novelty"):
        converse.read(body, "anthropic.claude", stream=False)


def test_frames_are_what_the_official_parser_reads() -> None:
    parser = EventStreamBuffer()
    parser.add_data(frame("messageStart", {"role": "assistant"}))
    event: Any = next(iter(parser))
    assert event.headers[":event-type"] == "messageStart"
    assert json.loads(event.payload) == {"role": "assistant"}
