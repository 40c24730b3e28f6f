"""`GET /api/budgets/alerts`: thresholds that budgets have reached (limits.md section 3)."""

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery
from litestar.response import Response
from msgspec import Struct

from application.console.limits.alerts import BudgetAlertList, BudgetAlertView
from entrypoints.console.answers import answer
from entrypoints.console.security import By


class BudgetAlertPage(Struct, frozen=True):
    """Alerts, newest first."""

    items: tuple[BudgetAlertView, ...]


def budget_alert_routes(alerts: BudgetAlertList) -> list[HTTPRouteHandler]:
    """Return the route handler."""

    @get("/api/budgets/alerts", operation_id="list_budget_alerts", tags=["budgets"])
    async def list_budget_alerts(by: By, limit: FromQuery[int] = 50) -> Response[BudgetAlertPage]:
        """List the newest alerts; each was given once per budget, subject, period and threshold."""
        return answer(BudgetAlertPage(await alerts.newest(by, limit)))

    return [list_budget_alerts]
