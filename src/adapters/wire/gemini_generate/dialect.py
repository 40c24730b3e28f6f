"""Gemini's generateContent towards clients: reading requests, writing answers and errors."""

import msgspec

from adapters.wire.gemini_generate import peek
from adapters.wire.gemini_generate.array import ArrayOutput, ArrayRelay
from adapters.wire.gemini_generate.decode_request import decode_request
from adapters.wire.gemini_generate.encode_reply import encode_reply
from adapters.wire.gemini_generate.errors import public_error_body, public_status
from adapters.wire.gemini_generate.fields import field_name
from adapters.wire.gemini_generate.stream_writer import GeminiStreamEncoder
from adapters.wire.schemas.gemini_generate import TokenCount
from adapters.wire.sse import write_event
from application.ports.dialect import (
    ConversationCodec,
    CountingCodec,
    PublicError,
    ReplyContext,
    RequestTarget,
    StreamEncoder,
)
from application.ports.provider import RelayingCodec, ReplyScanner
from domain.inference.dialect import Dialect
from domain.inference.head import RequestHead
from domain.inference.request import InferenceRequest
from domain.inference.response import InferenceResponse

_SILENCE = (
    b'data: {"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},"index":0}]}\n\n'
)


class GeminiCodec(ConversationCodec, CountingCodec, RelayingCodec):
    """Requests and answers of `:generateContent`, `:streamGenerateContent` and `:countTokens`.

    Without `alt=sse` a streamed answer is one JSON array; whether an element needs a comma before
    it depends on what was sent, so a codec for arrays serves one answer only. The one for
    server-sent events has no state.
    """

    def __init__(self, *, array: bool = False) -> None:
        """`array`: streamed answers are a JSON array instead of server-sent events."""
        self._array = ArrayOutput() if array else None

    @property
    def dialect(self) -> Dialect:
        """Gemini's generateContent."""
        return Dialect.GEMINI_GENERATE

    @property
    def keep_alive(self) -> bytes:
        """White space in an array; a chunk with an empty text in server-sent events.

        Google's own clients do not read comments: those for Python and Go take one for an answer
        that is not JSON, and the one for Go an empty event, too. A chunk without candidates makes
        the chats of the one for Python forget the turn. An empty text is what Gemini itself sends.
        """
        return b"\n" if self._array else _SILENCE

    @property
    def stream_content_type(self) -> bytes:
        """JSON or server-sent events."""
        return b"application/json; charset=utf-8" if self._array else b"text/event-stream"

    def peek(self, body: bytes, max_depth: int, target: RequestTarget) -> RequestHead:
        """Read the governing fields; see the port for what is refused."""
        return peek.peek(body, max_depth, target)

    def error_status(self, error: PublicError) -> int:
        """Return 503 for overload, which has no status of its own here."""
        return public_status(error)

    def error_headers(self, error: PublicError) -> list[tuple[bytes, bytes]]:
        """Return none: the body says it all."""
        return []

    def error_body(self, error: PublicError) -> bytes:
        """Return the error in Google's shape."""
        return public_error_body(error)

    def stream_error(self, error: PublicError) -> bytes:
        """Return the error as an event, or as the last element of the array.

        The official SDKs raise on a chunk whose first member is `error`.
        """
        body = self.error_body(error)
        if self._array is None:
            return write_event(body)
        return self._array.element(body) + self._array.end()

    def relay(self, scanner: ReplyScanner) -> ReplyScanner:
        """Return a scanner that gives the provider's server-sent events in this codec's form.

        `scanner` itself where that is what it gives already. For streams that pass through.
        """
        return scanner if self._array is None else ArrayRelay(scanner, self._array)

    def encode_count(self, tokens: int) -> bytes:
        """Return the answer of countTokens."""
        return msgspec.json.encode(TokenCount(tokens))

    def decode(self, body: bytes, target: RequestTarget) -> InferenceRequest:
        """Return the whole request; see the port for what is raised."""
        return decode_request(body, target)

    def field_name(self, field: str) -> str:
        """Return the client's name of a canonical field."""
        return field_name(field)

    def encode_reply(self, reply: InferenceResponse, context: ReplyContext) -> bytes:
        """Return a whole answer."""
        return encode_reply(reply, context)

    def stream_encoder(self, context: ReplyContext) -> StreamEncoder:
        """Return a writer for one streamed answer."""
        return GeminiStreamEncoder(context, self._array)
