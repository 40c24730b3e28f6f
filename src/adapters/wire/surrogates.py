r"""JSON with half a surrogate pair in an escape, made readable.

A server may split a character over two frames: legal JSON (RFC 8259 section 8.2), but not for the
decoder.
"""

import re

_PAIR_OR_HALF = re.compile(
    rb"(\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)


def without_surrogates(document: bytes) -> bytes:
    """Return `document`, of the same length, with every escaped half as U+FFFD."""
    return _PAIR_OR_HALF.sub(lambda hit: hit[1] or b"\\ufffd", document)
