"""Alerts of budgets in process memory."""

from collections.abc import Mapping, Sequence

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

    async def newest(
        self, limit: int, *, among: Mapping[str, frozenset[str]] | None = None
    ) -> Sequence[BudgetAlert]:
        """See `BudgetAlertArchive`."""
        wanted = (
            each
            for each in self._alerts.values()
            if among is None or each.subject_id in among.get(each.subject_kind, ())
        )
        found = sorted(wanted, key=lambda a: (a.occurred_at_ms, a.percent))
        return found[::-1][:limit]
