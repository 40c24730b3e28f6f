"""`/api/limits/overrides`: exceptions from rules and budgets, with a reason and an end."""

from litestar import delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Response
from msgspec import Struct

from application.console.limits.overrides import (
    ManageOverrides,
    OverrideEntry,
    OverridePage,
    OverrideView,
)
from entrypoints.console.answers import answer
from entrypoints.console.security import By


class OverrideRemoval(Struct, frozen=True):
    """The override as it was; `deleted` is false for a dry run."""

    deleted: bool
    item: OverrideView


def override_routes(overrides: ManageOverrides) -> list[HTTPRouteHandler]:
    """Return the route handlers."""

    @get("/api/limits/overrides", operation_id="list_limit_overrides", tags=["limits"])
    async def list_limit_overrides(
        by: By,
        limit: FromQuery[int] = 50,
        cursor: FromQuery[str | None] = None,
        limit_id: FromQuery[str | None] = None,
        subject: FromQuery[str | None] = None,
    ) -> Response[OverridePage]:
        """List overrides of rules and budgets, oldest first, also those that have ended."""
        return answer(
            await overrides.page(by, limit=limit, cursor=cursor, limit_id=limit_id, subject=subject)
        )

    @post("/api/limits/overrides", operation_id="set_limit_override", tags=["limits"])
    async def set_limit_override(by: By, data: JSONBody[OverrideEntry]) -> Response[OverrideView]:
        """Give one subject another value of a rule or budget.

        `replace` may loosen and must end within 90 days; `tighten` only lowers. Both need a reason.
        """
        made = await overrides.set(by, data)
        return answer(made, status=201, location=f"/api/limits/overrides/{made.id}")

    @get(
        "/api/limits/overrides/{override_id:str}",
        operation_id="get_limit_override",
        tags=["limits"],
    )
    async def get_limit_override(by: By, override_id: FromPath[str]) -> Response[OverrideView]:
        """Return one override."""
        return answer(await overrides.find(by, override_id))

    @delete(
        "/api/limits/overrides/{override_id:str}",
        operation_id="delete_limit_override",
        tags=["limits"],
        status_code=200,
    )
    async def delete_limit_override(
        by: By, override_id: FromPath[str], *, dry_run: FromQuery[bool] = False
    ) -> Response[OverrideRemoval]:
        """End an override now, or (`dry_run`) say what would be ended."""
        return answer(
            OverrideRemoval(not dry_run, await overrides.remove(by, override_id, dry_run=dry_run))
        )

    return [list_limit_overrides, set_limit_override, get_limit_override, delete_limit_override]
