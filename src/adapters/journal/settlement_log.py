"""Settlements in framed segments, one directory per process, adopted when the process is dead."""

import asyncio
import contextlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Raw, Struct

from adapters.journal.adopted import AdoptedDirectory, adopt_one
from adapters.journal.cursor import load_cursor, store_cursor
from adapters.journal.frames import Kind, frame
from adapters.journal.holding import HeldDirectory, create_held
from adapters.journal.segments import Segment, list_segments, read_closed, segment_path
from adapters.journal.syncing import Fsync, Syncer
from application.ports.backlog import Mark, Progress
from application.ports.settlement_log import (
    DeadSettlementLog,
    DeadSettlementLogs,
    PendingSettlement,
    SettlementLog,
    SettlementReading,
)
from domain.errors import ServiceUnavailable
from domain.limits.amounts import Spend
from domain.limits.entries import Entry
from domain.limits.reservations import Reservation

SEGMENT_BYTES = 8 * 1024 * 1024
QUOTA_BYTES = 1024 * 1024 * 1024
READ_BYTES = 4 * 1024 * 1024
# Most tuples of entries that are kept encoded; the policy hands out the same ones again and again.
MOST_PREPARED = 4096

_log = logging.getLogger(__name__)


class Filed(Struct, frozen=True, array_like=True):
    """A settlement as it is written, with the entries last."""

    id: str
    estimate: Spend
    epoch: int
    admitted_at_ms: int
    actual: Spend
    occurred_at_ms: int
    entries: tuple[Entry, ...]


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Filed).decode


def _settlement(line: bytes) -> PendingSettlement:
    filed = _decode(line)
    reservation = Reservation(
        id=filed.id,
        entries=filed.entries,
        estimate=filed.estimate,
        epoch=filed.epoch,
        admitted_at_ms=filed.admitted_at_ms,
    )
    return PendingSettlement(reservation, filed.actual, filed.occurred_at_ms)


async def _read(
    name: str, segments: Sequence[Segment], after: Mark, max_count: int
) -> SettlementReading:
    found = await asyncio.to_thread(
        read_closed, segments, after, max_records=max_count, max_bytes=READ_BYTES
    )
    if found.gaps:
        _log.error("%d damaged places in the settlements %s", found.gaps, name)
    settlements: list[PendingSettlement] = []
    for line in found.lines:
        try:
            settlements.append(_settlement(line))
        except (msgspec.MsgspecError, ValueError):
            # Sound by its checksum, so another version wrote it: its reservation runs out.
            _log.exception("a settlement in %s cannot be read", name)
    return SettlementReading(tuple(settlements), found.mark)


async def _save(directory: Path, delivered: Mark) -> None:
    try:
        progress = Progress(confirmed=delivered, shipped=delivered)
        await asyncio.to_thread(store_cursor, directory, progress)
    except OSError as error:
        _log.warning("the cursor of %s cannot be saved: %s", directory.name, error.strerror)


