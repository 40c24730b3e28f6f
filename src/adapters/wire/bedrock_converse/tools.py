"""Tools and the choice among them, both ways.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolConfiguration.html
"""

from msgspec import structs

from adapters.wire.bedrock_converse.carried import OWN
from adapters.wire.bedrock_converse.decode_content import FURTHEST_MARKED, read_cache_point
from adapters.wire.reading import JsonObject, Members
from domain.errors import InvalidRequest
from domain.inference.request import FunctionTool, Tool, ToolChoice, VendorTool

SYSTEM_TOOL = "systemTool"
GUARDRAIL = "guardrailConfig"
"""`kind` of the vendor tool that stands for the member of this name.

A guardrail runs at the provider like a hosted tool, and a conversation that has to pass one must not
go to a provider without it.
"""


def read_tools(config: Members) -> tuple[tuple[Tool, ...], ToolChoice | None]:
    """Return the tools and the choice of a `toolConfig`.

    Raises:
        InvalidRequest: a tool or choice of the wrong shape.
    """
    tools: list[Tool] = []
    for each in config.objects("tools"):
        point = each.members("cachePoint")
        spec = each.members("toolSpec")
        if point is not None:
            _mark_last(tools, point, each)
        elif spec is not None:
            tools.append(_function(spec))
        elif each.has(SYSTEM_TOOL):
            raw: JsonObject = {SYSTEM_TOOL: each.any(SYSTEM_TOOL)}
            tools.append(VendorTool(origin=OWN, kind=SYSTEM_TOOL, raw=raw))
        else:
            raise InvalidRequest(
                f"The field '{each.path}' must be a toolSpec, systemTool or cachePoint.",
                param=each.path,
            )
        each.done()
    return tuple(tools), _read_choice(config)


def _mark_last(tools: list[Tool], point: Members, entry: Members) -> None:
    mark = read_cache_point(point)
    for index in range(len(tools) - 1, max(-1, len(tools) - 1 - FURTHEST_MARKED), -1):
        tool = tools[index]
        if isinstance(tool, FunctionTool):
            tools[index] = structs.replace(tool, cache=mark)
            return
    entry.note("cachePoint")


def _function(spec: Members) -> FunctionTool:
    schema = spec.members("inputSchema")
    found = FunctionTool(
        name=spec.required_text("name"),
        description=spec.text("description"),
        parameters=schema.object("json") if schema is not None else None,
        strict=spec.flag("strict"),
    )
    if schema is not None:
        schema.done()
    spec.done()
    return found


def _read_choice(config: Members) -> ToolChoice | None:
    members = config.members("toolChoice")
    if members is None:
        return None
    choice: ToolChoice | None = None
    if members.any("auto") is not None:
        choice = ToolChoice(mode="auto")
    elif members.any("any") is not None:
        choice = ToolChoice(mode="required")
    elif (named := members.members("tool")) is not None:
        choice = ToolChoice(mode="named", name=named.required_text("name"))
        named.done()
    members.done()
    return choice


def write_choice(choice: ToolChoice) -> JsonObject:
    """Return a `toolChoice`; `none` has no such thing and is not for this function."""
    if choice.mode == "named":
        return {"tool": {"name": choice.name}}
    return {"any": {}} if choice.mode == "required" else {"auto": {}}


def write_claude_choice(choice: ToolChoice | None, *, parallel: bool | None) -> JsonObject:
    """Return Claude's own `tool_choice`, for what `toolChoice` cannot say.

    https://docs.claude.com/en/docs/agents-and-tools/tool-use/implement-tool-use
    """
    mode = choice.mode if choice is not None else "auto"
    written: JsonObject = {"type": _CLAUDE_TYPES[mode]}
    if choice is not None and mode == "named":
        written["name"] = choice.name
    if parallel is not None and mode != "none":
        written["disable_parallel_tool_use"] = not parallel
    return written


_CLAUDE_TYPES = {"auto": "auto", "required": "any", "named": "tool", "none": "none"}


def write_function(tool: FunctionTool) -> JsonObject:
    """Return a `toolSpec`; a tool without parameters takes an empty object."""
    spec: JsonObject = {"name": tool.name}
    if tool.description:
        spec["description"] = tool.description
    schema = tool.parameters
    spec["inputSchema"] = {"json": schema if schema is not None else _NO_PARAMETERS}
    if tool.strict is not None:
        spec["strict"] = tool.strict
    return {"toolSpec": spec}


_NO_PARAMETERS: JsonObject = {"type": "object", "properties": {}}
