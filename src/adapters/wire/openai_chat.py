"""The OpenAI Chat Completions dialect towards clients: reading requests, writing errors."""

import codecs
import re

import msgspec
from msgspec import UNSET, Raw

from adapters.wire.json_depth import exceeds_depth
from adapters.wire.members import MemberFinder
from adapters.wire.openai_media import media_of
from adapters.wire.schemas.openai_chat import (
    MaybeRaw,
    PublicErrorBody,
    PublicErrorDetail,
    RequestMembers,
    StreamOptions,
)
from adapters.wire.sse import write_event
from application.ports.dialect import DialectCodec, PublicError
from domain.errors import InvalidRequest
from domain.inference.dialect import Dialect
from domain.inference.head import RequestHead

_REQUEST = msgspec.json.Decoder(RequestMembers)
_STREAM_OPTIONS = msgspec.json.Decoder(StreamOptions | None)
_TEXT = msgspec.json.Decoder(str)
_TAGS = msgspec.json.Decoder(dict[str, str])
_ENCODER = msgspec.json.Encoder()
_GOVERNING = MemberFinder(
    ("model", "stream", "stream_options", "max_tokens", "max_completion_tokens", "n")
)
_GOVERNING_STREAM_OPTIONS = MemberFinder(("include_usage",))

_UTF8 = codecs.getincrementaldecoder("utf-8")
_UTF8_WINDOW = 1 << 20
_PATH = re.compile(r" - at `\$\.?([^`]*)`$")

# Bounds of https://platform.openai.com/docs/api-reference/chat/create; for `model`, which has none
# there, our own.
_LONGEST_MODEL = 256
_MOST_CHOICES = 128
_MOST_OUTPUT_TOKENS = 1_000_000_000
_MOST_TAGS = 16
_LONGEST_TAG_NAME = 64
_LONGEST_TAG = 512
_LONGEST_END_USER = 512
_LARGEST_METADATA = 64 * 1024

_QUOTA = "insufficient_quota"
_CLIENT_KINDS = frozenset(
    {"invalid_request", "authentication", "permission", "not_found", "too_large"}
)


class OpenAIChatCodec(DialectCodec):
    """Requests and errors of `POST /v1/chat/completions`."""

    @property
    def dialect(self) -> Dialect:
        """OpenAI Chat Completions."""
        return Dialect.OPENAI_CHAT

    @property
    def keep_alive(self) -> bytes:
        """A comment, which every reader of server-sent events skips."""
        return b": keep-alive\n\n"

    def peek(self, body: bytes, max_depth: int) -> RequestHead:
        """Read the governing fields; see the port for what is refused.

        The decoder checks the syntax of the whole body on the way, so what is forwarded is JSON
        (RFC 8259: no NaN, no comments, no trailing commas) in valid UTF-8.
        """
        members = _decode(body, max_depth)
        _GOVERNING.refuse_ambiguous(body)
        stream = members.stream or False
        return RequestHead(
            model=_model(members.model),
            stream=stream,
            include_usage=_include_usage(members.stream_options),
            max_output_tokens=_max_output_tokens(members),
            choices=_choices(members.n),
            end_user=_end_user(members.user) or _end_user(members.safety_identifier),
            media=media_of(members.messages),
            metadata=_metadata(members.metadata),
        )

    def error_body(self, error: PublicError) -> bytes:
        """Return `{"error": {message, type, param, code, limit, request_id}}`.

        A spent budget is `insufficient_quota` in type and code, as at OpenAI
        (https://platform.openai.com/docs/guides/error-codes): clients do not wait for it to pass.
        """
        detail = PublicErrorDetail(
            message=error.message,
            type=error.upstream_kind or _error_type(error.kind),
            param=error.param,
            code=_QUOTA if error.kind == "quota" else error.code,
            limit=error.limit or UNSET,
            request_id=error.request_id or UNSET,
        )
        return _ENCODER.encode(PublicErrorBody(detail))

    def stream_error(self, error: PublicError) -> bytes:
        """Return the error as a stream event. No `[DONE]` follows: the answer is not complete.

        The official SDKs raise on an event with an `error` member.
        """
        return write_event(self.error_body(error))


