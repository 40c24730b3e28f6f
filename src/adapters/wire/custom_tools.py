"""Custom tools (free-text input) for formats that know tools with JSON arguments only.

A custom tool is offered to such a provider as a function with one string parameter, `input`; its
calls come back as calls of that function and are turned into custom calls again. How to use it, in
an encoder of requests to a provider without custom tools:

* `as_function(tool)` for each `CustomTool` of the request; `tools.custom` is MAPPED;
* `call_arguments(part)` for the arguments of each `ToolCallPart`, custom or not;
* results of custom tools are results like any other;
* `tool_choice` by name needs nothing: the names stay.

Formats with custom tools differ in how they write a grammar: `flat_format(tool)` is the way of
Responses, `nested_format(tool)` that of Chat Completions; either takes what the other left.

In a writer of replies (`encode_reply`, `StreamEncoder`) of the dialects that have custom tools:

* `custom_names(context.request)` are the names whose calls are custom calls, whether or not the
  provider said so (`custom` of the part or of `BlockStarted`);
* `call_input(arguments)` is the free text for the arguments of such a call that is not `custom`
  itself. Streamed arguments are to be held until the block ends, as JSON is not text.
"""

from typing import cast

import msgspec
from msgspec import Struct

from domain.inference.conversation import ToolCallPart
from domain.inference.request import CustomTool, FunctionTool, InferenceRequest

_INPUT = "input"
_ENCODER = msgspec.json.Encoder()


class _Arguments(Struct, forbid_unknown_fields=True):
    input: str


_ARGUMENTS = msgspec.json.Decoder(_Arguments)


def as_function(tool: CustomTool) -> FunctionTool:
    """Return the function that stands for `tool`.

    A grammar cannot be enforced by the provider; it goes into the description, so that the model
    at least knows it.
    """
    described = [tool.description] if tool.description else []
    grammar = _grammar(tool)
    if grammar:
        described.append(grammar)
    return FunctionTool(
        name=tool.name,
        description="\n\n".join(described) or None,
        parameters={
            "type": "object",
            "properties": {
                _INPUT: {"type": "string", "description": "The whole input of the tool, as text."}
            },
            "required": [_INPUT],
            "additionalProperties": False,
        },
    )


def call_arguments(call: ToolCallPart) -> str:
    """Return the JSON text of a call's arguments, as the function that stands for the tool has it."""
    return wrap_input(call.arguments) if call.custom else call.arguments


def wrap_input(text: str) -> str:
    """Return JSON arguments that hold a custom tool's free text."""
    return _ENCODER.encode({_INPUT: text}).decode()


def call_input(arguments: str) -> str:
    """Return the free text in a function call's arguments.

    A model that answered with other arguments than it was told to loses nothing: they are the text.
    """
    try:
        return _ARGUMENTS.decode(arguments).input
    except (msgspec.DecodeError, RecursionError):
        return arguments


def custom_names(request: InferenceRequest) -> frozenset[str]:
    """Return the names of the request's custom tools."""
    return frozenset(tool.name for tool in request.tools if isinstance(tool, CustomTool))


def flat_format(tool: CustomTool) -> dict[str, object] | None:
    """Return the tool's format with the grammar's members beside `type`."""
    found = tool.format
    inner = (found or {}).get("grammar")
    if found is None or not isinstance(inner, dict):
        return found
    rest = {name: value for name, value in found.items() if name != "grammar"}
    return {**rest, **cast("dict[str, object]", inner)}


def nested_format(tool: CustomTool) -> dict[str, object] | None:
    """Return the tool's format with the grammar's members inside `grammar`."""
    found = tool.format
    if found is None or found.get("type") != "grammar" or "grammar" in found:
        return found
    inner = {name: value for name, value in found.items() if name != "type"}
    return {"type": "grammar", "grammar": inner}


def _grammar(tool: CustomTool) -> str:
    grammar = flat_format(tool) or {}
    definition = grammar.get("definition")
    if grammar.get("type") != "grammar" or not isinstance(definition, str):
        return ""
    syntax = grammar.get("syntax")
    kind = f"{syntax} " if isinstance(syntax, str) else ""
    return f"The input must match this {kind}grammar:\n{definition}"
