"""Server-sent events on bytes, to the letter of the WHATWG HTML standard, section 9.2.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import re

from msgspec import Struct

from domain.errors import UpstreamProtocolError

LARGEST_EVENT = 16 * 1024 * 1024
"""Bytes that one event of a provider may have."""
_BOM = b"\xef\xbb\xbf"
# So little may be copied with every chunk that completes no event.
_FEW_BYTES = 4096
# An event ends with an empty line: two line ends in a row, each CRLF, LF or CR. Atomic groups keep
# a CRLF from being read as CR followed by LF.
_EVENT_END = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_LINE_END = re.compile(rb"\r\n|\n|\r")


class Event(Struct, frozen=True, gc=False):
    """One block of a stream, up to and with its empty line.

    Attributes:
        raw: the bytes as received.
        data: the `data` lines joined by LF, or None for a block without any (comments, `retry`).
        name: the `event` field, empty when not given.
    """

    raw: bytes
    data: bytes | None = None
    name: bytes = b""


class EventSplitter:
    """Cuts a stream, split anywhere, into events. The `raw` of all events is the whole stream."""

    def __init__(self, max_event_bytes: int) -> None:
        """`max_event_bytes` bounds what is held while an event is incomplete."""
        self._limit = max_event_bytes
        self._held = bytearray()
        self._searched = 0
        self._at_start = True

    @property
    def holding(self) -> bool:
        """Whether part of an incomplete event is held back."""
        return bool(self._held)

    def feed(self, chunk: bytes) -> list[Event]:
        """Return the events completed by `chunk`.

        Raises:
            UpstreamProtocolError: an event is larger than the bound.
        """
        if self._at_start and not self._held and chunk[:1] not in (b"", _BOM[:1]):
            self._at_start = False
        held = self._held
        if b"\r" in chunk or self._at_start or (held and (len(held) > _FEW_BYTES or b"\r" in held)):
            return self._feed_slowly(chunk)
        # Line ends are LF alone, as nearly always: their pairs, from the left, end the events.
        blocks = (bytes(held) + chunk if held else chunk).split(b"\n\n")
        rest = blocks.pop()
        if rest or held:
            held[:] = rest
            self._searched = max(0, len(rest) - 1)
            self._check_size()
        return [
            Event(block + b"\n\n", block[6:])
            if block.startswith(b"data: ") and b"\n" not in block
            else self._event(block + b"\n\n")
            for block in blocks
        ]

    def finish(self) -> Event | None:
        """Return what is left without its empty line, or None.

        The standard discards it; a caller that knows its servers may look at it all the same.
        """
        if not self._held:
            return None
        raw = bytes(self._held)
        self._held.clear()
        self._searched = 0
        return self._event(raw)

    def _feed_slowly(self, chunk: bytes) -> list[Event]:
        held = self._held
        held += chunk
        events: list[Event] = []
        start = 0
        for end in _EVENT_END.finditer(held, self._searched):
            # A CR that ends the chunk ends the event at once; should an LF follow, it belongs to
            # that line end and is received as an empty line before the next event.
            events.append(self._event(bytes(held[start : end.end()])))
            start = end.end()
        del held[:start]
        # A line end may stand at the very end, its partner still to come.
        self._searched = max(0, len(held) - 2)
        self._check_size()
        return events

    def _check_size(self) -> None:
        if len(self._held) > self._limit:
            raise UpstreamProtocolError(f"a stream event is larger than {self._limit} bytes")

    def _event(self, raw: bytes) -> Event:
        text = raw
        if self._at_start:
            self._at_start = False
            text = raw.removeprefix(_BOM)
        if text.startswith(b"data: ") and text.find(b"\n") == len(text) - 2 and b"\r" not in text:
            return Event(raw, text[6:-2])
        if text.startswith(b"event: ") and b"\r" not in text:
            end = text.find(b"\n")
            if text.startswith(b"data: ", end + 1) and text.find(b"\n", end + 1) == len(text) - 2:
                return Event(raw, text[end + 7 : -2], text[7:end])
        return _parse(raw, text)


def _parse(raw: bytes, text: bytes) -> Event:
    data: list[bytes] = []
    name = b""
    for line in text.splitlines():  # of bytes: at CR, LF and CRLF only
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value
    return Event(raw, b"\n".join(data) if data else None, name)


def write_event(data: bytes, name: str = "") -> bytes:
    """Return an event with this data; line ends inside become separate `data` lines."""
    head = b"event: " + name.encode() + b"\n" if name else b""
    lines = b"".join(b"data: " + line + b"\n" for line in _LINE_END.split(data))
    return head + lines + b"\n"
