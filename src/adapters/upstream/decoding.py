"""Removal of content codings from a body that arrives in pieces.

Output comes in bounded steps, so a few compressed bytes cannot fill the memory, and as early as
the input allows, so a compressed event stream is not delayed.
"""

import zlib
from abc import ABC, abstractmethod
from typing import Protocol

from application.ports.upstream import Headers
from domain.errors import UpstreamProtocolError

MAX_STEP = 64 * 1024
_GZIP = 16 + zlib.MAX_WBITS
_RAW_DEFLATE = -zlib.MAX_WBITS


class Inflater(Protocol):
    """The part of zlib's decompression object that is used here."""

    @property
    def eof(self) -> bool:
        """Whether the end of the stream was seen."""
        ...

    @property
    def unused_data(self) -> bytes:
        """Input after the end of the stream."""
        ...

    @property
    def unconsumed_tail(self) -> bytes:
        """Input held back because the output limit was reached."""
        ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """Decode at most `max_length` bytes."""
        ...


class Decoder(ABC):
    """Takes encoded bytes with `feed`, gives decoded ones with `step` until it returns `b""`."""

    def __init__(self) -> None:
        """Start without input."""
        self._pending = b""

    @property
    def pending(self) -> bool:
        """Whether `step` has input left to work on."""
        return bool(self._pending)

    def feed(self, data: bytes) -> None:
        """Add input."""
        self._pending = self._pending + data if self._pending else data

    @abstractmethod
    def step(self) -> bytes:
        """Return at most `MAX_STEP` decoded bytes; empty when more input is needed.

        Raises:
            UpstreamProtocolError: the input is not of this coding, or goes on after its end.
        """

    @abstractmethod
    def finish(self) -> None:
        """Check that the input ended where the coding ends.

        Raises:
            UpstreamProtocolError: it was cut.
        """


class GzipDecoder(Decoder):
    """RFC 1952, members one after another included. No input at all is an empty body."""

    def __init__(self) -> None:
        """Expect a member, or nothing."""
        super().__init__()
        self._member: Inflater = zlib.decompressobj(_GZIP)
        self._inside = False

    def step(self) -> bytes:
        """See Decoder."""
        while self._pending:
            if self._member.eof:
                self._member, self._inside = zlib.decompressobj(_GZIP), False
            out, self._pending = _inflate(self._member, self._pending)
            self._inside = not self._member.eof
            if out:
                return out
        if not self._inside:
            return b""
        out = _drain(self._member)
        self._inside = not self._member.eof
        return out

    def finish(self) -> None:
        """See Decoder."""
        if self._inside:
            raise UpstreamProtocolError("the gzip body was cut")


class DeflateDecoder(Decoder):
    """`deflate`: the zlib format (RFC 1950), or the bare stream (RFC 1951) some servers send."""

    def __init__(self) -> None:
        """The two formats are told apart by the first two bytes."""
        super().__init__()
        self._stream: Inflater | None = None

    def step(self) -> bytes:
        """See Decoder."""
        if self._stream is None:
            if len(self._pending) < 2:
                return b""
            first, second = self._pending[:2]
            has_zlib_header = first & 0x0F == 8 and (first << 8 | second) % 31 == 0
            self._stream = zlib.decompressobj(zlib.MAX_WBITS if has_zlib_header else _RAW_DEFLATE)
        if not self._pending:
            return b"" if self._stream.eof else _drain(self._stream)
        if self._stream.eof:
            raise UpstreamProtocolError("the deflate body goes on after its end")
        out, self._pending = _inflate(self._stream, self._pending)
        if self._pending and self._stream.eof:
            raise UpstreamProtocolError("the deflate body goes on after its end")
        return out

    def finish(self) -> None:
        """See Decoder."""
        if self._pending or (self._stream is not None and not self._stream.eof):
            raise UpstreamProtocolError("the deflate body was cut")


def decoder_for(headers: Headers) -> Decoder | None:
    """Return the decoder a body needs, or None if it is not encoded.

    Raises:
        UpstreamProtocolError: a coding we did not ask for and do not know, or several.
    """
    codings = [
        coding
        for name, value in headers
        if name == b"content-encoding"
        for part in value.lower().split(b",")
        if (coding := part.strip()) not in (b"", b"identity")
    ]
    match codings:
        case []:
            return None
        case [b"gzip" | b"x-gzip"]:
            return GzipDecoder()
        case [b"deflate"]:
            return DeflateDecoder()
        case _:
            raise UpstreamProtocolError("unknown content-encoding")


def _inflate(stream: Inflater, data: bytes) -> tuple[bytes, bytes]:
    """Return decoded bytes and the input that is left for the next step."""
    try:
        out = stream.decompress(data, MAX_STEP)
    except zlib.error:
        raise UpstreamProtocolError("the compressed body is damaged") from None
    return out, stream.unused_data if stream.eof else stream.unconsumed_tail


def _drain(stream: Inflater) -> bytes:
    """Return output that zlib kept back because a step was full when its input ended."""
    return _inflate(stream, b"")[0]
