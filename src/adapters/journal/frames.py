"""The bytes of a segment: frames of a fixed header and a JSON payload.

```
offset  size  field
0       3     magic F5 'T' '1' (F5 never occurs in UTF-8, so a payload cannot look like a frame)
3       1     kind: 'O' open, 'C' close
4       4     payload length, little-endian
8       4     CRC-32 of kind and payload, little-endian
12      n     payload: UTF-8 JSON
```
"""

import struct
import zlib
from collections.abc import Iterator
from enum import Enum

from msgspec import Struct

MAGIC = b"\xf5T1"
MAX_PAYLOAD = 16 * 1024 * 1024
HEADER_SIZE = 12

_header = struct.Struct("<3scII")


class Kind(Enum):
    """What a frame says about a request."""

    OPEN = b"O"
    CLOSE = b"C"


_seeds = {kind.value: zlib.crc32(kind.value) for kind in Kind}
_kinds = {kind.value: kind for kind in Kind}


class Frame(Struct, frozen=True):
    """A sound frame; `end` is the offset just after it."""

    kind: Kind
    payload: bytes
    end: int


class Gap(Struct, frozen=True):
    """Bytes that are no frame, up to `end`.

    `torn` is true when nothing sound follows: a write that was cut off, not damage.
    """

    end: int
    torn: bool


def seal(buffer: bytearray, kind: Kind) -> None:
    """Write the header of a frame whose payload stands in `buffer` from `HEADER_SIZE` on."""
    tag = kind.value
    payload = buffer[HEADER_SIZE:]
    _header.pack_into(buffer, 0, MAGIC, tag, len(payload), zlib.crc32(payload, _seeds[tag]))


def frame(kind: Kind, payload: bytes) -> bytes:
    """Return a whole frame."""
    buffer = bytearray(HEADER_SIZE) + payload
    seal(buffer, kind)
    return bytes(buffer)


def parse(data: bytes, *, complete: bool) -> Iterator[Frame | Gap]:
    """Yield what `data` holds, in order.

    With `complete` nothing follows `data`, so a cut last frame is a torn `Gap`. Otherwise the
    caller has more: iteration stops before the first bytes that cannot be judged yet.
    """
    position = 0
    while position < len(data):
        found = _frame_at(data, position)
        if found is None:
            resume = _next_frame(data, position + 1)
            if resume is None:
                if complete:
                    yield Gap(end=len(data), torn=True)
                return
            yield Gap(end=resume, torn=False)
            position = resume
            continue
        yield found
        position = found.end


def _frame_at(data: bytes, start: int) -> Frame | None:
    body = start + HEADER_SIZE
    if body > len(data):
        return None
    magic, tag, length, checksum = _header.unpack_from(data, start)
    if magic != MAGIC or tag not in _seeds or length > MAX_PAYLOAD or body + length > len(data):
        return None
    payload = data[body : body + length]
    if zlib.crc32(payload, _seeds[tag]) != checksum:
        return None
    return Frame(kind=_kinds[tag], payload=payload, end=body + length)


def _next_frame(data: bytes, start: int) -> int | None:
    """Find the next sound frame: damage costs the frames it touches, not the rest."""
    while (candidate := data.find(MAGIC, start)) >= 0:
        if _frame_at(data, candidate) is not None:
            return candidate
        start = candidate + 1
    return None
