"""`/api/providers`: providers, whether they answer, and the models they offer."""

from litestar import delete, get, patch, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Response
from msgspec import Struct, structs

from application.console.catalog.providers import (
    ManageProviders,
    ProviderPatch,
    ProviderRemoval,
    ProviderView,
)
from application.console.catalog.rows import Row
from application.console.configuration.document import ProviderEntry
from application.console.providers import InspectProviders, ModelsOffered, ProviderTest
from application.resources import Outcome, Page
from entrypoints.console.answers import IfMatch, answer, expected, versioned
from entrypoints.console.bulk import Refusals, note_refused_rows
from entrypoints.console.idempotency import NEVER_KEPT
from entrypoints.console.openapi import problems
from entrypoints.console.security import By


class ProviderPage(Page[ProviderView], frozen=True):
    """Some providers, oldest first; `next_cursor` is null on the last page."""


class ProviderRow(
    Row[ProviderEntry, ProviderPatch], frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """One change of many: `create` takes `entry`, `update` `id` and `changes`, `delete` `id`."""


class ProviderRows(Struct, frozen=True, forbid_unknown_fields=True):
    """Up to 500 changes."""

    items: tuple[ProviderRow, ...]


class ProviderOutcome(Outcome[ProviderView], frozen=True, kw_only=True):
    """What became of one row."""


class ProviderOutcomes(Struct, frozen=True):
    """An outcome per row, in their order; `failed` counts those that failed."""

    items: tuple[ProviderOutcome, ...]
    failed: int
    dry_run: bool


def provider_routes(providers: ManageProviders) -> list[HTTPRouteHandler]:
    """Return the route handlers of the collection."""

    @get("/api/providers", operation_id="list_providers", tags=["providers"])
    async def list_providers(
        by: By, limit: FromQuery[int] = 50, cursor: FromQuery[str | None] = None
    ) -> Response[ProviderPage]:
        """List providers, oldest first; of credentials only which members are set."""
        page = await providers.page(by, limit=limit, cursor=cursor)
        return answer(ProviderPage(page.items, page.next_cursor, page.total))

    @post("/api/providers", operation_id="create_provider", tags=["providers"])
    async def create_provider(by: By, data: JSONBody[ProviderEntry]) -> Response[ProviderView]:
        """Create a provider; 409 when the name is taken.

        Credentials are sealed at once and never shown again.
        """
        made = await providers.create(by, data)
        return versioned(made, status=201, location=f"/api/providers/{made.view.id}")

    @post(
        "/api/providers/bulk", operation_id="change_providers", tags=["providers"], status_code=200
    )
    async def change_providers(
        by: By,
        refusals: Refusals,
        data: JSONBody[ProviderRows],
        *,
        dry_run: FromQuery[bool] = False,
    ) -> Response[ProviderOutcomes]:
        """Create, update and delete many, each on its own, with an outcome per row."""
        outcomes = await providers.bulk(by, data.items, dry_run=dry_run)
        note_refused_rows(refusals, outcomes)
        items = tuple(ProviderOutcome(**structs.asdict(each)) for each in outcomes)
        failed = sum(each.status == "failed" for each in items)
        return answer(ProviderOutcomes(items, failed, dry_run))

    @get("/api/providers/{provider_id:str}", operation_id="get_provider", tags=["providers"])
    async def get_provider(by: By, provider_id: FromPath[str]) -> Response[ProviderView]:
        """Return one provider, by id or name, with its ETag."""
        return versioned(await providers.find(by, provider_id))

    @patch("/api/providers/{provider_id:str}", operation_id="update_provider", tags=["providers"])
    async def update_provider(
        by: By, provider_id: FromPath[str], data: JSONBody[ProviderPatch], if_match: IfMatch = None
    ) -> Response[ProviderView]:
        """Merge into a provider (RFC 7396): absent members stay, null goes back to the default.

        Credentials are merged member by member: null removes one, or all of them.
        """
        done = await providers.update(by, provider_id, data, if_match=expected(if_match))
        return versioned(done)

    @delete(
        "/api/providers/{provider_id:str}",
        operation_id="delete_provider",
        tags=["providers"],
        status_code=200,
    )
    async def delete_provider(
        by: By,
        provider_id: FromPath[str],
        *,
        dry_run: FromQuery[bool] = False,
        if_match: IfMatch = None,
    ) -> Response[ProviderRemoval]:
        """Delete a provider; it can be restored for 30 days.

        409 while a route leads to it; `dry_run` says which.
        """
        return answer(
            await providers.delete(by, provider_id, if_match=expected(if_match), dry_run=dry_run)
        )

    @post(
        "/api/providers/{provider_id:str}/restore",
        operation_id="restore_provider",
        tags=["providers"],
        status_code=200,
    )
    async def restore_provider(by: By, provider_id: FromPath[str]) -> Response[ProviderView]:
        """Bring a deleted provider back, by its id; 409 when its name is taken."""
        return versioned(await providers.restore(by, provider_id))

    return [
        list_providers,
        create_provider,
        change_providers,
        get_provider,
        update_provider,
        delete_provider,
        restore_provider,
    ]


def provider_inspection_routes(providers: InspectProviders) -> list[HTTPRouteHandler]:
    """Return the route handlers that ask a provider itself."""

    @post(
        "/api/providers/{provider_id:str}/test",
        operation_id="test_provider",
        tags=["providers"],
        status_code=200,
        opt={NEVER_KEPT: True},
    )
    async def test_provider(by: By, provider_id: FromPath[str]) -> Response[ProviderTest]:
        """Ask a provider for its models with the stored configuration and credentials.

        Where it gives no list, a model that has a route to it is called with a bound of 16 tokens.
        A provider that does not answer is a result (`ok` is false), not an error.
        """
        return answer(await providers.test(by, provider_id))

    @get(
        "/api/providers/{provider_id:str}/models",
        operation_id="list_provider_models",
        tags=["providers"],
        responses=problems(502, 504),
    )
    async def list_provider_models(by: By, provider_id: FromPath[str]) -> Response[ModelsOffered]:
        """List the models a provider offers to its credentials.

        An `id` is what a route names as its `upstream_model`. 400 (`unsupported`) when the provider
        has no list, 502 or 504 when it could not be asked.
        """
        return answer(await providers.models(by, provider_id))

    return [test_provider, list_provider_models]
