"""`/api/teams`: teams and their members (console.md sections 1 and 3)."""

from litestar import delete, get, patch, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Response

from application.console.people.teams import (
    ManageTeams,
    MemberView,
    TeamBody,
    TeamPatch,
    TeamRemoval,
    TeamView,
)
from application.resources import Page
from entrypoints.console.answers import IfMatch, answer, expected, versioned
from entrypoints.console.security import By


class TeamPage(Page[TeamView], frozen=True):
    """Some teams, oldest first; `next_cursor` is null on the last page."""


class MemberPage(Page[MemberView], frozen=True):
    """Some members, oldest first; `next_cursor` is null on the last page."""


def team_routes(teams: ManageTeams) -> list[HTTPRouteHandler]:
    """Return the route handlers."""

    @get("/api/teams", operation_id="list_teams", tags=["teams"])
    async def list_teams(
        by: By, limit: FromQuery[int] = 50, cursor: FromQuery[str | None] = None
    ) -> Response[TeamPage]:
        """List the teams one may see, oldest first."""
        page = await teams.page(by, limit=limit, cursor=cursor)
        return answer(TeamPage(page.items, page.next_cursor, page.total))

    @post("/api/teams", operation_id="create_team", tags=["teams"])
    async def create_team(by: By, data: JSONBody[TeamBody]) -> Response[TeamView]:
        """Create a team; 409 when the name is taken."""
        made = await teams.create(by, data)
        return versioned(made, status=201, location=f"/api/teams/{made.view.id}")

    @get("/api/teams/{team_id:str}", operation_id="get_team", tags=["teams"])
    async def get_team(by: By, team_id: FromPath[str]) -> Response[TeamView]:
        """Return one team with its ETag."""
        return versioned(await teams.find(by, team_id))

    @patch("/api/teams/{team_id:str}", operation_id="update_team", tags=["teams"])
    async def update_team(
        by: By, team_id: FromPath[str], data: JSONBody[TeamPatch], if_match: IfMatch = None
    ) -> Response[TeamView]:
        """Rename a team (RFC 7396)."""
        return versioned(await teams.update(by, team_id, data, if_match=expected(if_match)))

    @delete("/api/teams/{team_id:str}", operation_id="delete_team", tags=["teams"], status_code=200)
    async def delete_team(
        by: By,
        team_id: FromPath[str],
        *,
        dry_run: FromQuery[bool] = False,
        if_match: IfMatch = None,
    ) -> Response[TeamRemoval]:
        """Delete a team with the roles attached to it, or (`dry_run`) say what goes."""
        return answer(await teams.delete(by, team_id, if_match=expected(if_match), dry_run=dry_run))

    @get("/api/teams/{team_id:str}/members", operation_id="list_team_members", tags=["teams"])
    async def list_team_members(
        by: By,
        team_id: FromPath[str],
        limit: FromQuery[int] = 50,
        cursor: FromQuery[str | None] = None,
    ) -> Response[MemberPage]:
        """List the members of a team, service accounts included."""
        page = await teams.members(by, team_id, limit=limit, cursor=cursor)
        return answer(MemberPage(page.items, page.next_cursor, page.total))

    @put(
        "/api/teams/{team_id:str}/members/{user_id:str}",
        operation_id="add_team_member",
        tags=["teams"],
    )
    async def add_team_member(
        by: By, team_id: FromPath[str], user_id: FromPath[str]
    ) -> Response[MemberView]:
        """Make a user whom one may see a member; who is one stays one."""
        return answer(await teams.add_member(by, team_id, user_id))

    @delete(
        "/api/teams/{team_id:str}/members/{user_id:str}",
        operation_id="remove_team_member",
        tags=["teams"],
        status_code=200,
    )
    async def remove_team_member(
        by: By, team_id: FromPath[str], user_id: FromPath[str]
    ) -> Response[MemberView]:
        """End a membership."""
        return answer(await teams.remove_member(by, team_id, user_id))

    return [
        list_teams,
        create_team,
        get_team,
        update_team,
        delete_team,
        list_team_members,
        add_team_member,
        remove_team_member,
    ]
