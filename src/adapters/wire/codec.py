"""What a wire format can do towards providers; one implementation per format.

The other direction, towards clients, is `application.ports.dialect`.
"""

from abc import abstractmethod
from typing import Protocol

from msgspec import Struct

from adapters.wire.upstream_errors import MessageScrubber
from application.ports.provider import ReplyScanner
from domain.errors import UpstreamFailure
from domain.inference.dialect import WireFormat
from domain.inference.events import StreamEvent
from domain.inference.head import RequestHead
from domain.inference.request import InferenceRequest
from domain.inference.response import InferenceResponse


class WireTarget(Struct, frozen=True, kw_only=True):
    """Where a request goes, as far as its body depends on it.

    Attributes:
        model: the model as the provider names it.
        output_bound: put into the request as the most tokens of each candidate; None leaves it as
            the caller wrote it.
        ask_for_usage: whether usage in streams has to be asked for (OpenAI Chat).
        bound_name: the member that bounds generated tokens (OpenAI Chat: `max_completion_tokens`,
            or `max_tokens` for servers that know the older one only).
    """

    model: str
    output_bound: int | None = None
    ask_for_usage: bool = True
    bound_name: str = "max_completion_tokens"


class Encoded(Struct, frozen=True, kw_only=True):
    """A request in a provider's format.

    Attributes:
        dropped: canonical names of what the format has no place for, and what is `unmapped` in the
            request; for the warnings.
    """

    body: bytes
    dropped: tuple[str, ...] = ()


class StreamDecoder(Protocol):
    """Reads one streamed answer of a provider, split at any byte, into canonical events."""

    @property
    @abstractmethod
    def terminated(self) -> bool:
        """The terminator was seen; whatever follows is of no interest."""
        ...

    @abstractmethod
    def feed(self, chunk: bytes) -> list[StreamEvent]:
        """Return the events that `chunk` completes.

        Events before an error in the same chunk are returned first; the error is raised by the next
        call of `feed` or `finish`.

        Raises:
            UpstreamFailure: an error event, classified like an error status.
            UpstreamProtocolError: not what the format says, or an event larger than 16 MiB.
        """
        ...

    @abstractmethod
    def finish(self) -> list[StreamEvent]:
        """Return the events still due at the end of the stream.

        Raises:
            UpstreamFailure: like `feed`.
            UpstreamProtocolError: the stream ended before its terminator.
        """
        ...


class WireCodec(Protocol):
    """One wire format, as providers speak it."""

    @property
    @abstractmethod
    def wire_format(self) -> WireFormat:
        """Which format this is."""
        ...

    @property
    @abstractmethod
    def stream_content_type(self) -> bytes:
        """Media type of streamed answers, lower case, without parameters."""
        ...

    @abstractmethod
    def edit_request(self, body: bytes, head: RequestHead, target: WireTarget) -> bytes:
        """Return a client's body of this same format, changed only where `target` demands it.

        Every other byte stays as it is.

        Raises:
            InvalidRequest: a member to be set is given twice or written with escapes.
        """
        ...

    @abstractmethod
    def encode_request(self, request: InferenceRequest, target: WireTarget) -> Encoded:
        """Return `request` in this format.

        Raises:
            UnsupportedField: something of the request must not be dropped and has no place here;
                `param` is its canonical name.
        """
        ...

    @abstractmethod
    def reply_scanner(self, *, max_bytes: int, scrubber: MessageScrubber) -> ReplyScanner:
        """Return a scanner that passes a whole answer on as it came."""
        ...

    @abstractmethod
    def stream_scanner(
        self, head: RequestHead, target: WireTarget, *, scrubber: MessageScrubber
    ) -> ReplyScanner:
        """Return a scanner that passes a streamed answer on as it comes."""
        ...

    @abstractmethod
    def decode_reply(self, body: bytes, *, scrubber: MessageScrubber) -> InferenceResponse:
        """Return a whole answer.

        Raises:
            UpstreamFailure: an error object instead of an answer.
            UpstreamProtocolError: not what the format says.
        """
        ...

    @abstractmethod
    def stream_decoder(self, head: RequestHead, *, scrubber: MessageScrubber) -> StreamDecoder:
        """Return a reader for one streamed answer."""
        ...

    @abstractmethod
    def failure(
        self,
        status: int,
        body: bytes,
        *,
        scrubber: MessageScrubber,
        retry_after_ms: int | None = None,
    ) -> UpstreamFailure:
        """Return what an error answer means; `status` is 400 to 599, `body` may be anything."""
        ...
