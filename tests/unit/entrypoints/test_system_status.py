"""The console's report: bounded, shared by all who ask, and whole when things fail."""

import asyncio

import pytest

from application.ports.connections import PoolUse
from application.ports.records import BusBacklog
from entrypoints.console import system_status
from entrypoints.console.system_status import SystemSources, SystemStatus
from entrypoints.health import HealthChecks
from tests.support.acting import OPERATOR

EMPTY = BusBacklog(batches=0, size=0, groups={})


class Asked:
    """Counts how often it is asked, and answers when it may."""

    def __init__(self, *, answers: bool = True) -> None:
        self.times = 0
        self._gate = asyncio.Event()
        if answers:
            self._gate.set()

    async def version(self) -> str:
        self.times += 1
        await self._gate.wait()
        return "18.1"

    async def backlog(self) -> BusBacklog:
        await self._gate.wait()
        return EMPTY


def status_of(store: Asked, bus: Asked, *, journal_bytes: int | None = 7) -> SystemStatus:
    def size() -> int:
        if journal_bytes is None:
            raise PermissionError
        return journal_bytes

    sources = SystemSources(
        versions={"database": store.version},
        pools={
            "database": lambda: PoolUse(in_use=1, idle=2, most=10),
            "redis": lambda: None,
        },
        backlog=bus.backlog,
        journal_bytes=size,
        log_store_calls=lambda: 3,
    )
    return SystemStatus(HealthChecks({}), sources)


async def test_a_crowd_is_answered_by_one_round_of_questions() -> None:
    store = Asked()
    status = status_of(store, Asked())
    reports = await asyncio.gather(*(status.report(OPERATOR) for _ in range(50)))
    assert store.times == 1
    assert {report.versions["database"] for report in reports} == {"18.1"}
    assert reports[0].pools == {"database": PoolUse(in_use=1, idle=2, most=10)}
    assert reports[0].queues.bus == EMPTY
    assert reports[0].queues.journal_bytes == 7
    assert reports[0].queues.log_store_calls == 3


async def test_what_does_not_answer_is_missing_and_the_rest_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(system_status, "PROBE_TIMEOUT_S", 0.01)
    status = status_of(Asked(answers=False), Asked(answers=False), journal_bytes=None)
    report = await status.report(OPERATOR)
    assert report.versions == {"database": None}
    assert report.queues.bus is None
    assert report.queues.journal_bytes is None
    assert report.status == "ready"


async def test_without_sources_there_is_what_the_checks_say() -> None:
    report = await SystemStatus(HealthChecks({}), None).report(OPERATOR)
    assert (report.status, report.versions, report.pools) == ("ready", {}, {})
