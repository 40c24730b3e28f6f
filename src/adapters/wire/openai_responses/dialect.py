"""The OpenAI Responses dialect towards clients."""

from adapters.wire.openai_errors import public_error_body
from adapters.wire.openai_responses.decode_request import decode_request
from adapters.wire.openai_responses.encode_reply import encode_reply
from adapters.wire.openai_responses.errors import stream_error_events
from adapters.wire.openai_responses.fields import field_name
from adapters.wire.openai_responses.peek import peek
from adapters.wire.openai_responses.stream_writer import ResponsesStreamWriter
from application.ports.dialect import (
    ConversationCodec,
    PublicError,
    ReplyContext,
    RequestTarget,
    StreamEncoder,
)
from domain.inference.dialect import Dialect
from domain.inference.head import RequestHead
from domain.inference.request import InferenceRequest
from domain.inference.response import InferenceResponse


class OpenAIResponsesCodec(ConversationCodec):
    """Requests, answers and errors of `POST /v1/responses`."""

    @property
    def dialect(self) -> Dialect:
        """OpenAI Responses."""
        return Dialect.OPENAI_RESPONSES

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
        return peek(body, max_depth)

    def error_status(self, error: PublicError) -> int:
        """Return the status as it is."""
        return error.status

    def error_headers(self, error: PublicError) -> list[tuple[bytes, bytes]]:
        """Return none: the body says it all."""
        return []

    def error_body(self, error: PublicError) -> bytes:
        """Return the error in OpenAI's shape."""
        return public_error_body(error)

    def stream_error(self, error: PublicError) -> bytes:
        """Return an `error` event and a `response.failed`: clients differ in which they read."""
        return stream_error_events(error)

    def decode(self, body: bytes, target: RequestTarget) -> InferenceRequest:
        """Return the whole request; see the port."""
        return decode_request(body)

    def field_name(self, field: str) -> str:
        """Return the client's name of a canonical field."""
        return field_name(field)

    def encode_reply(self, reply: InferenceResponse, context: ReplyContext) -> bytes:
        """Return a whole answer."""
        return encode_reply(reply, context)

    def stream_encoder(self, context: ReplyContext) -> StreamEncoder:
        """Return a writer for one streamed answer."""
        return ResponsesStreamWriter(context)
