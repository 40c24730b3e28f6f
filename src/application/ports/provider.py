"""A model provider: takes a governed call, answers with bytes in the caller's dialect."""

from abc import abstractmethod
from collections.abc import AsyncIterator, Sequence
from typing import Protocol, runtime_checkable

from msgspec import Struct

from application.ports.dialect import NOT_IN_URL, DialectCodec, RequestTarget
from application.ports.upstream import UpstreamTimeouts
from domain.accounting.usage import TokenUsage
from domain.inference.dialect import Operation
from domain.inference.head import RequestHead
from domain.routing.catalog import ProviderSpec


class ProviderCall(Struct, frozen=True, kw_only=True):
    """What a provider needs to serve one attempt.

    Attributes:
        codec: the caller's dialect.
        body: the caller's request body in that dialect.
        content_type: of the body, for operations that take forms.
        target: what the caller's URL says.
        dialect_headers: headers of the caller that are part of his dialect (`anthropic-beta`);
            names in lower case.
        request_id: sent upstream as `x-request-id`.
        reply_id: id of the answer for a client whose dialect needs one, when the provider gives
            none.
        created_s: Unix seconds, likewise.
        output_bound: put into the request as the most tokens to be generated for each choice; None
            leaves it as the caller wrote it.
    """

    codec: DialectCodec
    body: bytes
    head: RequestHead
    upstream_model: str
    request_id: str
    reply_id: str
    created_s: int
    timeouts: UpstreamTimeouts
    max_reply_bytes: int
    operation: Operation = Operation.CHAT
    content_type: bytes = b"application/json"
    target: RequestTarget = NOT_IN_URL
    dialect_headers: tuple[tuple[bytes, bytes], ...] = ()
    output_bound: int | None = None


class ReplySummary(Struct, kw_only=True):
    """What a scanner has learnt of the reply so far; complete after `finish`.

    Attributes:
        usage: tokens by kind as the provider billed them, or None while unknown.
        content_started: whether any generated content (not just a preamble) has been seen.
        output_characters: generated text seen so far, for estimates of cut streams.
        terminated: the stream's terminator was seen; whatever follows is of no interest.
        dialect_out: wire format that the provider answers in.
        reply_id: id under which the provider keeps the answer (OpenAI Responses); empty when it
            keeps none.
        kept_usage: what a kept answer took that is only shown now, as its provider tells it.
    """

    usage: TokenUsage | None = None
    finish_reason: str = ""
    model: str = ""
    content_started: bool = False
    output_characters: int = 0
    terminated: bool = False
    reply_id: str = ""
    kept_usage: TokenUsage | None = None
    dialect_out: str = ""


class ReplyScanner(Protocol):
    """Reads usage, finish reason and errors out of a reply while it passes through."""

    @property
    @abstractmethod
    def summary(self) -> ReplySummary:
        """What is known so far."""
        ...

    @abstractmethod
    def feed(self, chunk: bytes) -> bytes:
        """Take bytes as received and return the bytes to forward now (may be empty).

        Raises:
            UpstreamFailure: the provider reported an error inside the reply.
        """
        ...

    @abstractmethod
    def finish(self) -> bytes:
        """Return what is still to be forwarded at the end of the reply.

        Raises:
            UpstreamProtocolError: the reply ended without its terminator, or is not what the wire
                format says.
        """
        ...


@runtime_checkable
class RelayingCodec(Protocol):
    """A dialect with several forms of streamed answers, of which providers give one."""

    @abstractmethod
    def relay(self, scanner: ReplyScanner) -> ReplyScanner:
        """Return a scanner whose output has the client's form; `scanner` passes bytes through."""
        ...


class UpstreamReply(Protocol):
    """A successful (2xx) answer whose body is still to be read."""

    @property
    @abstractmethod
    def status(self) -> int:
        """HTTP status, 200 to 299."""
        ...

    @property
    @abstractmethod
    def headers(self) -> Sequence[tuple[bytes, bytes]]:
        """Headers that may be shown to the caller; `content-type` is always among them."""
        ...

    @property
    @abstractmethod
    def scanner(self) -> ReplyScanner:
        """The scanner for this reply's body."""
        ...

    @abstractmethod
    def chunks(self) -> AsyncIterator[bytes]:
        """Yield body bytes as received. Raises like `UpstreamResponse.chunks`."""
        ...

    @abstractmethod
    async def aclose(self) -> None:
        """Release what the reply holds; safe to call twice."""
        ...


class RemoteModel(Struct, frozen=True, kw_only=True):
    """A model as its provider lists it.

    Attributes:
        id: what a route names as its `upstream_model`.
        name: for people; empty when the provider gives none.
    """

    id: str
    name: str = ""


class Provider(Protocol):
    """One configured provider; lives as long as its configuration."""

    @abstractmethod
    async def open(self, call: ProviderCall) -> UpstreamReply:
        """Start the exchange and return once a 2xx head is in.

        The reply's bytes are in the caller's dialect: as received where the provider speaks it,
        translated otherwise. What had to be left out of the request is named in the reply's
        `x-thinkwatch-warnings` header.

        Raises:
            UnsupportedField: something of the request must not be left out and the provider's
                format has no place for it; or the provider has no such operation.
            UpstreamRejected, UpstreamRateLimited, UpstreamCredentialRejected,
            UpstreamUnavailable, UpstreamTimeout, UpstreamProtocolError
        """
        ...

    @abstractmethod
    async def models(self, timeouts: UpstreamTimeouts) -> tuple[RemoteModel, ...]:
        """Return the models the credentials may see, in the provider's order, each once.

        A listing is bounded: in the size of a page and the number of pages and models.

        Raises:
            UnsupportedField: the provider offers no list.
            UpstreamRejected, UpstreamRateLimited, UpstreamCredentialRejected,
            UpstreamUnavailable, UpstreamTimeout, UpstreamProtocolError
        """
        ...

    @abstractmethod
    async def aclose(self) -> None:
        """Close the provider's connections once running exchanges have ended."""
        ...


class ProviderFactory(Protocol):
    """Builds providers from their configuration."""

    @abstractmethod
    def build(self, spec: ProviderSpec) -> Provider:
        """Return a new provider. Raises `InvalidRequest` when the configuration cannot work."""
        ...
