"""What the journal on disk does beyond the contract: segments, disk trouble, ends of processes."""

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.journal.adoption import FileDeadBacklog, FileDeadJournals
from adapters.journal.frames import HEADER_SIZE
from adapters.journal.holding import HeldDirectory, create_held
from adapters.journal.inspection import inspect_journals
from adapters.journal.journal import FileJournal
from adapters.journal.segments import segment_path
from adapters.journal.syncing import Fsync, Syncer
from application.ports.backlog import Mark, Progress
from application.ports.records import Receipt
from domain.errors import ServiceUnavailable
from domain.records.events import Outcome, RequestRecord
from domain.settings.catalog import CATALOG
from tests.support.manual_clock import ManualClock
from tests.support.request_records import abandoned, make_record, record_of

START = Mark(0, 0)
Make = Callable[..., FileJournal]

_held: dict[FileJournal, HeldDirectory] = {}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def make(tmp_path: Path, clock: ManualClock) -> Iterator[Make]:
    made: list[FileJournal] = []

    def build(name: str = "gateway-1", **options: Any) -> FileJournal:
        fsync = options.pop("fsync", Fsync.NEVER)
        syncer = Syncer(fsync, options.pop("fsync_interval_s", 0.1))
        defaults: dict[str, Any] = {"segment_bytes": 10**7, "segment_age_s": 10**6}
        held = create_held(tmp_path, name)
        journal = FileJournal(
            held,
            clock=clock,
            quota_bytes=options.pop("quota_bytes", lambda: 10**9),
            syncer=syncer,
            **{**defaults, **options},
        )
        _held[journal] = held
        made.append(journal)
        return journal

    yield build
    for journal in made:
        journal.shut()
    _held.clear()


def run(journal: FileJournal, count: int) -> list[RequestRecord]:
    records = [make_record() for _ in range(count)]
    for record in records:
        journal.open(abandoned(record))
        journal.close(record)
    return records


async def records_of(backlog: FileJournal | FileDeadBacklog) -> list[RequestRecord]:
    """Read everything that is not confirmed, in small parts."""
    found: list[RequestRecord] = []
    mark = backlog.progress.confirmed
    while (reading := await backlog.read(mark, max_records=7, max_bytes=10**6)).lines:
        found += [record_of(line) for line in reading.lines]
        mark = reading.mark
    return found


async def confirm_all(backlog: FileJournal | FileDeadBacklog) -> None:
    mark = backlog.progress.confirmed
    while True:
        reading = await backlog.read(mark, max_records=1000, max_bytes=10**9)
        mark = reading.mark
        if not reading.lines:
            break
    await backlog.save(Progress(confirmed=mark, shipped=mark))


def die(journal: FileJournal) -> None:
    """End like a killed process: the kernel drops the lock, nothing else happens."""
    _held[journal].release()


async def adopted(root: Path) -> FileDeadBacklog:
    backlog = await FileDeadJournals(root).adopt()
    assert backlog is not None
    return backlog


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def segments(root: Path) -> list[str]:
    return sorted(path.name for path in root.glob("gateway-1/*.seg"))


async def test_segments_rotate_and_read_as_one(make: Make, tmp_path: Path) -> None:
    journal = make(segment_bytes=5_000)
    records = run(journal, 20)
    assert len(segments(tmp_path)) > 5
    assert await records_of(journal) == records


async def test_confirmed_segments_are_deleted_oldest_first(make: Make, tmp_path: Path) -> None:
    journal = make(segment_bytes=5_000)
    run(journal, 20)
    before = segments(tmp_path)
    reading = await journal.read(START, max_records=10, max_bytes=10**6)
    await journal.save(Progress(confirmed=reading.mark, shipped=reading.mark))
    left = segments(tmp_path)
    assert left == before[-len(left) :]
    assert len(left) < len(before)
    assert len(await records_of(journal)) == 10


