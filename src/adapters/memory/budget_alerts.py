"""Alerts of budgets in process memory."""

from collections.abc import Sequence

from application.ports.budget_alerts import BudgetAlert, BudgetAlertArchive


class MemoryBudgetAlerts(BudgetAlertArchive):
    """A dictionary by what names an alert."""

    def __init__(self) -> None:
        """Start empty."""
        self._alerts: dict[tuple[str, str, str, str, int], BudgetAlert] = {}

    async def add(self, alert: BudgetAlert) -> bool:
        """See `BudgetAlertArchive`."""
        name = (
            alert.limit_id,
            alert.subject_kind,
            alert.subject_id,
            alert.period_id,
            alert.percent,
        )
        return self._alerts.setdefault(name, alert) is alert

    async def newest(self, limit: int) -> Sequence[BudgetAlert]:
        """See `BudgetAlertArchive`."""
        found = sorted(self._alerts.values(), key=lambda a: (a.occurred_at_ms, a.percent))
        return found[::-1][:limit]
