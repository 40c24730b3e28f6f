"""Reading what governs a generateContent or countTokens request.

Model and kind of answer are in the URL. A body may repeat the model (protobuf's
`GenerateContentRequest.model`), but only the same one.
"""

import msgspec
from msgspec import Raw

from adapters.wire.gemini_generate.media import media_of
from adapters.wire.gemini_generate.spelling import SpelledFinder
from adapters.wire.governing import (
    MOST_OUTPUT_TOKENS,
    decode_members,
    model_name,
    tags,
    wrong_member,
)
from adapters.wire.schemas.gemini_generate import (
    GenerationBounds,
    MaybeRaw,
    RequestMembers,
    Whole,
)
from application.ports.dialect import RequestTarget
from domain.errors import InvalidRequest
from domain.inference.head import RequestHead

_REQUEST = msgspec.json.Decoder(RequestMembers)
_BOUNDS = msgspec.json.Decoder(GenerationBounds | None)
_GOVERNING = SpelledFinder(("model", "contents", "generationConfig", "generateContentRequest"))
_GOVERNING_CONFIG = SpelledFinder(("maxOutputTokens", "candidateCount"))
_RESOURCE = "models/"
# https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference
_MOST_CANDIDATES = 8


def peek(body: bytes, max_depth: int, target: RequestTarget) -> RequestHead:
    """Return the governing fields of a request.

    Raises:
        InvalidRequest: see `DialectCodec.peek`; also when the body names another model than the
            URL, or holds a governing field under both of its names.
    """
    members = decode_members(body, _REQUEST.decode, max_depth)
    _GOVERNING.refuse_ambiguous(body)
    model = model_name(target.model)
    _same_model(members.model, model, "model")
    inner = _either(members.generate_content_request, members.snake_generate_content_request)
    if isinstance(inner, Raw) and bytes(inner) != b"null":
        if isinstance(members.contents, Raw):
            raise InvalidRequest(
                "Give either 'contents' or 'generateContentRequest', not both.",
                param="generateContentRequest",
            )
        members = _inner_request(inner, model)
    bounds = _bounds(_either(members.generation_config, members.snake_generation_config))
    return RequestHead(
        model=model,
        stream=target.stream or False,
        include_usage=True,
        max_output_tokens=_max_output_tokens(bounds),
        choices=_candidates(bounds),
        media=media_of(members.contents),
        metadata=tags(members.labels),
    )


def _inner_request(value: Raw, model: str) -> RequestMembers:
    """Return the members of countTokens' `generateContentRequest`."""
    try:
        members = _REQUEST.decode(value)
    except msgspec.ValidationError as error:
        raise wrong_member(error, "generateContentRequest") from None
    _GOVERNING.refuse_ambiguous(bytes(value))
    _same_model(members.model, model, "generateContentRequest.model")
    return members


def _same_model(given: str | None, model: str, where: str) -> None:
    if given is not None and given.removeprefix(_RESOURCE) != model.removeprefix(_RESOURCE):
        raise InvalidRequest(f"The field '{where}' names another model than the URL.", param=where)


def _either(camel: MaybeRaw, snake: MaybeRaw) -> MaybeRaw:
    """Return the member under the name it has; both were refused before."""
    return camel if isinstance(camel, Raw) else snake


def _bounds(value: MaybeRaw) -> GenerationBounds:
    if not isinstance(value, Raw):
        return GenerationBounds()
    try:
        bounds = _BOUNDS.decode(value)
    except msgspec.ValidationError as error:
        raise wrong_member(error, "generationConfig") from None
    if bounds is None:
        return GenerationBounds()
    _GOVERNING_CONFIG.refuse_ambiguous(bytes(value))
    return bounds


def _max_output_tokens(bounds: GenerationBounds) -> int | None:
    """Return the cap; zero and below are no cap to us, whatever the provider makes of them."""
    name = "generationConfig.maxOutputTokens"
    cap = _whole(bounds.max_output_tokens, bounds.snake_max_output_tokens, name)
    if cap is not None and cap > MOST_OUTPUT_TOKENS:
        raise InvalidRequest(
            f"The field '{name}' must be at most {MOST_OUTPUT_TOKENS}.", param=name
        )
    return cap if cap is not None and cap > 0 else None


def _candidates(bounds: GenerationBounds) -> int:
    name = "generationConfig.candidateCount"
    count = _whole(bounds.candidate_count, bounds.snake_candidate_count, name)
    if count is None:
        return 1
    if not 1 <= count <= _MOST_CANDIDATES:
        raise InvalidRequest(
            f"The field '{name}' must be from 1 to {_MOST_CANDIDATES}.", param=name
        )
    return count


def _whole(camel: Whole, snake: Whole, name: str) -> int | None:
    """Return a whole number in any form that protobuf JSON allows."""
    value = snake if camel is None else camel
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, float):
        if value.is_integer():
            return int(value)
    elif value.isascii() and len(value) <= 20:
        digits = value.removeprefix("-")
        if digits.isdigit():
            return int(value)
    raise InvalidRequest(f"The field '{name}' must be a whole number.", param=name)
