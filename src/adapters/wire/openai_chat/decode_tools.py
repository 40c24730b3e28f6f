"""Reading the tools of a Chat Completions request and which of them may be called."""

from typing import Literal, cast

from adapters.wire.openai_chat.decode_parts import read_cache
from adapters.wire.reading import JsonObject, Members, missing, wrong_type
from domain.errors import InvalidRequest
from domain.inference.dialect import WireFormat
from domain.inference.request import CustomTool, FunctionTool, Tool, ToolChoice, VendorTool

WEB_SEARCH = "web_search_options"
"""Kind of the tool that the request member of this name asks for."""

_MODES: dict[str, Literal["auto", "none", "required"]] = {
    "auto": "auto",
    "none": "none",
    "required": "required",
    "any": "required",  # Mistral
}


def read_tools(root: Members) -> tuple[Tool, ...]:
    """Take `tools`, the older `functions`, and the search of the web.

    Raises:
        InvalidRequest: a member is missing or of the wrong type.
    """
    tools = [_tool(entry) for entry in root.objects("tools")]
    tools += [_function(function) for function in root.objects("functions")]
    search = root.object(WEB_SEARCH)
    if search is not None:
        tools.append(VendorTool(origin=WireFormat.OPENAI_CHAT, kind=WEB_SEARCH, raw=search))
    return tuple(tools)


def read_tool_choice(root: Members, unmapped: list[str]) -> ToolChoice | None:
    """Take `tool_choice` or the older `function_call`.

    Raises:
        InvalidRequest: neither a known word nor an object that names a tool.
    """
    member = "tool_choice" if root.has("tool_choice") else "function_call"
    path = root.name(member)
    value = root.any(member)
    if value is None:
        return None
    if isinstance(value, str):
        return ToolChoice(mode=_mode(value, path))
    if not isinstance(value, dict):
        raise wrong_type(path, "a string or an object", value)
    choice = Members(cast("JsonObject", value), path, unmapped)
    if member == "function_call":
        return _named(choice)
    kind = choice.required_text("type")
    if kind == "allowed_tools":
        return _allowed(choice)
    inner = choice.members(kind) if kind in {"function", "custom"} else None
    if inner is None:
        raise InvalidRequest(f"The field '{path}' does not name a tool.", param=path)
    choice.done()
    return _named(inner)


def _tool(entry: Members) -> Tool:
    kind = entry.text("type") or "function"
    if kind not in {"function", "custom"}:
        raw: JsonObject = {"type": kind, **entry.rest()}
        return VendorTool(origin=WireFormat.OPENAI_CHAT, kind=kind, raw=raw)
    inner = entry.members(kind)
    if inner is None:
        raise missing(entry.name(kind))
    if kind == "custom":
        tool = CustomTool(
            name=inner.required_text("name"),
            description=inner.text("description"),
            format=inner.object("format"),
        )
        inner.done()
    else:
        tool = _function(inner, entry)
    entry.done()
    return tool


def _function(function: Members, entry: Members | None = None) -> FunctionTool:
    cache = read_cache(function)
    tool = FunctionTool(
        name=function.required_text("name"),
        description=function.text("description"),
        parameters=function.object("parameters"),
        strict=function.flag("strict"),
        cache=cache or (read_cache(entry) if entry is not None else None),
    )
    function.done()
    return tool


def _mode(value: str, path: str) -> Literal["auto", "none", "required"]:
    mode = _MODES.get(value)
    if mode is None:
        raise InvalidRequest(
            f"The field '{path}' has the unknown value '{value[:64]}'.", param=path
        )
    return mode


def _named(choice: Members) -> ToolChoice:
    name = choice.required_text("name")
    choice.done()
    return ToolChoice(mode="named", name=name)


def _allowed(choice: Members) -> ToolChoice:
    allowed = choice.members("allowed_tools")
    if allowed is None:
        raise missing(choice.name("allowed_tools"))
    mode = _mode(allowed.required_text("mode"), allowed.name("mode"))
    names: list[str] = []
    for tool in allowed.objects("tools"):
        inner = tool.members(tool.text("type") or "function")
        if inner is None:
            raise InvalidRequest(
                f"The field '{tool.path}' does not name a function or a custom tool.",
                param=tool.path,
            )
        names.append(inner.required_text("name"))
        inner.done()
        tool.done()
    if not names:
        raise InvalidRequest(
            f"The field '{allowed.name('tools')}' names no tool.", param=allowed.name("tools")
        )
    allowed.done()
    choice.done()
    return ToolChoice(mode=mode, allowed=tuple(names))
