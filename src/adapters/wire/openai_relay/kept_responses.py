"""Asking about answers that a provider keeps: shown, deleted, cancelled, their input listed."""

from adapters.wire.openai_errors import public_error_body
from adapters.wire.sse import write_event
from application.ports.dialect import DialectCodec, PublicError, RequestTarget
from domain.errors import InvalidRequest
from domain.inference.dialect import Dialect
from domain.inference.head import RequestHead


class KeptResponseCodec(DialectCodec):
    """`/v1/responses/{id}` and below: everything stands in the URL."""

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
        """Return the id; the model is known to whoever remembers the answer.

        Raises:
            InvalidRequest: the request has a body.
        """
        if body.strip() not in (b"", b"{}"):
            raise InvalidRequest("This operation takes no body.")
        return RequestHead(model="", stream=target.stream or False, continues=target.response)

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
        """Return an event with the error."""
        return write_event(public_error_body(error))
