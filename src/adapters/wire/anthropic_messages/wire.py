"""The Anthropic Messages format towards providers."""

from adapters.wire.anthropic_messages import edit, errors
from adapters.wire.anthropic_messages.decode_reply import decode_reply
from adapters.wire.anthropic_messages.encode_request import encode_request
from adapters.wire.anthropic_messages.scanners import MessagesReplyScanner, MessagesStreamScanner
from adapters.wire.anthropic_messages.stream_reader import MessagesStreamReader
from adapters.wire.codec import Encoded, StreamDecoder, WireCodec, WireTarget
from adapters.wire.upstream_errors import MessageScrubber
from application.ports.provider import ReplyScanner
from domain.errors import UpstreamFailure
from domain.inference.dialect import WireFormat
from domain.inference.head import RequestHead
from domain.inference.request import InferenceRequest
from domain.inference.response import InferenceResponse


class AnthropicMessagesWire(WireCodec):
    """Bodies of `POST /v1/messages`, and of `count_tokens` where they pass through."""

    @property
    def wire_format(self) -> WireFormat:
        """Anthropic Messages."""
        return WireFormat.ANTHROPIC_MESSAGES

    @property
    def stream_content_type(self) -> bytes:
        """Server-sent events."""
        return b"text/event-stream"

    def edit_request(self, body: bytes, head: RequestHead, target: WireTarget) -> bytes:
        """Return the body with `model`, and `max_tokens` if there is a bound, as in `target`."""
        return edit.edit_request(body, model=target.model, bound=target.output_bound)

    def encode_request(self, request: InferenceRequest, target: WireTarget) -> Encoded:
        """Return `request` in this format; see the port."""
        return encode_request(request, target)

    def reply_scanner(self, *, max_bytes: int, scrubber: MessageScrubber) -> ReplyScanner:
        """Return a scanner that passes a whole answer on as it came."""
        return MessagesReplyScanner(max_bytes=max_bytes, scrubber=scrubber)

    def stream_scanner(
        self,
        head: RequestHead,
        target: WireTarget,
        *,
        scrubber: MessageScrubber,
    ) -> ReplyScanner:
        """Return a scanner that passes a streamed answer on as it comes."""
        return MessagesStreamScanner(scrubber=scrubber)

    def decode_reply(self, body: bytes, *, scrubber: MessageScrubber) -> InferenceResponse:
        """Return a whole answer."""
        return decode_reply(body, scrubber=scrubber)

    def stream_decoder(self, head: RequestHead, *, scrubber: MessageScrubber) -> StreamDecoder:
        """Return a reader for one streamed answer."""
        return MessagesStreamReader(scrubber=scrubber)

    def failure(
        self,
        status: int,
        body: bytes,
        *,
        scrubber: MessageScrubber,
        retry_after_ms: int | None = None,
    ) -> UpstreamFailure:
        """Return what an error answer means."""
        return errors.failure_for(
            status, errors.parse_error_body(body), scrubber, retry_after_ms=retry_after_ms
        )
