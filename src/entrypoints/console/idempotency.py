"""`Idempotency-Key` on everything that is posted.

In two places, as only one knows who asks and only the other sees every answer: a hook before the
handler claims the key or gives the kept answer, and a wrapper around the app keeps what the handler
answered before it leaves.
"""

import contextlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, cast

import msgspec
from litestar.handlers.base import BaseRouteHandler
from litestar.response import Response
from litestar.types import ASGIApp, HTTPResponseStartEvent, Message, Receive, Scope, Send

from application.console.idempotency import IdempotentRequests
from application.ports.idempotency import KeptAnswer, KeyClaim
from domain.errors import ServiceUnavailable
from entrypoints.asgi import AnyRequest
from entrypoints.console.problems import NOTHING_DONE
from entrypoints.console.security import PUBLIC, actor_of

HEADER = "Idempotency-Key"
NEVER_KEPT = "never_kept"
"""Option of handlers whose answers are not kept: about one's own credentials or browser, or to a mere
question, which is safe to ask again anyway. The header is not looked at there."""
TOLD_ONCE = frozenset({"password", "secret", "token"})
"""Members of answers of which nothing is kept."""
CLAIM = "idempotency_claim"
"""Key of the connection's state under which the claim waits for its answer."""
_KEPT_HEADERS = frozenset({"content-type", "etag", "location"})
_FALSE = frozenset({"false", "0"})
_decoder = msgspec.json.Decoder(float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")


def honours_key(method: str, options: Mapping[str, Any]) -> bool:
    """Tell whether a handler of this method, with these options, honours the key."""
    return method == "POST" and not options.get(PUBLIC) and not options.get(NEVER_KEPT)


class ClaimKeys:
    """The hook before handlers."""

    def __init__(self, requests: IdempotentRequests) -> None:
        """`requests` are carried out once."""
        self._requests = requests

    async def __call__(self, request: AnyRequest) -> Response[bytes] | None:
        """Claim the key of a request, or return the answer that is kept for it.

        Keys of different actors are different keys: nobody gets the answer of somebody else. What
        a dry run says is of the moment, so it is said anew.

        Raises:
            DomainError: whatever `IdempotentRequests.begin` raises.
        """
        key = request.headers.get(HEADER)
        handler: BaseRouteHandler = request.route_handler
        if key is None or not honours_key(request.method, handler.opt):
            return None
        if _is_dry_run(request, handler):
            return None
        by = actor_of(request)
        operation = f"POST {request.scope['path_template']} by {by.kind}:{by.id}"
        asked = (
            request.scope["path"].encode(),
            request.scope["query_string"],
            await request.body(),
        )
        found = await self._requests.begin(key, operation, b"\n".join(asked))
        if isinstance(found, KeyClaim):
            request.scope["state"][CLAIM] = found
            return None
        return Response(
            found.body,
            status_code=found.status,
            media_type=found.headers.get("content-type"),
            headers={
                **{name: text for name, text in found.headers.items() if name != "content-type"},
                "Idempotency-Replayed": "true",
            },
        )


class KeepAnswers:
    """Around the app: what a claimed request is answered is kept before it is sent.

    A failure is not kept. Where nothing was done, the same key may try again; where nobody knows,
    the claim stays.
    """

    def __init__(self, app: ASGIApp, requests: IdempotentRequests) -> None:
        """`requests` are those that `ClaimKeys` has claimed."""
        self._app = app
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start: HTTPResponseStartEvent | None = None
        body = bytearray()

        async def send_when_kept(message: Message) -> None:
            nonlocal start
            claim: KeyClaim | None = scope["state"].get(CLAIM)
            if claim is None:
                await send(message)
            elif message["type"] == "http.response.start":
                start = message
            elif start is not None and message["type"] == "http.response.body":
                body.extend(message.get("body", b""))
                if not message.get("more_body"):
                    nothing_done = NOTHING_DONE in scope["state"]
                    await self._finish(claim, start, bytes(body), nothing_done=nothing_done)
                    await send(start)
                    await send({"type": "http.response.body", "body": body, "more_body": False})

        await self._app(scope, receive, send_when_kept)

    async def _finish(
        self, claim: KeyClaim, start: HTTPResponseStartEvent, body: bytes, *, nothing_done: bool
    ) -> None:
        # Who asked gets the answer in any case; a repetition finds that nobody knows.
        with contextlib.suppress(ServiceUnavailable):
            if start["status"] < 400:
                await self._requests.keep(claim, _kept(start, body))
            elif nothing_done:
                await self._requests.release(claim)


def _is_dry_run(request: AnyRequest, handler: BaseRouteHandler) -> bool:
    if "dry_run" not in handler.parsed_fn_signature.parameters:
        return False
    said = request.query_params.getall("dry_run", ["false"])
    return said[-1].lower() not in _FALSE


def _kept(start: HTTPResponseStartEvent, body: bytes) -> KeptAnswer:
    headers = {name.decode("latin-1").lower(): text for name, text in start["headers"]}
    return KeptAnswer(
        status=start["status"],
        body=_without_secrets(body),
        headers={
            name: text.decode("latin-1") for name, text in headers.items() if name in _KEPT_HEADERS
        },
    )


def _without_secrets(content: bytes) -> bytes:
    """Return JSON with null for everything that is told once; what is no JSON as it is."""
    try:
        value: object = _decoder.decode(content)
    except msgspec.DecodeError:
        return content
    return _encoder.encode(_blanked(value))


def _blanked(value: object) -> object:
    if isinstance(value, dict):
        members = cast("dict[str, object]", value)
        return {
            name: None if name in TOLD_ONCE else _blanked(each) for name, each in members.items()
        }
    if isinstance(value, list):
        return [_blanked(each) for each in cast("list[object]", value)]
    return value
