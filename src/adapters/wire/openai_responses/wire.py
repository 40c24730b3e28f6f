"""The OpenAI Responses format towards providers."""

from adapters.wire.codec import Encoded, StreamDecoder, WireCodec, WireTarget
from adapters.wire.openai_errors import failure_for, parse_error_body
from adapters.wire.openai_responses.decode_reply import decode_reply
from adapters.wire.openai_responses.edit import edit_request
from adapters.wire.openai_responses.encode_request import encode_request
from adapters.wire.openai_responses.scanners import (
    ResponsesReplyScanner,
    ResponsesStreamScanner,
)
from adapters.wire.openai_responses.stream_reader import ResponsesStreamReader
from adapters.wire.upstream_errors import MessageScrubber
from application.ports.provider import ReplyScanner
from domain.errors import UpstreamFailure
from domain.inference.dialect import WireFormat
from domain.inference.head import RequestHead
from domain.inference.request import InferenceRequest
from domain.inference.response import InferenceResponse


class OpenAIResponsesWire(WireCodec):
    """`POST /v1/responses` of OpenAI, Azure, and servers that speak the same."""

    @property
    def wire_format(self) -> WireFormat:
        """OpenAI Responses."""
        return WireFormat.OPENAI_RESPONSES

    @property
    def stream_content_type(self) -> bytes:
        """Server-sent events."""
        return b"text/event-stream"

    def edit_request(self, body: bytes, head: RequestHead, target: WireTarget) -> bytes:
        """Replace the model and bound the output; see the protocol."""
        return edit_request(body, model=target.model, output_bound=target.output_bound)

    def encode_request(self, request: InferenceRequest, target: WireTarget) -> Encoded:
        """Return `request` in this format; see the protocol."""
        return encode_request(request, target)

    def reply_scanner(self, *, max_bytes: int, scrubber: MessageScrubber) -> ReplyScanner:
        """Return a scanner that passes a whole answer on as it came."""
        return ResponsesReplyScanner(max_bytes=max_bytes, scrubber=scrubber)

    def stream_scanner(
        self,
        head: RequestHead,
        target: WireTarget,
        *,
        scrubber: MessageScrubber,
    ) -> ReplyScanner:
        """Return a scanner that passes a streamed answer on as it comes."""
        return ResponsesStreamScanner(scrubber=scrubber)

    def decode_reply(self, body: bytes, *, scrubber: MessageScrubber) -> InferenceResponse:
        """Return a whole answer; see the protocol."""
        return decode_reply(body, scrubber)

    def stream_decoder(self, head: RequestHead, *, scrubber: MessageScrubber) -> StreamDecoder:
        """Return a reader for one streamed answer."""
        return ResponsesStreamReader(scrubber=scrubber)

    def failure(
        self,
        status: int,
        body: bytes,
        *,
        scrubber: MessageScrubber,
        retry_after_ms: int | None = None,
    ) -> UpstreamFailure:
        """Return what an error answer means."""
        return failure_for(status, parse_error_body(body), scrubber, retry_after_ms=retry_after_ms)