async def test_shipped_but_unconfirmed_records_stay_on_disk(make: Make, tmp_path: Path) -> None:
    journal = make(segment_bytes=5_000)
    records = run(journal, 20)
    before = segments(tmp_path)
    reading = await journal.read(START, max_records=100, max_bytes=10**6)
    await journal.save(Progress(START, reading.mark, Receipt("epoch", (1, 0))))
    assert segments(tmp_path) == before
    assert await records_of(journal) == records


async def test_running_requests_move_along_when_their_segment_is_deleted(
    make: Make, tmp_path: Path
) -> None:
    journal = make(segment_bytes=5_000)
    running = make_record()
    journal.open(abandoned(running))
    run(journal, 20)
    await confirm_all(journal)
    assert "00000001.seg" not in segments(tmp_path)
    die(journal)
    assert await records_of(await adopted(tmp_path)) == [abandoned(running)]


async def test_a_quiet_journal_gives_its_space_back_after_a_while(
    make: Make, tmp_path: Path, clock: ManualClock
) -> None:
    journal = make(segment_age_s=300)
    run(journal, 3)
    await confirm_all(journal)
    assert segments(tmp_path) == ["00000001.seg"]
    clock.advance(301)
    await confirm_all(journal)
    assert journal.bytes_used == 0


async def test_a_stopped_journal_with_everything_stored_leaves_nothing(
    make: Make, tmp_path: Path
) -> None:
    journal = make()
    run(journal, 3)
    await confirm_all(journal)
    journal.shut()
    assert names(tmp_path) == []


def test_a_journal_that_was_never_used_leaves_nothing(make: Make, tmp_path: Path) -> None:
    make().shut()
    assert names(tmp_path) == []


async def test_a_stopped_journal_with_records_left_is_adopted(make: Make, tmp_path: Path) -> None:
    journal = make()
    records = run(journal, 3)
    journal.shut()
    assert await records_of(await adopted(tmp_path)) == records


async def test_a_name_is_never_used_twice(make: Make) -> None:
    journal = make("gateway-1")
    run(journal, 1)
    die(journal)
    with pytest.raises(FileExistsError):
        make("gateway-1")


@pytest.mark.parametrize("name", ["", ".hidden", "../up", "a/b", "x" * 200])
def test_a_name_stays_inside_the_journal_directory(make: Make, name: str) -> None:
    with pytest.raises(ValueError, match="journal name"):
        make(name)


async def test_a_live_journal_cannot_be_adopted(make: Make, tmp_path: Path) -> None:
    run(make(), 1)
    assert await FileDeadJournals(tmp_path).adopt() is None


async def test_of_two_adopters_one_gets_the_journal(make: Make, tmp_path: Path) -> None:
    journal = make()
    records = run(journal, 2)
    die(journal)
    first = await adopted(tmp_path)
    assert await FileDeadJournals(tmp_path).adopt() is None
    first.release()
    second = await adopted(tmp_path)
    assert await records_of(second) == records
    await confirm_all(second)
    await second.remove()
    assert await FileDeadJournals(tmp_path).adopt() is None
    assert names(tmp_path) == []


async def test_cut_requests_come_last_and_only_those(make: Make, tmp_path: Path) -> None:
    journal = make(segment_bytes=4_000)
    cut = [make_record() for _ in range(9)]
    for record in cut:
        journal.open(abandoned(record))
    closed = run(journal, 9)
    journal.close(cut.pop(4))
    die(journal)
    backlog = await adopted(tmp_path)
    found = await records_of(backlog)
    assert [record.event_id for record in found[:9]] == [record.event_id for record in closed]
    assert found[10:] == [abandoned(record) for record in cut]
    assert {record.outcome for record in found[10:]} == {Outcome.ABANDONED}


async def test_a_heir_goes_on_where_the_dead_heir_stopped(make: Make, tmp_path: Path) -> None:
    journal = make()
    records = run(journal, 10)
    reading = await journal.read(START, max_records=4, max_bytes=10**6)
    progress = Progress(reading.mark, reading.mark, Receipt("e", (1, 2)))
    await journal.save(progress)
    die(journal)
    backlog = await adopted(tmp_path)
    assert backlog.progress == progress
    assert await records_of(backlog) == records[4:]


