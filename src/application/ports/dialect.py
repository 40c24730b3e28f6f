"""A client-facing API: how its requests are read, and its answers and errors written."""

from abc import abstractmethod
from typing import Protocol, runtime_checkable

from msgspec import Struct

from domain.inference.dialect import Dialect
from domain.inference.events import StreamEvent
from domain.inference.head import RequestHead
from domain.inference.request import InferenceRequest
from domain.inference.response import InferenceResponse


class PublicError(Struct, frozen=True, kw_only=True):
    """An error as a client may see it, before it is put into a dialect's shape.

    Attributes:
        status: HTTP status.
        kind: coarse category: `invalid_request`, `authentication`, `permission`, `not_found`,
            `too_large`, `rate_limit`, `quota`, `overloaded`, `timeout`, `upstream`, `internal`.
        code: stable machine-readable code.
        limit: label of the limit of ours that refused, e.g. `user:requests/1m`.
        upstream_kind: error type as the provider named it, kept for same-format replies.
    """

    status: int
    kind: str
    code: str
    message: str
    param: str | None = None
    limit: str | None = None
    request_id: str = ""
    retry_after_ms: int | None = None
    upstream_kind: str | None = None


class RequestTarget(Struct, frozen=True, kw_only=True):
    """What the URL of a request says, in dialects that put it there (Gemini, Bedrock).

    Attributes:
        model: model name, decoded; None where the body has it.
        stream: whether the operation streams; None where the body says so.
        response: id of an earlier answer that the provider keeps (OpenAI Responses).
        query: query string, for operations whose parameters stand there; letters, digits and
            `=&%_.-[]+` only.
    """

    model: str | None = None
    stream: bool | None = None
    response: str | None = None
    query: str = ""


NOT_IN_URL = RequestTarget()
"""The URL says nothing: everything stands in the body."""


class ReplyContext(Struct, frozen=True, kw_only=True):
    """What an answer tells of its request.

    Attributes:
        request: the request as decoded from the client's dialect.
        model: the model as the client named it.
        reply_id: id of the answer when the provider gave none; letters, digits and `-`.
        created_s: Unix seconds, when the provider did not say.
        include_usage: whether the client asked for usage in the stream (OpenAI Chat).
    """

    request: InferenceRequest
    model: str
    reply_id: str
    created_s: int
    include_usage: bool = False


class StreamEncoder(Protocol):
    """Writes one streamed answer in a dialect; a state machine over canonical events."""

    @abstractmethod
    def encode(self, event: StreamEvent) -> bytes:
        """Return the bytes to send for `event`; may be empty."""
        ...

    @abstractmethod
    def finish(self) -> bytes:
        """Return what ends a complete answer, terminator included. Call once, after all events."""
        ...


class DialectCodec(Protocol):
    """What every operation of a dialect needs: reading what governs a request, writing errors."""

    @property
    @abstractmethod
    def dialect(self) -> Dialect:
        """Which dialect this is."""
        ...

    @property
    @abstractmethod
    def keep_alive(self) -> bytes:
        """Bytes that say nothing, for a stream that has been silent; empty if there are none."""
        ...

    @property
    @abstractmethod
    def stream_content_type(self) -> bytes:
        """Content type of streamed answers."""
        ...

    @abstractmethod
    def peek(self, body: bytes, max_depth: int, target: RequestTarget) -> RequestHead:
        """Read the governing fields of a request body.

        Raises:
            InvalidRequest: not JSON, not UTF-8, nested deeper than `max_depth`, a required field is
                missing or of the wrong type, or a governing field is given twice.
        """
        ...

    @abstractmethod
    def error_status(self, error: PublicError) -> int:
        """Return the HTTP status of an error answer; `error.status` unless the dialect differs."""
        ...

    @abstractmethod
    def error_headers(self, error: PublicError) -> list[tuple[bytes, bytes]]:
        """Return the headers in which the dialect repeats an error; mostly none."""
        ...

    @abstractmethod
    def error_body(self, error: PublicError) -> bytes:
        """Return the JSON body of an error answer."""
        ...

    @abstractmethod
    def stream_error(self, error: PublicError) -> bytes:
        """Return the bytes that end a running stream with an error."""
        ...


@runtime_checkable
class ConversationCodec(DialectCodec, Protocol):
    """A dialect whose requests and answers can be translated."""

    @abstractmethod
    def decode(self, body: bytes, target: RequestTarget) -> InferenceRequest:
        """Return the whole request. `body` has passed `peek`.

        What has no place in the canonical model is kept in `extensions` (top level) or named in
        `unmapped` (deeper inside).

        Raises:
            InvalidRequest: a field is missing, of the wrong type, or contradicts another.
        """
        ...

    @abstractmethod
    def field_name(self, field: str) -> str:
        """Return the client's name of a canonical field (`domain.inference.fields`)."""
        ...

    @abstractmethod
    def encode_reply(self, reply: InferenceResponse, context: ReplyContext) -> bytes:
        """Return a whole answer."""
        ...

    @abstractmethod
    def stream_encoder(self, context: ReplyContext) -> StreamEncoder:
        """Return a writer for one streamed answer."""
        ...


@runtime_checkable
class CountingCodec(Protocol):
    """A dialect in which input tokens can be counted before a request is made."""

    @abstractmethod
    def encode_count(self, tokens: int) -> bytes:
        """Return the answer that says how many input tokens a request has."""
        ...
