"""The audit trail as a file of lines that proves itself, and the verification of such a file.

JSON lines: a header, one line per event (`sequence`, `content`, `previous_hash`, `hash`; hashes are
hexadecimal), one per checkpoint. `hash` is SHA-256 over the 32 bytes of the previous hash and the
content in UTF-8, so that anybody can check the chain without this program.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable

import msgspec
from msgspec import Struct

from application.ports.audit_log import AuditArchive, Checkpoint, Signer
from application.ports.clock import Clock
from application.records.verification import BATCH, TrailReport, checkpoint_fault
from domain.errors import InvalidRequest, ServiceUnavailable
from domain.records.audit import Break, ChainedEvent, ChainHead, verify

SCHEMA = "thinkwatch.audit.export/1"
BATCH_TIMEOUT_S = 30.0
_HASH_BYTES = 32


class Header(Struct, frozen=True, kw_only=True, tag="header", tag_field="type"):
    """First line: the end of the chain when the export began; later events are not in it."""

    schema: str = SCHEMA
    exported_at_ms: int
    last_sequence: int
    last_hash: str


class EventLine(Struct, frozen=True, kw_only=True, tag="event", tag_field="type"):
    """An event."""

    sequence: int
    content: str
    previous_hash: str
    hash: str


class CheckpointLine(Struct, frozen=True, kw_only=True, tag="checkpoint", tag_field="type"):
    """A signed checkpoint; the signature is Ed25519, hexadecimal."""

    sequence: int
    hash: str
    at_ms: int
    key_id: str
    signature: str


_line = msgspec.json.Decoder(Header | EventLine | CheckpointLine)


class ExportTrail:
    """Reads the trail batch by batch: nothing but a batch is held in memory."""

    def __init__(self, archive: AuditArchive, clock: Clock, *, batch: int = BATCH) -> None:
        """Take the ports."""
        self._archive = archive
        self._clock = clock
        self._batch = batch

    async def lines(self) -> AsyncGenerator[bytes]:
        """Yield the lines of the export, many at a time, each with its line break.

        Raises:
            ServiceUnavailable: a batch could not be read in time; the export is cut.
        """
        end = await self._archive.head()
        yield _written(
            Header(
                exported_at_ms=self._clock.now_ms(),
                last_sequence=end.sequence,
                last_hash=end.hash.hex(),
            )
        )
        after = 0
        while after < end.sequence:
            rows = await self._rows(after, min(self._batch, end.sequence - after))
            if not rows:
                break
            yield b"".join(_written(_event_line(row)) for row in rows)
            after = rows[-1].sequence
        after = 0
        while after < end.sequence:
            marks = await self._archive.checkpoints(after=after, until=after + self._batch)
            if marks:
                yield b"".join(_written(_checkpoint_line(mark)) for mark in marks)
            after += self._batch

    async def _rows(self, after: int, limit: int) -> list[ChainedEvent]:
        try:
            async with asyncio.timeout(BATCH_TIMEOUT_S):
                return list(await self._archive.rows(after, limit))
        except TimeoutError:
            raise ServiceUnavailable("The audit trail could not be read in time.") from None


def verify_export(lines: Iterable[bytes], signer: Signer | None) -> TrailReport:
    """Verify an export without any store. Without `signer` signatures are not checked.

    Raises:
        InvalidRequest: the first line is not the header of an export.
    """
    numbered = iter(lines)
    header = _read(next(numbered, b""))
    if not isinstance(header, Header) or header.schema != SCHEMA:
        raise InvalidRequest(f"The file is not an export of the audit trail ({SCHEMA}).")
    reading = _Reading(signer)
    for line in numbered:
        if line.strip():
            reading.take(_read(line))
    reading.end(header)
    return TrailReport(
        events=reading.head.sequence,
        head=reading.head,
        first_bad=min(reading.found, key=lambda each: each.sequence, default=None),
        checkpoints=reading.checkpoints,
        unchecked_checkpoints=reading.unchecked,
        last_checkpoint=reading.last,
    )


class _Reading:
    """What was read so far. Hashes are kept to hold checkpoints against: 32 bytes per event."""

    def __init__(self, signer: Signer | None) -> None:
        self._signer = signer
        self._hashes = bytearray()
        self._whole = True
        self.head = ChainHead()
        self.found: list[Break] = []
        self.checkpoints = 0
        self.unchecked = 0
        self.last: Checkpoint | None = None

    def take(self, line: Header | EventLine | CheckpointLine | None) -> None:
        match line:
            case EventLine():
                self._event(line)
            case CheckpointLine():
                self._checkpoint(line)
            case _:
                self._break(Break(sequence=self.head.sequence + 1, fault="cannot be read"))

    def end(self, header: Header) -> None:
        if not self._whole:
            return
        last = self.head.sequence
        if last < header.last_sequence:
            fault = f"is missing: the export ends with event {header.last_sequence}"
            self._break(Break(sequence=last + 1, fault=fault))
        elif last > header.last_sequence:
            number = max(header.last_sequence, 0) + 1
            self._break(Break(sequence=number, fault="is beyond the end of the export"))
        elif self.head.hash.hex() != header.last_hash:
            self._break(Break(sequence=last, fault="is not the noted end of the chain"))

    def _event(self, line: EventLine) -> None:
        row = _event_of(line)
        if not self._whole:
            return
        if row is None:
            self._break(Break(sequence=self.head.sequence + 1, fault="has a hash that is none"))
            return
        end = verify(self.head, [row])
        if isinstance(end, Break):
            self._break(end)
        else:
            self.head = end
            self._hashes += end.hash

    def _checkpoint(self, line: CheckpointLine) -> None:
        mark = _checkpoint_of(line)
        if mark is None:
            fault = "has a checkpoint that cannot be read"
            self.found.append(Break(sequence=line.sequence, fault=fault))
            return
        if not self._whole and mark.sequence > self.head.sequence:
            return  # it is of an event after the first bad one
        if self._signer is None:
            self.unchecked += 1
        else:
            self.checkpoints += 1
        fault = _fault(mark, self._hash_of(mark.sequence), self._signer)
        if fault is not None:
            self.found.append(Break(sequence=mark.sequence, fault=fault))
        self.last = mark

    def _hash_of(self, sequence: int) -> bytes | None:
        if not 1 <= sequence <= self.head.sequence:
            return None
        return bytes(self._hashes[(sequence - 1) * _HASH_BYTES : sequence * _HASH_BYTES])

    def _break(self, broken: Break) -> None:
        self.found.append(broken)
        self._whole = False


def _fault(mark: Checkpoint, hash_there: bytes | None, signer: Signer | None) -> str | None:
    if signer is not None:
        return checkpoint_fault(mark, hash_there, signer)
    return None if hash_there == mark.hash else "is not the event that its checkpoint names"


def _written(line: Header | EventLine | CheckpointLine) -> bytes:
    return msgspec.json.encode(line) + b"\n"


def _read(line: bytes) -> Header | EventLine | CheckpointLine | None:
    try:
        return _line.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _event_line(row: ChainedEvent) -> EventLine:
    return EventLine(
        sequence=row.sequence,
        content=row.content,
        previous_hash=row.previous_hash.hex(),
        hash=row.hash.hex(),
    )


def _event_of(line: EventLine) -> ChainedEvent | None:
    try:
        return ChainedEvent(
            sequence=line.sequence,
            content=line.content,
            previous_hash=bytes.fromhex(line.previous_hash),
            hash=bytes.fromhex(line.hash),
        )
    except ValueError:
        return None


def _checkpoint_line(mark: Checkpoint) -> CheckpointLine:
    return CheckpointLine(
        sequence=mark.sequence,
        hash=mark.hash.hex(),
        at_ms=mark.at_ms,
        key_id=mark.key_id,
        signature=mark.signature.hex(),
    )


def _checkpoint_of(line: CheckpointLine) -> Checkpoint | None:
    try:
        return Checkpoint(
            sequence=line.sequence,
            hash=bytes.fromhex(line.hash),
            at_ms=line.at_ms,
            key_id=line.key_id,
            signature=bytes.fromhex(line.signature),
        )
    except ValueError:
        return None