async def test_an_unreadable_cursor_means_from_the_beginning(make: Make, tmp_path: Path) -> None:
    journal = make()
    records = run(journal, 3)
    await confirm_all(journal)
    (tmp_path / "gateway-1" / "cursor").write_bytes(b"\x00garbage")
    die(journal)
    assert await records_of(await adopted(tmp_path)) == records


async def test_a_torn_last_frame_makes_its_request_abandoned(make: Make, tmp_path: Path) -> None:
    journal = make()
    done, torn = run(journal, 2)
    die(journal)
    path = segment_path(tmp_path / "gateway-1", 1)
    os.truncate(path, path.stat().st_size - 1)
    assert await records_of(await adopted(tmp_path)) == [done, abandoned(torn)]


async def test_a_damaged_close_makes_its_request_abandoned_and_is_counted(
    make: Make, tmp_path: Path
) -> None:
    journal = make()
    first, hit, last = run(journal, 3)
    die(journal)
    path = segment_path(tmp_path / "gateway-1", 1)
    data = bytearray(path.read_bytes())
    position = data.rfind(hit.event_id.encode(), 0, data.find(last.event_id.encode()))
    data[position] ^= 1
    path.write_bytes(data)
    (report,) = inspect_journals(tmp_path)
    assert (report.damaged, report.in_use) == (1, False)
    found = await records_of(await adopted(tmp_path))
    assert found == [first, last, abandoned(hit)]


async def test_damage_in_a_live_journal_is_counted_and_passed(make: Make, tmp_path: Path) -> None:
    journal = make()
    records = run(journal, 3)
    path = segment_path(tmp_path / "gateway-1", 1)
    with path.open("r+b") as file:
        file.seek(HEADER_SIZE + 5)
        file.write(b"\xff")
    assert await records_of(journal) == records, "an open frame was hit: no final record is lost"
    assert journal.status().damaged == 1


