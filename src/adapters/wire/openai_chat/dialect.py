"""The OpenAI Chat Completions dialect towards clients: reading requests, writing errors."""

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
from adapters.wire.openai_errors import public_error_body
from adapters.wire.schemas.openai_chat import RequestMembers, StreamOptions
from adapters.wire.sse import write_event
from application.ports.dialect import DialectCodec, PublicError, RequestTarget
from domain.errors import InvalidRequest
from domain.inference.dialect import Dialect
from domain.inference.head import RequestHead

_REQUEST = msgspec.json.Decoder(RequestMembers)
_STREAM_OPTIONS = msgspec.json.Decoder(StreamOptions | None)
_GOVERNING = MemberFinder(
    ("model", "stream", "stream_options", "max_tokens", "max_completion_tokens", "n")
)
_GOVERNING_STREAM_OPTIONS = MemberFinder(("include_usage",))

# https://platform.openai.com/docs/api-reference/chat/create
_MOST_CHOICES = 128


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

    @property
    def stream_content_type(self) -> bytes:
        """Server-sent events."""
        return b"text/event-stream; charset=utf-8"

    def peek(self, body: bytes, max_depth: int, target: RequestTarget) -> RequestHead:
        """Read the governing fields; see the port for what is refused."""
        members = decode_members(body, _REQUEST.decode, max_depth)
        _GOVERNING.refuse_ambiguous(body)
        stream = members.stream or False
        return RequestHead(
            model=model_name(members.model),
            stream=stream,
            include_usage=_include_usage(members.stream_options),
            max_output_tokens=_max_output_tokens(members),
            choices=_choices(members.n),
            end_user=end_user(members.user) or end_user(members.safety_identifier),
            media=media_of(members.messages),
            metadata=tags(members.metadata),
        )

    def error_status(self, error: PublicError) -> int:
        """Return the status as it is."""
        return error.status

    def error_headers(self, error: PublicError) -> list[tuple[bytes, bytes]]:  # noqa: ARG002
        """Return none: the body says it all."""
        return []

    def error_body(self, error: PublicError) -> bytes:
        """Return the error in OpenAI's shape."""
        return public_error_body(error)

    def stream_error(self, error: PublicError) -> bytes:
        """Return the error as a stream event. No `[DONE]` follows: the answer is not complete.

        The official SDKs raise on an event with an `error` member.
        """
        return write_event(self.error_body(error))


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


def _max_output_tokens(members: RequestMembers) -> int | None:
    """Return the larger cap, should both be given: it is unknown which one the provider obeys.

    Zero and below mean "no cap" to some servers (llama.cpp, LM Studio) and are no cap to us.
    """
    caps = {
        "max_tokens": members.max_tokens,
        "max_completion_tokens": members.max_completion_tokens,
    }
    for name, cap in caps.items():
        if cap is not None and cap > MOST_OUTPUT_TOKENS:
            raise InvalidRequest(
                f"The field '{name}' must be at most {MOST_OUTPUT_TOKENS}.", param=name
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
