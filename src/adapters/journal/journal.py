"""The journal of this process: writes frames, hands out what is unconfirmed, frees what is not."""

import asyncio
import contextlib
import logging
import os
from collections import deque
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Struct

from adapters.journal.cursor import load_cursor, store_cursor
from adapters.journal.frames import HEADER_SIZE, MAX_PAYLOAD, Kind, seal
from adapters.journal.holding import HeldDirectory, create_held
from adapters.journal.segments import Segment, read_closed, segment_path
from adapters.journal.syncing import Fsync, Syncer
from application.ports.backlog import Backlog, Mark, Progress, Reading
from application.ports.clock import Clock
from application.ports.records import UNOPENED_SHARE, Journal, unopened_quota
from domain.errors import ServiceUnavailable
from domain.records.events import RequestRecord
from domain.records.printable import printable

SPILL_BYTES = 16 * 1024 * 1024
DROPPED_LOG_EVERY_S = 60.0

_log = logging.getLogger(__name__)


class JournalStatus(Struct, frozen=True):
    """What a journal holds and what went wrong in it since it was created.

    Attributes:
        bytes_used: size of its segments.
        open_requests: admitted and not yet closed.
        waiting_in_memory: final records that the full disk did not take yet.
        lost_records: final records that neither disk nor memory could take. Must be 0.
        dropped_records: final records of requests that were never opened, dropped because the
            disk was full or they were over their share of the quota.
        damaged: stretches of unreadable bytes found while reading.
        sync_failures: times the disk refused to confirm writes.
    """

    bytes_used: int
    segments: int
    open_requests: int
    waiting_in_memory: int
    lost_records: int
    dropped_records: int
    damaged: int
    sync_failures: int


