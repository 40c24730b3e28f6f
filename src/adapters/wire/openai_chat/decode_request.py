"""Reading a whole Chat Completions request into the canonical model.

https://platform.openai.com/docs/api-reference/chat/create, with members of servers that speak the
same format: `top_k` and `reasoning` (OpenRouter), and what the messages may have.
"""

from typing import cast

import msgspec

from adapters.wire.openai_chat.decode_messages import MessageReader
from adapters.wire.openai_chat.decode_tools import read_tool_choice, read_tools
from adapters.wire.openai_chat.peek import larger_cap
from adapters.wire.reading import JsonObject, Members, missing, wrong_type
from domain.errors import InvalidRequest
from domain.inference.dialect import Dialect
from domain.inference.request import (
    Effort,
    InferenceRequest,
    Reasoning,
    ResponseFormat,
    Sampling,
)


def decode_request(body: bytes) -> InferenceRequest:
    """Return the request in `body`, which has passed `peek`.

    Raises:
        InvalidRequest: a member is missing, of the wrong type, or has an unknown value.
    """
    try:
        parsed = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidRequest("The request body is not valid JSON.") from None
    unmapped: list[str] = []
    root = Members(parsed, "", unmapped)
    if not root.has("messages"):
        raise missing("messages")
    reader = MessageReader(unmapped)
    for message in root.objects("messages"):
        reader.read(message)
    legacy = root.has("functions") and not root.has("tools")
    tools = read_tools(root)
    user = root.text("user")
    request = InferenceRequest(
        source=Dialect.OPENAI_CHAT,
        model=root.required_text("model"),
        messages=reader.finish(),
        stream=root.flag("stream") or False,
        tools=tools,
        tool_choice=read_tool_choice(root, unmapped),
        # The older form has room for one call only.
        parallel_tool_calls=False if legacy else root.flag("parallel_tool_calls"),
        max_output_tokens=larger_cap(
            root.integer("max_tokens"), root.integer("max_completion_tokens")
        ),
        sampling=_sampling(root),
        stop=_stop(root),
        candidates=root.integer("n") or 1,
        response_format=_response_format(root),
        reasoning=_reasoning(root),
        verbosity=root.text("verbosity"),
        end_user=user or root.text("safety_identifier"),
        metadata=_metadata(root),
        service_tier=root.text("service_tier"),
        cache_key=root.text("prompt_cache_key"),
        modalities=root.texts("modalities"),
        audio=root.object("audio"),
        store=root.flag("store"),
        legacy_functions=legacy,
    )
    _stream_options(root)
    extensions = root.rest()
    return msgspec.structs.replace(request, extensions=extensions, unmapped=tuple(unmapped))


def _sampling(root: Members) -> Sampling:
    top_k = root.integer("top_k")
    return Sampling(
        temperature=root.number("temperature"),
        top_p=root.number("top_p"),
        # vLLM: 0 and -1 are all tokens.
        top_k=top_k if top_k is not None and top_k > 0 else None,
        seed=root.integer("seed"),
        frequency_penalty=root.number("frequency_penalty"),
        presence_penalty=root.number("presence_penalty"),
        logit_bias=_logit_bias(root),
        logprobs=root.flag("logprobs"),
        top_logprobs=root.integer("top_logprobs"),
    )


def _logit_bias(root: Members) -> dict[str, float] | None:
    given = root.object("logit_bias")
    if given is None:
        return None
    for token, bias in given.items():
        if isinstance(bias, bool) or not isinstance(bias, int | float):
            raise wrong_type(f"{root.name('logit_bias')}.{token[:64]}", "a number", bias)
    return cast("dict[str, float]", given)


def _stop(root: Members) -> tuple[str, ...]:
    value = root.any("stop")
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    texts: list[str] = []
    if not isinstance(value, list):
        raise wrong_type("stop", "a string or a list of strings", value)
    for index, text in enumerate(cast("list[object]", value)):
        if not isinstance(text, str):
            raise wrong_type(f"stop[{index}]", "a string", text)
        texts.append(text)
    return tuple(texts)


def _response_format(root: Members) -> ResponseFormat | None:
    given = root.members("response_format")
    if given is None:
        return None
    kind = given.required_text("type")
    match kind:
        case "text" | "json_object":
            read = ResponseFormat(kind=kind)
        case "json_schema":
            shape = given.members("json_schema")
            if shape is None:
                raise missing(given.name("json_schema"))
            read = ResponseFormat(
                kind=kind,
                name=shape.text("name") or "",
                description=shape.text("description"),
                schema=shape.object("schema"),
                strict=shape.flag("strict"),
            )
            shape.done()
        case _:
            path = given.name("type")
            raise InvalidRequest(
                f"The field '{path}' has the unknown value '{kind[:64]}'.", param=path
            )
    given.done()
    return read


def _reasoning(root: Members) -> Reasoning | None:
    effort = root.choice("reasoning_effort", Effort)
    given = root.members("reasoning")
    if given is None:
        return Reasoning(effort=effort) if effort is not None else None
    exclude = given.flag("exclude")
    read = Reasoning(
        enabled=given.flag("enabled"),
        effort=given.choice("effort", Effort) or effort,
        budget_tokens=given.integer("max_tokens"),
        show=None if exclude is None else not exclude,
    )
    given.done()
    return read


def _metadata(root: Members) -> dict[str, str]:
    given: JsonObject = root.object("metadata") or {}
    for name, tag in given.items():
        if not isinstance(tag, str):
            raise wrong_type(f"metadata.{name[:64]}", "a string", tag)
    return cast("dict[str, str]", given)


def _stream_options(root: Members) -> None:
    """Take `stream_options`: usage is governed elsewhere, and what we write is never padded."""
    options = root.members("stream_options")
    if options is None:
        return
    options.flag("include_usage")
    if options.flag("include_obfuscation"):
        options.note("include_obfuscation")
    options.done()
