"""What every journal promises to the gateway (Journal) and to the shipping job (Backlog)."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapters.journal.journal import FileJournal
from adapters.journal.syncing import Fsync
from adapters.memory.journal import MemoryJournal
from application.ports.backlog import Mark, Progress
from domain.errors import ServiceUnavailable
from domain.records.events import RequestRecord
from tests.support.manual_clock import ManualClock
from tests.support.request_records import abandoned, make_record, record_of

AnyJournal = FileJournal | MemoryJournal
START = Mark(0, 0)
QUOTA = 100_000


@pytest.fixture(params=["memory", "file-interval", "file-always", "file-never"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyJournal]:
    quota: Callable[[], int] = lambda: QUOTA  # noqa: E731
    if request.param == "memory":
        yield MemoryJournal(quota_bytes=quota)
        return
    fsync = Fsync(request.param.removeprefix("file-"))
    journal = FileJournal.create(
        tmp_path,
        "gateway-1",
        clock=ManualClock(),
        quota_bytes=quota,
        segment_bytes=8_000,
        fsync=fsync,
    )
    yield journal
    journal.shut()


async def read(journal: AnyJournal, after: Mark = START, **bounds: int) -> tuple[Any, Mark]:
    reading = await journal.read(after, **{"max_records": 1000, "max_bytes": 10**9, **bounds})
    return [record_of(line) for line in reading.lines], reading.mark


def open_until_refused(journal: AnyJournal) -> list[RequestRecord]:
    """Open requests until the quota is reached; one of them is closed at once."""
    large = make_record(tags={"blob": "x" * (QUOTA - 20_000)})
    journal.open(abandoned(make_record(event_id=large.event_id, tags={})))
    journal.close(large)
    opened: list[RequestRecord] = []
    try:
        while len(opened) < 1000:
            journal.open(abandoned(record := make_record()))
            opened.append(record)
    except ServiceUnavailable:
        return opened
    raise AssertionError("the quota was never reached")


async def confirm(journal: AnyJournal, mark: Mark) -> None:
    await journal.save(Progress(confirmed=mark, shipped=mark))


async def test_a_closed_record_is_read_back_unchanged(journal: AnyJournal) -> None:
    record = make_record(tags={"ключ": "значение\n\u2028"}, ttft_ms=None)
    journal.open(abandoned(record))
    journal.close(record)
    assert (await read(journal))[0] == [record]


async def test_records_are_read_in_the_order_they_were_closed(journal: AnyJournal) -> None:
    records = [make_record() for _ in range(20)]
    for record in records:
        journal.open(abandoned(record))
    for record in reversed(records):
        journal.close(record)
    assert (await read(journal))[0] == records[::-1]


async def test_a_running_request_is_not_read(journal: AnyJournal) -> None:
    journal.open(abandoned(make_record()))
    assert (await read(journal))[0] == []


async def test_a_request_that_was_never_opened_can_be_closed(journal: AnyJournal) -> None:
    record = make_record(status=401)
    journal.close(record)
    assert (await read(journal))[0] == [record]


async def test_reading_repeats_itself_until_told_otherwise(journal: AnyJournal) -> None:
    journal.close(make_record())
    first, mark = await read(journal)
    assert (await read(journal))[0] == first
    assert (await read(journal, mark))[0] == []
    journal.close(later := make_record())
    assert (await read(journal, mark))[0] == [later]


async def test_reading_in_parts_gives_every_record_once(journal: AnyJournal) -> None:
    records = [make_record() for _ in range(25)]
    for record in records:
        journal.open(abandoned(record))
        journal.close(record)
    seen: list[Any] = []
    mark = START
    while True:
        part, mark = await read(journal, mark, max_records=4)
        if not part:
            break
        assert len(part) <= 4
        seen += part
    assert seen == records


async def test_reading_stays_within_the_bytes_asked_for(journal: AnyJournal) -> None:
    records = [make_record() for _ in range(10)]
    for record in records:
        journal.close(record)
    size = len(msgspec.json.encode(records[0]))
    part, _ = await read(journal, max_bytes=size * 3 + 50)
    assert part == records[:3]


async def test_a_record_larger_than_the_bound_is_read_alone(journal: AnyJournal) -> None:
    records = [make_record(tags={"blob": "x" * 5000}) for _ in range(2)]
    for record in records:
        journal.close(record)
    part, mark = await read(journal, max_bytes=10)
    assert part == records[:1]
    assert (await read(journal, mark, max_bytes=10))[0] == records[1:]


async def test_over_quota_new_requests_are_refused_and_running_ones_kept(
    journal: AnyJournal,
) -> None:
    records = open_until_refused(journal)
    assert len(records) > 3
    for record in records:
        journal.close(record)
    assert (await read(journal))[0][1:] == records


def dropped(journal: AnyJournal) -> int:
    if isinstance(journal, MemoryJournal):
        return journal.dropped_records
    return journal.status().dropped_records


async def test_records_of_refused_requests_take_a_share_of_the_quota_and_no_more(
    journal: AnyJournal,
) -> None:
    kept = [make_record(status=401) for _ in range(1000)]
    for record in kept:
        journal.close(record)
    found, mark = await read(journal)
    assert found == kept[: len(found)]
    assert len(found) > 3
    assert sum(len(msgspec.json.encode(record)) for record in found) < QUOTA / 10 + 2_000
    assert dropped(journal) == 1000 - len(found)

    record = make_record()
    journal.open(abandoned(record))
    journal.close(record)
    assert (await read(journal, mark))[0] == [record]


async def test_strangers_leave_room_for_the_refusals_of_known_callers(
    journal: AnyJournal,
) -> None:
    for _ in range(100):
        journal.close(make_record(status=401, key_id=""))
    found, mark = await read(journal)
    assert 1 < len(found) < 100
    journal.close(known := make_record(status=429))
    journal.close(make_record(status=401, key_id=""))
    assert (await read(journal, mark))[0] == [known]


async def test_confirmed_records_of_refused_requests_make_room_for_more(
    journal: AnyJournal,
) -> None:
    for _ in range(100):
        journal.close(make_record(status=401))
    first = dropped(journal)
    assert first > 0
    _, mark = await read(journal)
    await confirm(journal, mark)
    journal.close(late := make_record(status=401))
    assert (await read(journal, mark))[0] == [late]
    assert dropped(journal) == first


async def test_opening_a_request_again_is_never_refused_nor_counted_twice(
    journal: AnyJournal,
) -> None:
    records = open_until_refused(journal)
    for record in records:
        journal.open(abandoned(record))
    if isinstance(journal, MemoryJournal):
        running = len(journal.open_requests)
    else:
        running = journal.status().open_requests
    assert running == len(records)
    for record in records:
        journal.close(record)
    assert (await read(journal))[0][1:] == records


async def test_confirmed_records_give_their_space_back(journal: AnyJournal) -> None:
    for record in open_until_refused(journal):
        journal.close(record)
    with pytest.raises(ServiceUnavailable):
        journal.open(abandoned(make_record()))
    _, mark = await read(journal)
    await confirm(journal, mark)
    journal.open(abandoned(make_record()))
    assert journal.progress.confirmed == mark


async def test_text_that_utf8_cannot_express_is_recorded_with_replacements(
    journal: AnyJournal,
) -> None:
    record = make_record(model_requested="gpt\ud800", tags={"a\udfff": "b"})
    journal.open(abandoned(record))
    journal.close(record)
    (found,), _ = await read(journal)
    assert (found.model_requested, found.tags) == ("gpt?", {"a?": "b"})
    assert found.attempts == record.attempts
