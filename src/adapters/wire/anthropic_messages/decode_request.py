"""A Messages request, read into the canonical model.

`max_tokens` may be missing: counting tokens has none, and other providers do without.
"""

import msgspec
from msgspec import structs

from adapters.wire.anthropic_messages.decode_content import read_cache, read_content
from adapters.wire.reading import JsonObject, Members
from domain.errors import InvalidRequest, UnsupportedField
from domain.inference.conversation import Message, Role
from domain.inference.dialect import Dialect, WireFormat
from domain.inference.request import (
    Effort,
    FunctionTool,
    InferenceRequest,
    Reasoning,
    ResponseFormat,
    Sampling,
    Tool,
    ToolChoice,
    VendorTool,
)

MCP_SERVERS = "mcp_servers"
"""`kind` of the vendor tool that stands for an entry of the member of this name."""

# What these ask for happens at the provider, on a conversation that only it holds.
_NEEDS_PROVIDER = ("thread", "compaction")
_TIERS = {"standard_only": "default"}
_SHOWN = {"summarized": True, "omitted": False}
_EFFORTS = {effort.value: effort for effort in Effort}


def decode_request(body: bytes) -> InferenceRequest:
    """Return the whole request.

    Raises:
        InvalidRequest: a field is missing, of the wrong type, or not one of its known values.
        UnsupportedField: the request relies on a conversation that the provider keeps.
    """
    unmapped: list[str] = []
    top = Members(msgspec.json.decode(body), "", unmapped)
    for name in _NEEDS_PROVIDER:
        if top.has(name):
            raise UnsupportedField(
                f"The field '{name}' is understood by Anthropic only, and not where the gateway "
                "has to read the conversation.",
                param=name,
            )
    extensions: JsonObject = {}
    model = top.required_text("model")
    messages = (*_system(top, unmapped), *_messages(top, unmapped))
    choice, parallel = _tool_choice(top)
    reasoning, shape = _output(top, extensions)
    tier = top.text("service_tier")
    return InferenceRequest(
        source=Dialect.ANTHROPIC_MESSAGES,
        model=model,
        messages=messages,
        stream=top.flag("stream") or False,
        tools=_tools(top),
        tool_choice=choice,
        parallel_tool_calls=parallel,
        max_output_tokens=top.integer("max_tokens"),
        sampling=Sampling(
            temperature=top.number("temperature"),
            top_p=top.number("top_p"),
            top_k=top.integer("top_k"),
        ),
        stop=top.texts("stop_sequences"),
        response_format=shape,
        reasoning=reasoning,
        end_user=_end_user(top),
        service_tier=_TIERS.get(tier, tier) if tier is not None else None,
        cache=read_cache(top),
        extensions=extensions | top.rest(),
        unmapped=tuple(unmapped),
    )


def _system(top: Members, unmapped: list[str]) -> list[Message]:
    parts = read_content(top, "system", unmapped)
    return [Message(role=Role.SYSTEM, parts=parts)] if parts else []


def _messages(top: Members, unmapped: list[str]) -> list[Message]:
    if not top.has("messages"):
        raise InvalidRequest("The field 'messages' is missing.", param="messages")
    messages: list[Message] = []
    for each in top.objects("messages"):
        role = each.choice("role", Role)
        if role is None:
            raise InvalidRequest(
                f"The field '{each.name('role')}' is missing.", param=each.name("role")
            )
        messages.append(Message(role=role, parts=read_content(each, "content", unmapped)))
        each.done()
    return messages


def _tools(top: Members) -> tuple[Tool, ...]:
    tools: list[Tool] = []
    for each in top.objects("tools"):
        kind = each.text("type")
        if kind in (None, "custom"):
            tools.append(_function(each))
        else:
            raw: JsonObject = {"type": kind, **each.rest()}
            tools.append(VendorTool(origin=WireFormat.ANTHROPIC_MESSAGES, kind=kind, raw=raw))
    servers = (
        VendorTool(origin=WireFormat.ANTHROPIC_MESSAGES, kind=MCP_SERVERS, raw=each.rest())
        for each in top.objects(MCP_SERVERS)
    )
    return (*tools, *servers)


def _function(tool: Members) -> FunctionTool:
    found = FunctionTool(
        name=tool.required_text("name"),
        description=tool.text("description"),
        parameters=tool.object("input_schema"),
        strict=tool.flag("strict"),
        cache=read_cache(tool),
    )
    tool.done()
    return found


def _tool_choice(top: Members) -> tuple[ToolChoice | None, bool | None]:
    """Return the choice and whether parallel calls are allowed, where something is said of it."""
    members = top.members("tool_choice")
    if members is None:
        return None, None
    serial = members.flag("disable_parallel_tool_use")
    choice = _CHOICES[members.choice("type", _known_choice) or "auto"]
    if choice.mode == "named":
        choice = ToolChoice(mode="named", name=members.required_text("name"))
    members.done()
    return choice, None if serial is None else not serial


_CHOICES = {
    "auto": ToolChoice(mode="auto"),
    "any": ToolChoice(mode="required"),
    "none": ToolChoice(mode="none"),
    "tool": ToolChoice(mode="named"),
}


def _known_choice(name: str) -> str:
    if name not in _CHOICES:
        raise ValueError(name)
    return name


def _output(top: Members, extensions: JsonObject) -> tuple[Reasoning | None, ResponseFormat | None]:
    """Return what `thinking`, `output_config` and the older `output_format` ask for.

    What of them has no canonical place is left in `extensions`, under the name of the member.
    """
    reasoning = _thinking(top, extensions)
    older = top.members("output_format")
    shape = _format(older) if older is not None else None
    config = top.members("output_config")
    if config is None:
        return reasoning, shape
    left: JsonObject = {}
    effort = config.text("effort")
    if effort in _EFFORTS:
        reasoning = structs.replace(reasoning or Reasoning(), effort=_EFFORTS[effort])
    elif effort is not None:
        left["effort"] = effort
    current = config.members("format")
    if current is not None:
        shape = _format(current)
    left |= config.rest()
    if left:
        extensions["output_config"] = left
    return reasoning, shape


def _thinking(top: Members, extensions: JsonObject) -> Reasoning | None:
    members = top.members("thinking")
    if members is None:
        return None
    kind = members.required_text("type")
    left: JsonObject = {}
    reasoning: Reasoning | None = None
    match kind:
        case "enabled":
            reasoning = Reasoning(enabled=True, budget_tokens=members.integer("budget_tokens"))
        case "adaptive":
            reasoning = Reasoning(enabled=True, adaptive=True)
        case "disabled":
            reasoning = Reasoning(enabled=False)
        case _:
            left["type"] = kind
    display = members.text("display")
    if display in _SHOWN and reasoning is not None:
        reasoning = structs.replace(reasoning, show=_SHOWN[display])
    elif display is not None:
        left["display"] = display
    left |= members.rest()
    if left:
        extensions["thinking"] = left
    return reasoning


def _format(members: Members) -> ResponseFormat:
    kind = members.required_text("type")
    if kind != "json_schema":
        raise InvalidRequest(
            f"The field '{members.name('type')}' has the unknown value '{kind[:64]}'.",
            param=members.name("type"),
        )
    shape = ResponseFormat(kind="json_schema", schema=members.object("schema"))
    members.done()
    return shape


def _end_user(top: Members) -> str | None:
    metadata = top.members("metadata")
    if metadata is None:
        return None
    user = metadata.text("user_id")
    metadata.done()
    return user
