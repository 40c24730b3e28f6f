"""Journals of dead processes, read to their end."""

import asyncio
import logging
from pathlib import Path

import msgspec
from msgspec import Struct

from adapters.journal.adopted import AdoptedDirectory, adopt_one
from adapters.journal.cursor import load_cursor, store_cursor
from adapters.journal.frames import Gap, Kind
from adapters.journal.holding import HeldDirectory
from adapters.journal.segments import Segment, list_segments, read_closed, walk
from application.ports.backlog import DeadBacklog, DeadJournals, Mark, Progress, Reading

# Place of the abandoned requests: behind every segment a journal can have.
ABANDONED_SEGMENT = 2**31

_log = logging.getLogger(__name__)


class Named(Struct, frozen=True):
    """The part of a record by which its frames belong together."""

    event_id: str


_named = msgspec.json.Decoder(Named)


class Contents(Struct, frozen=True):
    """What a journal holds: its segments, the opens without a close, and how much is damaged."""

    segments: list[Segment]
    unclosed: tuple[bytes, ...]
    damaged: int


def inspect_contents(directory: Path) -> Contents:
    """Read a whole journal. Damage in the middle is counted; a torn end is what a kill leaves."""
    segments = list_segments(directory)
    opened: dict[str, bytes] = {}
    closed: set[str] = set()
    damaged = 0
    for segment in segments:
        for item in walk(segment, 0):
            if isinstance(item, Gap):
                damaged += not item.torn
                continue
            event_id = _named.decode(item.payload).event_id
            if item.kind is Kind.OPEN:
                opened[event_id] = item.payload
            else:
                closed.add(event_id)
    unclosed = tuple(payload for event_id, payload in opened.items() if event_id not in closed)
    return Contents(segments, unclosed, damaged)


class FileDeadBacklog(AdoptedDirectory, DeadBacklog):
    """The records of one adopted directory."""

    def __init__(self, held: HeldDirectory, contents: Contents) -> None:
        """Read `contents` of the held directory."""
        super().__init__(held)
        self._segments = contents.segments
        self._unclosed = contents.unclosed
        self._progress = load_cursor(held.path)

    @property
    def progress(self) -> Progress:
        """Implement `Backlog.progress`."""
        return self._progress

    async def read(self, after: Mark, *, max_records: int, max_bytes: int) -> Reading:
        """Implement `Backlog.read`."""
        if after.segment < ABANDONED_SEGMENT:
            found = await asyncio.to_thread(
                read_closed, self._segments, after, max_records=max_records, max_bytes=max_bytes
            )
            if found.lines:
                return Reading(found.lines, found.mark)
            after = Mark(ABANDONED_SEGMENT, 0)
        lines: list[bytes] = []
        size = 0
        for payload in self._unclosed[after.offset : after.offset + max_records]:
            if lines and size + len(payload) > max_bytes:
                break
            lines.append(payload)
            size += len(payload)
        return Reading(tuple(lines), Mark(ABANDONED_SEGMENT, after.offset + len(lines)))

    async def save(self, progress: Progress) -> None:
        """Implement `Backlog.save`; space is freed by `remove` alone."""
        self._progress = progress
        try:
            await asyncio.to_thread(store_cursor, self.path, progress)
        except OSError as error:
            _log.warning("the cursor of %s cannot be saved: %s", self.name, error.strerror)


class FileDeadJournals(DeadJournals):
    """The journals under one root whose lock is free."""

    def __init__(self, root: Path) -> None:
        """`root` is the directory that holds all journals of this machine."""
        self._root = root

    async def adopt(self) -> FileDeadBacklog | None:
        """Implement `DeadJournals.adopt`."""
        return await adopt_one(self._root, self._take)

    @staticmethod
    def _take(held: HeldDirectory) -> FileDeadBacklog:
        contents = inspect_contents(held.path)
        if contents.damaged:
            _log.error("%d damaged places in the journal %s", contents.damaged, held.path.name)
        _log.info(
            "adopted the journal %s: %d requests were cut", held.path.name, len(contents.unclosed)
        )
        return FileDeadBacklog(held, contents)
