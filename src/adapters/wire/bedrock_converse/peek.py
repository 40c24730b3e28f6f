"""What governs a Converse request. The model and whether to stream are in the URL, not the body."""

import msgspec
from msgspec import UNSET, Raw

from adapters.wire.bedrock_converse.media import media_of
from adapters.wire.governing import (
    MOST_OUTPUT_TOKENS,
    MaybeRaw,
    decode_members,
    model_name,
    tags,
    wrong_member,
)
from adapters.wire.members import MemberFinder
from adapters.wire.schemas.bedrock_converse import InferenceConfig, RequestMembers
from application.ports.dialect import RequestTarget
from domain.errors import InvalidRequest
from domain.inference.head import RequestHead

_REQUEST = msgspec.json.Decoder(RequestMembers)
_CONFIG = msgspec.json.Decoder(InferenceConfig | None)
_FIELDS = msgspec.json.Decoder(dict[str, Raw] | None)
_GOVERNING = MemberFinder(("inferenceConfig", "additionalModelRequestFields"))
_GOVERNING_CONFIG = MemberFinder(("maxTokens",))

# Names that families of models give the bound of generated tokens in their own request. Which one
# counts when both are given is not known, and what was governed must be what is obeyed.
_MODELS_OWN_BOUNDS = frozenset(
    {"max_tokens", "max_completion_tokens", "max_tokens_to_sample", "max_new_tokens"}
    | {"max_gen_len", "maxtokens", "maxtokencount"}
)


def peek_request(body: bytes, max_depth: int, target: RequestTarget) -> RequestHead:
    """Read the governing fields.

    Raises:
        InvalidRequest: as the port says, or the bound of generated tokens is given where it would
            not be governed.
    """
    members = decode_members(body, _REQUEST.decode, max_depth)
    _GOVERNING.refuse_ambiguous(body)
    _refuse_hidden_bounds(members.additional_model_request_fields)
    return RequestHead(
        model=model_name(target.model),
        stream=target.stream or False,
        max_output_tokens=_max_tokens(members.inference_config),
        media=media_of(members.messages),
        metadata=tags(members.request_metadata),
    )


def _max_tokens(value: MaybeRaw) -> int | None:
    if value is UNSET:
        return None
    try:
        config = _CONFIG.decode(value)
    except msgspec.ValidationError as error:
        raise wrong_member(error, "inferenceConfig") from None
    if config is None:
        return None
    _GOVERNING_CONFIG.refuse_ambiguous(bytes(value))
    bound = config.max_tokens
    if bound is not None and bound > MOST_OUTPUT_TOKENS:
        raise InvalidRequest(
            f"The field 'inferenceConfig.maxTokens' must be at most {MOST_OUTPUT_TOKENS}.",
            param="inferenceConfig.maxTokens",
        )
    # The provider refuses zero and below; until it does, they are no bound.
    return bound if bound is None or bound > 0 else None


def _refuse_hidden_bounds(value: MaybeRaw) -> None:
    if value is UNSET:
        return
    try:
        fields = _FIELDS.decode(value)
    except msgspec.ValidationError as error:
        raise wrong_member(error, "additionalModelRequestFields") from None
    for name in fields or ():
        if name.lower() in _MODELS_OWN_BOUNDS:
            path = f"additionalModelRequestFields.{name}"
            raise InvalidRequest(
                f"Give the bound of generated tokens as 'inferenceConfig.maxTokens', not as "
                f"'{path[:100]}'.",
                param=path[:100],
            )
