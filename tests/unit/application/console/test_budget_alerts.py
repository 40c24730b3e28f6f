"""Alerts of budgets as the console shows them."""

from decimal import Decimal

import pytest

from adapters.memory.budget_alerts import MemoryBudgetAlerts
from application.console.limits.alerts import BudgetAlertList
from application.ports.budget_alerts import BudgetAlert
from domain.errors import InvalidRequest
from tests.support.acting import OPERATOR
from tests.support.configuration import memory_configuration
from tests.support.limits import MONDAY_MS


def alert(percent: int, unit: str = "usd") -> BudgetAlert:
    return BudgetAlert(
        limit_id="cap-1",
        subject_kind="user",
        subject_id="u1",
        period="monthly",
        period_id="2026-11",
        percent=percent,
        unit=unit,
        used=80_000_000_001,
        limit=100_000_000_000,
        shadow=False,
        occurred_at_ms=MONDAY_MS + percent,
    )


def listed(archive: MemoryBudgetAlerts) -> BudgetAlertList:
    return BudgetAlertList(archive, memory_configuration().uow)


async def test_money_is_shown_in_exact_dollars_and_tokens_as_they_are() -> None:
    archive = MemoryBudgetAlerts()
    await archive.add(alert(80))
    await archive.add(alert(95, unit="weighted_tokens"))
    tokens, dollars = await listed(archive).newest(OPERATOR, 10)
    assert (dollars.used, dollars.limit) == (Decimal("80.000000001"), Decimal(100))
    assert (tokens.used, tokens.threshold_pct) == (Decimal(80_000_000_001), 95)
    assert dollars.subject == "user:u1"


@pytest.mark.parametrize("limit", [0, -1, 501])
async def test_a_page_is_bounded(limit: int) -> None:
    with pytest.raises(InvalidRequest):
        await listed(MemoryBudgetAlerts()).newest(OPERATOR, limit)