def _decode(body: bytes, max_depth: int) -> RequestMembers:
    if not body:
        raise InvalidRequest("The request body is empty; a JSON object is expected.")
    _check_utf8(body)
    try:
        members = _REQUEST.decode(body)
    except msgspec.ValidationError as error:
        raise _wrong_type(error) from None
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"The request body is not valid JSON: {_explain(error)}.") from None
    except RecursionError:
        raise _too_deep(max_depth) from None
    if exceeds_depth(body, max_depth):
        raise _too_deep(max_depth)
    return members


def _check_utf8(body: bytes) -> None:
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


def _wrong_type(error: msgspec.ValidationError, inside: str = "") -> InvalidRequest:
    """Turn msgspec's text into a sentence naming the field."""
    text = str(error)
    path = _PATH.search(text)
    name = ".".join(part for part in (inside, path[1] if path else "") if part)
    problem = _PATH.sub("", text).replace("`", "")
    if not name:
        return InvalidRequest(f"The request body has the wrong type: {problem}.")
    return InvalidRequest(f"The field '{name}' has the wrong type: {problem}.", param=name)


def _model(value: str | None) -> str:
    if value is None:
        raise InvalidRequest("The field 'model' is missing.", param="model")
    if not value.strip():
        raise InvalidRequest("The field 'model' must not be empty.", param="model")
    if len(value) > _LONGEST_MODEL:
        raise InvalidRequest(
            f"The field 'model' is longer than {_LONGEST_MODEL} characters.", param="model"
        )
    return value


def _include_usage(value: MaybeRaw) -> bool:
    if not isinstance(value, Raw):
        return False
    try:
        options = _STREAM_OPTIONS.decode(value)
    except msgspec.ValidationError as error:
        raise _wrong_type(error, "stream_options") from None
    if options is None:
        return False
    _GOVERNING_STREAM_OPTIONS.refuse_ambiguous(bytes(value))
    return options.include_usage or False


def _max_output_tokens(members: RequestMembers) -> int | None:
    """Return the larger cap, should both be given: it is unknown which one the provider obeys.

    Zero and below mean "no cap" to some servers (llama.cpp, LM Studio) and are no cap to us.
    """
    caps = {
        "max_tokens": members.max_tokens,
        "max_completion_tokens": members.max_completion_tokens,
    }
    for name, cap in caps.items():
        if cap is not None and cap > _MOST_OUTPUT_TOKENS:
            raise InvalidRequest(
                f"The field '{name}' must be at most {_MOST_OUTPUT_TOKENS}.", param=name
            )
    given = [cap for cap in caps.values() if cap is not None]
    if not given or min(given) <= 0:
        return None
    return max(given)


def _choices(value: int | None) -> int:
    if value is None:
        return 1
    if not 1 <= value <= _MOST_CHOICES:
        raise InvalidRequest(f"The field 'n' must be from 1 to {_MOST_CHOICES}.", param="n")
    return value


def _end_user(value: MaybeRaw) -> str | None:
    """Return the caller's end-user id, cut to size; a value of another type is the provider's."""
    if not isinstance(value, Raw):
        return None
    try:
        return _TEXT.decode(value)[:_LONGEST_END_USER] or None
    except msgspec.ValidationError:
        return None


def _metadata(value: MaybeRaw) -> dict[str, str] | None:
    """Return the caller's tags within OpenAI's bounds; what is beyond them is not recorded."""
    if not isinstance(value, Raw) or len(memoryview(value)) > _LARGEST_METADATA:
        return None
    try:
        tags = _TAGS.decode(value)
    except msgspec.ValidationError:
        return None
    fitting = (
        (name, tag)
        for name, tag in tags.items()
        if len(name) <= _LONGEST_TAG_NAME and len(tag) <= _LONGEST_TAG
    )
    return dict(list(fitting)[:_MOST_TAGS]) or None


def _error_type(kind: str) -> str:
    """Return OpenAI's `type` for a category of error."""
    if kind in _CLIENT_KINDS:
        return "invalid_request_error"
    if kind == "quota":
        return _QUOTA
    if kind == "rate_limit":
        return "rate_limit_error"
    return "server_error"
