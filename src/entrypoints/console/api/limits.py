"""`/api/limits`: window rules and concurrency caps (console.md section 1)."""

from litestar import delete, get, patch, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Response
from msgspec import Struct, structs

from application.console.limits.collection import Row, RuleCollection
from application.console.limits.documents import RuleEntry, RulePatch, RuleView
from application.resources import Outcome, Page
from entrypoints.console.answers import IfMatch, answer, expected, versioned
from entrypoints.console.bulk import Refusals, note_refused_rows
from entrypoints.console.security import By


class RulePage(Page[RuleView], frozen=True):
    """Some rules, oldest first; `next_cursor` is null on the last page."""


class RuleRow(Row[RuleEntry, RulePatch], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One change of many: `create` and `set` take `entry`, `update` `id` and `changes`."""


class RuleRows(Struct, frozen=True, forbid_unknown_fields=True):
    """Up to 500 changes."""

    items: tuple[RuleRow, ...]


class RuleOutcome(Outcome[RuleView], frozen=True, kw_only=True):
    """What became of one row."""


class RuleOutcomes(Struct, frozen=True):
    """An outcome per row, in their order; `failed` counts those that failed."""

    items: tuple[RuleOutcome, ...]
    failed: int
    dry_run: bool


class RuleRemoval(Struct, frozen=True):
    """The rule as it was; `deleted` is false for a dry run."""

    deleted: bool
    item: RuleView


def rule_routes(rules: RuleCollection) -> list[HTTPRouteHandler]:
    """Return the route handlers."""

    @get("/api/limits", operation_id="list_limits", tags=["limits"])
    async def list_limits(
        by: By,
        limit: FromQuery[int] = 50,
        cursor: FromQuery[str | None] = None,
        subject: FromQuery[str | None] = None,
    ) -> Response[RulePage]:
        """List rules, oldest first; `subject` narrows the list to those that hang on it."""
        page = await rules.page(by, limit=limit, cursor=cursor, subject=subject)
        return answer(RulePage(page.items, page.next_cursor, page.total))

    @post("/api/limits", operation_id="create_rule", tags=["limits"])
    async def create_rule(by: By, data: JSONBody[RuleEntry]) -> Response[RuleView]:
        """Create a rule; 409 when its target has one."""
        made = await rules.create(by, data)
        return versioned(made, status=201, location=f"/api/limits/{made.view.id}")

    @post("/api/limits/bulk", operation_id="change_limits", tags=["limits"], status_code=200)
    async def change_limits(
        by: By, refusals: Refusals, data: JSONBody[RuleRows], *, dry_run: FromQuery[bool] = False
    ) -> Response[RuleOutcomes]:
        """Create, set, update and delete many, each on its own, with an outcome per row.

        `set` creates a rule or replaces the one its target has.
        """
        outcomes = await rules.bulk(by, data.items, dry_run=dry_run)
        note_refused_rows(refusals, outcomes)
        items = tuple(RuleOutcome(**structs.asdict(each)) for each in outcomes)
        failed = sum(each.status == "failed" for each in items)
        return answer(RuleOutcomes(items, failed, dry_run))

    @get("/api/limits/{limit_id:str}", operation_id="get_rule", tags=["limits"])
    async def get_rule(by: By, limit_id: FromPath[str]) -> Response[RuleView]:
        """Return one rule with its ETag."""
        return versioned(await rules.find(by, limit_id))

    @patch("/api/limits/{limit_id:str}", operation_id="update_rule", tags=["limits"])
    async def update_rule(
        by: By, limit_id: FromPath[str], data: JSONBody[RulePatch], if_match: IfMatch = None
    ) -> Response[RuleView]:
        """Merge into a rule (RFC 7396): absent members stay, null goes back to the default."""
        return versioned(await rules.update(by, limit_id, data, if_match=expected(if_match)))

    @delete(
        "/api/limits/{limit_id:str}", operation_id="delete_rule", tags=["limits"], status_code=200
    )
    async def delete_rule(
        by: By,
        limit_id: FromPath[str],
        *,
        dry_run: FromQuery[bool] = False,
        if_match: IfMatch = None,
    ) -> Response[RuleRemoval]:
        """Delete a rule with its overrides, or (`dry_run`) say what would be deleted."""
        gone = await rules.delete(by, limit_id, if_match=expected(if_match), dry_run=dry_run)
        return answer(RuleRemoval(not dry_run, gone.view))

    return [
        list_limits,
        create_rule,
        change_limits,
        get_rule,
        update_rule,
        delete_rule,
    ]
