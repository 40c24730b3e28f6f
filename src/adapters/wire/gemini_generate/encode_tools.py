"""Writing `tools` and `toolConfig`.

https://ai.google.dev/gemini-api/docs/function-calling
"""

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


def write_tools(tools: tuple[Tool, ...]) -> list[JsonObject]:
    """Return the tools, all functions in one entry, at the place of the first."""
    functions: list[JsonObject] = []
    entries: list[JsonObject] = []
    for tool in tools:
        if isinstance(tool, VendorTool):
            entries.append(tool.raw)
            continue
        if not functions:
            entries.append({"functionDeclarations": functions})
        functions.append(_function(as_function(tool) if isinstance(tool, CustomTool) else tool))
    return entries


def write_tool_config(request: InferenceRequest) -> JsonObject | None:
    """Return how functions may be called, or None: without functions it must not be said."""
    functions = [tool for tool in request.tools if not isinstance(tool, VendorTool)]
    if not functions:
        return None
    strict = any(isinstance(tool, FunctionTool) and tool.strict for tool in functions)
    calling = _calling(request.tool_choice, strict=strict)
    return {"functionCallingConfig": calling} if calling else None


def _function(tool: FunctionTool) -> JsonObject:
    function: JsonObject = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.parameters is not None:
        function["parametersJsonSchema"] = tool.parameters
    return function


def _calling(choice: ToolChoice | None, *, strict: bool) -> JsonObject:
    """Return the mode. `VALIDATED` is `AUTO` whose calls match their schemas, as in `ANY`.

    A selection of functions may be given with `VALIDATED` and `ANY` only.
    """
    if choice is None:
        return {"mode": "VALIDATED"} if strict else {}
    match choice.mode:
        case "none":
            return {"mode": "NONE"}
        case "named":
            return {"mode": "ANY", "allowedFunctionNames": [choice.name]}
        case "required":
            mode = "ANY"
        case "auto":
            mode = "VALIDATED" if strict or choice.allowed else "AUTO"
    calling: JsonObject = {"mode": mode}
    if choice.allowed:
        calling["allowedFunctionNames"] = list(choice.allowed)
    return calling
