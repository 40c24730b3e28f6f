"""Reading a provider's JSON: whatever is wrong with it is the provider's fault."""

from typing import TypeVar

import msgspec
from msgspec import Raw

from adapters.wire.surrogates import without_surrogates
from domain.errors import UpstreamProtocolError

_T = TypeVar("_T")


def decode(decoder: msgspec.json.Decoder[_T], data: bytes | Raw) -> _T:
    """Return the value; half a character in an escape becomes U+FFFD.

    Raises:
        UpstreamProtocolError: not JSON, or not what `decoder` expects.
    """
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return decoder.decode(without_surrogates(bytes(data)))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamProtocolError("not a response in JSON") from None
