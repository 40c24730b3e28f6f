"""Cross-origin calls (Fetch standard): only listed origins are answered with permissions.

Around the whole app, so that also errors can be read by a page that may call.
"""

from collections.abc import Sequence

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from entrypoints.asgi import Headers, header_values, respond

_METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE"
_MAX_AGE_S = b"600"


class CrossOrigin:
    """Answers preflights, and names the origin in answers to those that are listed."""

    def __init__(
        self,
        app: ASGIApp,
        origins: Sequence[str],
        *,
        headers: Sequence[str],
        exposed: Sequence[str],
        credentials: bool,
    ) -> None:
        """`headers` may be sent, `exposed` may be read; `credentials` allows cookies."""
        self._app = app
        self._origins = frozenset(origin.lower().encode() for origin in origins)
        self._allowed = ", ".join(headers).encode()
        self._exposed = ", ".join(exposed).encode()
        self._credentials = credentials

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        origin = header_values(scope, b"origin") if scope["type"] == "http" else []
        if scope["type"] != "http" or not origin:
            await self._app(scope, receive, send)
            return
        granted = self._granted(origin[0])
        wanted = header_values(scope, b"access-control-request-method")
        if scope["method"] == "OPTIONS" and wanted and granted:
            permissions = [
                (b"access-control-allow-methods", _METHODS),
                (b"access-control-allow-headers", self._allowed),
                (b"access-control-max-age", _MAX_AGE_S),
            ]
            await respond(send, 204, b"", [*granted, *permissions])
            return

        async def send_with_permission(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = granted or [(b"vary", b"Origin")]
                message["headers"] = [*message["headers"], *added]
            await send(message)

        await self._app(scope, receive, send_with_permission)

    def _granted(self, origin: bytes) -> Headers:
        if origin.lower() not in self._origins:
            return []
        granted = [
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", self._exposed),
            (b"vary", b"Origin"),
        ]
        if self._credentials:
            granted.append((b"access-control-allow-credentials", b"true"))
        return granted
