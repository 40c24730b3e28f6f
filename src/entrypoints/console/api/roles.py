"""`/api/roles`, `/api/role-assignments`, `/api/permissions`, `/api/access` (console.md section 3)."""

from litestar import delete, get, patch, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Response
from msgspec import Struct

from application.console.people.assignments import (
    AssignmentEntry,
    AssignmentRemoval,
    AssignmentView,
    ManageAssignments,
)
from application.console.people.explanation import AccessQuestion, ExplainAccess, Explanation
from application.console.people.roles import (
    ManageRoles,
    PermissionView,
    RoleEntry,
    RolePatch,
    RoleRemoval,
    RoleView,
    permission_views,
)
from application.resources import Page
from entrypoints.console.answers import IfMatch, answer, expected, versioned
from entrypoints.console.idempotency import NEVER_KEPT
from entrypoints.console.security import By


class RolePage(Page[RoleView], frozen=True):
    """Some roles by name; `next_cursor` is null on the last page."""


class AssignmentPage(Page[AssignmentView], frozen=True):
    """Some assignments, oldest first; `next_cursor` is null on the last page."""


class PermissionList(Struct, frozen=True):
    """Every permission."""

    items: tuple[PermissionView, ...]


def role_routes(roles: ManageRoles) -> list[HTTPRouteHandler]:
    """Return the route handlers about roles."""

    @get("/api/roles", operation_id="list_roles", tags=["roles"])
    async def list_roles(
        by: By, limit: FromQuery[int] = 50, cursor: FromQuery[str | None] = None
    ) -> Response[RolePage]:
        """List built-in and custom roles by name; the cursor is a name."""
        page = await roles.page(by, limit=limit, cursor=cursor)
        return answer(RolePage(page.items, page.next_cursor, page.total))

    @post("/api/roles", operation_id="create_role", tags=["roles"])
    async def create_role(by: By, data: JSONBody[RoleEntry]) -> Response[RoleView]:
        """Create a custom role within one's own rights; 409 when the name is taken."""
        made = await roles.create(by, data)
        return versioned(made, status=201, location=f"/api/roles/{made.view.name}")

    @get("/api/roles/{name:str}", operation_id="get_role", tags=["roles"])
    async def get_role(by: By, name: FromPath[str]) -> Response[RoleView]:
        """Return one role with its ETag."""
        return versioned(await roles.find(by, name))

    @patch("/api/roles/{name:str}", operation_id="update_role", tags=["roles"])
    async def update_role(
        by: By, name: FromPath[str], data: JSONBody[RolePatch], if_match: IfMatch = None
    ) -> Response[RoleView]:
        """Merge into a custom role (RFC 7396); no holder gets more than one has oneself."""
        return versioned(await roles.update(by, name, data, if_match=expected(if_match)))

    @delete("/api/roles/{name:str}", operation_id="delete_role", tags=["roles"], status_code=200)
    async def delete_role(
        by: By,
        name: FromPath[str],
        *,
        dry_run: FromQuery[bool] = False,
        if_match: IfMatch = None,
    ) -> Response[RoleRemoval]:
        """Delete a custom role that nobody has, or (`dry_run`) say who has it."""
        return answer(await roles.delete(by, name, if_match=expected(if_match), dry_run=dry_run))

    @get("/api/permissions", operation_id="list_permissions", tags=["roles"])
    async def list_permissions(by: By) -> Response[PermissionList]:  # noqa: ARG001
        """List every permission with the scopes it can be given with."""
        return answer(PermissionList(permission_views()))

    return [list_roles, create_role, get_role, update_role, delete_role, list_permissions]


def assignment_routes(assignments: ManageAssignments) -> list[HTTPRouteHandler]:
    """Return the route handlers about who has which role beside the base role."""

    @get("/api/role-assignments", operation_id="list_role_assignments", tags=["roles"])
    async def list_role_assignments(
        by: By,
        limit: FromQuery[int] = 50,
        cursor: FromQuery[str | None] = None,
        role: FromQuery[str | None] = None,
        user_id: FromQuery[str | None] = None,
        team_id: FromQuery[str | None] = None,
    ) -> Response[AssignmentPage]:
        """List the assignments one may see, oldest first."""
        page = await assignments.page(
            by, limit=limit, cursor=cursor, role=role, user_id=user_id, team_id=team_id
        )
        return answer(AssignmentPage(page.items, page.next_cursor, page.total))

    @post("/api/role-assignments", operation_id="assign_role", tags=["roles"])
    async def assign_role(by: By, data: JSONBody[AssignmentEntry]) -> Response[AssignmentView]:
        """Give a role to a user, to all members of a team, or to a user inside a team."""
        return answer(await assignments.create(by, data), status=201)

    @delete(
        "/api/role-assignments/{assignment_id:str}",
        operation_id="unassign_role",
        tags=["roles"],
        status_code=200,
    )
    async def unassign_role(
        by: By, assignment_id: FromPath[str], *, dry_run: FromQuery[bool] = False
    ) -> Response[AssignmentRemoval]:
        """Take a role away, or (`dry_run`) say from how many."""
        return answer(await assignments.delete(by, assignment_id, dry_run=dry_run))

    return [list_role_assignments, assign_role, unassign_role]


def access_routes(access: ExplainAccess) -> list[HTTPRouteHandler]:
    """Return the route handler that explains decisions."""

    @post(
        "/api/access/explain",
        operation_id="explain_access",
        tags=["roles"],
        status_code=200,
        opt={NEVER_KEPT: True},
    )
    async def explain_access(by: By, data: JSONBody[AccessQuestion]) -> Response[Explanation]:
        """Say whether a user or key may do something or call a model, and why."""
        return answer(await access.explain(by, data))

    return [explain_access]
