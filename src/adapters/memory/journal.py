"""A journal in memory: everything but the survival of a crash."""

from collections.abc import Callable

import msgspec

from application.ports.backlog import Backlog, Mark, Progress, Reading
from application.ports.records import Journal, unopened_quota
from domain.errors import ServiceUnavailable
from domain.records.events import RequestRecord
from domain.records.printable import printable


class MemoryJournal(Journal, Backlog):
    """Keeps final records until they are confirmed."""

    def __init__(self, *, quota_bytes: Callable[[], int] = lambda: 64 * 1024 * 1024) -> None:
        """Refuse to open requests once open and unconfirmed records take `quota_bytes()`."""
        self._quota_bytes = quota_bytes
        self._lines: dict[int, bytes] = {}
        self._bytes = 0
        self._next = 0
        self._unopened: dict[int, int] = {}
        self.dropped_records = 0
        self._open: dict[str, RequestRecord] = {}
        self._progress = Progress(confirmed=Mark(0, 0), shipped=Mark(0, 0))

    @property
    def open_requests(self) -> tuple[RequestRecord, ...]:
        """What would be the records of running requests if the process died now."""
        return tuple(self._open.values())

    @property
    def records(self) -> tuple[RequestRecord, ...]:
        """Final records that are not confirmed yet."""
        return tuple(msgspec.json.decode(line, type=RequestRecord) for line in self._lines.values())

    def open(self, if_abandoned: RequestRecord) -> None:
        """Implement `Journal.open`."""
        earlier = self._open.get(if_abandoned.event_id)
        if earlier is not None:
            self._bytes -= len(_encode(earlier))
        elif self._bytes >= self._quota_bytes():
            raise ServiceUnavailable("The request journal is full.", retry_after_ms=1000)
        self._open[if_abandoned.event_id] = if_abandoned
        self._bytes += len(_encode(if_abandoned))

    def close(self, record: RequestRecord) -> None:
        """Implement `Journal.close`."""
        line = _encode(record)
        if record.event_id not in self._open:
            if sum(self._unopened.values()) >= unopened_quota(record, self._quota_bytes()):
                self.dropped_records += 1
                return
            self._unopened[self._next] = len(line)
        self._lines[self._next] = line
        self._bytes += len(line)
        self._next += 1
        opened = self._open.pop(record.event_id, None)
        if opened is not None:
            self._bytes -= len(_encode(opened))

    @property
    def progress(self) -> Progress:
        """Implement `Backlog.progress`."""
        return self._progress

    async def read(self, after: Mark, *, max_records: int, max_bytes: int) -> Reading:
        """Implement `Backlog.read`; the mark's offset counts records."""
        lines: list[bytes] = []
        size = 0
        position = after.offset
        while position < self._next and len(lines) < max_records:
            line = self._lines.get(position)
            if line is not None:
                if lines and size + len(line) > max_bytes:
                    break
                lines.append(line)
                size += len(line)
            position += 1
        return Reading(tuple(lines), Mark(0, position))

    async def save(self, progress: Progress) -> None:
        """Implement `Backlog.save`."""
        for position in range(self._progress.confirmed.offset, progress.confirmed.offset):
            self._bytes -= len(self._lines.pop(position, b""))
            self._unopened.pop(position, None)
        self._progress = progress


def _encode(record: RequestRecord) -> bytes:
    try:
        return msgspec.json.encode(record)
    except UnicodeEncodeError:
        return msgspec.json.encode(printable(record))
