"""A client's Responses request as a canonical one.

https://platform.openai.com/docs/api-reference/responses/create. It is only called when the request
goes to a provider of another format; so what only this API can do is refused here.
"""

import msgspec

from adapters.wire.openai_responses.decode_items import ItemReader
from adapters.wire.openai_responses.tools import read_choice, read_tools
from adapters.wire.reading import JsonObject, Members
from domain.errors import InvalidRequest, UnsupportedField
from domain.inference.conversation import Message, Role, TextPart
from domain.inference.dialect import Dialect
from domain.inference.request import (
    Effort,
    InferenceRequest,
    Reasoning,
    ResponseFormat,
    Sampling,
    ToolChoice,
)

ENCRYPTED_REASONING = "reasoning.encrypted_content"
LOGPROBS = "message.output_text.logprobs"

_BODY = msgspec.json.Decoder(dict[str, object])
# State that only the provider has, and an answer that only the provider can make later.
_REFUSED = ("conversation", "prompt")


def decode_request(body: bytes) -> InferenceRequest:
    """Return the whole request.

    Raises:
        InvalidRequest: a field is missing, of the wrong type, or contradicts another.
        UnsupportedField: work in the background, or state that only the vendor has.
    """
    try:
        value = _BODY.decode(body)
    except (msgspec.DecodeError, RecursionError):
        raise InvalidRequest("The request body must be a JSON object.") from None
    unmapped: list[str] = []
    members = Members(value, "", unmapped)
    _refuse(members)

    instructions = members.text("instructions")
    items = ItemReader(unmapped)
    if instructions:
        items.messages.append(Message(role=Role.SYSTEM, parts=(TextPart(text=instructions),)))
    items.take(members.any("input"))
    tools = (*read_tools(members.objects("tools")), *items.tools)
    choice, vendor_choice = _choice(members, unmapped)
    includes = list(members.texts("include"))
    wants_logprobs = LOGPROBS in includes
    # Encrypted reasoning is always returned; what else is included has no counterpart.
    includes = [each for each in includes if each not in (ENCRYPTED_REASONING, LOGPROBS)]
    end_user, other_user = members.text("safety_identifier"), members.text("user")
    if end_user is None:
        end_user, other_user = other_user, None
    sampling = Sampling(
        temperature=members.number("temperature"),
        top_p=members.number("top_p"),
        logprobs=wants_logprobs or None,
        top_logprobs=members.integer("top_logprobs"),
    )
    response_format, verbosity = _text(members)
    if members.has("truncation") and value.get("truncation") == "disabled":
        members.any("truncation")  # says what is so anyway
    request = InferenceRequest(
        source=Dialect.OPENAI_RESPONSES,
        model=members.required_text("model"),
        messages=tuple(items.messages),
        stream=members.flag("stream") or False,
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=members.flag("parallel_tool_calls"),
        max_output_tokens=members.integer("max_output_tokens"),
        sampling=sampling,
        response_format=response_format,
        reasoning=_reasoning(members),
        verbosity=verbosity,
        end_user=end_user,
        metadata=_metadata(members),
        service_tier=members.text("service_tier"),
        cache_key=members.text("prompt_cache_key"),
        store=members.flag("store"),
        previous_response_id=members.text("previous_response_id"),
    )
    extensions = members.rest()
    if vendor_choice is not None:
        extensions["tool_choice"] = vendor_choice
    if includes:
        extensions["include"] = includes
    if other_user is not None:
        extensions["user"] = other_user
    return msgspec.structs.replace(request, extensions=extensions, unmapped=tuple(unmapped))


def _refuse(members: Members) -> None:
    if members.flag("background"):
        raise UnsupportedField(
            "The field 'background' cannot be sent to the provider of this model.",
            param="background",
        )
    for name in _REFUSED:
        if members.has(name):
            raise UnsupportedField(
                f"The field '{name}' cannot be sent to the provider of this model.", param=name
            )


def _choice(members: Members, unmapped: list[str]) -> tuple[ToolChoice | None, object]:
    """Return the choice of tools, or as it is when it is about the vendor's own tools."""
    value = members.any("tool_choice")
    if value is None:
        return None, None
    choice = read_choice(value, unmapped)
    return choice, None if choice is not None else value


def _text(members: Members) -> tuple[ResponseFormat | None, str | None]:
    text = members.members("text")
    if text is None:
        return None, None
    verbosity = text.text("verbosity")
    form = text.members("format")
    text.done()
    return None if form is None else _format(form), verbosity


def _format(form: Members) -> ResponseFormat:
    kind = form.required_text("type")
    if kind == "json_schema":
        read = ResponseFormat(
            kind="json_schema",
            name=form.text("name") or "",
            description=form.text("description"),
            schema=form.object("schema"),
            strict=form.flag("strict"),
        )
    elif kind == "text" or kind == "json_object":  # noqa: PLR1714
        read = ResponseFormat(kind=kind)
    else:
        raise InvalidRequest(
            f"The field '{form.name('type')}' has the unknown value '{kind[:64]}'.",
            param=form.name("type"),
        )
    form.done()
    return read


def _reasoning(members: Members) -> Reasoning | None:
    given = members.members("reasoning")
    if given is None:
        return None
    effort = given.choice("effort", Effort)
    summary = given.text("summary")
    older = given.text("generate_summary")
    summary = summary or older
    given.done()
    if effort is None and summary is None:
        return None
    return Reasoning(effort=effort, summary=summary, show=True if summary else None)


def _metadata(members: Members) -> dict[str, str]:
    given = members.members("metadata")
    tags: JsonObject = given.rest() if given is not None else {}
    read: dict[str, str] = {}
    for name, tag in tags.items():
        if not isinstance(tag, str):
            raise InvalidRequest(
                f"The field 'metadata.{name[:64]}' must be a string.", param="metadata"
            )
        read[name] = tag
    return read
