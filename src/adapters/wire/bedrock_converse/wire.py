"""The Bedrock Converse format towards providers."""

from adapters.wire.bedrock_converse.decode_reply import decode_reply
from adapters.wire.bedrock_converse.edit import edit_request
from adapters.wire.bedrock_converse.encode_request import encode_request
from adapters.wire.bedrock_converse.errors import failure_for
from adapters.wire.bedrock_converse.foreign_blocks import without_foreign
from adapters.wire.bedrock_converse.scanners import ConverseReplyScanner, ConverseStreamScanner
from adapters.wire.bedrock_converse.stream_reader import ConverseStreamDecoder
from adapters.wire.codec import Encoded, StreamDecoder, WireCodec, WireTarget
from adapters.wire.upstream_errors import MessageScrubber
from application.ports.provider import ReplyScanner
from domain.errors import UpstreamFailure
from domain.inference.dialect import WireFormat
from domain.inference.head import RequestHead
from domain.inference.request import InferenceRequest
from domain.inference.response import InferenceResponse


class BedrockConverseWire(WireCodec):
    """Requests to and answers of `POST /model/{model}/converse` and `…/converse-stream`."""

    @property
    def wire_format(self) -> WireFormat:
        """Bedrock Converse."""
        return WireFormat.BEDROCK_CONVERSE

    @property
    def stream_content_type(self) -> bytes:
        """AWS's binary frames."""
        return b"application/vnd.amazon.eventstream"

    def edit_request(self, body: bytes, head: RequestHead, target: WireTarget) -> bytes:
        """Return `body` bounded if it must be, without other vendors' reasoning.

        The model is in the URL.
        """
        return without_foreign(edit_request(body, target.output_bound))

    def encode_request(self, request: InferenceRequest, target: WireTarget) -> Encoded:
        """Return `request` in this format; see the port."""
        return encode_request(request, target)

    def reply_scanner(self, *, max_bytes: int, scrubber: MessageScrubber) -> ReplyScanner:
        """Return a scanner that passes a whole answer on as it came."""
        return ConverseReplyScanner(max_bytes=max_bytes)

    def stream_scanner(
        self,
        head: RequestHead,
        target: WireTarget,
        *,
        scrubber: MessageScrubber,
    ) -> ReplyScanner:
        """Return a scanner that passes frames on as they come."""
        return ConverseStreamScanner(scrubber=scrubber)

    def decode_reply(self, body: bytes, *, scrubber: MessageScrubber) -> InferenceResponse:
        """Return a whole answer; see the port."""
        return decode_reply(body)

    def stream_decoder(self, head: RequestHead, *, scrubber: MessageScrubber) -> StreamDecoder:
        """Return a reader for one streamed answer."""
        return ConverseStreamDecoder(scrubber=scrubber)

    def failure(
        self,
        status: int,
        body: bytes,
        *,
        scrubber: MessageScrubber,
        retry_after_ms: int | None = None,
    ) -> UpstreamFailure:
        """Return what an error answer means."""
        return failure_for(status, body, scrubber, retry_after_ms=retry_after_ms)
