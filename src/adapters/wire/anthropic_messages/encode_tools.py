"""Tools and the choice among them, in a Messages request."""

from msgspec import Struct, structs

from adapters.wire.anthropic_messages.decode_request import MCP_SERVERS
from adapters.wire.anthropic_messages.encode_content import cache_control
from adapters.wire.anthropic_messages.models import ModelRules
from adapters.wire.anthropic_messages.structured import SchemaFitter
from adapters.wire.custom_tools import as_function
from adapters.wire.reading import JsonObject
from domain.inference.request import (
    CustomTool,
    FunctionTool,
    InferenceRequest,
    Tool,
    ToolChoice,
    VendorTool,
)

_MODES = {"auto": "auto", "none": "none", "required": "any", "named": "tool"}


class Tools(Struct):
    """The members `tools`, `mcp_servers` and `tool_choice`; `forced` if one must be called."""

    tools: list[JsonObject]
    servers: list[JsonObject]
    choice: JsonObject | None
    forced: bool


def tools_of(
    request: InferenceRequest, rules: ModelRules, dropped: list[str], *, verbatim: bool
) -> Tools:
    """Return the tools; `verbatim` leaves schemas and `strict` as the client wrote them.

    A choice restricted to some tools is one among fewer tools: only those are offered.
    """
    choice = request.tool_choice
    offered = list(request.tools)
    if choice is not None and choice.allowed:
        allowed = frozenset(choice.allowed)
        offered = [tool for tool in offered if _name(tool) in allowed]
        if choice.mode == "required" and len(offered) == 1:
            choice = ToolChoice(mode="named", name=_name(offered[0]))
    servers: list[JsonObject] = []
    tools: list[JsonObject] = []
    for tool in offered:
        if isinstance(tool, VendorTool):
            (servers if tool.kind == MCP_SERVERS else tools).append(tool.raw)
        else:
            tools.append(_tool(tool, rules, dropped, verbatim=verbatim))
    return Tools(
        tools,
        servers,
        # Without tools there is nothing to choose, and Anthropic says so with 400.
        _choice(choice, parallel=request.parallel_tool_calls) if tools or verbatim else None,
        forced=bool(tools) and choice is not None and choice.mode in {"required", "named"},
    )


def _name(tool: Tool) -> str:
    return str(tool.raw.get("name", "")) if isinstance(tool, VendorTool) else tool.name


def _tool(
    tool: CustomTool | FunctionTool, rules: ModelRules, dropped: list[str], *, verbatim: bool
) -> JsonObject:
    if isinstance(tool, CustomTool):
        return _function(as_function(tool))
    return _function(tool if verbatim else _fitted(tool, rules, dropped))


def _fitted(tool: FunctionTool, rules: ModelRules, dropped: list[str]) -> FunctionTool:
    """Return a tool of another vendor's client with what the model takes."""
    parameters = tool.parameters or {}
    if tool.strict and rules.structured:
        fitter = SchemaFitter()
        parameters = fitter.fit({"type": "object", **parameters})
        if fitter.loosened:
            dropped.append("tools.strict")
        return structs.replace(tool, parameters=parameters)
    if tool.strict:
        dropped.append("tools.strict")
    return structs.replace(tool, parameters={"type": "object", **parameters}, strict=None)


def _function(tool: FunctionTool) -> JsonObject:
    written: JsonObject = {"name": tool.name}
    if tool.description is not None:
        written["description"] = tool.description
    if tool.parameters is not None:
        written["input_schema"] = tool.parameters
    if tool.strict is not None:
        written["strict"] = tool.strict
    if tool.cache is not None:
        written["cache_control"] = cache_control(tool.cache)
    return written


def _choice(choice: ToolChoice | None, *, parallel: bool | None) -> JsonObject | None:
    if choice is None and parallel is None:
        return None
    mode = choice.mode if choice is not None else "auto"
    written: JsonObject = {"type": _MODES[mode]}
    if choice is not None and mode == "named":
        written["name"] = choice.name
    if parallel is not None and mode != "none":
        written["disable_parallel_tool_use"] = not parallel
    return written
