"""Payloads of answers and frames, read leniently enough for what servers really write."""

from functools import cache
from typing import TypeVar

import msgspec

from adapters.wire.surrogates import without_surrogates
from domain.errors import UpstreamProtocolError

_T = TypeVar("_T")


@cache
def _decoder(kind: type[_T]) -> msgspec.json.Decoder[_T]:
    return msgspec.json.Decoder(kind)


def decode_payload(payload: bytes, kind: type[_T]) -> _T:
    """Return what JSON text says, as far as `kind` asks for it.

    Raises:
        UpstreamProtocolError: not JSON in UTF-8, or of another shape.
    """
    try:
        return _decoder(kind).decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # Half a surrogate pair in an escape, which a server may split over two frames, is legal
        # JSON (RFC 8259 section 8.2), but not for the decoder.
        readable = without_surrogates(payload)
    try:
        return _decoder(kind).decode(readable)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamProtocolError("not an answer of Converse in JSON") from None
