"""`/api/sessions`, and credentials of others that have to be reset."""

from litestar import delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery
from litestar.response import Response
from msgspec import Struct

from application.identity.session_list import SessionPage, SessionView
from domain.identifiers import UserId
from entrypoints.console.answers import answer
from entrypoints.console.security import By
from entrypoints.console.services import IdentityServices


class SessionEnd(Struct, frozen=True):
    """The session as it was."""

    ended: bool
    item: SessionView


class NewPasswordView(Struct, frozen=True, kw_only=True):
    """A password of ours, which its user has to change after the next sign-in.

    It is shown once: null in a repeated answer.
    """

    user_id: str
    email: str
    password: str | None


class TotpReset(Struct, frozen=True, kw_only=True):
    """The user has no second factor any more."""

    user_id: str
    email: str


def session_routes(identity: IdentityServices) -> list[HTTPRouteHandler]:
    """Return the route handlers."""

    @get("/api/sessions", operation_id="list_sessions", tags=["sessions"])
    async def list_sessions(
        by: By,
        limit: FromQuery[int] = 50,
        cursor: FromQuery[str | None] = None,
        user_id: FromQuery[str | None] = None,
    ) -> Response[SessionPage]:
        """List console sessions within one's reach, oldest first; `user_id` narrows the list."""
        return answer(
            await identity.session_list.page(by, limit=limit, cursor=cursor, user_id=user_id)
        )

    @delete(
        "/api/sessions/{session_id:str}",
        operation_id="end_session",
        tags=["sessions"],
        status_code=200,
    )
    async def end_session(by: By, session_id: FromPath[str]) -> Response[SessionEnd]:
        """End somebody's session, with the next request at the latest."""
        return answer(SessionEnd(ended=True, item=await identity.session_list.end(by, session_id)))

    @post(
        "/api/users/{user_id:str}/password-reset",
        operation_id="reset_password",
        tags=["users"],
        status_code=200,
    )
    async def reset_password(by: By, user_id: FromPath[str]) -> Response[NewPasswordView]:
        """Give a user a password of ours, which has to be changed; the user's sessions end."""
        made = await identity.resets.reset_password(by, UserId(user_id))
        return answer(
            NewPasswordView(
                user_id=made.user.id, email=made.user.email, password=made.password.reveal()
            )
        )

    @post(
        "/api/users/{user_id:str}/totp-reset",
        operation_id="reset_totp",
        tags=["users"],
        status_code=200,
    )
    async def reset_totp(by: By, user_id: FromPath[str]) -> Response[TotpReset]:
        """Take away the second factor of a user who has lost it; the user's sessions end."""
        user = await identity.resets.reset_second_factor(by, UserId(user_id))
        return answer(TotpReset(user_id=user.id, email=user.email))

    return [list_sessions, end_session, reset_password, reset_totp]
