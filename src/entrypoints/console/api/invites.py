"""`/api/invites`: invitations (console.md section 1)."""

from litestar import delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Response

from application.console.people.invites import (
    Acceptance,
    InviteEntry,
    InviteRemoval,
    InviteView,
    ManageInvites,
    NewInviteView,
)
from application.console.people.user_views import UserView
from application.resources import Page
from entrypoints.console.answers import answer
from entrypoints.console.security import PUBLIC, By, From


class InvitePage(Page[InviteView], frozen=True):
    """Some invitations, oldest first; `next_cursor` is null on the last page."""


def invite_routes(invites: ManageInvites) -> list[HTTPRouteHandler]:
    """Return the route handlers."""

    @get("/api/invites", operation_id="list_invites", tags=["invites"])
    async def list_invites(
        by: By, limit: FromQuery[int] = 50, cursor: FromQuery[str | None] = None
    ) -> Response[InvitePage]:
        """List open invitations, oldest first, also those that expired."""
        page = await invites.page(by, limit=limit, cursor=cursor)
        return answer(InvitePage(page.items, page.next_cursor, page.total))

    @post("/api/invites", operation_id="create_invite", tags=["invites"])
    async def create_invite(by: By, data: JSONBody[InviteEntry]) -> Response[NewInviteView]:
        """Invite somebody for seven days; the token is shown this once.

        A repeated answer (see `Idempotency-Key`) has null in its place.
        """
        return answer(await invites.create(by, data), status=201, location="/api/invites")

    @post("/api/invites/accept", operation_id="accept_invite", tags=["invites"], opt={PUBLIC: True})
    async def accept_invite(origin: From, data: JSONBody[Acceptance]) -> Response[UserView]:
        """Become a user with the token of an invitation; no other credential is needed."""
        return answer(await invites.accept(origin, data), status=201)

    @delete(
        "/api/invites/{invite_id:str}",
        operation_id="revoke_invite",
        tags=["invites"],
        status_code=200,
    )
    async def revoke_invite(
        by: By, invite_id: FromPath[str], *, dry_run: FromQuery[bool] = False
    ) -> Response[InviteRemoval]:
        """End an invitation, or (`dry_run`) show which."""
        return answer(await invites.revoke(by, invite_id, dry_run=dry_run))

    return [list_invites, create_invite, accept_invite, revoke_invite]
