"""BudgetAlertArchive: an alert is stored once, whoever stores it and how often."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from adapters.memory.budget_alerts import MemoryBudgetAlerts
from adapters.sql.budget_alerts import SqlBudgetAlerts
from adapters.sql.engine import create_engine
from application.ports.budget_alerts import BudgetAlert, BudgetAlertArchive
from domain.errors import ServiceUnavailable
from tests.support.limits import MONDAY_MS


@pytest.fixture
async def in_memory() -> BudgetAlertArchive:
    return MemoryBudgetAlerts()


@pytest.fixture
async def in_sql(postgres_url: str) -> AsyncIterator[BudgetAlertArchive]:
    engine = create_engine(postgres_url)
    yield SqlBudgetAlerts(engine)
    await engine.dispose()


@pytest.fixture(params=["in_memory", "in_sql"])
def archive(request: pytest.FixtureRequest) -> BudgetAlertArchive:
    return request.getfixturevalue(request.param)


def alert(**overrides: Any) -> BudgetAlert:
    given: dict[str, Any] = {
        "limit_id": "cap-1",
        "subject_kind": "user",
        "subject_id": "u1",
        "period": "monthly",
        "period_id": "2026-11",
        "percent": 80,
        "unit": "usd",
        "used": 2**53 - 1,
        "limit": 100,
        "shadow": False,
        "occurred_at_ms": MONDAY_MS,
    }
    return BudgetAlert(**{**given, **overrides})


async def test_an_alert_is_kept_as_it_was(archive: BudgetAlertArchive) -> None:
    assert await archive.add(alert(shadow=True))
    assert list(await archive.newest(10)) == [alert(shadow=True)]


async def test_the_second_one_is_no_news_and_changes_nothing(archive: BudgetAlertArchive) -> None:
    assert await archive.add(alert(used=80))
    assert not await archive.add(alert(used=99, occurred_at_ms=MONDAY_MS + 5))
    assert [each.used for each in await archive.newest(10)] == [80]


async def test_of_many_at_once_one_is_news(archive: BudgetAlertArchive) -> None:
    assert sum(await asyncio.gather(*(archive.add(alert()) for _ in range(8)))) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"limit_id": "cap-2"},
        {"subject_kind": "team"},
        {"subject_id": "u2"},
        {"period_id": "2026-12"},
        {"percent": 95},
    ],
)
async def test_whatever_names_an_alert_tells_it_from_others(
    archive: BudgetAlertArchive, other: dict[str, Any]
) -> None:
    assert await archive.add(alert())
    assert await archive.add(alert(**other))


async def test_newest_come_first_and_no_more_than_asked_for(archive: BudgetAlertArchive) -> None:
    for percent, when in ((50, 1), (80, 2), (95, 2), (100, 3)):
        await archive.add(alert(percent=percent, occurred_at_ms=MONDAY_MS + when))
    assert [each.percent for each in await archive.newest(3)] == [100, 95, 80]


@pytest.mark.parametrize(
    ("among", "found"),
    [
        ({"user": frozenset({"u1", "u3"})}, ["u1"]),
        ({"user": frozenset({"u1"}), "team": frozenset({"t1"})}, ["t1", "u1"]),
        ({"user": frozenset({"t1"}), "team": frozenset({"u1"})}, list[str]()),
        ({"user": frozenset[str]()}, list[str]()),
        (dict[str, frozenset[str]](), list[str]()),
        (None, ["t1", "u2", "u1"]),
    ],
)
async def test_only_those_about_the_subjects_asked_for_are_returned(
    archive: BudgetAlertArchive, among: dict[str, frozenset[str]] | None, found: list[str]
) -> None:
    await archive.add(alert(subject_id="u1", occurred_at_ms=MONDAY_MS))
    await archive.add(alert(subject_id="u2", occurred_at_ms=MONDAY_MS + 1))
    await archive.add(alert(subject_kind="team", subject_id="t1", occurred_at_ms=MONDAY_MS + 2))
    newest = await archive.newest(len(found) or 1, among=among)
    assert [each.subject_id for each in newest] == found


async def test_a_database_that_is_away_is_said_to_be() -> None:
    engine = create_engine("postgresql://nobody@127.0.0.1:1/none", pool_size=0)
    with pytest.raises(ServiceUnavailable):
        await SqlBudgetAlerts(engine).add(alert())
    await engine.dispose()
