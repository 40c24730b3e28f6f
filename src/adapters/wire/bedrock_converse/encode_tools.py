"""`toolConfig` of a request, and the choices that only Claude's own member can make."""

from msgspec import Struct, structs

from adapters.wire.anthropic_messages.structured import SchemaFitter
from adapters.wire.bedrock_converse.encode_content import cache_point
from adapters.wire.bedrock_converse.models import BedrockModel
from adapters.wire.bedrock_converse.tools import (
    SYSTEM_TOOL,
    write_choice,
    write_claude_choice,
    write_function,
)
from adapters.wire.custom_tools import as_function
from adapters.wire.reading import JsonObject
from adapters.wire.turns import Conversation
from domain.inference.conversation import ToolCallPart
from domain.inference.request import (
    CustomTool,
    FunctionTool,
    InferenceRequest,
    Tool,
    ToolChoice,
    VendorTool,
)


class Tools(Struct):
    """The member `toolConfig`, Claude's `tool_choice`, and whether a tool must be called."""

    config: JsonObject | None = None
    claude_choice: JsonObject | None = None
    forced: bool = False


def tools_of(
    request: InferenceRequest,
    model: BedrockModel,
    talk: Conversation,
    dropped: list[str],
    *,
    verbatim: bool,
) -> Tools:
    """Return the tools.

    A choice restricted to some tools is one among fewer tools: only those are offered. Bedrock
    demands tools where the conversation has calls or results; then those that were called are
    offered, if nothing else is.
    """
    choice = request.tool_choice
    offered = list(request.tools)
    if choice is not None and choice.allowed:
        allowed = frozenset(choice.allowed)
        offered = [tool for tool in offered if _name(tool) in allowed]
        if choice.mode == "required" and len(offered) == 1:
            choice = ToolChoice(mode="named", name=_name(offered[0]))
    needed = talk.holds("toolUse", "toolResult")
    none = choice is not None and choice.mode == "none"
    if none and not needed and not verbatim:
        return Tools()
    entries = _entries(offered, model, dropped, verbatim=verbatim)
    if not entries and needed:
        entries = [write_function(FunctionTool(name=name)) for name in _called(request)]
        choice, none = ToolChoice(mode="none"), True
    if not entries:
        return Tools()
    return _chosen(request, choice, model, entries, dropped)


def _chosen(
    request: InferenceRequest,
    choice: ToolChoice | None,
    model: BedrockModel,
    entries: list[JsonObject],
    dropped: list[str],
) -> Tools:
    tools = Tools(
        config={"tools": entries},
        forced=choice is not None and choice.mode in {"required", "named"},
    )
    parallel = request.parallel_tool_calls
    none = choice is not None and choice.mode == "none"
    if none or parallel is not None:
        if model.is_claude:
            # Beside a `toolChoice` it would be refused.
            tools.claude_choice = write_claude_choice(choice, parallel=parallel)
            return tools
        if none and request.tool_choice is not None and request.tool_choice.mode == "none":
            dropped.append("tool_choice.none")
        if parallel is False:
            dropped.append("parallel_tool_calls")
    if choice is not None and not none:
        tools.config = {"tools": entries, "toolChoice": write_choice(choice)}
    return tools


def _entries(
    offered: list[Tool], model: BedrockModel, dropped: list[str], *, verbatim: bool
) -> list[JsonObject]:
    entries: list[JsonObject] = []
    for tool in offered:
        if isinstance(tool, VendorTool):
            if tool.kind == SYSTEM_TOOL:
                entries.append(tool.raw)
            continue
        function = as_function(tool) if isinstance(tool, CustomTool) else tool
        entries.append(write_function(function if verbatim else _fitted(function, model, dropped)))
        if function.cache is None:
            continue
        if verbatim or model.caches_tools:
            entries.append(cache_point(function.cache))
        else:
            dropped.append("cache")
    return entries


def _fitted(tool: FunctionTool, model: BedrockModel, dropped: list[str]) -> FunctionTool:
    """Return a tool of another vendor's client with what the model takes."""
    parameters: JsonObject = {"type": "object", **(tool.parameters or {"properties": {}})}
    if tool.strict and not model.structured:
        dropped.append("tools.strict")
    elif tool.strict and model.is_claude:
        fitter = SchemaFitter()
        parameters = fitter.fit(parameters)
        if fitter.loosened:
            dropped.append("tools.strict")
    strict = True if tool.strict and model.structured else None
    return structs.replace(tool, parameters=parameters, strict=strict)


def _called(request: InferenceRequest) -> list[str]:
    calls = (
        part.name
        for message in request.messages
        for part in message.parts
        if isinstance(part, ToolCallPart)
    )
    return list(dict.fromkeys(calls)) or ["tool"]


def _name(tool: Tool) -> str:
    return "" if isinstance(tool, VendorTool) else tool.name
