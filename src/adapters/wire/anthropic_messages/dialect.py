"""The Anthropic Messages dialect towards clients."""

import msgspec

from adapters.wire.anthropic_messages import errors, peek
from adapters.wire.anthropic_messages.decode_request import decode_request
from adapters.wire.anthropic_messages.encode_reply import encode_reply
from adapters.wire.anthropic_messages.fields import client_name
from adapters.wire.anthropic_messages.stream_writer import MessagesStreamWriter
from adapters.wire.schemas.anthropic_messages import TokenCount
from adapters.wire.sse import write_event
from application.ports.dialect import (
    ConversationCodec,
    CountingCodec,
    PublicError,
    ReplyContext,
    RequestTarget,
    StreamEncoder,
)
from domain.inference.dialect import Dialect
from domain.inference.head import RequestHead
from domain.inference.request import InferenceRequest
from domain.inference.response import InferenceResponse


class AnthropicMessagesCodec(ConversationCodec, CountingCodec):
    """Requests, answers and errors of `POST /v1/messages` and `/v1/messages/count_tokens`."""

    @property
    def dialect(self) -> Dialect:
        """Anthropic Messages."""
        return Dialect.ANTHROPIC_MESSAGES

    @property
    def keep_alive(self) -> bytes:
        """The vendor's own event for it, which clients skip."""
        return write_event(b'{"type": "ping"}', "ping")

    @property
    def stream_content_type(self) -> bytes:
        """Server-sent events."""
        return b"text/event-stream; charset=utf-8"

    def peek(self, body: bytes, max_depth: int, target: RequestTarget) -> RequestHead:
        """Read the governing fields; see the port and `peek` for what is refused."""
        return peek.peek(body, max_depth)

    def error_status(self, error: PublicError) -> int:
        """Return the status; overload is 529 here."""
        return errors.public_status(error)

    def error_headers(self, error: PublicError) -> list[tuple[bytes, bytes]]:
        """Return `x-should-retry: false` for a spent budget, else none."""
        return errors.public_headers(error)

    def error_body(self, error: PublicError) -> bytes:
        """Return the error in Anthropic's shape."""
        return errors.public_error_body(error)

    def stream_error(self, error: PublicError) -> bytes:
        """Return an `error` event. No `message_stop` follows: the answer is not complete."""
        return write_event(self.error_body(error), "error")

    def decode(self, body: bytes, target: RequestTarget) -> InferenceRequest:
        """Return the whole request; see the port."""
        return decode_request(body)

    def field_name(self, field: str) -> str:
        """Return the client's name of a canonical field."""
        return client_name(field)

    def encode_reply(self, reply: InferenceResponse, context: ReplyContext) -> bytes:
        """Return a whole answer."""
        return encode_reply(reply, context)

    def stream_encoder(self, context: ReplyContext) -> StreamEncoder:
        """Return a writer for one streamed answer."""
        return MessagesStreamWriter(context)

    def encode_count(self, tokens: int) -> bytes:
        """Return the answer of `count_tokens`."""
        return msgspec.json.encode(TokenCount(tokens))
