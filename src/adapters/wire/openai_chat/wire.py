"""OpenAI Chat Completions towards providers: OpenAI, and every server that speaks its format."""

from adapters.wire.codec import Encoded, StreamDecoder, WireCodec, WireTarget
from adapters.wire.openai_chat.decode_reply import decode_reply
from adapters.wire.openai_chat.edit import OutputBound, edit_request
from adapters.wire.openai_chat.encode_request import encode_request
from adapters.wire.openai_chat.scanners import ChatReplyScanner, ChatStreamScanner
from adapters.wire.openai_chat.stream_reader import ChatStreamDecoder
from adapters.wire.openai_errors import failure_for, parse_error_body
from adapters.wire.upstream_errors import MessageScrubber
from application.ports.provider import ReplyScanner
from domain.errors import UpstreamFailure
from domain.inference.dialect import WireFormat
from domain.inference.head import RequestHead
from domain.inference.request import InferenceRequest
from domain.inference.response import InferenceResponse


class OpenAIChatWire(WireCodec):
    """Requests to and answers of `POST /v1/chat/completions`; without state."""

    @property
    def wire_format(self) -> WireFormat:
        """OpenAI Chat Completions."""
        return WireFormat.OPENAI_CHAT

    @property
    def stream_content_type(self) -> bytes:
        """Server-sent events."""
        return b"text/event-stream"

    def edit_request(self, body: bytes, head: RequestHead, target: WireTarget) -> bytes:
        """Set the model, the bound if there is one, and ask for usage in a stream."""
        bound = None
        if target.output_bound is not None:
            bound = OutputBound(target.bound_name, target.output_bound)
        return edit_request(
            body, model=target.model, ask_for_usage=_asks_for_usage(head, target), bound=bound
        )

    def encode_request(self, request: InferenceRequest, target: WireTarget) -> Encoded:
        """Return the request as a Chat Completions body; see the port for what is refused."""
        return encode_request(request, target)

    def reply_scanner(self, *, max_bytes: int, scrubber: MessageScrubber) -> ReplyScanner:
        """Return a scanner that holds an answer until it is known to be one."""
        return ChatReplyScanner(max_bytes=max_bytes, scrubber=scrubber)

    def stream_scanner(
        self, head: RequestHead, target: WireTarget, *, scrubber: MessageScrubber
    ) -> ReplyScanner:
        """Return a scanner that takes the usage out which the caller did not ask for."""
        return ChatStreamScanner(
            choices=head.choices, strip_usage=_asks_for_usage(head, target), scrubber=scrubber
        )

    def decode_reply(self, body: bytes, *, scrubber: MessageScrubber) -> InferenceResponse:
        """Return a whole answer; see the port for what is raised."""
        return decode_reply(body, scrubber)

    def stream_decoder(self, head: RequestHead, *, scrubber: MessageScrubber) -> StreamDecoder:
        """Return a reader for an answer of `head.choices` candidates."""
        return ChatStreamDecoder(choices=head.choices, scrubber=scrubber)

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


def _asks_for_usage(head: RequestHead, target: WireTarget) -> bool:
    """Tell whether usage is asked for on the gateway's own account."""
    return head.stream and not head.include_usage and target.ask_for_usage
