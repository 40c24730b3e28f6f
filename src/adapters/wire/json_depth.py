"""How deeply a JSON text nests, in linear time and without building any object.

The decoder's own guard is the interpreter's recursion limit; a gateway in front of many parsers
wants a smaller, configured one. Looking for it must be cheap for ordinary bodies (a few
microseconds for 11 KB) and bounded for hostile ones (32 MiB of brackets).
"""

from collections.abc import Iterator
from itertools import accumulate

_ALL = bytes(range(256))
_NOT_OPENERS = bytes(set(_ALL) - set(b"{["))
_NOT_STRUCTURE = bytes(set(_ALL) - set(b'{}[]"'))
_TO_BITS = bytes.maketrans(b"{[}]", b"1100")
# Strings are cut out in windows, so that a body of nothing but quotes does not become one
# list of millions of pieces.
_WINDOW = 1 << 20


def _rise_and_peak(bits: int) -> tuple[int, int]:
    """Return the net change of depth over eight brackets (1 opens, 0 closes) and its maximum."""
    depths = list(accumulate(1 if bits >> (7 - i) & 1 else -1 for i in range(8)))
    return depths[-1], max(depths)


_RISE, _PEAK = zip(*(_rise_and_peak(bits) for bits in range(256)), strict=True)


def exceeds_depth(text: bytes, limit: int) -> bool:
    """Tell whether objects and arrays nest deeper than `limit` levels.

    `text` must be valid JSON. A text with no more than `limit` opening brackets (those inside
    strings counted too) is answered from that count alone.
    """
    if len(text.translate(None, _NOT_OPENERS)) <= limit:
        return False
    brackets = b"".join(_outside_strings(text))
    # One bit per bracket, then one table look-up per eight of them. A closed text nets to zero, so
    # the padding (closing brackets at the end) never raises the depth.
    padded = brackets.translate(_TO_BITS) + b"0" * (-len(brackets) % 8)
    octets = int(padded, 2).to_bytes(len(padded) // 8, "big")
    depth_before = accumulate(map(_RISE.__getitem__, octets), initial=0)
    peaks = map(_PEAK.__getitem__, octets)
    return any(before + peak > limit for before, peak in zip(depth_before, peaks, strict=False))


def _outside_strings(text: bytes) -> Iterator[bytes]:
    """Yield the brackets of `text` that are not inside strings."""
    if b"\\" in text:
        # A run of backslashes pairs up from its start: first drop the pairs, then what is left
        # before a quote escapes it. Every other escape is harmless here.
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    # Dropping an adjacent pair of quotes joins or removes strings; whether a bracket has an odd
    # number of quotes before it, which is all that matters, stays as it was.
    skeleton = text.translate(None, _NOT_STRUCTURE).replace(b'""', b"")
    inside = 0
    for start in range(0, len(skeleton), _WINDOW):
        pieces = skeleton[start : start + _WINDOW].split(b'"')
        yield from pieces[inside::2]
        inside ^= (len(pieces) - 1) & 1
