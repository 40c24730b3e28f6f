"""A Converse request, read into the canonical model. Model and stream are the URL's."""

from typing import cast

import msgspec
from msgspec import structs

from adapters.wire.bedrock_converse import additional
from adapters.wire.bedrock_converse.additional import Additional, read_additional
from adapters.wire.bedrock_converse.carried import OWN
from adapters.wire.bedrock_converse.decode_content import ContentReader
from adapters.wire.bedrock_converse.tools import GUARDRAIL, read_tools
from adapters.wire.reading import JsonObject, Members, wrong_type
from application.ports.dialect import RequestTarget
from domain.errors import InvalidRequest
from domain.inference.conversation import Message, Role
from domain.inference.dialect import Dialect
from domain.inference.request import (
    Effort,
    InferenceRequest,
    Reasoning,
    ResponseFormat,
    Sampling,
    Tool,
    ToolChoice,
    VendorTool,
)


def decode_request(body: bytes, target: RequestTarget) -> InferenceRequest:
    """Return the whole request.

    Raises:
        InvalidRequest: a field is missing, of the wrong type, or not one of its known values.
    """
    unmapped: list[str] = []
    try:
        top = Members(msgspec.json.decode(body), "", unmapped)
    except msgspec.DecodeError:  # a number beyond what any program reads
        raise InvalidRequest("The request body has a number that cannot be read.") from None
    messages = _messages(top, ContentReader(unmapped))
    config = top.members("inferenceConfig")
    most, sampling, stop = _inference(config) if config is not None else (None, Sampling(), ())
    tools, choice = _tools(top)
    fields = top.members(additional.NAME)
    extra = read_additional(fields) if fields is not None else Additional()
    reasoning, shape = _output(top, extra.reasoning)
    extensions = top.rest()
    if extra.left:
        extensions[additional.NAME] = extra.left
    return InferenceRequest(
        source=Dialect.BEDROCK_CONVERSE,
        model=target.model or "",
        messages=messages,
        stream=target.stream or False,
        tools=tools,
        tool_choice=ToolChoice(mode="none") if extra.none else choice,
        parallel_tool_calls=extra.parallel,
        max_output_tokens=most,
        sampling=structs.replace(sampling, top_k=extra.top_k),
        stop=stop,
        response_format=shape,
        reasoning=reasoning,
        metadata=_tags(extensions.pop("requestMetadata", None)),
        service_tier=_tier(extensions.pop("serviceTier", None), unmapped),
        extensions=extensions,
        unmapped=tuple(unmapped),
    )


def _messages(top: Members, reader: ContentReader) -> tuple[Message, ...]:
    messages: list[Message] = []
    system = reader.read(top, "system")
    if system:
        messages.append(Message(role=Role.SYSTEM, parts=system))
    if not top.has("messages"):
        raise InvalidRequest("The field 'messages' is missing.", param="messages")
    for each in top.objects("messages"):
        role = each.choice("role", Role)
        if role is None:
            path = each.name("role")
            raise InvalidRequest(f"The field '{path}' is missing.", param=path)
        messages.append(Message(role=role, parts=reader.read(each, "content")))
        each.done()
    return tuple(messages)


def _inference(config: Members) -> tuple[int | None, Sampling, tuple[str, ...]]:
    sampling = Sampling(temperature=config.number("temperature"), top_p=config.number("topP"))
    most, stop = config.integer("maxTokens"), config.texts("stopSequences")
    config.done()
    return most, sampling, stop


def _tools(top: Members) -> tuple[tuple[Tool, ...], ToolChoice | None]:
    config = top.members("toolConfig")
    tools: tuple[Tool, ...] = ()
    choice: ToolChoice | None = None
    if config is not None:
        tools, choice = read_tools(config)
        config.done()
    guardrail = top.object(GUARDRAIL)
    if guardrail is not None:
        tools = (*tools, VendorTool(origin=OWN, kind=GUARDRAIL, raw=guardrail))
    return tools, choice


def _output(
    top: Members, reasoning: Reasoning | None
) -> tuple[Reasoning | None, ResponseFormat | None]:
    config = top.members("outputConfig")
    if config is None:
        return reasoning, None
    effort = config.choice("effort", Effort)
    if effort is not None:
        reasoning = structs.replace(reasoning or Reasoning(), effort=effort)
    text = config.members("textFormat")
    shape = _shape(text) if text is not None else None
    config.done()
    return reasoning, shape


def _shape(text: Members) -> ResponseFormat:
    """Return the shape of the answer; its schema is JSON inside of a string here."""
    kind = text.required_text("type")
    structure = text.members("structure")
    definition = structure.members("jsonSchema") if structure is not None else None
    if kind != "json_schema" or structure is None or definition is None:
        raise InvalidRequest(f"The field '{text.path}' must hold a JSON schema.", param=text.path)
    path = definition.name("schema")
    try:
        schema = msgspec.json.decode(definition.required_text("schema"), type=dict[str, object])
    except msgspec.DecodeError:
        raise InvalidRequest(
            f"The field '{path}' must be the text of a JSON object.", param=path
        ) from None
    shape = ResponseFormat(
        kind="json_schema",
        name=definition.text("name") or "",
        description=definition.text("description"),
        schema=schema,
    )
    for members in (definition, structure, text):
        members.done()
    return shape


def _tags(value: object) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise wrong_type("requestMetadata", "an object", value)
    tags = cast("JsonObject", value)
    for name, tag in tags.items():
        if not isinstance(tag, str):
            raise wrong_type(f"requestMetadata.{name}", "a string", tag)
    return cast("dict[str, str]", tags)


def _tier(value: object, unmapped: list[str]) -> str | None:
    if value is None:
        return None
    members = Members(value, "serviceTier", unmapped)
    tier = members.text("type")
    members.done()
    return tier
