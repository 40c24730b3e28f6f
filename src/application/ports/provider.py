"""A model provider: takes a governed call, answers with bytes in its wire format."""

from abc import abstractmethod
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from msgspec import Struct

from application.ports.upstream import UpstreamTimeouts
from domain.accounting.usage import TokenUsage
from domain.inference.dialect import WireFormat
from domain.inference.head import RequestHead
from domain.routing.catalog import ProviderSpec


class ProviderCall(Struct, frozen=True, kw_only=True):
    """What a provider needs to serve one attempt.

    Attributes:
        body: the caller's request body in the provider's wire format.
        request_id: sent upstream as `x-request-id`.
        output_bound: put into the request as the most tokens to be generated for each choice; None
            leaves it as the caller wrote it.
    """

    body: bytes
    head: RequestHead
    upstream_model: str
    request_id: str
    timeouts: UpstreamTimeouts
    max_reply_bytes: int
    output_bound: int | None = None


class ReplySummary(Struct, kw_only=True):
    """What a scanner has learnt of the reply so far; complete after `finish`.

    Attributes:
        usage: tokens by kind as the provider billed them, or None while unknown.
        content_started: whether any generated content (not just a preamble) has been seen.
        output_characters: generated text seen so far, for estimates of cut streams.
        terminated: the stream's terminator was seen; whatever follows is of no interest.
    """

    usage: TokenUsage | None = None
    finish_reason: str = ""
    model: str = ""
    content_started: bool = False
    output_characters: int = 0
    terminated: bool = False


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


class Provider(Protocol):
    """One configured provider; lives as long as its configuration."""

    @property
    @abstractmethod
    def wire_format(self) -> WireFormat:
        """The API this provider speaks."""
        ...

    @abstractmethod
    async def open(self, call: ProviderCall) -> UpstreamReply:
        """Start the exchange and return once a 2xx head is in.

        Raises:
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
