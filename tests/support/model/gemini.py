"""Gemini generateContent, as the model's side sees it.

https://ai.google.dev/api/generate-content
"""

import base64
import json
import re
from collections.abc import Iterator
from typing import Any, cast

from google.genai import types
from pydantic.alias_generators import to_camel

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
    inside,
    joined,
    known,
    listed,
    need,
    pieces,
)

_TOP = frozenset(
    {
        "contents", "systemInstruction", "tools", "toolConfig", "safetySettings",
        "generationConfig", "cachedContent", "serviceTier", "store", "model",
    }
)  # fmt: skip
_GENERATION = frozenset(to_camel(name) for name in types.GenerationConfig.model_fields)
_PART = frozenset(to_camel(name) for name in types.Part.model_fields)
_SCHEMA = frozenset(to_camel(name) for name in types.Schema.model_fields) | {"$ref", "$defs"}
_DECLARATION = frozenset(to_camel(name) for name in types.FunctionDeclaration.model_fields)
_OF_CALLERS = frozenset(
    {
        "args", "response", "parameters", "parametersJsonSchema", "responseSchema",
        "responseJsonSchema",
    }
)  # fmt: skip
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}")


def read(body: Json, model: str, *, stream: bool) -> Conversation:
    """Understand a request, or say what is wrong with it."""
    body = _camel_case(body)
    known(body, _TOP, "")
    generation = inside(body, "generationConfig")
    known(generation, _GENERATION, "generation_config.")
    need(body.get("contents"), "* GenerateContentRequest.contents: contents is not specified")
    messages: list[Message] = []
    for index, content in enumerate(body["contents"]):
        role = content.get("role", "user")
        need(
            role in ("user", "model", "function"), f"Please use a valid role: user, model ({role})"
        )
        side = "assistant" if role == "model" else "user"
        parts = tuple(
            part for each in content["parts"] for part in _part(each, f"contents[{index}]")
        )
        need(
            content["parts"], f"* GenerateContentRequest.contents[{index}].parts: must not be empty"
        )
        messages.append(Message(side, parts))
    talk = joined(messages)
    _check_order(talk)
    _check_signatures(body["contents"])
    thinking = inside(generation, "thinkingConfig")
    need(
        not {"thinkingBudget", "thinkingLevel"} <= set(thinking),
        "You can only set one of thinking_budget and thinking_level.",
    )
    system = inside(body, "systemInstruction")
    return Conversation(
        api="gemini",
        model=model,
        system="\n".join(part["text"] for part in listed(system, "parts")),
        messages=_numbered(talk),
        stream=stream,
        gives_state=True,
        wants_thinking=bool(thinking) and thinking.get("thinkingBudget") != 0,
        shows_thinking=bool(thinking.get("includeThoughts")),
        tools=_tools(listed(body, "tools")),
        schema=_schema(generation),
    )


def _part(part: Json, where: str) -> Iterator[Part]:
    known(part, _PART, f"{where}.parts[0].")
    state = part.get("thoughtSignature")
    if state is not None:
        yield Thinking(state=base64.b64encode(decoded(state)).decode())
    if part.get("thought"):
        yield Thinking(part["text"])
    elif "text" in part:
        if part["text"]:
            yield Text(part["text"])
    elif "inlineData" in part:
        blob = part["inlineData"]
        yield Image(decoded(blob["data"]), blob["mimeType"])
    elif "functionCall" in part:
        call = part["functionCall"]
        yield Call(call["name"], inside(call, "args"), call.get("id") or "")
    elif "functionResponse" in part:
        answer = part["functionResponse"]
        need(isinstance(answer["response"], dict), f"{where}: response must be an object")
        yield Result(_words(answer["response"]), answer["name"], answer.get("id") or "")
    else:
        raise Refused(f"{where}.parts[0].data: required oneof field 'data' must be initialized")


def _camel_case(value: Any) -> Any:
    """Return the same with all names of the vendor's in one spelling; it takes both.

    What callers put in, arguments of functions and schemas, is left alone.
    """
    if isinstance(value, list):
        return [_camel_case(each) for each in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    given = cast("Json", value)
    return {
        to_camel(name): inner if to_camel(name) in _OF_CALLERS else _camel_case(inner)
        for name, inner in given.items()
    }


def decoded(text: str) -> bytes:
    """Return bytes in JSON, which this vendor takes in both alphabets of base64."""
    return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)


def _words(response: Json) -> str:
    """Return what a tool said; callers wrap text in an object under a name of their choice."""
    if len(response) == 1 and isinstance(only := next(iter(response.values())), str):
        return only
    return json.dumps(response)


def _check_order(talk: tuple[Message, ...]) -> None:
    for index, message in enumerate(talk):
        calls = [part for part in message.parts if isinstance(part, Call)]
        results = [part for part in message.parts if isinstance(part, Result)]
        if calls:
            need(index > 0, "Please ensure that function call turn comes after a user turn.")
            after = talk[index + 1].parts if index + 1 < len(talk) else ()
            answers = [part for part in after if isinstance(part, Result)]
            need(
                len(answers) == len(calls),
                "Please ensure that the number of function response parts is equal to the number "
                "of function call parts of the function call turn.",
            )
            if not all(call.id for call in calls):
                need(
                    [call.name for call in calls] == [answer.name for answer in answers],
                    "function responses without ids must be in the order of their calls",
                )
        if results:
            before = talk[index - 1].parts if index else ()
            need(
                any(isinstance(part, Call) for part in before),
                "Please ensure that function response turn comes right after a function call turn.",
            )


