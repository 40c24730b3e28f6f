"""OpenAI Responses, as the model's side sees it; it remembers what it was told to store.

https://platform.openai.com/docs/api-reference/responses
"""

import json
import re
from collections.abc import Iterator
from typing import Any, get_type_hints

from openai.types.responses.response_create_params import ResponseCreateParamsBase

from tests.support.model.chat import image_of
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

LONGEST_ID = 64
_TOP = frozenset(get_type_hints(ResponseCreateParamsBase)) | {"stream", "client_metadata"}
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_PREFIX = {
    "message": "msg", "function_call": "fc", "custom_tool_call": "ctc", "reasoning": "rs",
}  # fmt: skip
_OF_THE_MODEL = ("message", "function_call", "custom_tool_call")


class Memory:
    """What was stored: items by id, and the whole input and output of responses by id."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.items: dict[str, Json] = {}
        self.responses: dict[str, list[Json]] = {}

    def keep(self, body: Json, before: list[Json], output: list[Json], turn: Turn) -> str:
        """Store what may be stored, and return an id for the response."""
        identifier = f"resp_{turn.id}"
        if body.get("store") is not False:
            for item in output:
                kept = dict(item)
                if item["type"] == "reasoning":
                    kept["encrypted_content"] = turn.state
                self.items[item["id"]] = kept
            self.responses[identifier] = before + [self.items[each["id"]] for each in output]
        return identifier

    def input_of(self, body: Json) -> list[Json]:
        """Return everything the model sees: what came before, and what is new."""
        given = body["input"]
        new: list[Json] = [{"role": "user", "content": given}] if isinstance(given, str) else given
        previous = body.get("previous_response_id")
        if previous is None:
            return list(new)
        need(previous in self.responses, f"Previous response with id '{previous}' not found.")
        return self.responses[previous] + list(new)


def read(body: Json, memory: Memory) -> Conversation:
    """Understand a request, or say what is wrong with it."""
    known(body, _TOP, "")
    need(body.get("input"), "Missing required parameter: 'input'.")
    items = memory.input_of(body)
    system = [body["instructions"]] if body.get("instructions") else []
    messages: list[Message] = []
    for index, item in enumerate(items):
        where = f"input[{index}]"
        kind = item.get("type", "message")
        if kind == "item_reference":
            need(item["id"] in memory.items, f"Item with id '{item['id']}' not found.")
            item = memory.items[item["id"]]  # noqa: PLW2901 - the same item, looked up
            kind = item["type"]
        _check_id(item, kind, where)
        if kind == "message" and item["role"] in ("system", "developer"):
            system.append("".join(p.text for p in _content(item, where) if isinstance(p, Text)))
        elif kind == "message":
            messages.append(Message(item["role"], tuple(_content(item, where))))
        elif kind == "reasoning":
            _check_what_follows(items, index)
            messages.append(Message("assistant", (_thinking(item, memory),)))
        elif kind in ("function_call", "custom_tool_call"):
            messages.append(Message("assistant", (_call(item, where),)))
        elif kind in ("function_call_output", "custom_tool_call_output"):
            messages.append(Message("user", (_result(item, where),)))
        else:
            raise Refused(f"Invalid value: '{kind}' at '{where}.type'.")
    talk = joined(messages)
    answered(talk)
    tools, free = _tools(listed(body, "tools"))
    reasoning = inside(body, "reasoning")
    return Conversation(
        api="responses",
        model=body["model"],
        system="\n".join(system),
        messages=talk,
        stream=bool(body.get("stream")),
        gives_state=_encrypted(body) or body.get("store") is not False,
        wants_thinking=reasoning.get("effort") not in (None, "none"),
        tools=tools,
        free_text_tools=free,
        schema=_schema(body),
    )


def _encrypted(body: Json) -> bool:
    return "reasoning.encrypted_content" in listed(body, "include")


def _check_id(item: Json, kind: str, where: str) -> None:
    prefix = _PREFIX.get(kind)
    identifier = item.get("id")
    if prefix and identifier is not None:
        need(
            identifier.startswith(prefix) and len(identifier) <= LONGEST_ID,
            f"Invalid '{where}.id': '{identifier}'. Expected an ID that begins with '{prefix}'.",
        )


def _check_what_follows(items: list[Json], index: int) -> None:
    after = items[index + 1] if index + 1 < len(items) else {}
    need(
        after
        and after.get("type", "message") in (*_OF_THE_MODEL, "reasoning", "item_reference")
        and after.get("role", "assistant") == "assistant",
        f"Item '{items[index].get('id')}' of type 'reasoning' was provided without its required "
        "following item.",
    )


def _thinking(item: Json, memory: Memory) -> Thinking:
    text = "".join(part["text"] for part in item["summary"])
    state = item.get("encrypted_content")
    if state is None:
        identifier = item.get("id")
        need(
            identifier in memory.items,
            f"Item with id '{identifier}' not found. Items are not persisted when `store` is false.",
        )
        state = memory.items[str(identifier)]["encrypted_content"]
    return Thinking(text, state)


def _content(item: Json, where: str) -> Iterator[Part]:
    content = item["content"]
    if isinstance(content, str):
        yield Text(content)
        return
    words = "output_text" if item["role"] == "assistant" else "input_text"
    for part in content:
        match part["type"]:
            case kind if kind == words:
                yield Text(part["text"])
            case "refusal" if item["role"] == "assistant":
                yield Text(part["refusal"])
            case "input_image" if item["role"] == "user":
                yield image_of(part["image_url"])
            case other:
                raise Refused(f"Invalid value: '{other}' at '{where}.content'.")


def _call(item: Json, where: str) -> Call:
    identifier = item["call_id"]
    need(0 < len(identifier) <= LONGEST_ID, f"Invalid '{where}.call_id': string too long.")
    if item["type"] == "custom_tool_call":
        return Call(item["name"], {"input": item["input"]}, identifier)
    return Call(item["name"], json.loads(item["arguments"]), identifier)


def _result(item: Json, where: str) -> Result:
    output: Any = item["output"]
    if isinstance(output, str):
        return Result(output, id=item["call_id"])
    inner = list(_content({"role": "user", "content": output}, where))
    return Result(
        "".join(part.text for part in inner if isinstance(part, Text)),
        id=item["call_id"],
        images=tuple(part for part in inner if isinstance(part, Image)),
    )


def _tools(given: list[Json]) -> tuple[dict[str, Json], frozenset[str]]:
    tools: dict[str, Json] = {}
    free: set[str] = set()
    for tool in given:
        if tool["type"] not in ("function", "custom"):
            continue  # the vendor's own tools, which this model never calls
        need(_NAME.fullmatch(tool["name"]), f"Invalid 'tools[0].name': '{tool['name']}'.")
        tools[tool["name"]] = inside(tool, "parameters")
        if tool["type"] == "custom":
            free.add(tool["name"])
    return tools, frozenset(free)


def _schema(body: Json) -> Json | None:
    form = inside(body, "text").get("format")
    if not form or form["type"] != "json_schema":
        return None
    need(_NAME.fullmatch(form.get("name", "")), "Invalid 'text.format.name'.")
    return form["schema"]


def call_id(turn: int, index: int) -> str:
    """Return an id as this vendor makes them."""
    return f"call_{turn:02d}{index:02d}AbcDef0123456789Xy"


def output(turn: Turn, asked: Conversation, body: Json) -> list[Json]:
    """Return the output items of a turn."""
    items: list[Json] = []
    if turn.thought:
        shown = bool(inside(body, "reasoning").get("summary"))
        summary = [{"type": "summary_text", "text": turn.thought}] if shown else []
        reasoning: Json = {"id": f"rs_{turn.id}", "type": "reasoning"}
        reasoning |= {"summary": summary}
        if _encrypted(body):
            reasoning["encrypted_content"] = turn.state
        items.append(reasoning)
    if turn.text:
        text: Json = {"type": "output_text", "text": turn.text, "annotations": [], "logprobs": []}
        message: Json = {"id": f"msg_{turn.id}", "type": "message"}
        items.append(message | {"role": "assistant", "status": "completed", "content": [text]})
    for index, call in enumerate(turn.calls):
        item: Json = {"call_id": call.id, "name": call.name, "status": "completed"}
        if call.name in asked.free_text_tools:
            item |= {"type": "custom_tool_call", "input": call.arguments["input"]}
            item["id"] = f"ctc_{turn.id}{index}"
        else:
            item |= {"type": "function_call", "arguments": json.dumps(call.arguments)}
            item["id"] = f"fc_{turn.id}{index}"
        items.append(item)
    return items


def response(
    identifier: str, items: list[Json], asked: Conversation, body: Json, tokens: Tokens | None
) -> Json:
    """Return a response object; without tokens it is still in progress."""
    return {
        "id": identifier,
        "object": "response",
        "created_at": 1764000000,
        "status": "completed" if tokens else "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "metadata": inside(body, "metadata"),
        "model": asked.model,
        "output": items,
        "parallel_tool_calls": body.get("parallel_tool_calls", True),
        "previous_response_id": body.get("previous_response_id"),
        "reasoning": {"effort": None, "summary": None} | inside(body, "reasoning"),
        "service_tier": "default",
        "store": body.get("store", True),
        "temperature": 1.0,
        "text": {"format": {"type": "text"}} | inside(body, "text"),
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": listed(body, "tools"),
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": _usage(tokens) if tokens else None,
        "user": None,
    }


def events(
    identifier: str, items: list[Json], asked: Conversation, body: Json, tokens: Tokens
) -> Iterator[bytes]:
    """Yield an answer bit by bit."""
    for number, event in enumerate(_events(identifier, items, asked, body, tokens)):
        numbered = event | {"sequence_number": number}
        yield b"event: %b\ndata: %b\n\n" % (event["type"].encode(), json.dumps(numbered).encode())


def _events(
    identifier: str, items: list[Json], asked: Conversation, body: Json, tokens: Tokens
) -> Iterator[Json]:
    begun = response(identifier, [], asked, body, None)
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    for index, item in enumerate(items):
        at: Json = {"output_index": index, "item_id": item["id"]}
        started, inner = _parts_of(item, at)
        yield {"type": "response.output_item.added", "output_index": index, "item": started}
        yield from inner
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    done = response(identifier, items, asked, body, tokens)
    yield {"type": "response.completed", "response": done}


def _parts_of(item: Json, at: Json) -> tuple[Json, Iterator[Json]]:
    match item["type"]:
        case "reasoning":
            return item | {"summary": []}, _summary(item, at)
        case "message":
            return item | {"content": [], "status": "in_progress"}, _message(item, at)
        case "custom_tool_call":
            begun = item | {"input": "", "status": "in_progress"}
            return begun, _written("response.custom_tool_call_input", "input", item["input"], at)
        case _:
            begun = item | {"arguments": "", "status": "in_progress"}
            name = "response.function_call_arguments"
            return begun, _written(name, "arguments", item["arguments"], at)


def _summary(item: Json, at: Json) -> Iterator[Json]:
    for index, part in enumerate(item["summary"]):
        here = at | {"summary_index": index}
        empty = part | {"text": ""}
        yield {"type": "response.reasoning_summary_part.added", **here, "part": empty}
        for piece in pieces(part["text"]):
            yield {"type": "response.reasoning_summary_text.delta", **here, "delta": piece}
        yield {"type": "response.reasoning_summary_text.done", **here, "text": part["text"]}
        yield {"type": "response.reasoning_summary_part.done", **here, "part": part}


def _message(item: Json, at: Json) -> Iterator[Json]:
    for index, part in enumerate(item["content"]):
        here = at | {"content_index": index}
        empty = part | {"text": ""}
        yield {"type": "response.content_part.added", **here, "part": empty}
        for piece in pieces(part["text"]):
            delta: Json = {"delta": piece, "logprobs": []}
            yield {"type": "response.output_text.delta", **here, **delta}
        whole: Json = {"text": part["text"], "logprobs": []}
        yield {"type": "response.output_text.done", **here, **whole}
        yield {"type": "response.content_part.done", **here, "part": part}


def _written(name: str, key: str, text: str, at: Json) -> Iterator[Json]:
    for piece in pieces(text, 5):
        yield {"type": f"{name}.delta", **at, "delta": piece}
    yield {"type": f"{name}.done", **at, key: text}


def _usage(tokens: Tokens) -> Json:
    return {
        "input_tokens": tokens.input,
        "input_tokens_details": {"cached_tokens": tokens.cache_read},
        "output_tokens": tokens.generated,
        "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
        "total_tokens": tokens.input + tokens.generated,
    }
