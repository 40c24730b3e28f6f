"""`/api/models`: the models that clients can ask for (console.md section 1)."""

from litestar import delete, get, patch, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Response
from msgspec import Struct, structs

from application.console.catalog.models import ManageModels, ModelPatch, ModelRemoval
from application.console.catalog.rows import Row
from application.console.catalog.views import ModelView
from application.console.configuration.document import BareModelEntry
from application.resources import Outcome, Page
from entrypoints.console.answers import IfMatch, answer, expected, versioned
from entrypoints.console.bulk import Refusals, note_refused_rows
from entrypoints.console.security import By


class ModelPage(Page[ModelView], frozen=True):
    """Some models, oldest first; `next_cursor` is null on the last page."""


class ModelRow(
    Row[BareModelEntry, ModelPatch], frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """One change of many: `create` takes `entry`, `update` `id` and `changes`, `delete` `id`."""


class ModelRows(Struct, frozen=True, forbid_unknown_fields=True):
    """Up to 500 changes."""

    items: tuple[ModelRow, ...]


class ModelOutcome(Outcome[ModelView], frozen=True, kw_only=True):
    """What became of one row."""


class ModelOutcomes(Struct, frozen=True):
    """An outcome per row, in their order; `failed` counts those that failed."""

    items: tuple[ModelOutcome, ...]
    failed: int
    dry_run: bool


def model_routes(models: ManageModels) -> list[HTTPRouteHandler]:
    """Return the route handlers."""

    @get("/api/models", operation_id="list_models", tags=["models"])
    async def list_models(
        by: By, limit: FromQuery[int] = 50, cursor: FromQuery[str | None] = None
    ) -> Response[ModelPage]:
        """List models, oldest first."""
        page = await models.page(by, limit=limit, cursor=cursor)
        return answer(ModelPage(page.items, page.next_cursor, page.total))

    @post("/api/models", operation_id="create_model", tags=["models"])
    async def create_model(by: By, data: JSONBody[BareModelEntry]) -> Response[ModelView]:
        """Create a model, to which routes and prices are added then; 409 when the name is taken."""
        made = await models.create(by, data)
        return versioned(made, status=201, location=f"/api/models/{made.view.id}")

    @post("/api/models/bulk", operation_id="change_models", tags=["models"], status_code=200)
    async def change_models(
        by: By, refusals: Refusals, data: JSONBody[ModelRows], *, dry_run: FromQuery[bool] = False
    ) -> Response[ModelOutcomes]:
        """Create, update and delete many, each on its own, with an outcome per row."""
        outcomes = await models.bulk(by, data.items, dry_run=dry_run)
        note_refused_rows(refusals, outcomes)
        items = tuple(ModelOutcome(**structs.asdict(each)) for each in outcomes)
        failed = sum(each.status == "failed" for each in items)
        return answer(ModelOutcomes(items, failed, dry_run))

    @get("/api/models/{model_id:str}", operation_id="get_model", tags=["models"])
    async def get_model(by: By, model_id: FromPath[str]) -> Response[ModelView]:
        """Return one model, by id or name, with its ETag."""
        return versioned(await models.find(by, model_id))

    @patch("/api/models/{model_id:str}", operation_id="update_model", tags=["models"])
    async def update_model(
        by: By, model_id: FromPath[str], data: JSONBody[ModelPatch], if_match: IfMatch = None
    ) -> Response[ModelView]:
        """Merge into a model (RFC 7396): absent members stay, null goes back to the default."""
        return versioned(await models.update(by, model_id, data, if_match=expected(if_match)))

    @delete(
        "/api/models/{model_id:str}", operation_id="delete_model", tags=["models"], status_code=200
    )
    async def delete_model(
        by: By,
        model_id: FromPath[str],
        *,
        dry_run: FromQuery[bool] = False,
        if_match: IfMatch = None,
    ) -> Response[ModelRemoval]:
        """Delete a model with its aliases and routes; its prices stay as history.

        409 while another model falls back to it; `dry_run` says which.
        """
        return answer(
            await models.delete(by, model_id, if_match=expected(if_match), dry_run=dry_run)
        )

    return [list_models, create_model, change_models, get_model, update_model, delete_model]
