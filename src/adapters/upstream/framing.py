"""Where a response body ends, told strictly: doubt is an error, never a guess (RFC 9112 6.3)."""

from enum import Enum, auto

from application.ports.upstream import Headers
from domain.errors import UpstreamProtocolError

MAX_HEADERS = 100
MAX_HEAD_BYTES = 64 * 1024


class Framing(Enum):
    """How the end of a body is known."""

    NONE = auto()
    LENGTH = auto()
    CHUNKED = auto()
    UNTIL_CLOSE = auto()


def framing_of(method: str, status: int, headers: Headers) -> Framing:
    """Tell how the body of a final response is framed.

    Raises:
        UpstreamProtocolError: lengths and transfer codings that contradict each other or that
            nobody here can undo.
    """
    length: bytes | None = None
    chunked = False
    for name, value in headers:
        if name == b"content-length":
            if not value.isdigit() or (length is not None and length != value):
                raise UpstreamProtocolError("conflicting or malformed content-length")
            length = value
        elif name == b"transfer-encoding":
            if chunked or value.lower() != b"chunked":
                raise UpstreamProtocolError("unknown transfer-encoding")
            chunked = True
    if chunked and length is not None:
        raise UpstreamProtocolError("content-length together with transfer-encoding")
    if method == "HEAD" or status in (204, 304):
        return Framing.NONE
    if chunked:
        return Framing.CHUNKED
    return Framing.UNTIL_CLOSE if length is None else Framing.LENGTH
