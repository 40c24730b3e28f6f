"""Gemini's generateContent towards providers: the Gemini API and Vertex AI.

Model and kind of answer are in the URL; streams are asked for with `alt=sse`.
"""

from adapters.wire.codec import Encoded, StreamDecoder, WireCodec, WireTarget
from adapters.wire.gemini_generate.decode_reply import decode_reply
from adapters.wire.gemini_generate.edit import edit_request
from adapters.wire.gemini_generate.encode_request import encode_request
from adapters.wire.gemini_generate.errors import failure_for, parse_error_body
from adapters.wire.gemini_generate.scanners import GenerateReplyScanner, GenerateStreamScanner
from adapters.wire.gemini_generate.stream_reader import GeminiStreamDecoder
from adapters.wire.upstream_errors import MessageScrubber
from application.ports.provider import ReplyScanner
from domain.errors import UpstreamFailure
from domain.inference.dialect import WireFormat
from domain.inference.head import RequestHead
from domain.inference.request import InferenceRequest
from domain.inference.response import InferenceResponse


class GeminiWire(WireCodec):
    """Requests to and answers of `:generateContent`; without state."""

    @property
    def wire_format(self) -> WireFormat:
        """Gemini's generateContent."""
        return WireFormat.GEMINI_GENERATE

    @property
    def stream_content_type(self) -> bytes:
        """Server-sent events."""
        return b"text/event-stream"

    def edit_request(self, body: bytes, head: RequestHead, target: WireTarget) -> bytes:
        """Set the bound if there is one, and the model where the body repeats it."""
        return edit_request(body, model=target.model, output_bound=target.output_bound)

    def encode_request(self, request: InferenceRequest, target: WireTarget) -> Encoded:
        """Return the request as a generateContent body; see the port for what is refused."""
        return encode_request(request, target)

    def reply_scanner(self, *, max_bytes: int, scrubber: MessageScrubber) -> ReplyScanner:
        """Return a scanner that holds an answer until it is known to be one."""
        return GenerateReplyScanner(max_bytes=max_bytes, scrubber=scrubber)

    def stream_scanner(
        self,
        head: RequestHead,
        target: WireTarget,
        *,
        scrubber: MessageScrubber,
    ) -> ReplyScanner:
        """Return a scanner that lets every event pass."""
        return GenerateStreamScanner(candidates=head.choices, scrubber=scrubber)

    def decode_reply(self, body: bytes, *, scrubber: MessageScrubber) -> InferenceResponse:
        """Return a whole answer; see the port for what is raised."""
        return decode_reply(body, scrubber)

    def stream_decoder(self, head: RequestHead, *, scrubber: MessageScrubber) -> StreamDecoder:
        """Return a reader for a streamed answer."""
        return GeminiStreamDecoder(scrubber)

    def failure(
        self,
        status: int,
        body: bytes,
        *,
        scrubber: MessageScrubber,
        retry_after_ms: int | None = None,
    ) -> UpstreamFailure:
        """Return what an error answer means; the status decides, the body explains."""
        return failure_for(status, parse_error_body(body), scrubber, retry_after_ms=retry_after_ms)
