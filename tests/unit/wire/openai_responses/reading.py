"""Requests of Responses clients, read."""

import json
from typing import Any

from application.ports.dialect import NOT_IN_URL
from domain.inference.conversation import (
    Message,
    Role,
    TextPart,
)
from domain.inference.dialect import WireFormat
from domain.inference.request import (
    InferenceRequest,
)
from tests.unit.wire.openai_responses.reaches import CODEC

OWN = WireFormat.OPENAI_RESPONSES


GRAMMAR: dict[str, object] = {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"}


PNG = "iVBORw0KGgo="


def read(**members: Any) -> InferenceRequest:
    body = {"model": "m", "input": "Hi"} | members
    return CODEC.decode(json.dumps(body).encode(), NOT_IN_URL)


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
