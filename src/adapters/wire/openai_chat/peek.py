"""What governs a Chat Completions request: the few members that are read before all others."""

import msgspec
from msgspec import Raw

from adapters.wire.governing import (
    MOST_OUTPUT_TOKENS,
    MaybeRaw,
    decode_members,
    end_user,
    model_name,
    tags,
    wrong_member,
)
from adapters.wire.members import MemberFinder
from adapters.wire.openai_chat.media import media_of
from adapters.wire.schemas.openai_chat import RequestMembers, StreamOptions
from domain.errors import InvalidRequest
from domain.inference.head import RequestHead

_REQUEST = msgspec.json.Decoder(RequestMembers)
_STREAM_OPTIONS = msgspec.json.Decoder(StreamOptions | None)
# Models to fall back to (OpenRouter, LiteLLM): nobody would have asked whether they are allowed.
_OTHER_MODELS = ("models", "fallbacks")
_GOVERNING = MemberFinder(
    (
        "model",
        "stream",
        "stream_options",
        "max_tokens",
        "max_completion_tokens",
        "n",
        *_OTHER_MODELS,
    )
)
_GOVERNING_STREAM_OPTIONS = MemberFinder(("include_usage",))

# https://platform.openai.com/docs/api-reference/chat/create
_MOST_CHOICES = 128


def peek(body: bytes, max_depth: int) -> RequestHead:
    """Return the governing members of a request.

    Raises:
        InvalidRequest: as `DialectCodec.peek`.
    """
    members = decode_members(body, _REQUEST.decode, max_depth)
    _GOVERNING.refuse_ambiguous(body)
    _refuse_other_models(members)
    return RequestHead(
        model=model_name(members.model),
        stream=members.stream or False,
        include_usage=_include_usage(members.stream_options),
        max_output_tokens=larger_cap(members.max_tokens, members.max_completion_tokens),
        choices=_choices(members.n),
        end_user=end_user(members.user) or end_user(members.safety_identifier),
        media=media_of(members.messages),
        metadata=tags(members.metadata),
        prompt_cache_key=end_user(members.prompt_cache_key),
    )


def _refuse_other_models(members: RequestMembers) -> None:
    for name in _OTHER_MODELS:
        value = getattr(members, name)
        if isinstance(value, Raw) and bytes(value) != b"null":
            raise InvalidRequest(
                f"The field '{name}' cannot be used; name one model in 'model'.", param=name
            )


def larger_cap(max_tokens: int | None, max_completion_tokens: int | None) -> int | None:
    """Return the larger cap, should both be given: it is unknown which one the provider obeys.

    Zero and below mean "no cap" to some servers (llama.cpp, LM Studio) and are no cap to us.

    Raises:
        InvalidRequest: a cap beyond all models.
    """
    caps = {"max_tokens": max_tokens, "max_completion_tokens": max_completion_tokens}
    for name, cap in caps.items():
        if cap is not None and cap > MOST_OUTPUT_TOKENS:
            raise InvalidRequest(
                f"The field '{name}' must be at most {MOST_OUTPUT_TOKENS}.", param=name
            )
    given = [cap for cap in caps.values() if cap is not None]
    if not given or min(given) <= 0:
        return None
    return max(given)


def _include_usage(value: MaybeRaw) -> bool:
    if not isinstance(value, Raw):
        return False
    try:
        options = _STREAM_OPTIONS.decode(value)
    except msgspec.ValidationError as error:
        raise wrong_member(error, "stream_options") from None
    if options is None:
        return False
    _GOVERNING_STREAM_OPTIONS.refuse_ambiguous(bytes(value))
    return options.include_usage or False


def _choices(value: int | None) -> int:
    if value is None:
        return 1
    if not 1 <= value <= _MOST_CHOICES:
        raise InvalidRequest(f"The field 'n' must be from 1 to {_MOST_CHOICES}.", param="n")
    return value
