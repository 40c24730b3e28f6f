"""Frames of `application/vnd.amazon.eventstream`, read and written.

A frame is a prelude (its length, the length of its headers, CRC-32 of both), headers, a payload and
the CRC-32 of everything before: https://docs.aws.amazon.com/transcribe/latest/dg/event-stream.html

Frames are cut out and checked here rather than by botocore's `EventStreamBuffer`, which takes
seventeen microseconds for a small one and copies what is left of a chunk for each: the blocks of
headers of a stream are few and repeat, so each is given to botocore's parser once. That both read
the same is a property in the tests.
"""

import struct
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import cast
from zlib import crc32

from botocore.eventstream import EventStreamHeaderParser, ParserError
from msgspec import Struct

from domain.errors import UpstreamProtocolError

_PRELUDE = struct.Struct(">III")
_LENGTHS = struct.Struct(">II")
_NUMBER = struct.Struct(">I")
_SHORT = struct.Struct(">H")
_STRING = b"\x07"
_OVERHEAD = _PRELUDE.size + _NUMBER.size
_LONGEST_HEADERS = 128 * 1024
_LARGEST_FRAME = 16 * 1024 * 1024


class FrameHead(Struct, frozen=True, gc=False):
    """What the headers of a frame say.

    Attributes:
        kind: `:message-type`: `event`, `exception` or `error`.
        name: type of the event or exception, or the code of an error.
        message: of an error, which has no payload.
    """

    kind: str
    name: str
    message: str = ""


class Frame(Struct, frozen=True, gc=False):
    """One frame. `raw` is all of it, as received."""

    raw: bytes
    head: FrameHead
    payload: bytes


class FrameReader:
    """Cuts a stream, split anywhere, into frames. The `raw` of all frames is the whole stream."""

    def __init__(self, max_frame_bytes: int = _LARGEST_FRAME) -> None:
        """`max_frame_bytes` bounds what is held while a frame is incomplete."""
        self._limit = max_frame_bytes
        self._held = bytearray()
        self._needed = _PRELUDE.size

    @property
    def holding(self) -> bool:
        """Whether part of an incomplete frame is held back."""
        return bool(self._held)

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """Yield the frames completed by `chunk`; to be read to its end.

        Raises:
            UpstreamProtocolError: no such frame, a wrong checksum, or a frame larger than the
                bound, once the frames before it were yielded.
        """
        data = chunk
        if self._held:
            self._held += chunk
            if len(self._held) < self._needed:
                return
            data = bytes(self._held)
            self._held.clear()
        start, end = 0, len(data)
        self._needed = _PRELUDE.size
        while end - start >= _PRELUDE.size:
            length, headers_length = self._lengths(data, start)
            if end - start < length:
                self._needed = length
                break
            yield _frame(data[start : start + length], headers_length)
            start += length
        self._held += data[start:]

    def _lengths(self, data: bytes, start: int) -> tuple[int, int]:
        length, headers_length, checksum = _PRELUDE.unpack_from(data, start)
        if crc32(data[start : start + _LENGTHS.size]) != checksum:
            raise UpstreamProtocolError("not an event stream: the checksum of a prelude is wrong")
        if length > self._limit:
            raise UpstreamProtocolError(f"a stream event is larger than {self._limit} bytes")
        if headers_length > _LONGEST_HEADERS or length < headers_length + _OVERHEAD:
            raise UpstreamProtocolError("a stream event has impossible lengths")
        return length, headers_length


def _frame(raw: bytes, headers_length: int) -> Frame:
    if crc32(raw[:-4]) != _NUMBER.unpack_from(raw, len(raw) - 4)[0]:
        raise UpstreamProtocolError("the checksum of a stream event is wrong")
    headers_end = _PRELUDE.size + headers_length
    return Frame(raw, _head(raw[_PRELUDE.size : headers_end]), raw[headers_end:-4])


@lru_cache(maxsize=256)
def _head(block: bytes) -> FrameHead:
    headers = read_headers(block)
    kind = _text(headers, ":message-type")
    name = ":event-type" if kind == "event" else f":{kind}-type"
    if kind == "error":
        return FrameHead(kind, _text(headers, ":error-code"), _text(headers, ":error-message"))
    return FrameHead(kind, _text(headers, name))


def _text(headers: Mapping[str, object], name: str) -> str:
    value = headers.get(name, "")
    return value if isinstance(value, str) else ""


def read_headers(block: bytes) -> dict[str, object]:
    """Return the headers of a frame.

    Raises:
        UpstreamProtocolError: they cannot be read, or one is given twice.
    """
    try:
        return cast("dict[str, object]", EventStreamHeaderParser().parse(block))
    except (ParserError, struct.error, KeyError, ValueError) as error:
        raise UpstreamProtocolError("the headers of a stream event cannot be read") from error


def write_frame(headers: Mapping[str, str], payload: bytes) -> bytes:
    """Return a frame. Names of headers have up to 255 bytes, values up to 32,767."""
    return frame_of(write_headers(headers), payload)


def write_headers(headers: Mapping[str, str]) -> bytes:
    """Return the block of headers, for `frame_of`; worth keeping where they repeat."""
    return b"".join(_header(name.encode(), value.encode()) for name, value in headers.items())


def frame_of(block: bytes, payload: bytes) -> bytes:
    """Return a frame with a block of headers that `write_headers` made."""
    lengths = _LENGTHS.pack(len(block) + len(payload) + _OVERHEAD, len(block))
    message = lengths + _NUMBER.pack(crc32(lengths)) + block + payload
    return message + _NUMBER.pack(crc32(message))


def _header(name: bytes, value: bytes) -> bytes:
    return bytes((len(name),)) + name + _STRING + _SHORT.pack(len(value)) + value
