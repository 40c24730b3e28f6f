"""Streams as Anthropic's servers send them, and the answers they stand for."""

import json
from typing import Any

Frame = dict[str, Any]


def sse(*frames: Frame) -> bytes:
    """Return frames as the server writes them."""
    return b"".join(
        b"event: %s\ndata: %s\n\n" % (frame["type"].encode(), json.dumps(frame).encode())
        for frame in frames
    )


def begun(**usage: Any) -> list[Frame]:
    """Return the start of a message, and the ping that follows."""
    message: Frame = {
        "model": "claude-sonnet-4-5-20250929",
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 25, "output_tokens": 1, **usage},
    }
    return [{"type": "message_start", "message": message}, {"type": "ping"}]


def block(index: int, start: Frame, *deltas: Frame) -> list[Frame]:
    """Return a content block from its start to its end."""
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def said(index: int, *texts: str) -> list[Frame]:
    """Return a text block."""
    deltas = ({"type": "text_delta", "text": text} for text in texts)
    return block(index, {"type": "text", "text": ""}, *deltas)


def called(index: int, call_id: str, name: str, *pieces: str) -> list[Frame]:
    """Return a call of a tool."""
    start: Frame = {"type": "tool_use", "id": call_id, "name": name, "input": {}}
    deltas = ({"type": "input_json_delta", "partial_json": piece} for piece in pieces)
    return block(index, start, *deltas)


def ended(reason: str, **usage: Any) -> list[Frame]:
    """Return the end of a message."""
    delta = {"stop_reason": reason, "stop_sequence": None}
    usage = {"output_tokens": 15, **usage}
    return [
        {"type": "message_delta", "delta": delta, "usage": usage},
        {"type": "message_stop"},
    ]


CITATION: Frame = {
    "type": "web_search_result_location",
    "url": "https://weather.example/paris",
    "title": "Weather",
    "encrypted_index": "Eo8B",
    "cited_text": "Rain in Paris",
}
SEARCH: Frame = {
    "type": "web_search_tool_result",
    "tool_use_id": "srvtoolu_1",
    "content": [{"type": "web_search_result", "url": "https://weather.example/paris"}],
}

TEXT = sse(*begun(), *said(0, "Hello", " there, ", "Zoë 🙂"), *ended("end_turn"))
TOOLS = sse(
    *begun(),
    *said(0, "Looking."),
    *called(1, "toolu_1", "weather", "", '{"city": "Par', 'is", "days": 3}'),
    *called(2, "toolu_2", "now"),
    *ended("tool_use"),
)
THINKING = sse(
    *begun(),
    *block(
        0,
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "thinking_delta", "thinking": "Let me "},
        {"type": "thinking_delta", "thinking": "see."},
        {"type": "signature_delta", "signature": "EqQBCgIYAhIM+/=="},
    ),
    *block(1, {"type": "redacted_thinking", "data": "EmwKAhgB+/=="}),
    *said(2, "42"),
    *ended("end_turn", output_tokens_details={"thinking_tokens": 9}),
)
HOSTED = sse(
    *begun(cache_creation_input_tokens=8, cache_read_input_tokens=16),
    *block(
        0,
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}},
        {"type": "input_json_delta", "partial_json": '{"query": '},
        {"type": "input_json_delta", "partial_json": '"Paris"}'},
    ),
    *block(1, SEARCH),
    *block(
        2,
        {"citations": [], "type": "text", "text": ""},
        {"type": "citations_delta", "citation": CITATION},
        {"type": "text_delta", "text": "It rains."},
    ),
    *ended("pause_turn", input_tokens=90, server_tool_use={"web_search_requests": 1}),
)
ALL = {"text": TEXT, "tools": TOOLS, "thinking": THINKING, "hosted": HOSTED}
