"""Security headers of every console answer (console.md section 2)."""

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from entrypoints.console.edge import ConsoleEdge

CONSOLE_HEADERS = [
    (
        b"content-security-policy",
        (
            b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
            b"font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
            b"frame-ancestors 'none'"
        ),
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
]
HSTS = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
"""RFC 6797: a browser that was here over TLS comes back over TLS only."""


class StrictTransport:
    """Adds the header of RFC 6797 to what is answered over TLS; over plain HTTP it means nothing."""

    def __init__(self, app: ASGIApp, edge: ConsoleEdge) -> None:
        """`edge` tells how a request came."""
        self._app = app
        self._edge = edge

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http" or not self._edge.is_https(scope):
            await self._app(scope, receive, send)
            return

        async def send_with_header(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], HSTS]
            await send(message)

        await self._app(scope, receive, send_with_header)
