"""Byte-level edit of JSON documents that are forwarded.

What is not replaced keeps its bytes: white space, order of keys, unknown fields, spelling of
numbers.
"""

from adapters.wire.members import Member


def splice(document: bytes, edits: list[tuple[Member, bytes]]) -> bytes:
    """Return `document` with each place replaced by its new value."""
    pieces: list[bytes] = []
    at = 0
    for place, value in sorted(edits, key=lambda edit: edit[0].start):
        pieces += (document[at : place.start], value)
        at = place.end
    pieces.append(document[at:])
    return b"".join(pieces)
