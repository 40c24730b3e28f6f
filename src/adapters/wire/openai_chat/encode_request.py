"""Writing a canonical request as a Chat Completions body."""

import msgspec

from adapters.wire.codec import Encoded, WireTarget
from adapters.wire.custom_tools import as_function, custom_names, nested_format
from adapters.wire.fidelity import dropped_fields
from adapters.wire.openai_chat.decode_tools import WEB_SEARCH
from adapters.wire.openai_chat.encode_messages import MessageWriter
from adapters.wire.openai_chat.encode_parts import Json
from adapters.wire.openai_chat.fates import (
    fates_for,
    is_openai,
    of_openai,
    passing_extensions,
    service_tier,
)
from adapters.wire.thinking_levels import effort_of
from domain.inference.dialect import WireFormat
from domain.inference.hosted_tools import without_foreign_tools
from domain.inference.request import (
    CustomTool,
    Effort,
    FunctionTool,
    InferenceRequest,
    Reasoning,
    ResponseFormat,
    Tool,
    ToolChoice,
    VendorTool,
)

_ENCODER = msgspec.json.Encoder()


def encode_request(request: InferenceRequest, target: WireTarget) -> Encoded:
    """Return `request` as a body for `target`.

    Raises:
        UnsupportedField: as `WireCodec.encode_request`.
    """
    dropped = dropped_fields(request, WireFormat.OPENAI_CHAT, fates_for(request, target))
    request = without_foreign_tools(request, WireFormat.OPENAI_CHAT)
    messages = MessageWriter(request, target)
    body: Json = {
        "model": target.model,
        "messages": [
            written for message in request.messages for written in messages.write(message)
        ],
    }
    if request.stream:
        body["stream"] = True
        if target.ask_for_usage:
            body["stream_options"] = {"include_usage": True}
    bound = request.max_output_tokens if target.output_bound is None else target.output_bound
    if bound is not None:
        body[target.bound_name] = bound
    body |= _tools(request, target)
    body |= _sampling(request, target)
    body |= _parameters(request)
    body |= {name: request.extensions[name] for name in passing_extensions(request)}
    return Encoded(body=_ENCODER.encode(body), dropped=dropped)


def _tools(request: InferenceRequest, target: WireTarget) -> Json:
    choice = request.tool_choice
    members: Json = {}
    offered: list[Tool] = []
    for tool in request.tools:
        if isinstance(tool, VendorTool) and tool.kind == WEB_SEARCH:
            members[WEB_SEARCH] = tool.raw
        else:
            offered.append(tool)
    if not offered:
        return members
    if choice is not None and choice.allowed and not is_openai(target):
        # Relatives do not know lists of allowed tools; offering no others comes to the same.
        allowed = frozenset(choice.allowed)
        offered = [tool for tool in offered if isinstance(tool, VendorTool) or tool.name in allowed]
    members["tools"] = [_tool(tool, target) for tool in offered]
    if choice is not None:
        members["tool_choice"] = _choice(choice, request, target)
    if request.parallel_tool_calls is not None:
        members["parallel_tool_calls"] = request.parallel_tool_calls
    return members


def _tool(tool: Tool, target: WireTarget) -> Json:
    match tool:
        case VendorTool():
            return tool.raw
        case CustomTool() if is_openai(target):
            custom: Json = {"name": tool.name}
            if tool.description is not None:
                custom["description"] = tool.description
            form = nested_format(tool)
            if form is not None:
                custom["format"] = form
            return {"type": "custom", "custom": custom}
        case CustomTool():
            return _function(as_function(tool))
        case FunctionTool():
            return _function(tool)


def _function(tool: FunctionTool) -> Json:
    given: Json = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
        "strict": tool.strict,
    }
    return {"type": "function", "function": _present(given)}


def _choice(choice: ToolChoice, request: InferenceRequest, target: WireTarget) -> str | Json:
    if choice.mode == "named":
        return _pointer(
            choice.name, custom=is_openai(target) and choice.name in custom_names(request)
        )
    if choice.allowed and is_openai(target):
        custom = custom_names(request)
        tools = [_pointer(name, custom=name in custom) for name in choice.allowed]
        return {
            "type": "allowed_tools",
            "allowed_tools": {"mode": choice.mode, "tools": tools},
        }
    return choice.mode


def _pointer(name: str, *, custom: bool) -> Json:
    kind = "custom" if custom else "function"
    return {"type": kind, kind: {"name": name}}


def _sampling(request: InferenceRequest, target: WireTarget) -> Json:
    given = request.sampling
    return _present(
        {
            "temperature": given.temperature,
            "top_p": given.top_p,
            "top_k": None if is_openai(target) else given.top_k,
            "seed": given.seed,
            "frequency_penalty": given.frequency_penalty,
            "presence_penalty": given.presence_penalty,
            "logit_bias": given.logit_bias,
            "logprobs": given.logprobs,
            "top_logprobs": given.top_logprobs,
        }
    )


def _parameters(request: InferenceRequest) -> Json:
    tier = request.service_tier
    tags = request.metadata if of_openai(request) or request.store else {}
    return _present(
        {
            "n": request.candidates if request.candidates != 1 else None,
            "stop": list(request.stop) or None,
            "response_format": _response_format(request.response_format),
            "reasoning_effort": _effort(request.reasoning),
            "verbosity": request.verbosity,
            "user": request.end_user,
            "metadata": tags or None,
            "service_tier": service_tier(tier) if tier is not None else None,
            "prompt_cache_key": request.cache_key,
            "modalities": list(request.modalities) or None,
            "audio": request.audio,
            "store": request.store,
        }
    )


def _response_format(shape: ResponseFormat | None) -> Json | None:
    if shape is None or shape.kind != "json_schema":
        return {"type": shape.kind} if shape is not None else None
    schema: Json = {
        "name": shape.name or "answer",
        "description": shape.description,
        "schema": shape.schema,
        "strict": shape.strict,
    }
    return {"type": "json_schema", "json_schema": _present(schema)}


def _effort(reasoning: Reasoning | None) -> Effort | None:
    """Return the effort that comes closest; None leaves it to the model."""
    if reasoning is None:
        return None
    if reasoning.effort is not None:
        return reasoning.effort
    if reasoning.enabled is False:
        return None
    if reasoning.budget_tokens is not None:
        return effort_of(reasoning.budget_tokens) if reasoning.budget_tokens > 0 else None
    return Effort.MEDIUM if reasoning.enabled and not reasoning.adaptive else None


def _present(members: Json) -> Json:
    return {name: value for name, value in members.items() if value is not None}
