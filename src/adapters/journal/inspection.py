"""A look into journals from outside, without disturbing whoever uses them."""

import contextlib
from pathlib import Path

import msgspec
from msgspec import Struct

from adapters.journal.cursor import load_cursor
from adapters.journal.frames import Frame, Gap, Kind
from adapters.journal.holding import is_held, journal_directories
from adapters.journal.segments import SUFFIX, list_segments, walk
from application.ports.backlog import Mark


class JournalReport(Struct, frozen=True, kw_only=True):
    """One journal as it stands on disk.

    Attributes:
        in_use: a live process holds it; otherwise it waits to be adopted.
        open_requests: admitted and not yet closed; of a dead process: cut off.
        unconfirmed_records: final records that not every sink is known to have stored.
        oldest_unconfirmed_ms: when the oldest of those ended, in Unix milliseconds.
        damaged: stretches of unreadable bytes, a torn end not counted.
    """

    name: str
    in_use: bool
    bytes_used: int
    segments: int
    open_requests: int
    unconfirmed_records: int
    oldest_unconfirmed_ms: int | None
    damaged: int


class Ended(Struct, frozen=True):
    """The part of a record that says which request it is of, and when that ended."""

    event_id: str
    started_at_ms: int
    duration_ms: float = 0.0


_ended = msgspec.json.Decoder(Ended)


def inspect_journals(root: Path) -> list[JournalReport]:
    """Return a report on every journal under `root`."""
    return [_inspect(directory) for directory in journal_directories(root)]


def bytes_on_disk(root: Path) -> int:
    """Return the size of all segments under `root`, those of dead processes included."""
    size = 0
    for directory in journal_directories(root):
        for path in directory.glob(f"*{SUFFIX}"):
            with contextlib.suppress(FileNotFoundError):  # confirmed and freed meanwhile
                size += path.stat().st_size
    return size


def _inspect(directory: Path) -> JournalReport:
    in_use = is_held(directory)
    confirmed = load_cursor(directory).confirmed
    segments = list_segments(directory)
    opened: set[str] = set()
    closed: set[str] = set()
    unconfirmed = damaged = 0
    oldest: int | None = None
    for segment in segments:
        # A live journal may free a segment at any moment.
        with contextlib.suppress(FileNotFoundError):
            for item in walk(segment, 0):
                if isinstance(item, Gap):
                    damaged += not item.torn
                    continue
                record = _ended.decode(item.payload)
                (opened if item.kind is Kind.OPEN else closed).add(record.event_id)
                if _is_unconfirmed(item, segment.number, confirmed):
                    unconfirmed += 1
                    ended_ms = record.started_at_ms + round(record.duration_ms)
                    oldest = ended_ms if oldest is None else min(oldest, ended_ms)
    return JournalReport(
        name=directory.name,
        in_use=in_use,
        bytes_used=sum(segment.size for segment in segments),
        segments=len(segments),
        open_requests=len(opened - closed),
        unconfirmed_records=unconfirmed,
        oldest_unconfirmed_ms=oldest,
        damaged=damaged,
    )


def _is_unconfirmed(frame: Frame, segment: int, confirmed: Mark) -> bool:
    return frame.kind is Kind.CLOSE and Mark(segment, frame.end) > confirmed