class FullDisk:
    """Makes writes fail, whole or in the middle, while switched on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
        self.full = True
        self._room = room
        self._write = os.write
        monkeypatch.setattr(os, "write", self.write)

    def write(self, descriptor: int, data: bytes) -> int:
        if not self.full:
            return self._write(descriptor, data)
        if self._room == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self._write(descriptor, bytes(data)[: self._room])


@pytest.mark.parametrize("room", [0, 1, HEADER_SIZE, 100])
async def test_a_full_disk_refuses_new_requests_and_loses_no_running_one(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    journal = make()
    records = run(journal, 2)
    running = [make_record() for _ in range(3)]
    for record in running:
        journal.open(abandoned(record))
    disk = FullDisk(monkeypatch, room)
    with pytest.raises(ServiceUnavailable):
        journal.open(make_record())
    for record in running:
        journal.close(record)
    assert journal.status().waiting_in_memory == 3
    assert await records_of(journal) == records
    disk.full = False
    assert await records_of(journal) == records + running
    assert journal.status().waiting_in_memory == journal.status().lost_records == 0
    journal.shut()
    assert inspect_journals(tmp_path)[0].damaged == 0


async def test_killed_with_a_full_disk_the_waiting_requests_read_as_abandoned(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = make()
    running = make_record()
    journal.open(abandoned(running))
    FullDisk(monkeypatch, room=0)
    journal.close(running)
    die(journal)
    assert await records_of(await adopted(tmp_path)) == [abandoned(running)]


async def test_what_neither_disk_nor_memory_takes_is_counted(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = make()
    large = [make_record(tags={"blob": "x" * 6_000_000}) for _ in range(4)]
    for record in large:
        journal.open(abandoned(make_record(event_id=record.event_id)))
    FullDisk(monkeypatch, room=0)
    for record in large:
        journal.close(record)
    assert (journal.status().waiting_in_memory, journal.status().lost_records) == (2, 2)


async def test_a_segment_crowded_with_refused_requests_is_freed_once_confirmed(make: Make) -> None:
    lost: list[str] = []
    journal = make(quota_bytes=lambda: 100_000, on_lost=lost.append)
    for _ in range(100):
        journal.close(make_record(status=401))
    assert lost == ["unopened"] * journal.status().dropped_records != []
    await confirm_all(journal)
    await confirm_all(journal)
    assert journal.bytes_used == 0
    journal.close(late := make_record(status=401))
    assert await records_of(journal) == [late]


async def test_drops_are_logged_once_a_minute(
    make: Make, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    journal = make(quota_bytes=lambda: 10_000)
    for _ in range(50):
        journal.close(make_record(status=401))
    assert caplog.text.count("are dropped") == 1
    clock.advance(61)
    journal.close(make_record(status=401))
    assert caplog.text.count("are dropped") == 2


async def test_a_full_disk_drops_refused_requests_and_keeps_memory_for_running_ones(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = make()
    running = make_record()
    journal.open(abandoned(running))
    FullDisk(monkeypatch, room=0)
    journal.close(make_record(status=401))
    journal.close(running)
    status = journal.status()
    assert (status.waiting_in_memory, status.dropped_records, status.lost_records) == (1, 1, 0)


async def test_of_a_request_opened_again_the_last_word_is_adopted(
    make: Make, tmp_path: Path
) -> None:
    journal = make()
    admitted = abandoned(make_record(provider="", attempts=()))
    journal.open(admitted)
    dispatched = abandoned(make_record(event_id=admitted.event_id, provider="openai"))
    journal.open(dispatched)
    die(journal)
    assert await records_of(await adopted(tmp_path)) == [dispatched]


async def test_a_disk_that_fills_up_does_not_stop_a_request_that_is_open(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = make()
    record = make_record()
    journal.open(abandoned(record))
    FullDisk(monkeypatch, room=0)
    journal.open(abandoned(record))
    assert journal.status().open_requests == 1


async def test_a_record_too_large_for_a_frame_is_kept_without_its_tags(make: Make) -> None:
    journal = make()
    journal.close(make_record(tags={"blob": "x" * 17_000_000}, status=201))
    (found,) = await records_of(journal)
    assert (found.tags, found.status) == ({}, 201)


async def test_a_leftover_of_a_removal_is_swept_up(make: Make, tmp_path: Path) -> None:
    (tmp_path / ".gone-gateway-7").mkdir(parents=True)
    (tmp_path / ".gone-gateway-7" / "00000001.seg").write_bytes(b"x")
    (tmp_path / ".new-gateway-8").mkdir()
    old = tmp_path / ".new-gateway-9"
    old.mkdir()
    os.utime(old, (1, 1))
    assert await FileDeadJournals(tmp_path).adopt() is None
    assert names(tmp_path) == [".new-gateway-8"]


async def test_a_report_says_what_is_open_and_unconfirmed(make: Make, tmp_path: Path) -> None:
    journal = make()
    records = run(journal, 3)
    journal.open(make_record())
    reading = await journal.read(START, max_records=1, max_bytes=10**6)
    await journal.save(Progress(reading.mark, reading.mark))
    (report,) = inspect_journals(tmp_path)
    assert (report.name, report.in_use, report.open_requests) == ("gateway-1", True, 1)
    assert report.unconfirmed_records == 2
    assert report.oldest_unconfirmed_ms == records[1].started_at_ms + 120
    assert report.bytes_used == journal.bytes_used


def test_every_policy_reaches_the_disk_when_it_says(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    run(make("gateway-never", fsync=Fsync.NEVER), 2)
    assert synced == []
    run(make("gateway-always", fsync=Fsync.ALWAYS), 2)
    assert len(synced) == 4
    synced.clear()
    journal = make("gateway-interval", fsync=Fsync.INTERVAL, fsync_interval_s=3600)
    run(journal, 2)
    assert synced == []
    journal.shut()
    assert len(synced) == 1


def test_a_disk_that_cannot_sync_is_counted(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fail)
    journal = make(fsync=Fsync.ALWAYS)
    run(journal, 1)
    assert journal.status().sync_failures == 2


def test_the_setting_offers_every_policy() -> None:
    assert CATALOG["journal.fsync"].choices == tuple(Fsync)
    assert CATALOG["journal.fsync"].default == Fsync.INTERVAL
