"""Reading what governs a request out of its body, as far as dialects have it in common."""

import codecs
import re
from collections.abc import Callable
from typing import TypeVar

import msgspec
from msgspec import Raw, UnsetType

from adapters.wire.json_depth import exceeds_depth
from domain.errors import InvalidRequest

MaybeRaw = Raw | UnsetType

_T = TypeVar("_T")
_TEXT = msgspec.json.Decoder(str)
_TAGS = msgspec.json.Decoder(dict[str, str])
_UTF8 = codecs.getincrementaldecoder("utf-8")
_UTF8_WINDOW = 1 << 20
_PATH = re.compile(r" - at `\$\.?([^`]*)`$")

LONGEST_MODEL = 256
MOST_OUTPUT_TOKENS = 1_000_000_000
_MOST_TAGS = 16
_LONGEST_TAG_NAME = 64
_LONGEST_TAG = 512
_LONGEST_END_USER = 512
_LARGEST_METADATA = 64 * 1024


def decode_members(body: bytes, decode: Callable[[bytes], _T], max_depth: int) -> _T:
    """Return the members that `decode`, a msgspec decoder's method, reads from a request body.

    The decoder checks the syntax of the whole body on the way, so what is forwarded is JSON
    (RFC 8259: no NaN, no comments, no trailing commas) in valid UTF-8.

    Raises:
        InvalidRequest: empty, not JSON, not UTF-8, too deep, or a member of the wrong type.
    """
    if not body:
        raise InvalidRequest("The request body is empty; a JSON object is expected.")
    check_utf8(body)
    try:
        members = decode(body)
    except msgspec.ValidationError as error:
        raise wrong_member(error) from None
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"The request body is not valid JSON: {_explain(error)}.") from None
    except RecursionError:
        raise _too_deep(max_depth) from None
    if exceeds_depth(body, max_depth):
        raise _too_deep(max_depth)
    return members


def check_utf8(body: bytes) -> None:
    """Check all of it: strings the decoder skips are forwarded too."""
    if body.isascii():
        return
    decoder = _UTF8()
    try:
        for start in range(0, len(body), _UTF8_WINDOW):  # bounds the memory of the decoded text
            decoder.decode(body[start : start + _UTF8_WINDOW])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise InvalidRequest("The request body is not valid UTF-8.") from None


def _too_deep(max_depth: int) -> InvalidRequest:
    return InvalidRequest(
        f"The request body nests objects and arrays deeper than {max_depth} levels."
    )


def _explain(error: msgspec.DecodeError) -> str:
    text = str(error)
    if text == "Input data was truncated":
        return "it ends too early, or a \\u escape holds half of a surrogate pair"
    return text.removeprefix("JSON is malformed: ")


def wrong_member(error: msgspec.ValidationError, inside: str = "") -> InvalidRequest:
    """Turn msgspec's text into a sentence naming the field."""
    text = str(error)
    path = _PATH.search(text)
    name = ".".join(part for part in (inside, path[1] if path else "") if part)
    problem = _PATH.sub("", text).replace("`", "")
    if not name:
        return InvalidRequest(f"The request body has the wrong type: {problem}.")
    return InvalidRequest(f"The field '{name}' has the wrong type: {problem}.", param=name)


def model_name(value: str | None) -> str:
    """Return the model a request asks for.

    Raises:
        InvalidRequest: missing, empty, or longer than 256 characters.
    """
    if value is None:
        raise InvalidRequest("The field 'model' is missing.", param="model")
    if not value.strip():
        raise InvalidRequest("The field 'model' must not be empty.", param="model")
    if len(value) > LONGEST_MODEL:
        raise InvalidRequest(
            f"The field 'model' is longer than {LONGEST_MODEL} characters.", param="model"
        )
    return value


def end_user(value: MaybeRaw) -> str | None:
    """Return the caller's end-user id, cut to size; a value of another type is the provider's."""
    if not isinstance(value, Raw):
        return None
    try:
        return _TEXT.decode(value)[:_LONGEST_END_USER] or None
    except msgspec.ValidationError:
        return None


def tags(value: MaybeRaw) -> dict[str, str] | None:
    """Return the caller's tags within OpenAI's bounds; what is beyond them is not recorded."""
    if not isinstance(value, Raw) or len(memoryview(value)) > _LARGEST_METADATA:
        return None
    try:
        found = _TAGS.decode(value)
    except msgspec.ValidationError:
        return None
    fitting = (
        (name, tag)
        for name, tag in found.items()
        if len(name) <= _LONGEST_TAG_NAME and len(tag) <= _LONGEST_TAG
    )
    return dict(list(fitting)[:_MOST_TAGS]) or None
