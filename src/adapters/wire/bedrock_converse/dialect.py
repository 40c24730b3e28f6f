"""The Bedrock Converse dialect towards clients."""

from adapters.wire.bedrock_converse.decode_request import decode_request
from adapters.wire.bedrock_converse.encode_reply import encode_reply
from adapters.wire.bedrock_converse.errors import (
    exception_frame,
    public_body,
    public_status,
    public_type,
)
from adapters.wire.bedrock_converse.fields import client_name
from adapters.wire.bedrock_converse.peek import peek_request
from adapters.wire.bedrock_converse.stream_writer import ConverseStreamEncoder
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


class BedrockConverseCodec(ConversationCodec):
    """Requests, answers and errors of `POST /model/{model}/converse` and `…/converse-stream`."""

    @property
    def dialect(self) -> Dialect:
        """Bedrock Converse."""
        return Dialect.BEDROCK_CONVERSE

    @property
    def keep_alive(self) -> bytes:
        """Nothing: every frame means something to the clients of this format."""
        return b""

    @property
    def stream_content_type(self) -> bytes:
        """AWS's binary frames."""
        return b"application/vnd.amazon.eventstream"

    def peek(self, body: bytes, max_depth: int, target: RequestTarget) -> RequestHead:
        """Read the governing fields; model and stream are the URL's."""
        return peek_request(body, max_depth, target)

    def error_status(self, error: PublicError) -> int:
        """Return the status as it is, but for 529."""
        return public_status(error)

    def error_headers(self, error: PublicError) -> list[tuple[bytes, bytes]]:
        """Return the error's type, by which clients know what to raise, and the request's id."""
        headers = [(b"x-amzn-errortype", public_type(error).encode())]
        if error.request_id:
            headers.append((b"x-amzn-requestid", error.request_id.encode()))
        return headers

    def error_body(self, error: PublicError) -> bytes:
        """Return the error in AWS's shape."""
        return public_body(error)

    def stream_error(self, error: PublicError) -> bytes:
        """Return the error as an exception frame."""
        return exception_frame(error)

    def decode(self, body: bytes, target: RequestTarget) -> InferenceRequest:
        """Return the whole request; see the port."""
        return decode_request(body, target)

    def field_name(self, field: str) -> str:
        """Return the client's name of a canonical field."""
        return client_name(field)

    def encode_reply(self, reply: InferenceResponse, context: ReplyContext) -> bytes:
        """Return a whole answer."""
        return encode_reply(reply, context)

    def stream_encoder(self, context: ReplyContext) -> StreamEncoder:
        """Return a writer for one streamed answer."""
        return ConverseStreamEncoder(context)
