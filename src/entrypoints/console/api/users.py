"""`/api/users`: people (console.md sections 1 and 3)."""

from litestar import delete, get, patch, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Response
from msgspec import Struct, structs

from application.console.people.user_views import (
    NewUserView,
    UserEntry,
    UserPatch,
    UserRemoval,
    UserView,
)
from application.console.people.users import ManageUsers, UserRow
from application.resources import Outcome, Page
from entrypoints.console.answers import IfMatch, answer, expected, versioned
from entrypoints.console.bulk import Refusals, note_refused_rows
from entrypoints.console.security import By


class UserPage(Page[UserView], frozen=True):
    """Some users, oldest first; `next_cursor` is null on the last page."""


class UserRows(Struct, frozen=True, forbid_unknown_fields=True):
    """Up to 500 changes."""

    items: tuple[UserRow, ...]


class UserOutcome(Outcome[UserView], frozen=True, kw_only=True):
    """What became of one row."""


class UserOutcomes(Struct, frozen=True):
    """An outcome per row, in their order; `failed` counts those that failed."""

    items: tuple[UserOutcome, ...]
    failed: int
    dry_run: bool


def user_routes(users: ManageUsers) -> list[HTTPRouteHandler]:
    """Return the route handlers."""

    @get("/api/users", operation_id="list_users", tags=["users"])
    async def list_users(
        by: By,
        limit: FromQuery[int] = 50,
        cursor: FromQuery[str | None] = None,
        text: FromQuery[str | None] = None,
        role: FromQuery[str | None] = None,
        team_id: FromQuery[str | None] = None,
        *,
        enabled: FromQuery[bool | None] = None,
        deleted: FromQuery[bool] = False,
    ) -> Response[UserPage]:
        """List the users one may see, oldest first; `text` is part of an address or name.

        `deleted` lists those who were deleted and can still be restored, instead of the others.
        """
        page = await users.page(
            by,
            limit=limit,
            cursor=cursor,
            text=text,
            role=role,
            team_id=team_id,
            enabled=enabled,
            deleted=deleted,
        )
        return answer(UserPage(page.items, page.next_cursor, page.total))

    @post("/api/users", operation_id="create_user", tags=["users"])
    async def create_user(by: By, data: JSONBody[UserEntry]) -> Response[NewUserView]:
        """Create a user; a password that was made up is shown this once.

        A repeated answer (see `Idempotency-Key`) has null in its place.
        """
        made = await users.create(by, data)
        return answer(made, status=201, location=f"/api/users/{made.user.id}")

    @post("/api/users/bulk", operation_id="change_users", tags=["users"], status_code=200)
    async def change_users(
        by: By, refusals: Refusals, data: JSONBody[UserRows], *, dry_run: FromQuery[bool] = False
    ) -> Response[UserOutcomes]:
        """Activate, deactivate and delete many, each on its own, with an outcome per row."""
        outcomes = await users.bulk(by, data.items, dry_run=dry_run)
        note_refused_rows(refusals, outcomes)
        items = tuple(UserOutcome(**structs.asdict(each)) for each in outcomes)
        failed = sum(each.status == "failed" for each in items)
        return answer(UserOutcomes(items, failed, dry_run))

    @get("/api/users/{user_id:str}", operation_id="get_user", tags=["users"])
    async def get_user(by: By, user_id: FromPath[str]) -> Response[UserView]:
        """Return one user with its ETag."""
        return versioned(await users.find(by, user_id))

    @patch("/api/users/{user_id:str}", operation_id="update_user", tags=["users"])
    async def update_user(
        by: By, user_id: FromPath[str], data: JSONBody[UserPatch], if_match: IfMatch = None
    ) -> Response[UserView]:
        """Merge into a user (RFC 7396); what changes decides which permissions it needs."""
        return versioned(await users.update(by, user_id, data, if_match=expected(if_match)))

    @delete("/api/users/{user_id:str}", operation_id="delete_user", tags=["users"], status_code=200)
    async def delete_user(
        by: By,
        user_id: FromPath[str],
        *,
        dry_run: FromQuery[bool] = False,
        if_match: IfMatch = None,
    ) -> Response[UserRemoval]:
        """Delete a user, who can be restored for 30 days, or (`dry_run`) say what goes too."""
        return answer(await users.delete(by, user_id, if_match=expected(if_match), dry_run=dry_run))

    @post(
        "/api/users/{user_id:str}/restore",
        operation_id="restore_user",
        tags=["users"],
        status_code=200,
    )
    async def restore_user(by: By, user_id: FromPath[str]) -> Response[UserView]:
        """Restore a user who was deleted in the last 30 days; memberships do not come back."""
        return versioned(await users.restore(by, user_id))

    return [
        list_users,
        create_user,
        change_users,
        get_user,
        update_user,
        delete_user,
        restore_user,
    ]
