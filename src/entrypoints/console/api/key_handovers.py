"""`/api/keys/handovers` and `/api/me/handovers`: secrets of keys that rotated by themselves."""

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.response import Response

from application.console.key_documents import IssuedKeyView
from application.console.key_handovers import HandoverList, KeyHandoverDesk
from entrypoints.console.answers import answer
from entrypoints.console.security import By


def handover_routes(desk: KeyHandoverDesk) -> list[HTTPRouteHandler]:
    """Return the route handlers."""

    @get("/api/me/handovers", operation_id="list_my_handovers", tags=["keys"])
    async def list_my_handovers(by: By) -> Response[HandoverList]:
        """List the new secrets that wait for whoever asks, with their one-time links."""
        return answer(await desk.pending(by))

    @post(
        "/api/keys/handovers/{token:str}",
        operation_id="take_handover",
        tags=["keys"],
        status_code=200,
    )
    async def take_handover(by: By, token: FromPath[str]) -> Response[IssuedKeyView]:
        """Give the secret behind a one-time link to the owner of the key, once.

        It needs a session of the owner; for a service account, the permission to rotate its keys.
        """
        return answer(await desk.take(by, token))

    return [list_my_handovers, take_handover]