class FileSettlementLog(SettlementLog):
    """The log of this process. Used by one thread (the event loop's) only."""

    def __init__(
        self, held: HeldDirectory, *, segment_bytes: int, quota_bytes: int, syncer: Syncer
    ) -> None:
        """Write into a directory that is held and empty; see `create`."""
        self._held = held
        self._segment_bytes = segment_bytes
        self._quota_bytes = quota_bytes
        self._syncer = syncer
        self._prepared: dict[int, tuple[tuple[Entry, ...], Raw]] = {}
        self._finished: dict[int, Segment] = {}
        self._delivered = Mark(0, 0)
        self._descriptor = -1
        self._number = 0
        self._end = 0
        self._begin_segment()

    @classmethod
    def create(
        cls,
        root: Path,
        instance: str,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        quota_bytes: int = QUOTA_BYTES,
        fsync: Fsync = Fsync.INTERVAL,
        fsync_interval_s: float = 0.1,
    ) -> "FileSettlementLog":
        """Make the log `root/instance`; `instance` must be new with every start of a process.

        Raises:
            OSError: the directory exists or cannot be made.
        """
        return cls(
            create_held(root, instance),
            segment_bytes=segment_bytes,
            quota_bytes=quota_bytes,
            syncer=Syncer(fsync, fsync_interval_s),
        )

    @property
    def delivered(self) -> Mark:
        """Implement `OwedSettlements.delivered`."""
        return self._delivered

    @property
    def end(self) -> Mark:
        """Implement `SettlementLog.end`."""
        return Mark(self._number, self._end)

    @property
    def bytes_used(self) -> int:
        """Bytes of all segments on disk."""
        return self._end + sum(segment.size for segment in self._finished.values())

    def append(self, settlement: PendingSettlement) -> Mark:
        """Implement `SettlementLog.append`."""
        data = frame(Kind.CLOSE, self._encoded(settlement))
        if self._end and self._end + len(data) > self._segment_bytes:
            # No room for a new file is no reason to fail: the present one may still take it.
            with contextlib.suppress(OSError):
                self._begin_segment()
        if self.bytes_used + len(data) > self._quota_bytes:
            raise ServiceUnavailable("The log of settlements is full.")
        try:
            written = os.write(self._descriptor, data)
        except OSError as error:
            raise ServiceUnavailable("The log of settlements cannot be written.") from error
        if written < len(data):
            self._cut_torn_frame()
            raise ServiceUnavailable("The log of settlements cannot be written.")
        self._end += written
        self._syncer.touch()
        return self.end

    async def read(self, after: Mark, *, max_count: int) -> SettlementReading:
        """Implement `OwedSettlements.read`."""
        segments = [*self._finished.values(), self._current]
        if segments[-1].end <= after:
            return SettlementReading((), after)
        return await _read(self._held.path.name, segments, after, max_count)

    async def save(self, delivered: Mark) -> None:
        """Implement `OwedSettlements.save`."""
        self._delivered = delivered
        await _save(self._held.path, delivered)
        for segment in [part for part in self._finished.values() if part.end <= delivered]:
            with contextlib.suppress(OSError):
                segment.path.unlink()
            del self._finished[segment.number]

    def shut(self) -> None:
        """Stop using the log; call after delivery has drained. Safe to call twice.

        The directory goes if everything in it is delivered; otherwise another process adopts it.
        """
        if self._descriptor < 0:
            return
        self._descriptor = -1
        self._syncer.stop()
        # A segment that was never written to has nothing to deliver.
        owed = [part for part in (*self._finished.values(), self._current) if part.size]
        if all(part.end <= self._delivered for part in owed):
            self._held.remove()
        else:
            self._held.release()

    def _encoded(self, settlement: PendingSettlement) -> bytes:
        reservation = settlement.reservation
        entries = reservation.entries
        # By identity, as hashing costs more; what is kept refers to its entries, so that no other
        # tuple can have the same identity meanwhile.
        found = self._prepared.get(id(entries))
        if found is None:
            if len(self._prepared) >= MOST_PREPARED:
                self._prepared.clear()
            found = self._prepared[id(entries)] = (entries, Raw(_encode(entries)))
        return _encode(
            (
                reservation.id,
                reservation.estimate,
                reservation.epoch,
                reservation.admitted_at_ms,
                settlement.actual,
                settlement.occurred_at_ms,
                found[1],
            )
        )

    def _cut_torn_frame(self) -> None:
        try:
            os.ftruncate(self._descriptor, self._end)
        except OSError:
            # Readers skip the stretch; appending goes on behind it.
            self._end = os.fstat(self._descriptor).st_size

    def _begin_segment(self) -> None:
        number = self._number + 1
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        descriptor = os.open(segment_path(self._held.path, number), flags, 0o600)
        if self._descriptor >= 0:
            self._finished[self._number] = self._current
        self._syncer.follow(descriptor)
        self._descriptor, self._number, self._end = descriptor, number, 0

    @property
    def _current(self) -> Segment:
        path = segment_path(self._held.path, self._number)
        return Segment(number=self._number, path=path, size=self._end)


class FileDeadSettlementLog(AdoptedDirectory, DeadSettlementLog):
    """The settlements of one adopted directory."""

    def __init__(self, held: HeldDirectory) -> None:
        """Read what is in the held directory."""
        super().__init__(held)
        self._segments = list_segments(held.path)
        self._delivered = load_cursor(held.path).confirmed

    @property
    def delivered(self) -> Mark:
        """Implement `OwedSettlements.delivered`."""
        return self._delivered

    async def read(self, after: Mark, *, max_count: int) -> SettlementReading:
        """Implement `OwedSettlements.read`."""
        return await _read(self.name, self._segments, after, max_count)

    async def save(self, delivered: Mark) -> None:
        """Implement `OwedSettlements.save`; space is freed by `remove` alone."""
        self._delivered = delivered
        await _save(self.path, delivered)


class FileDeadSettlementLogs(DeadSettlementLogs):
    """The logs under one root whose lock is free."""

    def __init__(self, root: Path) -> None:
        """`root` is the directory that holds all settlement logs of this machine."""
        self._root = root

    async def adopt(self) -> FileDeadSettlementLog | None:
        """Implement `DeadSettlementLogs.adopt`."""
        return await adopt_one(self._root, FileDeadSettlementLog)