def _check_signatures(contents: list[Json]) -> None:
    """Every step of the turn that is going on has its signature on its first call.

    https://ai.google.dev/gemini-api/docs/thought-signatures
    """
    start = max(
        (
            index
            for index, content in enumerate(contents)
            if content.get("role", "user") != "model"
            and any("text" in part or "inlineData" in part for part in content["parts"])
        ),
        default=0,
    )
    for content in contents[start:]:
        calls = [part for part in content["parts"] if "functionCall" in part]
        if content.get("role") == "model" and calls:
            need(
                "thoughtSignature" in calls[0],
                "Function call is missing a thought_signature in functionCall parts.",
            )


def _numbered(talk: tuple[Message, ...]) -> tuple[Message, ...]:
    """Give calls and results without ids the ids that their order implies."""
    numbered: list[Message] = []
    for index, message in enumerate(talk):
        calls = results = 0
        parts: list[Part] = []
        for part in message.parts:
            each = part
            if isinstance(part, Call):
                each = Call(part.name, part.arguments, part.id or f"{index}.{calls}")
                calls += 1
            elif isinstance(part, Result):
                each = Result(part.text, part.name, part.id or f"{index - 1}.{results}")
                results += 1
            parts.append(each)
        numbered.append(Message(message.role, tuple(parts)))
    return tuple(numbered)


def _tools(given: list[Json]) -> dict[str, Json]:
    tools: dict[str, Json] = {}
    for tool in given:
        for index, declared in enumerate(listed(tool, "functionDeclarations")):
            where = f"tools[0].function_declarations[{index}]"
            known(declared, _DECLARATION, f"{where}.")
            need(_NAME.fullmatch(declared["name"]), f"{where}.name: Invalid function name")
            need(
                not ("parameters" in declared and "parametersJsonSchema" in declared),
                f"{where}: only one of parameters and parameters_json_schema may be set",
            )
            if "parameters" in declared:
                _check_schema(declared["parameters"], f"{where}.parameters")
            schema = declared.get("parametersJsonSchema") or inside(declared, "parameters")
            tools[declared["name"]] = schema
    return tools


def _check_schema(schema: Json, where: str) -> None:
    """Check what is not JSON schema but this vendor's own subset of it."""
    known(schema, _SCHEMA, f"{where}.")
    for name, inner in inside(schema, "properties").items():
        _check_schema(inner, f"{where}.properties[{name}]")
    if "items" in schema:
        _check_schema(schema["items"], f"{where}.items")
    for inner in listed(schema, "anyOf"):
        _check_schema(inner, f"{where}.any_of")


def _schema(generation: Json) -> Json | None:
    schema = generation.get("responseJsonSchema") or generation.get("responseSchema")
    if "responseSchema" in generation:
        _check_schema(generation["responseSchema"], "generation_config.response_schema")
    if schema is not None:
        need(generation.get("responseMimeType") == "application/json", "response_mime_type needed")
    return schema


def call_id(_turn: int, _index: int) -> str:
    """Return nothing: calls have no ids here."""
    return ""


def _part_list(turn: Turn, asked: Conversation) -> list[Json]:
    parts: list[Json] = []
    if turn.thought and asked.shows_thinking:
        parts.append({"text": turn.thought, "thought": True})
    if turn.text:
        parts.append({"text": turn.text})
    parts += [{"functionCall": {"name": c.name, "args": c.arguments}} for c in turn.calls]
    if turn.state:
        first_call = next((part for part in parts if "functionCall" in part), parts[-1])
        first_call["thoughtSignature"] = turn.state
    return parts


def whole(turn: Turn, asked: Conversation) -> Json:
    """Return an answer in one piece."""
    return _answer(_part_list(turn, asked), asked, turn, finish=True)


def events(turn: Turn, asked: Conversation) -> Iterator[bytes]:
    """Yield an answer bit by bit; a signature of text comes with an empty text at its end."""
    for part in _part_list(turn, asked):
        if "text" in part:
            rest = {key: value for key, value in part.items() if key == "thought"}
            for piece in pieces(part["text"]):
                yield _event(_answer([{"text": piece, **rest}], asked, turn))
            if "thoughtSignature" in part:
                signed = {"text": "", "thoughtSignature": part["thoughtSignature"]}
                yield _event(_answer([signed], asked, turn))
        else:
            yield _event(_answer([part], asked, turn))
    yield _event(_answer([{"text": ""}], asked, turn, finish=True))


def _event(answer: Json) -> bytes:
    return b"data: %b\r\n\r\n" % json.dumps(answer).encode()


def _answer(parts: list[Json], asked: Conversation, turn: Turn, *, finish: bool = False) -> Json:
    candidate: Json = {"content": {"role": "model", "parts": parts}, "index": 0}
    if finish:
        candidate["finishReason"] = "STOP"
    return {
        "candidates": [candidate],
        "usageMetadata": _usage(turn.tokens),
        "modelVersion": asked.model,
        "responseId": turn.id,
    }


def _usage(tokens: Tokens) -> Json:
    return {
        "promptTokenCount": tokens.input,
        "cachedContentTokenCount": tokens.cache_read,
        "candidatesTokenCount": tokens.output,
        "thoughtsTokenCount": tokens.reasoning,
        "totalTokenCount": tokens.input + tokens.generated,
    }


def refusal(status: int, message: str) -> Json:
    """Return an error as this vendor words it."""
    name = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 404: "NOT_FOUND"}.get(
        status, "INTERNAL"
    )
    return {"error": {"code": status, "message": message, "status": name}}
