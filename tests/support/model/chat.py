"""OpenAI Chat Completions, as the model's side sees it.

https://platform.openai.com/docs/api-reference/chat
"""

import base64
import json
import re
from collections.abc import Iterator
from typing import Any, get_type_hints

from openai.types.chat.completion_create_params import CompletionCreateParamsBase

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

LONGEST_ID = 40
_TOP = frozenset(get_type_hints(CompletionCreateParamsBase)) | {"stream"}
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
# What servers of open models add to the API: thought, both ways.
_COMPATIBLE = frozenset({"reasoning_content", "reasoning"})


def read(body: Json, *, compatible: bool = False) -> Conversation:
    """Understand a request; a compatible server also knows the older bound and ignores the rest."""
    if not compatible:
        known(body, _TOP, "")
        need("max_tokens" not in body, "Use 'max_completion_tokens' instead of 'max_tokens'.")
    need(body.get("messages"), "Missing required parameter: 'messages'.")
    system: list[str] = []
    messages: list[Message] = []
    for index, message in enumerate(body["messages"]):
        role = message["role"]
        where = f"messages[{index}]"
        if role in ("system", "developer"):
            system.append(_plain(message["content"]))
        elif role == "tool":
            need(message.get("tool_call_id"), f"Missing required parameter: '{where}.tool_call_id'")
            result = Result(_plain(message["content"]), id=message["tool_call_id"])
            messages.append(Message("user", (result,)))
        elif role == "user":
            messages.append(Message("user", tuple(_content(message["content"], where))))
        else:
            need(role == "assistant", f"Invalid value: '{role}' at '{where}.role'.")
            allowed = {"role", "content", "tool_calls", "name", "refusal", "audio", "function_call"}
            known(message, allowed | (_COMPATIBLE if compatible else set()), f"{where}.")
            messages.append(Message("assistant", tuple(_assistant(message, where))))
    talk = joined(messages)
    answered(talk)
    tools, free = _tools(listed(body, "tools"))
    return Conversation(
        api="chat",
        model=body["model"],
        system="\n".join(system),
        messages=talk,
        stream=bool(body.get("stream")),
        gives_state=False,
        wants_thinking=body.get("reasoning_effort") not in (None, "none"),
        tools=tools,
        free_text_tools=free,
        schema=_schema(body.get("response_format")),
    )


def _plain(content: Any) -> str:
    if isinstance(content, str):
        return content
    need(all(part["type"] == "text" for part in content), "Only text is allowed here.")
    return "".join(part["text"] for part in content)


def _content(content: Any, where: str) -> Iterator[Part]:
    if isinstance(content, str):
        yield Text(content)
        return
    need(content, f"Invalid '{where}.content': empty array.")
    for part in content:
        match part["type"]:
            case "text":
                yield Text(part["text"])
            case "image_url":
                yield image_of(part["image_url"]["url"])
            case other:
                raise Refused(f"Invalid value: '{other}' at '{where}.content'.")


def image_of(url: str) -> Image:
    """Return the picture in a data URL."""
    head, _, data = url.partition(";base64,")
    need(head.startswith("data:image/"), f"Invalid image URL: {url[:40]}")
    return Image(base64.b64decode(data, validate=True), head.removeprefix("data:"))


def _assistant(message: Json, where: str) -> Iterator[Part]:
    calls = listed(message, "tool_calls")
    need(message.get("content") is not None or calls, f"Invalid '{where}.content': null.")
    if message.get("content"):
        yield Text(_plain(message["content"]))
    for call in calls:
        identifier = call["id"]
        need(
            0 < len(identifier) <= LONGEST_ID,
            f"Invalid '{where}.tool_calls[0].id': string too long. Expected a string with maximum "
            f"length {LONGEST_ID}, but got a string with length {len(identifier)} instead.",
        )
        if call["type"] == "custom":
            text = call["custom"]["input"]
            yield Call(call["custom"]["name"], {"input": text}, identifier)
        else:
            function = call["function"]
            yield Call(function["name"], json.loads(function["arguments"]), identifier)


