"""What every log of settlements promises (SettlementLog), and adoption of those on disk."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.journal.settlement_log import SEGMENT_BYTES, FileDeadSettlementLogs, FileSettlementLog
from adapters.journal.syncing import Fsync
from adapters.memory.settlement_log import MemorySettlementLog
from application.ports.backlog import Mark
from application.ports.settlement_log import (
    DeadSettlementLog,
    DeadSettlementLogs,
    OwedSettlements,
    PendingSettlement,
    SettlementLog,
)
from domain.errors import ServiceUnavailable
from domain.limits.amounts import Spend
from domain.limits.reservations import Reservation
from tests.support.limits import (
    MONDAY_MS,
    budget_cap,
    claim,
    concurrency_cap,
    requests_rule,
    tokens_rule,
)

START = Mark(0, 0)


def settlement(tokens: int = 7) -> PendingSettlement:
    wish = claim(
        requests_rule(5),
        tokens_rule(9, strict=True),
        budget_cap(100, MONDAY_MS, timezone="Asia/Kathmandu"),
        concurrency_cap(2, shadow=True),
        tokens=3,
        nano_usd=2**53 - 1,
    )
    return PendingSettlement(
        Reservation.unconfirmed(wish, MONDAY_MS), Spend(tokens=tokens), MONDAY_MS + 1
    )


def file_log(root: Path, name: str = "gateway-1", **options: int) -> FileSettlementLog:
    return FileSettlementLog.create(root, name, fsync=Fsync.NEVER, **options)


def names_in(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


@pytest.fixture(params=["memory", "file", "file-small-segments"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SettlementLog]:
    if request.param == "memory":
        yield MemorySettlementLog()
        return
    found = file_log(tmp_path, segment_bytes=2_500 if "small" in request.param else SEGMENT_BYTES)
    yield found
    found.shut()


async def test_settlements_are_read_back_unchanged_and_in_order(log: SettlementLog) -> None:
    owed = [settlement(tokens) for tokens in range(10)]
    for each in owed:
        log.append(each)
    reading = await log.read(START, max_count=100)
    assert list(reading.settlements) == owed
    assert reading.mark == log.end


async def test_reading_goes_on_after_a_mark_and_ends(log: SettlementLog) -> None:
    owed = [settlement(tokens) for tokens in range(10)]
    marks = [log.append(each) for each in owed]
    first = await log.read(START, max_count=4)
    assert first.settlements == tuple(owed[:4])
    assert first.mark == marks[3]
    rest = await log.read(first.mark, max_count=100)
    assert rest.settlements == tuple(owed[4:])
    assert (await log.read(rest.mark, max_count=100)).settlements == ()


async def test_what_is_appended_later_is_read_later(log: SettlementLog) -> None:
    log.append(settlement())
    mark = (await log.read(START, max_count=9)).mark
    later = settlement()
    log.append(later)
    assert (await log.read(mark, max_count=9)).settlements == (later,)


async def test_what_is_delivered_is_remembered_and_the_rest_stays(log: SettlementLog) -> None:
    owed = [settlement(tokens) for tokens in range(10)]
    marks = [log.append(each) for each in owed]
    await log.save(marks[6])
    assert log.delivered == marks[6]
    assert (await log.read(log.delivered, max_count=100)).settlements == tuple(owed[7:])


async def test_a_log_at_its_bound_refuses(tmp_path: Path) -> None:
    logs: list[SettlementLog] = [
        MemorySettlementLog(most=2),
        file_log(tmp_path, quota_bytes=2_500),
    ]
    for bounded in logs:
        with pytest.raises(ServiceUnavailable):  # noqa: PT012 - any of them may be the one
            for _ in range(10):
                bounded.append(settlement())
        mark = (await bounded.read(START, max_count=100)).mark
        assert mark == bounded.end, "what was refused left nothing behind"


async def test_a_disk_that_fills_up_in_the_middle_of_a_write_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = file_log(tmp_path)
    log.append(settlement(1))
    write = os.write

    def write_some(descriptor: int, data: bytes) -> int:
        return write(descriptor, data[:50])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write_some)
        with pytest.raises(ServiceUnavailable):
            log.append(settlement(2))
    log.append(settlement(3))
    found = (await log.read(START, max_count=9)).settlements
    assert [each.actual.tokens for each in found] == [1, 3]
    log.shut()
    (segment,) = (tmp_path / "gateway-1").glob("*.seg")
    assert segment.stat().st_size == log.bytes_used


async def test_delivered_segments_leave_the_disk(tmp_path: Path) -> None:
    log = file_log(tmp_path, segment_bytes=2_500)
    for _ in range(20):
        log.append(settlement())
    before = log.bytes_used
    await log.save(log.end)
    assert log.bytes_used < before / 4
    log.append(settlement())
    assert len((await log.read(log.delivered, max_count=9)).settlements) == 1
    log.shut()


async def test_a_log_that_owes_nothing_vanishes_with_its_process(tmp_path: Path) -> None:
    log = file_log(tmp_path)
    log.append(settlement())
    await log.save(log.end)
    log.shut()
    assert names_in(tmp_path) == []


async def test_a_living_process_keeps_its_log(tmp_path: Path) -> None:
    log = file_log(tmp_path)
    log.append(settlement())
    dead: DeadSettlementLogs = FileDeadSettlementLogs(tmp_path)
    assert await dead.adopt() is None
    log.shut()


async def test_what_a_dead_process_owes_is_adopted_once_and_continued(tmp_path: Path) -> None:
    log = file_log(tmp_path, segment_bytes=2_500)
    owed = [settlement(tokens) for tokens in range(8)]
    marks = [log.append(each) for each in owed]
    await log.save(marks[1])
    log.shut()  # lets go of the lock like the end of the process does
    dead: DeadSettlementLogs = FileDeadSettlementLogs(tmp_path)
    adopted = await dead.adopt()
    assert adopted is not None
    assert await FileDeadSettlementLogs(tmp_path).adopt() is None, "held by the first"
    owing: OwedSettlements = adopted
    assert (await owing.read(owing.delivered, max_count=99)).settlements == tuple(owed[2:])
    await adopted.save(marks[4])
    adopted.release()
    again: DeadSettlementLog | None = await dead.adopt()
    assert again is not None
    assert (await again.read(again.delivered, max_count=99)).settlements == tuple(owed[5:])
    await again.remove()
    assert names_in(tmp_path) == []


async def test_a_torn_end_costs_nothing_but_itself(tmp_path: Path) -> None:
    log = file_log(tmp_path)
    owed = [settlement(tokens) for tokens in range(3)]
    for each in owed:
        log.append(each)
    log.shut()
    (segment,) = (tmp_path / "gateway-1").glob("*.seg")
    segment.write_bytes(segment.read_bytes()[:-5])
    adopted = await FileDeadSettlementLogs(tmp_path).adopt()
    assert adopted is not None
    assert (await adopted.read(START, max_count=99)).settlements == tuple(owed[:2])
    adopted.release()
