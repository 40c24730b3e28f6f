"""`/api/service-accounts`: owners of keys that nobody signs in as."""

from litestar import delete, get, patch, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Response
from msgspec import Struct

from application.console.service_accounts import (
    ManageServiceAccounts,
    ServiceAccountEntry,
    ServiceAccountPatch,
    ServiceAccountView,
)
from application.resources import Page
from entrypoints.console.answers import IfMatch, answer, expected, versioned
from entrypoints.console.security import By

PATH = "/api/service-accounts"
_ONE = PATH + "/{account_id:str}"
_TAGS = ["service-accounts"]


class ServiceAccountPage(Page[ServiceAccountView], frozen=True):
    """Some service accounts, oldest first; `next_cursor` is null on the last page."""


class ServiceAccountRemoval(Struct, frozen=True):
    """The service account as it was; `deleted` is false for a dry run."""

    deleted: bool
    item: ServiceAccountView


def service_account_routes(accounts: ManageServiceAccounts) -> list[HTTPRouteHandler]:
    """Return the route handlers."""

    @get(PATH, operation_id="list_service_accounts", tags=_TAGS)
    async def list_service_accounts(
        by: By, limit: FromQuery[int] = 50, cursor: FromQuery[str | None] = None
    ) -> Response[ServiceAccountPage]:
        """List the service accounts one may see, oldest first."""
        page = await accounts.page(by, limit=limit, cursor=cursor)
        return answer(ServiceAccountPage(page.items, page.next_cursor, page.total))

    @post(PATH, operation_id="create_service_account", tags=_TAGS)
    async def create_service_account(
        by: By, data: JSONBody[ServiceAccountEntry]
    ) -> Response[ServiceAccountView]:
        """Create a service account; 409 when the name is taken."""
        made = await accounts.create(by, data)
        return versioned(made, status=201, location=f"{PATH}/{made.view.id}")

    @get(_ONE, operation_id="get_service_account", tags=_TAGS)
    async def get_service_account(
        by: By, account_id: FromPath[str]
    ) -> Response[ServiceAccountView]:
        """Return one service account with its ETag."""
        return versioned(await accounts.find(by, account_id))

    @patch(_ONE, operation_id="update_service_account", tags=_TAGS)
    async def update_service_account(
        by: By,
        account_id: FromPath[str],
        data: JSONBody[ServiceAccountPatch],
        if_match: IfMatch = None,
    ) -> Response[ServiceAccountView]:
        """Merge into a service account (RFC 7396): absent members stay, null is the default."""
        return versioned(await accounts.update(by, account_id, data, if_match=expected(if_match)))

    @delete(_ONE, operation_id="delete_service_account", tags=_TAGS, status_code=200)
    async def delete_service_account(
        by: By,
        account_id: FromPath[str],
        *,
        dry_run: FromQuery[bool] = False,
        if_match: IfMatch = None,
    ) -> Response[ServiceAccountRemoval]:
        """Delete a service account; its keys stop working. It can be restored for 30 days."""
        gone = await accounts.delete(by, account_id, if_match=expected(if_match), dry_run=dry_run)
        return answer(ServiceAccountRemoval(not dry_run, gone.view))

    @post(_ONE + "/restore", operation_id="restore_service_account", tags=_TAGS, status_code=200)
    async def restore_service_account(
        by: By, account_id: FromPath[str]
    ) -> Response[ServiceAccountView]:
        """Bring back a deleted service account with its keys, roles and teams."""
        return versioned(await accounts.restore(by, account_id))

    return [
        list_service_accounts,
        create_service_account,
        get_service_account,
        update_service_account,
        delete_service_account,
        restore_service_account,
    ]
