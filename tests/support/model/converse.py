"""Bedrock Converse, as the model's side sees it; checked against the vendor's own service model.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

import base64
import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, cast

import botocore.session
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from tests.support.model.frames import frame
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
    known,
    listed,
    need,
    pieces,
)

_ID = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")


@cache
def _service() -> ServiceModel:
    return cast("Any", botocore.session.get_session()).get_service_model("bedrock-runtime")


def read(body: Json, model: str, *, stream: bool) -> Conversation:
    """Understand a request, or say what is wrong with it."""
    _check_against_the_service_model(body, model, stream=stream)
    need(body.get("messages"), "A conversation must start with a user message.")
    messages = tuple(
        Message(each["role"], tuple(_content(each["content"]))) for each in body["messages"]
    )
    need(messages[0].role == "user", "A conversation must start with a user message.")
    for index, message in enumerate(messages):
        side = "user" if index % 2 == 0 else "assistant"
        need(
            message.role == side, "A conversation must alternate between user and assistant roles."
        )
        need(
            message.parts, f"The content field in the Message object at messages.{index} is empty."
        )
    answered(messages)
    used = any(isinstance(part, Call) for message in messages for part in message.parts)
    need(
        body.get("toolConfig") or not used,
        "The toolConfig field must be defined when using toolUse and toolResult content blocks.",
    )
    extra = inside(body, "additionalModelRequestFields")
    thinking = inside(extra, "thinking").get("type") in ("enabled", "adaptive")
    thinking = thinking or "reasoning_config" in extra or "reasoningConfig" in extra
    return Conversation(
        api="converse",
        model=model,
        system="\n".join(each["text"] for each in listed(body, "system") if "text" in each),
        messages=messages,
        stream=stream,
        gives_state=thinking,
        wants_thinking=thinking,
        tools={
            tool["toolSpec"]["name"]: tool["toolSpec"]["inputSchema"]["json"]
            for tool in listed(inside(body, "toolConfig"), "tools")
            if "toolSpec" in tool
        },
        schema=_schema(body),
    )


def _check_against_the_service_model(body: Json, model: str, *, stream: bool) -> None:
    operation = _service().operation_model("ConverseStream" if stream else "Converse")
    shape = cast("Any", operation.input_shape)
    known(body, frozenset(shape.members) - {"modelId"}, "")
    report = ParamValidator().validate(body | {"modelId": model}, shape)
    need(not report.has_errors(), report.generate_report())
    _known_everywhere(body, shape, "")


def _known_everywhere(value: Any, shape: Any, where: str) -> None:
    if shape.type_name == "structure" and not getattr(shape, "is_document_type", False):
        known(value, frozenset(shape.members), where)
        need(not shape.is_tagged_union or len(value) == 1, f"{where}: exactly one member is needed")
        for name, inner in value.items():
            _known_everywhere(inner, shape.members[name], f"{where}{name}.")
    elif shape.type_name == "list":
        for inner in value:
            _known_everywhere(inner, shape.member, where)


def _content(blocks: list[Json]) -> Iterator[Part]:
    for block in blocks:
        kind, value = next(iter(block.items()))
        match kind:
            case "text":
                need(value.strip(), "The text field in the ContentBlock object is blank.")
                yield Text(value)
            case "image":
                yield _image(value)
            case "toolUse":
                need(_ID.fullmatch(value["toolUseId"]), "toolUseId does not match the pattern")
                yield Call(value["name"], value["input"], value["toolUseId"])
            case "toolResult":
                yield _result(value)
            case "reasoningContent":
                yield _thinking(value)
            case "cachePoint":
                pass
            case other:
                raise Refused(f"The model does not support the content block '{other}'.")


def _image(value: Json) -> Image:
    data = base64.b64decode(value["source"]["bytes"], validate=True)
    return Image(data, f"image/{value['format']}")


def _result(value: Json) -> Result:
    need(_ID.fullmatch(value["toolUseId"]), "toolUseId does not match the pattern")
    texts: list[str] = []
    images: list[Image] = []
    for inner in value["content"]:
        if "text" in inner:
            texts.append(inner["text"])
        elif "json" in inner:
            texts.append(json.dumps(inner["json"]))
        else:
            images.append(_image(inner["image"]))
    return Result("".join(texts), id=value["toolUseId"], images=tuple(images))


def _thinking(value: Json) -> Thinking:
    if "reasoningText" in value:
        return Thinking(value["reasoningText"]["text"], value["reasoningText"].get("signature"))
    return Thinking("", value["redactedContent"])


def _schema(body: Json) -> Json | None:
    form = inside(body, "outputConfig").get("textFormat")
    return json.loads(form["structure"]["jsonSchema"]["schema"]) if form else None


def call_id(turn: int, index: int) -> str:
    """Return an id as this vendor makes them."""
    return f"tooluse_{turn:02d}{index:02d}AbCdEf-0123456789"


def _blocks(turn: Turn) -> list[Json]:
    blocks: list[Json] = []
    if turn.thought:
        thought = {"text": turn.thought, "signature": turn.state}
        blocks.append({"reasoningContent": {"reasoningText": thought}})
    if turn.text:
        blocks.append({"text": turn.text})
    for call in turn.calls:
        use = {"toolUseId": call.id, "name": call.name, "input": call.arguments}
        blocks.append({"toolUse": use})
    return blocks


def whole(turn: Turn) -> Json:
    """Return an answer in one piece."""
    return {
        "metrics": {"latencyMs": 5},
        "output": {"message": {"role": "assistant", "content": _blocks(turn)}},
        "stopReason": _stop(turn),
        "usage": _usage(turn.tokens),
    }


def events(turn: Turn) -> Iterator[bytes]:
    """Yield an answer bit by bit; only tool calls announce themselves, as the vendor does it."""
    padding = {"p": "abcdef"}
    yield frame("messageStart", {"role": "assistant", **padding})
    for index, block in enumerate(_blocks(turn)):
        at: Json = {"contentBlockIndex": index, **padding}
        if use := block.get("toolUse"):
            start = {"toolUse": {"toolUseId": use["toolUseId"], "name": use["name"]}}
            yield frame("contentBlockStart", at | {"start": start})
        for delta in _deltas(block):
            yield frame("contentBlockDelta", at | {"delta": delta})
        yield frame("contentBlockStop", at)
    yield frame("messageStop", {"stopReason": _stop(turn), **padding})
    yield frame("metadata", {"usage": _usage(turn.tokens), "metrics": {"latencyMs": 5}, **padding})


def _deltas(block: Json) -> list[Json]:
    if use := block.get("toolUse"):
        written = json.dumps(use["input"]) if use["input"] else ""
        return [{"toolUse": {"input": piece}} for piece in ["", *pieces(written, 5)]]
    if reasoning := block.get("reasoningContent"):
        thought = reasoning["reasoningText"]
        texts: list[Json] = [
            {"reasoningContent": {"text": piece}} for piece in pieces(thought["text"])
        ]
        return [*texts, {"reasoningContent": {"signature": thought["signature"]}}]
    return [{"text": piece} for piece in pieces(block["text"])]


def _stop(turn: Turn) -> str:
    return "tool_use" if turn.calls else "end_turn"


def _usage(tokens: Tokens) -> Json:
    return {
        "inputTokens": tokens.uncached,
        "cacheReadInputTokens": tokens.cache_read,
        "cacheWriteInputTokens": tokens.cache_write,
        "outputTokens": tokens.generated,
        "totalTokens": tokens.input + tokens.generated,
    }


def refusal(status: int, message: str) -> tuple[str, Json]:
    """Return an error as this vendor words it, its name first."""
    names = {400: "ValidationException", 403: "AccessDeniedException"}
    return names.get(status, "InternalServerException"), {"message": message}
