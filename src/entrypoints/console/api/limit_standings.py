"""`POST /api/limits/explain` and `/api/limits/reset`: the live counters (limits.md section 8)."""

from litestar import post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery, JSONBody
from litestar.response import Response

from application.console.limits.chains import LimitQuestion
from application.console.limits.standing import Explained, LimitStandings, ResetDone, ResetWish
from entrypoints.console.answers import answer
from entrypoints.console.idempotency import NEVER_KEPT
from entrypoints.console.security import By


def standing_routes(standings: LimitStandings) -> list[HTTPRouteHandler]:
    """Return the route handlers."""

    @post(
        "/api/limits/explain",
        operation_id="explain_limits",
        tags=["limits"],
        status_code=200,
        opt={NEVER_KEPT: True},
    )
    async def explain_limits(by: By, data: JSONBody[LimitQuestion]) -> Response[Explained]:
        """Tell which limits a request would meet, how they stand, and the verdict.

        Counts nothing.
        """
        return answer(await standings.explain(by, data))

    @post("/api/limits/reset", operation_id="reset_limits", tags=["limits"], status_code=200)
    async def reset_limits(
        by: By, data: JSONBody[ResetWish], *, dry_run: FromQuery[bool] = False
    ) -> Response[ResetDone]:
        """Forget what a subject's windows and current budgets have counted.

        With `dry_run`, only tell how they stand. Calls in flight and alerts already fired stay.
        """
        return answer(await standings.reset(by, data, dry_run=dry_run))

    return [explain_limits, reset_limits]
