"""Segment files of one journal directory and the reading of their frames."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from adapters.journal.frames import Frame, Gap, Kind, parse
from application.ports.backlog import Mark

SUFFIX = ".seg"
CHUNK_BYTES = 1024 * 1024


class Segment(Struct, frozen=True):
    """A segment file as far as it is to be read: `size` bytes of it."""

    number: int
    path: Path
    size: int

    @property
    def end(self) -> Mark:
        """The place after its last byte."""
        return Mark(self.number, self.size)


class Lines(Struct, frozen=True):
    """Payloads of close frames, the place after the last one, and how much damage was passed."""

    lines: tuple[bytes, ...]
    mark: Mark
    gaps: int


def segment_path(directory: Path, number: int) -> Path:
    """Return the path of a segment; names sort by number."""
    return directory / f"{number:08}{SUFFIX}"


def list_segments(directory: Path) -> list[Segment]:
    """Return the segments on disk, oldest first, with their present sizes."""
    return [
        Segment(number=int(path.stem), path=path, size=path.stat().st_size)
        for path in sorted(directory.glob(f"*{SUFFIX}"))
        if path.stem.isdigit()
    ]


def walk(segment: Segment, start: int, *, chunk_bytes: int = CHUNK_BYTES) -> Iterator[Frame | Gap]:
    """Yield the frames of a segment from `start` on; `end` counts from the start of the file."""
    with segment.path.open("rb", buffering=0) as file:
        position, want = start, chunk_bytes
        while position < segment.size:
            data = os.pread(file.fileno(), min(want, segment.size - position), position)
            complete = position + len(data) >= segment.size or not data
            base = position
            for item in parse(data, complete=complete):
                position = base + item.end
                if isinstance(item, Frame):
                    yield Frame(kind=item.kind, payload=item.payload, end=position)
                else:
                    yield Gap(end=position, torn=item.torn)
            if complete:
                return
            # A frame longer than the chunk, or damage without an end in sight: look further.
            want = want * 2 if position == base else chunk_bytes


def read_closed(
    segments: Sequence[Segment], after: Mark, *, max_records: int, max_bytes: int
) -> Lines:
    """Return final records after a mark, oldest first, at least one if there is one."""
    lines: list[bytes] = []
    size = gaps = 0
    mark = after
    for segment in segments:
        if segment.end <= after:
            continue
        start = after.offset if segment.number == after.segment else 0
        for item in walk(segment, start):
            if isinstance(item, Gap):
                gaps += 1
            elif item.kind is Kind.CLOSE:
                if lines and size + len(item.payload) > max_bytes:
                    return Lines(tuple(lines), mark, gaps)
                lines.append(item.payload)
                size += len(item.payload)
            mark = Mark(segment.number, item.end)
            if len(lines) >= max_records:
                return Lines(tuple(lines), mark, gaps)
    return Lines(tuple(lines), mark, gaps)
