"""Reading `tools` and `toolConfig`.

https://ai.google.dev/api/caching#Tool
"""

from typing import cast

from adapters.wire.gemini_generate.json_schema import to_json_schema
from adapters.wire.gemini_generate.reading import SpelledMembers
from adapters.wire.reading import JsonObject
from domain.errors import InvalidRequest
from domain.inference.dialect import WireFormat
from domain.inference.request import FunctionTool, Tool, ToolChoice, VendorTool


def read_tools(members: SpelledMembers) -> tuple[Tool, ...]:
    """Take `tools`: functions one by one, everything else as a tool of the vendor's each.

    Raises:
        InvalidRequest: a member is of the wrong type, or a function has no name or two schemas.
    """
    tools: list[Tool] = []
    for entry in members.objects("tools"):
        tools += [_read_function(found) for found in entry.objects("functionDeclarations")]
        tools += [
            VendorTool(origin=WireFormat.GEMINI_GENERATE, kind=kind, raw={kind: value})
            for kind, value in entry.rest().items()
        ]
    return tuple(tools)


def read_tool_choice(members: SpelledMembers) -> ToolChoice | None:
    """Take `toolConfig`.

    Raises:
        InvalidRequest: a member is of the wrong type, or the mode is unknown.
    """
    config = members.members("toolConfig")
    calling = None if config is None else config.members("functionCallingConfig")
    choice = None if calling is None else _read_mode(calling)
    for found in (calling, config):
        if found is not None:
            found.done()
    return choice


def _read_function(members: SpelledMembers) -> FunctionTool:
    name = members.required_text("name")
    description = members.text("description")
    schema = members.object("parameters")
    json_schema = members.any("parametersJsonSchema")
    if schema is not None and json_schema is not None:
        raise InvalidRequest(
            f"Give '{members.name('parameters')}' either as a Schema or as JSON Schema, not both.",
            param=members.name("parameters"),
        )
    parameters = None if schema is None else to_json_schema(schema)
    if isinstance(json_schema, dict):
        parameters = cast("JsonObject", json_schema)
    members.done()
    return FunctionTool(name=name, description=description, parameters=parameters)


def _read_mode(members: SpelledMembers) -> ToolChoice | None:
    allowed = members.texts("allowedFunctionNames")
    mode = members.text("mode")
    match mode:
        case None | "MODE_UNSPECIFIED" | "AUTO":
            if mode != "AUTO" and not allowed:
                return None
            return ToolChoice(mode="auto", allowed=allowed)
        case "VALIDATED":
            # That calls match their schema is a property of each tool elsewhere, with demands on
            # the schema that these need not meet.
            members.note_value("mode", mode)
            return ToolChoice(mode="auto", allowed=allowed)
        case "ANY" if len(allowed) == 1:
            return ToolChoice(mode="named", name=allowed[0])
        case "ANY":
            return ToolChoice(mode="required", allowed=allowed)
        case "NONE":
            return ToolChoice(mode="none")
        case _:
            raise InvalidRequest(
                f"The field '{members.name('mode')}' has the unknown value '{mode[:64]}'.",
                param=members.name("mode"),
            )
