"""Anthropic Messages, as the model's side sees it.

https://docs.anthropic.com/en/api/messages
"""

import base64
import json
import re
from collections.abc import Iterator
from typing import Any, get_type_hints

from anthropic.types.beta.message_create_params import MessageCreateParamsBase

from tests.support.model.talk import (
    Call,
    Conversation,
    Image,
    Json,
    Message,
    Part,
    Refused,
    Result,
    Text,
    Thinking,
    Tokens,
    Turn,
    answered,
    inside,
    joined,
    known,
    listed,
    need,
    pieces,
)

_TOP = frozenset(get_type_hints(MessageCreateParamsBase)) - {"betas"} | {
    "stream", "temperature", "top_p", "top_k",
}  # fmt: skip
_ID = re.compile(r"[a-zA-Z0-9_-]+")
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_LEAST_BUDGET = 1024
_NEWEST = "claude-opus-5"
_WITHOUT_SAMPLING = "2026-10-21"
_MOST_CACHE_MARKS = 4


def read(body: Json, version: str) -> Conversation:
    """Understand a request, or say what is wrong with it.

    https://platform.claude.com/docs/en/api/migration-2026-10-21
    """
    if version >= _WITHOUT_SAMPLING:
        sampling = [name for name in ("temperature", "top_p", "top_k") if name in body]
        need(not sampling, f"{sampling}: Extra inputs are not permitted")
    known(body, _TOP, "")
    need(isinstance(body.get("max_tokens"), int), "max_tokens: Field required")
    need(body.get("messages"), "messages: at least one message is required")
    need(json.dumps(body).count('"cache_control"') <= _MOST_CACHE_MARKS, "too many cache_control")
    thinking = inside(body, "thinking")
    new = body["model"].startswith(_NEWEST)
    wants_thinking = thinking.get("type", "adaptive" if new else "disabled") != "disabled"
    if new:
        _check_newest(body, thinking)
    elif wants_thinking:
        _check_thinking(body, thinking)
    given = body.get("system") or ""
    system = [given] if isinstance(given, str) else [each["text"] for each in given]
    messages: list[Message] = []
    for index, message in enumerate(body["messages"]):
        role = message["role"]
        if role == "system":  # instructions that come in mid-conversation
            need(index > 0, "messages.0.role: a conversation cannot start with 'system'")
            words = _content(message["content"], f"messages.{index}")
            system += [part.text for part in words if isinstance(part, Text)]
            continue
        need(role in ("user", "assistant"), f"messages.{index}.role: '{role}' is not allowed")
        messages.append(Message(role, tuple(_content(message["content"], f"messages.{index}"))))
    need(messages[0].role == "user", 'messages: first message must use the "user" role')
    talk = joined(messages)
    _check_results_first(talk)
    answered(talk)
    if wants_thinking:
        _check_order_of_thought(talk)
    tools = {
        tool["name"]: tool["input_schema"]
        for tool in listed(body, "tools")
        if tool.get("type", "custom") == "custom"
    }
    for name in tools:
        need(_NAME.fullmatch(name), f"tools.0.custom.name: '{name}' should match the pattern")
    need(body.get("tools") or not _calls(talk), "Requests which include `tool_use` need `tools=`")
    return Conversation(
        api="anthropic",
        model=body["model"],
        system="\n".join(system),
        messages=talk,
        stream=bool(body.get("stream")),
        gives_state=wants_thinking,
        wants_thinking=wants_thinking,
        tools=tools,
        schema=_schema(body),
    )


def _check_newest(body: Json, thinking: Json) -> None:
    """The newest model decides itself how much it thinks, and how it samples."""
    need(thinking.get("type") != "enabled", "thinking.type: 'enabled' is not supported")
    sampling = [name for name in ("temperature", "top_p", "top_k") if name in body]
    need(not sampling, f"{sampling} is not supported by this model")


def _check_thinking(body: Json, thinking: Json) -> None:
    if thinking["type"] == "enabled":
        budget = thinking["budget_tokens"]
        need(budget >= _LEAST_BUDGET, "thinking.enabled.budget_tokens: at least 1024")
        need(body["max_tokens"] > budget, "`max_tokens` must be greater than `budget_tokens`")
    choice = inside(body, "tool_choice").get("type", "auto")
    # Fable 5 always thinks and could be forced all the same; that it no longer can is a breaking
    # change of 5.1: https://platform.claude.com/docs/en/models/fable-5-1/migration-guide
    need(
        choice in ("auto", "none") or "claude-fable-5" in body["model"],
        "Thinking may not be enabled when tool_choice forces tool use.",
    )
    need(body.get("temperature", 1) == 1, "`temperature` may only be set to 1 with thinking")
    need(body.get("top_k") is None, "`top_k` must be unset when thinking is enabled")


def _check_results_first(talk: tuple[Message, ...]) -> None:
    for message in talk:
        seen_other = False
        for part in message.parts:
            seen_other = seen_other or not isinstance(part, Result)
            need(
                not (seen_other and isinstance(part, Result)),
                "`tool_use` ids were found without `tool_result` blocks immediately after",
            )


def _check_order_of_thought(talk: tuple[Message, ...]) -> None:
    """The turn that waits for its results must begin with what was thought."""
    waiting = talk[-1].role == "user" and any(isinstance(p, Result) for p in talk[-1].parts)
    if waiting and len(talk) > 1:
        need(
            isinstance(talk[-2].parts[0], Thinking),
            "Expected `thinking` or `redacted_thinking`, but found `tool_use`. When `thinking` is "
            "enabled, a final `assistant` message must start with a thinking block.",
        )