class FileJournal(Journal, Backlog):
    """Segments in a directory of its own. Used by one thread (the event loop's) only."""

    def __init__(
        self,
        held: HeldDirectory,
        *,
        clock: Clock,
        quota_bytes: Callable[[], int],
        segment_bytes: int,
        segment_age_s: float,
        syncer: Syncer,
        on_lost: Callable[[str], None] | None = None,
    ) -> None:
        """Write into a directory that is held and empty; see `create`."""
        self._held = held
        self._clock = clock
        self._quota_bytes = quota_bytes
        self._segment_bytes = segment_bytes
        self._segment_age_s = segment_age_s
        self._syncer = syncer
        self._encoder = msgspec.json.Encoder()
        self._buffer = bytearray(4096)
        self._progress = load_cursor(held.path)
        self._finished: dict[int, Segment] = {}
        self._finished_bytes = 0
        self._number = 0
        self._descriptor = -1
        self._end = 0
        self._begun_at = 0.0
        self._open: dict[str, tuple[int, RequestRecord]] = {}
        self._spill: deque[tuple[str, bytes]] = deque()
        self._spill_bytes = 0
        self._lost = 0
        self._on_lost = on_lost
        self._dropped = 0
        self._dropped_logged_at: float | None = None
        self._unopened: dict[int, int] = {}
        self._unopened_bytes = 0
        self._damaged = 0
        self._begin_segment()

    @classmethod
    def create(
        cls,
        root: Path,
        instance: str,
        *,
        clock: Clock,
        quota_bytes: Callable[[], int],
        segment_bytes: int = 16 * 1024 * 1024,
        segment_age_s: float = 300.0,
        fsync: Fsync = Fsync.INTERVAL,
        fsync_interval_s: float = 0.1,
        on_lost: Callable[[str], None] | None = None,
    ) -> "FileJournal":
        """Make the journal `root/instance`.

        `on_lost` is called with a reason, `unopened` or `disk_full`, for every record that is not
        kept. `instance` must be new with every start of a process: a dead process's journal is adopted
        (see `adoption`), never continued.

        Raises:
            OSError: the directory exists or cannot be made.
        """
        held = create_held(root, instance)
        return cls(
            held,
            clock=clock,
            quota_bytes=quota_bytes,
            segment_bytes=segment_bytes,
            segment_age_s=segment_age_s,
            syncer=Syncer(fsync, fsync_interval_s),
            on_lost=on_lost,
        )

    # --- writing -------------------------------------------------------------------------------

    def open(self, if_abandoned: RequestRecord) -> None:
        """Implement `Journal.open`."""
        known = if_abandoned.event_id in self._open
        if not known and self.bytes_used >= self._quota_bytes():
            raise ServiceUnavailable(
                "The request journal is full: records are not being taken off.",
                retry_after_ms=1000,
            )
        try:
            self._append(Kind.OPEN, if_abandoned)
        except OSError as error:
            _log.error("the journal cannot be written: %s", error.strerror)
            if known:
                return  # the earlier frame is on disk
            raise ServiceUnavailable(
                "The request journal cannot be written.", retry_after_ms=1000
            ) from error
        self._open[if_abandoned.event_id] = (self._number, if_abandoned)

    def close(self, record: RequestRecord) -> None:
        """Implement `Journal.close`."""
        unopened = record.event_id not in self._open
        if unopened and self._unopened_bytes >= unopened_quota(record, self._quota_bytes()):
            self._drop_unopened()
            return
        try:
            self._append(Kind.CLOSE, record)
        except OSError:
            if unopened:  # memory is for those that were promised a record
                self._drop_unopened()
                return
            self._keep_in_memory(record.event_id, bytes(self._buffer))
            return
        if unopened:
            self._count_unopened(len(self._buffer))
        self._open.pop(record.event_id, None)
        if self._spill:
            self._write_spill()

    def _drop_unopened(self) -> None:
        self._dropped += 1
        self._tell_lost("unopened")
        now = self._clock.monotonic()
        if self._dropped_logged_at is None or now - self._dropped_logged_at >= DROPPED_LOG_EVERY_S:
            self._dropped_logged_at = now
            _log.error(
                "records of refused requests are dropped, %d so far: the disk is full, or they fill "
                "their share of the journal's quota",
                self._dropped,
            )

    def _tell_lost(self, reason: str) -> None:
        if self._on_lost is not None:
            self._on_lost(reason)

    def _count_unopened(self, size: int) -> None:
        self._unopened_bytes += size
        self._unopened[self._number] = self._unopened.get(self._number, 0) + size

    def _append(self, kind: Kind, record: RequestRecord) -> None:
        buffer = self._buffer
        try:
            self._encoder.encode_into(record, buffer, HEADER_SIZE)
        except UnicodeEncodeError:
            self._encoder.encode_into(printable(record), buffer, HEADER_SIZE)
        if len(buffer) - HEADER_SIZE > MAX_PAYLOAD:
            bare = msgspec.structs.replace(record, tags={}, attempts=())
            self._encoder.encode_into(bare, buffer, HEADER_SIZE)
        seal(buffer, kind)
        self._write(buffer)

    def _write(self, data: bytes | bytearray) -> None:
        if self._end + len(data) > self._segment_bytes and self._end:
            # No room for a new file is no reason to fail: the present one may still take the frame.
            with contextlib.suppress(OSError):
                self._begin_segment()
        written = os.write(self._descriptor, data)
        if written == len(data):
            self._end += written
            self._syncer.touch()
            return
        self._cut_torn_frame()
        raise OSError(28, "No space left on device")

    def _cut_torn_frame(self) -> None:
        try:
            os.ftruncate(self._descriptor, self._end)
        except OSError:
            # Readers skip the stretch; appending goes on behind it.
            self._end = os.fstat(self._descriptor).st_size

    def _keep_in_memory(self, event_id: str, data: bytes) -> None:
        if self._spill_bytes + len(data) > SPILL_BYTES:
            # The open frame is still on disk: the request will read as abandoned, not vanish.
            self._lost += 1
            self._tell_lost("disk_full")
            _log.error("the final record of %s is lost: disk and memory are full", event_id)
            return
        self._spill.append((event_id, data))
        self._spill_bytes += len(data)

    def _write_spill(self) -> None:
        with contextlib.suppress(OSError):
            while self._spill:
                event_id, data = self._spill[0]
                self._write(data)
                self._spill.popleft()
                self._spill_bytes -= len(data)
                self._open.pop(event_id, None)

    def _begin_segment(self) -> None:
        number = self._number + 1
        path = segment_path(self._held.path, number)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
        if self._descriptor >= 0:
            self._finished[self._number] = self._current
            self._finished_bytes += self._end
        self._syncer.follow(descriptor)
        self._descriptor, self._number, self._end = descriptor, number, 0
        self._begun_at = self._clock.monotonic()

    # --- shipping ------------------------------------------------------------------------------

    @property
    def progress(self) -> Progress:
        """Implement `Backlog.progress`."""
        return self._progress

    async def read(self, after: Mark, *, max_records: int, max_bytes: int) -> Reading:
        """Implement `Backlog.read`."""
        if self._spill:
            self._write_spill()
        segments = [*self._finished.values(), self._current]
        if segments[-1].end <= after:
            return Reading((), after)
        found = await asyncio.to_thread(
            read_closed, segments, after, max_records=max_records, max_bytes=max_bytes
        )
        if found.gaps:
            self._damaged += found.gaps
            _log.error("%d damaged places in the journal %s", found.gaps, self._held.path.name)
        return Reading(found.lines, found.mark)

    async def save(self, progress: Progress) -> None:
        """Implement `Backlog.save`."""
        self._progress = progress
        try:
            await asyncio.to_thread(store_cursor, self._held.path, progress)
        except OSError as error:
            _log.warning("the journal's cursor cannot be saved: %s", error.strerror)
        self._end_old_segment()
        freed = [part for part in self._finished.values() if part.end <= progress.confirmed]
        if freed:
            await self._free(freed)

    def _end_old_segment(self) -> None:
        """Let a segment end that is quiet, or full of refused requests, so that it can be freed."""
        old = self._clock.monotonic() - self._begun_at > self._segment_age_s
        share = self._quota_bytes() // UNOPENED_SHARE
        crowded = self._unopened.get(self._number, 0) * 4 > share
        if self._end and (old or crowded):
            with contextlib.suppress(OSError):
                self._begin_segment()

    async def _free(self, segments: list[Segment]) -> None:
        """Delete segments, after moving the opens of running requests to the present one."""
        numbers = {segment.number for segment in segments}
        try:
            for event_id, (number, record) in list(self._open.items()):
                if number in numbers:
                    self._append(Kind.OPEN, record)
                    self._open[event_id] = (self._number, record)
        except OSError:
            return  # the next save tries again; until then the old segments keep the opens
        await asyncio.to_thread(self._syncer.sync)
        # Oldest first: a close must not outlive its open, or the request would read as abandoned.
        for segment in segments:
            with contextlib.suppress(FileNotFoundError):
                segment.path.unlink()
            self._unopened_bytes -= self._unopened.pop(segment.number, 0)
            if self._finished.pop(segment.number, None) is not None:
                self._finished_bytes -= segment.size

    # --- state ---------------------------------------------------------------------------------

    @property
    def bytes_used(self) -> int:
        """Bytes of all segments on disk."""
        return self._finished_bytes + self._end

    @property
    def _current(self) -> Segment:
        path = segment_path(self._held.path, self._number)
        return Segment(number=self._number, path=path, size=self._end)

    def status(self) -> JournalStatus:
        """Return counts for health pages and metrics."""
        return JournalStatus(
            bytes_used=self.bytes_used,
            segments=len(self._finished) + 1,
            open_requests=len(self._open),
            waiting_in_memory=len(self._spill),
            lost_records=self._lost,
            dropped_records=self._dropped,
            damaged=self._damaged,
            sync_failures=self._syncer.failures,
        )

    def shut(self) -> None:
        """Stop using the journal; call after the shipping job has drained. Safe to call twice.

        The directory goes if everything in it is confirmed; otherwise the next process adopts it.
        """
        if self._descriptor < 0:
            return
        self._write_spill()
        self._descriptor = -1
        self._syncer.stop()
        unconfirmed = any(
            part.size and part.end > self._progress.confirmed
            for part in (*self._finished.values(), self._current)
        )
        if not (unconfirmed or self._open or self._spill):
            self._held.remove()
        else:
            self._held.release()
