"""Reading a whole generateContent request.

https://ai.google.dev/api/generate-content#request-body
"""

from typing import cast

import msgspec

from adapters.wire.gemini_generate.call_ids import ConversationIds
from adapters.wire.gemini_generate.decode_config import read_config
from adapters.wire.gemini_generate.decode_tools import read_tool_choice, read_tools
from adapters.wire.gemini_generate.parts import read_parts
from adapters.wire.gemini_generate.reading import SpelledMembers
from adapters.wire.reading import missing, wrong_type
from application.ports.dialect import RequestTarget
from domain.errors import InvalidRequest, UnsupportedField
from domain.inference.conversation import Message, Role
from domain.inference.dialect import Dialect
from domain.inference.request import InferenceRequest

_ROLES = {
    "": Role.USER,
    "user": Role.USER,
    "function": Role.USER,  # results of functions, in the first versions of the API
    "model": Role.ASSISTANT,
}
_CONFIG = "generationConfig"
# One canonical name per vendor's name; what is not here keeps its own.
_TIERS = {"standard": "default", "unspecified": None}


def decode_request(body: bytes, target: RequestTarget) -> InferenceRequest:
    """Return the request; of countTokens, the one whose tokens are to be counted.

    Raises:
        InvalidRequest: a member is missing, of the wrong type, or contradicts another.
        UnsupportedField: it has `cachedContent`, a part of the conversation that only its own
            provider can read.
    """
    try:
        parsed: object = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidRequest(f"The request body cannot be read: {error}.") from None
    unmapped: list[str] = []
    members = SpelledMembers(parsed, "", unmapped)
    members = members.members("generateContentRequest") or members
    members.any("model")  # the same one as in the URL
    if members.has("cachedContent"):
        name = members.name("cachedContent")
        raise UnsupportedField(f"The field '{name}' is known to its own provider only.", param=name)
    messages = _read_messages(members)
    tools = read_tools(members)
    tool_choice = read_tool_choice(members)
    config_path = members.name(_CONFIG)
    config = read_config(members.members(_CONFIG))
    labels = _read_labels(members)
    tier = members.text("serviceTier")
    store = members.flag("store")
    extensions = members.rest()
    extensions |= {f"{config_path}.{name}": value for name, value in config.rest.items()}
    return InferenceRequest(
        source=Dialect.GEMINI_GENERATE,
        model=target.model or "",
        messages=messages,
        stream=target.stream or False,
        tools=tools,
        tool_choice=tool_choice,
        max_output_tokens=config.max_output_tokens,
        sampling=config.sampling,
        stop=config.stop,
        candidates=config.candidates,
        response_format=config.response_format,
        reasoning=config.reasoning,
        metadata=labels,
        service_tier=None if tier is None else _TIERS.get(tier.lower(), tier.lower()),
        modalities=config.modalities,
        store=store,
        extensions=extensions,
        unmapped=tuple(unmapped),
    )


def _read_messages(members: SpelledMembers) -> tuple[Message, ...]:
    ids = ConversationIds()
    messages: list[Message] = []
    instruction = members.members("systemInstruction")
    if instruction is not None:
        instruction.text("role")  # ignored by Google, too
        messages += _message(Role.SYSTEM, instruction, ids)
    path = members.name("contents")
    contents = list(members.objects("contents"))
    if not contents:
        raise missing(path)
    for content in contents:
        name = content.name("role")
        given = content.text("role") or ""
        role = _ROLES.get(given)
        if role is None:
            raise InvalidRequest(
                f"The field '{name}' must be 'user' or 'model', not '{given[:64]}'.", param=name
            )
        messages += _message(role, content, ids)
    return tuple(messages)


def _message(role: Role, content: SpelledMembers, ids: ConversationIds) -> list[Message]:
    """Return the turn, or nothing for one that says nothing."""
    parts = read_parts(content, ids)
    content.done()
    return [Message(role=role, parts=parts)] if parts else []


def _read_labels(members: SpelledMembers) -> dict[str, str]:
    name = members.name("labels")
    labels = members.object("labels") or {}
    for label, value in labels.items():
        if not isinstance(value, str):
            raise wrong_type(f"{name}.{label}", "a string", value)
    return cast("dict[str, str]", labels)
