"""The alerts of budgets, as they were given."""

from decimal import Decimal

from msgspec import Struct

from application.console.limits.reach import LimitReach
from application.console.reach import require_somewhere
from application.ports.budget_alerts import BudgetAlert, BudgetAlertArchive
from application.ports.unit_of_work import UnitOfWork
from domain.access.actor import Actor
from domain.access.permissions import Permission
from domain.errors import InvalidRequest
from domain.limits.budgets import BudgetUnit
from domain.money import usd_from_nano

MOST = 500


class BudgetAlertView(Struct, frozen=True, kw_only=True):
    """A budget reached a threshold for the first time in its period.

    Attributes:
        subject: `kind:id`, the bearer of the counter.
        period_id: e.g. `2026-11-23`, `2026-W48` or `2026-11`.
        threshold_pct: 50, 80, 95 or 100.
        used, limit: weighted tokens, or US dollars when `unit` is `usd`.
        shadow: the budget only reports.
        occurred_at_ms: when it was noticed, in Unix milliseconds.
    """

    limit_id: str
    subject: str
    period: str
    period_id: str
    threshold_pct: int
    unit: str
    used: Decimal
    limit: Decimal
    shadow: bool
    occurred_at_ms: int


class BudgetAlertList:
    """Reads the archive."""

    def __init__(self, archive: BudgetAlertArchive, uow: UnitOfWork) -> None:
        """Show what is in `archive`; `uow` tells whose the subjects are."""
        self._archive = archive
        self._uow = uow

    async def newest(self, by: Actor, limit: int) -> tuple[BudgetAlertView, ...]:
        """Return the newest alerts about subjects within reach first.

        Raises:
            PermissionDenied: no alert at all may be seen.
            InvalidRequest: not between 1 and 500 alerts.
            ServiceUnavailable
        """
        if not 1 <= limit <= MOST:
            raise InvalidRequest(f"'limit' must be between 1 and {MOST}.", param="limit")
        require_somewhere(by, Permission.ALERTS_READ)
        async with self._uow.begin() as tx:
            reach = await LimitReach.read(tx, by, reading=Permission.ALERTS_READ)
        found = await self._archive.newest(limit, among=reach.subjects())
        return tuple(_view(alert) for alert in found)


def _view(alert: BudgetAlert) -> BudgetAlertView:
    amount = usd_from_nano if alert.unit == BudgetUnit.USD else Decimal
    return BudgetAlertView(
        limit_id=alert.limit_id,
        subject=f"{alert.subject_kind}:{alert.subject_id}",
        period=alert.period,
        period_id=alert.period_id,
        threshold_pct=alert.percent,
        unit=alert.unit,
        used=amount(alert.used),
        limit=amount(alert.limit),
        shadow=alert.shadow,
        occurred_at_ms=alert.occurred_at_ms,
    )
