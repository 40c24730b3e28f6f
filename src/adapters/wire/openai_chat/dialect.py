"""The OpenAI Chat Completions dialect towards clients: reading requests, writing answers."""

from adapters.wire.openai_chat.decode_request import decode_request
from adapters.wire.openai_chat.encode_reply import encode_reply
from adapters.wire.openai_chat.fields import client_name
from adapters.wire.openai_chat.peek import peek
from adapters.wire.openai_chat.stream_writer import ChatStreamWriter
from adapters.wire.openai_errors import public_error_body
from adapters.wire.sse import write_event
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


class OpenAIChatCodec(ConversationCodec):
    """Requests, answers and errors of `POST /v1/chat/completions`."""

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
        return peek(body, max_depth)

    def decode(self, body: bytes, target: RequestTarget) -> InferenceRequest:
        """Return the whole request; see the port for errors."""
        return decode_request(body)

    def field_name(self, field: str) -> str:
        """Return this API's name of a canonical field."""
        return client_name(field)

    def encode_reply(self, reply: InferenceResponse, context: ReplyContext) -> bytes:
        """Return a chat completion."""
        return encode_reply(reply, context)

    def stream_encoder(self, context: ReplyContext) -> StreamEncoder:
        """Return a writer of chunks."""
        return ChatStreamWriter(context)

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
        """Return the error as a stream event. No `[DONE]` follows: the answer is not complete.

        The official SDKs raise on an event with an `error` member.
        """
        return write_event(self.error_body(error))