def _tools(given: list[Json]) -> tuple[dict[str, Json], frozenset[str]]:
    tools: dict[str, Json] = {}
    free: set[str] = set()
    for tool in given:
        if tool["type"] == "custom":
            name = tool["custom"]["name"]
            tools[name] = {}
            free.add(name)
        else:
            need(tool["type"] == "function", f"Invalid value: '{tool['type']}' at 'tools'.")
            name = tool["function"]["name"]
            tools[name] = inside(tool["function"], "parameters")
        need(_NAME.fullmatch(name), f"Invalid 'tools[0].function.name': '{name}'.")
    return tools, frozenset(free)


def _schema(response_format: Json | None) -> Json | None:
    if not response_format or response_format["type"] != "json_schema":
        return None
    schema = response_format["json_schema"]
    need(_NAME.fullmatch(schema.get("name", "")), "Invalid 'response_format.json_schema.name'.")
    return schema["schema"]


def call_id(turn: int, index: int) -> str:
    """Return an id as this vendor makes them."""
    return f"call_{turn:02d}{index:02d}ABCdef0123456789XyZ"


def whole(turn: Turn, asked: Conversation, *, compatible: bool = False) -> Json:
    """Return an answer in one piece."""
    message: Json = {"role": "assistant", "content": turn.text or None, "refusal": None}
    if compatible and turn.thought:
        message["reasoning_content"] = turn.thought
    if turn.calls:
        message["tool_calls"] = [_call(call, asked) for call in turn.calls]
    return {
        "id": f"chatcmpl-{turn.id}",
        "object": "chat.completion",
        "created": 1764000000,
        "model": asked.model,
        "choices": [{"index": 0, "message": message, "finish_reason": _finish(turn)}],
        "usage": _usage(turn.tokens),
    }


def _call(call: Call, asked: Conversation) -> Json:
    if call.name in asked.free_text_tools:
        custom = {"name": call.name, "input": call.arguments["input"]}
        return {"id": call.id, "type": "custom", "custom": custom}
    function = {"name": call.name, "arguments": json.dumps(call.arguments)}
    return {"id": call.id, "type": "function", "function": function}


def events(
    turn: Turn, asked: Conversation, body: Json, *, compatible: bool = False
) -> Iterator[bytes]:
    """Yield an answer bit by bit."""
    yield _chunk(turn, asked, {"role": "assistant", "content": "", "refusal": None})
    if compatible:
        for piece in pieces(turn.thought):
            yield _chunk(turn, asked, {"reasoning_content": piece})
    for piece in pieces(turn.text):
        yield _chunk(turn, asked, {"content": piece})
    for index, call in enumerate(turn.calls):
        named = _call(call, asked)
        inner = named[named["type"]]
        key = "input" if named["type"] == "custom" else "arguments"
        text, inner[key] = inner[key], ""
        yield _chunk(turn, asked, {"tool_calls": [{"index": index, **named}]})
        for piece in pieces(text, 5):
            yield _chunk(
                turn, asked, {"tool_calls": [{"index": index, named["type"]: {key: piece}}]}
            )
    yield _chunk(turn, asked, {}, finish=_finish(turn))
    if inside(body, "stream_options").get("include_usage"):
        yield _chunk(turn, asked, None, usage=_usage(turn.tokens))
    yield b"data: [DONE]\n\n"


def _chunk(
    turn: Turn,
    asked: Conversation,
    delta: Json | None,
    *,
    finish: str | None = None,
    usage: Json | None = None,
) -> bytes:
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}] if delta is not None else []
    chunk = {
        "id": f"chatcmpl-{turn.id}",
        "object": "chat.completion.chunk",
        "created": 1764000000,
        "model": asked.model,
        "choices": choices,
        "usage": usage,
    }
    return b"data: %b\n\n" % json.dumps(chunk).encode()


def _finish(turn: Turn) -> str:
    return "tool_calls" if turn.calls else "stop"


def _usage(tokens: Tokens) -> Json:
    return {
        "prompt_tokens": tokens.input,
        "completion_tokens": tokens.generated,
        "total_tokens": tokens.input + tokens.generated,
        "prompt_tokens_details": {"cached_tokens": tokens.cache_read, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": tokens.reasoning, "audio_tokens": 0},
    }


def refusal(status: int, message: str) -> Json:
    """Return an error as this vendor words it."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}