def _calls(talk: tuple[Message, ...]) -> bool:
    return any(isinstance(part, Call) for message in talk for part in message.parts)


def _content(content: Any, where: str) -> Iterator[Part]:
    if isinstance(content, str):
        need(content, f"{where}: content must be non-empty")
        yield Text(content)
        return
    need(content, f"{where}: all messages must have non-empty content")
    for block in content:
        match block["type"]:
            case "text":
                need(block["text"], f"{where}: text content blocks must be non-empty")
                yield Text(block["text"])
            case "image":
                yield _image(block)
            case "thinking":
                yield Thinking(block["thinking"], block["signature"])
            case "redacted_thinking":
                yield Thinking("", block["data"])
            case "tool_use":
                need(_ID.fullmatch(block["id"]), f"{where}: tool_use.id should match the pattern")
                need(isinstance(block["input"], dict), f"{where}: tool_use.input must be an object")
                yield Call(block["name"], block["input"], block["id"])
            case "tool_result":
                yield _result(block, where)
            case other:
                raise Refused(f"{where}.content.0: Input tag '{other}' found")


def _image(block: Json) -> Image:
    source = block["source"]
    need(source["type"] == "base64", "messages: only base64 images here")
    return Image(base64.b64decode(source["data"], validate=True), source["media_type"])


def _result(block: Json, where: str) -> Result:
    content = block.get("content") or ""
    if isinstance(content, str):
        return Result(content, id=block["tool_use_id"])
    inner = list(_content(content, where))
    return Result(
        "".join(part.text for part in inner if isinstance(part, Text)),
        id=block["tool_use_id"],
        images=tuple(part for part in inner if isinstance(part, Image)),
    )


def _schema(body: Json) -> Json | None:
    form = inside(body, "output_config").get("format")
    if form is None:
        return None
    need(form["type"] == "json_schema", "output_config.format.type: must be json_schema")
    return form["schema"]


def call_id(turn: int, index: int) -> str:
    """Return an id as this vendor makes them."""
    return f"toolu_{turn:02d}{index:02d}AbCdEf0123456789"


def blocks(turn: Turn) -> list[Json]:
    """Return the content blocks of a turn."""
    content: list[Json] = []
    if turn.thought:
        content.append({"type": "thinking", "thinking": turn.thought, "signature": turn.state})
    if turn.text:
        content.append({"type": "text", "text": turn.text, "citations": None})
    return content + [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments}
        for call in turn.calls
    ]


def whole(turn: Turn, asked: Conversation) -> Json:
    """Return an answer in one piece."""
    return {
        "id": f"msg_{turn.id}",
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "content": blocks(turn),
        "stop_reason": _stop(turn),
        "stop_sequence": None,
        "usage": _usage(turn.tokens, turn.tokens.generated),
    }


def events(turn: Turn, asked: Conversation) -> Iterator[bytes]:
    """Yield an answer bit by bit."""
    start: Json = whole(turn, asked) | {"content": [], "stop_reason": None}
    start["usage"] = _usage(turn.tokens, 1)
    yield _event({"type": "message_start", "message": start})
    yield _event({"type": "ping"})
    for index, block in enumerate(blocks(turn)):
        yield from _block(index, block)
    yield _event(
        {
            "type": "message_delta",
            "delta": {"stop_reason": _stop(turn), "stop_sequence": None},
            "usage": _usage(turn.tokens, turn.tokens.generated),
        }
    )
    yield _event({"type": "message_stop"})


def _block(index: int, block: Json) -> Iterator[bytes]:
    match block["type"]:
        case "thinking":
            start: Json = block | {"thinking": "", "signature": ""}
            deltas: list[Json] = [
                {"type": "thinking_delta", "thinking": piece} for piece in pieces(block["thinking"])
            ]
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
        case "text":
            start = block | {"text": ""}
            deltas = [{"type": "text_delta", "text": piece} for piece in pieces(block["text"])]
        case _:
            start = block | {"input": {}}
            written = json.dumps(block["input"]) if block["input"] else ""
            deltas = [
                {"type": "input_json_delta", "partial_json": piece}
                for piece in ["", *pieces(written, 5)]
            ]
    yield _event({"type": "content_block_start", "index": index, "content_block": start})
    for delta in deltas:
        yield _event({"type": "content_block_delta", "index": index, "delta": delta})
    yield _event({"type": "content_block_stop", "index": index})


def _event(event: Json) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (event["type"].encode(), json.dumps(event).encode())


def _stop(turn: Turn) -> str:
    return "tool_use" if turn.calls else "end_turn"


def _usage(tokens: Tokens, output: int) -> Json:
    return {
        "input_tokens": tokens.uncached,
        "cache_read_input_tokens": tokens.cache_read,
        "cache_creation_input_tokens": tokens.cache_write,
        "output_tokens": output,
        "service_tier": "standard",
    }


def refusal(status: int, message: str) -> Json:
    """Return an error as this vendor words it."""
    kind = {400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error"}
    error = {"type": kind.get(status, "api_error"), "message": message}
    return {"type": "error", "error": error, "request_id": "req_Scripted"}
