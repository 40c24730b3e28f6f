"""`/api/setup`: the first administrator, made once with the set-up token."""

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody
from litestar.response import Response
from msgspec import Struct

from domain.secret import Secret
from entrypoints.console.answers import answer
from entrypoints.console.security import PUBLIC, From
from entrypoints.console.services import IdentityServices


class SetUpState(Struct, frozen=True):
    """Whether the first administrator is still to be made."""

    open: bool


class FirstAdministrator(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who will be the first super admin, and the set-up token as proof."""

    token: str
    email: str
    password: str


class AdministratorMade(Struct, frozen=True, kw_only=True):
    """The first super admin, who can sign in now."""

    id: str
    email: str
    role: str


def setup_routes(identity: IdentityServices) -> list[HTTPRouteHandler]:
    """Return the route handlers."""

    @get(
        "/api/setup",
        operation_id="get_setup",
        tags=["setup"],
        opt={PUBLIC: True},
        security=[{}],
    )
    async def get_setup() -> Response[SetUpState]:
        """Tell whether set-up is open."""
        return answer(SetUpState(await identity.setup.is_open()))

    @post("/api/setup", operation_id="set_up", tags=["setup"], opt={PUBLIC: True}, security=[{}])
    async def set_up(
        origin: From, data: JSONBody[FirstAdministrator]
    ) -> Response[AdministratorMade]:
        """Make the first super admin. 409 with the code `setup_closed` once there is one."""
        user = await identity.setup.create(
            Secret(data.token), data.email, Secret(data.password), origin
        )
        return answer(
            AdministratorMade(id=user.id, email=user.email, role=str(user.role)), status=201
        )

    return [get_setup, set_up]
