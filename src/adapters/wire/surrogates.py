"""JSON with half a surrogate pair in an escape, made readable.

A server may split a character over two frames: legal JSON (RFC 8259 section 8.2), but not for the
decoder.
"""

import re

_SURROGATE = re.compile(rb"(\\\\)|\\u[dD][89a-fA-F][0-9a-fA-F]{2}")


def without_surrogates(document: bytes) -> bytes:
    """Return `document` with every escaped surrogate as `??????`, of the same length."""
    return _SURROGATE.sub(lambda hit: hit[1] or b"??????", document)
