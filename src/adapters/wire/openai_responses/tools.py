"""Tools and the choice among them, both ways.

https://platform.openai.com/docs/api-reference/responses/create: `tools`, `tool_choice`. Tools the
vendor runs itself, and those whose calls have items of their own (shell, patches, computer), are
kept whole.
"""

from collections.abc import Iterator
from typing import Literal

from adapters.wire.custom_tools import flat_format
from adapters.wire.openai_responses.naming import ToolNames, bare_name, flat_name
from adapters.wire.reading import JsonObject, Members, missing
from domain.errors import InvalidRequest
from domain.inference.dialect import WireFormat
from domain.inference.request import (
    CustomTool,
    FunctionTool,
    Tool,
    ToolChoice,
    VendorTool,
)

_Mode = Literal["auto", "none", "required"]
_NAMED = frozenset({"function", "custom"})


def read_tools(tools: Iterator[Members]) -> Iterator[Tool]:
    """Yield the tools of a request; those of a namespace one by one.

    Raises:
        InvalidRequest: a tool without type or name, or a member of the wrong type.
    """
    for tool in tools:
        kind = tool.required_text("type")
        if kind == "namespace":
            namespace = tool.required_text("name")
            for inner in tool.objects("tools"):
                yield _read_tool(inner, inner.required_text("type"), namespace)
            tool.done()
        else:
            yield _read_tool(tool, kind, "")


def _read_tool(tool: Members, kind: str, namespace: str) -> Tool:
    read: Tool
    if kind == "function":
        read = FunctionTool(
            name=flat_name(tool.required_text("name"), namespace),
            description=tool.text("description"),
            parameters=tool.object("parameters"),
            strict=tool.flag("strict"),
            namespace=namespace,
        )
    elif kind == "custom":
        read = CustomTool(
            name=flat_name(tool.required_text("name"), namespace),
            description=tool.text("description"),
            format=tool.object("format"),
            namespace=namespace,
        )
    else:
        return VendorTool(
            origin=WireFormat.OPENAI_RESPONSES, kind=kind, raw={"type": kind, **tool.rest()}
        )
    tool.done()
    return read


def write_tools(tools: tuple[Tool, ...], *, loose: bool | None) -> list[JsonObject]:
    """Return `tools` as this format has them; those of one namespace together.

    `loose` is the `strict` of functions that do not say: the vendor's default differs from that of
    other APIs. None leaves it out.
    """
    written: list[JsonObject] = []
    namespaces: dict[str, list[JsonObject]] = {}
    for tool in tools:
        if isinstance(tool, VendorTool):
            if tool.origin is WireFormat.OPENAI_RESPONSES:
                written.append(tool.raw)
            continue
        item = _write_tool(tool, loose=loose)
        if not tool.namespace:
            written.append(item)
            continue
        group = namespaces.get(tool.namespace)
        if group is None:
            group = namespaces[tool.namespace] = []
            written.append(
                {"type": "namespace", "name": tool.namespace, "description": "", "tools": group}
            )
        group.append(item)
    return written


def _write_tool(tool: FunctionTool | CustomTool, *, loose: bool | None) -> JsonObject:
    item: JsonObject = {"name": bare_name(tool.name, tool.namespace)}
    if tool.description is not None:
        item["description"] = tool.description
    if isinstance(tool, CustomTool):
        form = flat_format(tool)
        return {"type": "custom", **item} | ({"format": form} if form is not None else {})
    strict = loose if tool.strict is None else tool.strict
    item["parameters"] = tool.parameters
    return {"type": "function", **item} | ({"strict": strict} if strict is not None else {})


def read_choice(value: object, unmapped: list[str]) -> ToolChoice | None:
    """Return a choice; None when it is of a kind that only the vendor's own tools have.

    Raises:
        InvalidRequest: neither a mode nor an object that names one or more tools.
    """
    if isinstance(value, str):
        return ToolChoice(mode=_mode(value, "tool_choice"))
    choice = Members(value, "tool_choice", unmapped)
    kind = choice.required_text("type")
    if kind in _NAMED:
        name = choice.required_text("name")
        choice.done()
        return ToolChoice(mode="named", name=name)
    if kind != "allowed_tools":
        return None
    mode = _mode(choice.text("mode") or "auto", "tool_choice.mode")
    names: list[str] = []
    for allowed in choice.objects("tools"):
        if allowed.text("type") not in _NAMED:
            return None
        names.append(allowed.required_text("name"))
        allowed.done()
    choice.done()
    if not names:
        raise missing("tool_choice.tools")
    return ToolChoice(mode=mode, allowed=tuple(names))


def write_choice(choice: ToolChoice, names: ToolNames) -> str | JsonObject:
    """Return a choice as this format has it."""
    if choice.mode == "named":
        return _reference(choice.name, names)
    if choice.allowed:
        return {
            "type": "allowed_tools",
            "mode": choice.mode,
            "tools": [_reference(name, names) for name in choice.allowed],
        }
    return choice.mode


def _reference(name: str, names: ToolNames) -> JsonObject:
    tool = names.of(name)
    return {"type": "custom" if tool.custom else "function", "name": tool.name}


def _mode(value: str, path: str) -> _Mode:
    if value == "auto" or value == "none" or value == "required":  # noqa: PLR1714
        return value
    raise InvalidRequest(f"The field '{path}' has the unknown value '{value[:64]}'.", param=path)
