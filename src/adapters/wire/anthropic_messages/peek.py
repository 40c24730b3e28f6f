"""Reading what governs a Messages request, for generating and for counting tokens alike.

`max_tokens` is not asked for here: counting has none, and where generating lacks it the provider
says so in its own words (or the encoder of another format does without).
"""

import msgspec
from msgspec import Raw

from adapters.wire.anthropic_messages.media import media_of
from adapters.wire.governing import (
    MOST_OUTPUT_TOKENS,
    MaybeRaw,
    decode_members,
    end_user,
    model_name,
)
from adapters.wire.members import MemberFinder
from adapters.wire.schemas.anthropic_messages import RequestMembers, RequestMetadata, ToolHead
from domain.errors import InvalidRequest, UnsupportedField
from domain.inference.head import RequestHead

_REQUEST = msgspec.json.Decoder(RequestMembers)
_METADATA = msgspec.json.Decoder(RequestMetadata)
_TOOLS = msgspec.json.Decoder(list[ToolHead])
_GOVERNING = MemberFinder(("model", "stream", "max_tokens", "fallbacks", "tools"))


def peek(body: bytes, max_depth: int) -> RequestHead:
    """Read the governing fields.

    Raises:
        InvalidRequest: as `DialectCodec.peek`.
        UnsupportedField: the request names further models, which the provider would run unseen by
            the key's list of models: `fallbacks`, or a tool with a model of its own (an advisor).
    """
    members = decode_members(body, _REQUEST.decode, max_depth)
    _GOVERNING.refuse_ambiguous(body)
    _refuse_other_models(members)
    return RequestHead(
        model=model_name(members.model),
        stream=members.stream or False,
        max_output_tokens=_max_output_tokens(members.max_tokens),
        end_user=_end_user(members.metadata),
        media=media_of(members.messages),
    )


def _max_output_tokens(value: int | None) -> int | None:
    """Return the cap. Zero is one: it fills the prompt cache and generates nothing."""
    if value is None or value < 0:
        return None
    if value > MOST_OUTPUT_TOKENS:
        raise InvalidRequest(
            f"The field 'max_tokens' must be at most {MOST_OUTPUT_TOKENS}.", param="max_tokens"
        )
    return value


def _end_user(metadata: MaybeRaw) -> str | None:
    if not isinstance(metadata, Raw):
        return None
    try:
        return end_user(_METADATA.decode(metadata).user_id)
    except msgspec.ValidationError:
        return None


def _refuse_other_models(members: RequestMembers) -> None:
    if isinstance(members.fallbacks, Raw) and bytes(members.fallbacks) not in (b"null", b"[]"):
        raise UnsupportedField(
            "The field 'fallbacks' names models that the gateway cannot govern.", param="fallbacks"
        )
    if not isinstance(members.tools, Raw):
        return
    try:
        tools = _TOOLS.decode(members.tools)
    except msgspec.ValidationError:
        return  # whoever reads the tools will say what is wrong with them
    for index, tool in enumerate(tools):
        if isinstance(tool.model, Raw) and bytes(tool.model) != b"null":
            raise UnsupportedField(
                f"The field 'tools[{index}].model' names a model that the gateway cannot govern.",
                param=f"tools[{index}].model",
            )
