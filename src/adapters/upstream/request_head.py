"""The bytes before a request's body, and what may not be in them."""

import re

from adapters.upstream.target import Target
from application.ports.upstream import Headers, UpstreamRequest
from domain.errors import InvalidRequest

# CONNECT and TRACE change what an answer means; nothing here needs them.
_REQUEST_LINES = {
    method: method.encode() + b" "
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
}
_WITH_BODY = frozenset(("POST", "PUT", "PATCH"))

# Headers that decide where a message ends or how a connection is used belong to the transport:
# two opinions about them are how requests get smuggled (RFC 9112 section 11.2).
_RESERVED = frozenset(
    (
        b"host",
        b"content-length",
        b"transfer-encoding",
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"proxy-authorization",
        b"te",
        b"trailer",
        b"upgrade",
        b"expect",
    )
)
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")  # RFC 9110 token, lower case

_known_names: set[bytes] = set()
_MOST_KNOWN_NAMES = 1024


def check_request(method: str, headers: Headers) -> None:
    """Refuse what must not be sent.

    Raises:
        InvalidRequest: unknown method, a reserved or malformed header name, or CR, LF or NUL in
            a value.
    """
    if method not in _REQUEST_LINES:
        raise InvalidRequest(f"The method {method!r} cannot be sent to a provider.", param="method")
    for name, value in headers:
        if name not in _known_names:
            _check_name(name)
        if b"\n" in value or b"\r" in value or b"\0" in value:
            raise InvalidRequest(
                f"The value of the header {name.decode()!r} has a line break or NUL in it.",
                param="headers",
            )


def transport_headers(request: UpstreamRequest, target: Target) -> list[tuple[bytes, bytes]]:
    """Return all headers to send: the caller's and the transport's own.

    Asks for an unencoded body unless the caller wrote an `accept-encoding`.

    Raises:
        InvalidRequest: as `check_request`.
    """
    check_request(request.method, request.headers)
    headers = [(b"host", target.authority), *request.headers]
    if not any(name == b"accept-encoding" for name, _ in request.headers):
        headers.append((b"accept-encoding", b"identity"))
    if request.body or request.method in _WITH_BODY:
        headers.append((b"content-length", b"%d" % len(request.body)))
    return headers


def encode_head(request: UpstreamRequest, target: Target) -> bytes:
    """Return request line and headers, ending with the empty line.

    Raises:
        InvalidRequest: as `check_request`.
    """
    lines = [b"%b: %b\r\n" % header for header in transport_headers(request, target)]
    return b"%b%b HTTP/1.1\r\n%b\r\n" % (
        _REQUEST_LINES[request.method],
        target.path,
        b"".join(lines),
    )


def _check_name(name: bytes) -> None:
    if not _NAME.fullmatch(name):
        raise InvalidRequest("A header name for the provider is malformed.", param="headers")
    if name in _RESERVED:
        raise InvalidRequest(
            f"The header {name.decode()!r} is set by the transport only.", param="headers"
        )
    if len(_known_names) < _MOST_KNOWN_NAMES:
        _known_names.add(name)
