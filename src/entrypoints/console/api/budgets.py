"""`/api/budgets`: calendar budgets (console.md section 1)."""

from litestar import delete, get, patch, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Response
from msgspec import Struct, structs

from application.console.limits.collection import BudgetCollection, Row
from application.console.limits.documents import BudgetEntry, BudgetPatch, BudgetView
from application.resources import Outcome, Page
from entrypoints.console.answers import IfMatch, answer, expected, versioned
from entrypoints.console.bulk import Refusals, note_refused_rows
from entrypoints.console.security import By


class BudgetPage(Page[BudgetView], frozen=True):
    """Some budgets, oldest first; `next_cursor` is null on the last page."""


class BudgetRow(
    Row[BudgetEntry, BudgetPatch], frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """One change of many: `create` and `set` take `entry`, `update` `id` and `changes`."""


class BudgetRows(Struct, frozen=True, forbid_unknown_fields=True):
    """Up to 500 changes."""

    items: tuple[BudgetRow, ...]


class BudgetOutcome(Outcome[BudgetView], frozen=True, kw_only=True):
    """What became of one row."""


class BudgetOutcomes(Struct, frozen=True):
    """An outcome per row, in their order; `failed` counts those that failed."""

    items: tuple[BudgetOutcome, ...]
    failed: int
    dry_run: bool


class BudgetRemoval(Struct, frozen=True):
    """The budget as it was; `deleted` is false for a dry run."""

    deleted: bool
    item: BudgetView


def budget_routes(budgets: BudgetCollection) -> list[HTTPRouteHandler]:
    """Return the route handlers."""

    @get("/api/budgets", operation_id="list_budgets", tags=["budgets"])
    async def list_budgets(
        by: By,
        limit: FromQuery[int] = 50,
        cursor: FromQuery[str | None] = None,
        subject: FromQuery[str | None] = None,
    ) -> Response[BudgetPage]:
        """List budgets, oldest first; `subject` narrows the list to those that hang on it."""
        page = await budgets.page(by, limit=limit, cursor=cursor, subject=subject)
        return answer(BudgetPage(page.items, page.next_cursor, page.total))

    @post("/api/budgets", operation_id="create_budget", tags=["budgets"])
    async def create_budget(by: By, data: JSONBody[BudgetEntry]) -> Response[BudgetView]:
        """Create a budget; 409 when its target has one."""
        made = await budgets.create(by, data)
        return versioned(made, status=201, location=f"/api/budgets/{made.view.id}")

    @post("/api/budgets/bulk", operation_id="change_budgets", tags=["budgets"], status_code=200)
    async def change_budgets(
        by: By, refusals: Refusals, data: JSONBody[BudgetRows], *, dry_run: FromQuery[bool] = False
    ) -> Response[BudgetOutcomes]:
        """Create, set, update and delete many, each on its own, with an outcome per row.

        `set` creates a budget or replaces the one its target has.
        """
        outcomes = await budgets.bulk(by, data.items, dry_run=dry_run)
        note_refused_rows(refusals, outcomes)
        items = tuple(BudgetOutcome(**structs.asdict(each)) for each in outcomes)
        failed = sum(each.status == "failed" for each in items)
        return answer(BudgetOutcomes(items, failed, dry_run))

    @get("/api/budgets/{limit_id:str}", operation_id="get_budget", tags=["budgets"])
    async def get_budget(by: By, limit_id: FromPath[str]) -> Response[BudgetView]:
        """Return one budget with its ETag."""
        return versioned(await budgets.find(by, limit_id))

    @patch("/api/budgets/{limit_id:str}", operation_id="update_budget", tags=["budgets"])
    async def update_budget(
        by: By, limit_id: FromPath[str], data: JSONBody[BudgetPatch], if_match: IfMatch = None
    ) -> Response[BudgetView]:
        """Merge into a budget (RFC 7396): absent members stay, null goes back to the default."""
        return versioned(await budgets.update(by, limit_id, data, if_match=expected(if_match)))

    @delete(
        "/api/budgets/{limit_id:str}",
        operation_id="delete_budget",
        tags=["budgets"],
        status_code=200,
    )
    async def delete_budget(
        by: By,
        limit_id: FromPath[str],
        *,
        dry_run: FromQuery[bool] = False,
        if_match: IfMatch = None,
    ) -> Response[BudgetRemoval]:
        """Delete a budget with its overrides, or (`dry_run`) say what would be deleted."""
        gone = await budgets.delete(by, limit_id, if_match=expected(if_match), dry_run=dry_run)
        return answer(BudgetRemoval(not dry_run, gone.view))

    return [
        list_budgets,
        create_budget,
        change_budgets,
        get_budget,
        update_budget,
        delete_budget,
    ]
