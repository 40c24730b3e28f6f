"""Whatever is done to a stored trail is found, and the first event that is not what it was named."""

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from adapters.crypto.signing import Ed25519Signer
from adapters.memory.audit_copy import MemoryAuditCopy
from adapters.memory.audit_log import AuditTrail, MemoryAuditArchive
from application.ports.audit_copy import AuditCopy
from application.ports.audit_log import Checkpoint
from application.records.verification import CopyState, TrailReport, VerifyTrail
from domain.errors import ServiceUnavailable
from domain.records.audit import ChainedEvent, ChainHead, link
from tests.support.audit_trail import SIGNER, head_of, signed, some_rows

EVENTS, SIGNED = 9, (3, 7)


class Kept(Struct):
    """A trail of nine events with two checkpoints, and its copy."""

    trail: AuditTrail
    copy: MemoryAuditCopy

    def verify(
        self, *, copy: AuditCopy | None = None, batch: int = 4, signer: Ed25519Signer = SIGNER
    ) -> TrailReport:
        archive = MemoryAuditArchive(self.trail)
        return asyncio.run(VerifyTrail(archive, signer, copy, batch=batch).run())

    def first_bad(self, *, with_copy: bool = False) -> int | None:
        """Return the number named; None when nothing was found."""
        bad = self.verify(copy=self.copy if with_copy else None).first_bad
        return bad.sequence if bad is not None else None

    def rewrite(self, number: int) -> None:
        """Change an event and make all hashes after it right again, as whoever knows how would."""
        rows = self.trail.rows
        rows[number - 1] = replace(
            rows[number - 1], content=rows[number - 1].content.replace("create", "delete")
        )
        previous = rows[number - 2].hash if number > 1 else bytes(32)
        for index in range(number - 1, len(rows)):
            hashed = link(previous, rows[index].content)
            rows[index] = replace(rows[index], previous_hash=previous, hash=hashed)
            previous = hashed
        self.trail.head = head_of(rows)

    def cut(self, left: int) -> None:
        """Remove the events after `left`, and note that the chain ends there."""
        del self.trail.rows[left:]
        self.trail.head = head_of(self.trail.rows)


def kept() -> Kept:
    rows = some_rows(EVENTS)
    checkpoints = {number: signed(rows[number - 1]) for number in SIGNED}
    copy = MemoryAuditCopy()
    asyncio.run(copy.add(rows))
    return Kept(AuditTrail(head=head_of(rows), rows=rows, checkpoints=checkpoints), copy)


class NoCopy(MemoryAuditCopy):
    """A log store that does not answer."""

    async def head(self) -> ChainHead:
        raise ServiceUnavailable("down")


def test_what_nobody_touched_is_intact() -> None:
    whole = kept()
    report = whole.verify(copy=whole.copy)
    assert report.intact
    assert (report.events, report.checkpoints, report.copied) == (EVENTS, 2, EVENTS)
    assert report.copy is CopyState.COMPARED
    assert report.head == whole.trail.head
    assert report.last_checkpoint == whole.trail.checkpoints[7]


@pytest.mark.parametrize("batch", [1, 2, 3, EVENTS, 100])
def test_the_size_of_a_batch_makes_no_difference(batch: int) -> None:
    assert kept().verify(batch=batch).events == EVENTS


def test_an_empty_trail_is_intact() -> None:
    assert Kept(AuditTrail(), MemoryAuditCopy()).verify().intact


def test_a_copy_that_cannot_be_asked_is_told_and_no_fault() -> None:
    report = kept().verify(copy=NoCopy())
    assert (report.intact, report.copy) == (True, CopyState.UNREACHABLE)


def test_a_copy_that_lags_behind_is_no_fault() -> None:
    whole, behind = kept(), MemoryAuditCopy()
    asyncio.run(behind.add(whole.trail.rows[:5]))
    assert whole.verify(copy=behind).intact


def flipped(value: bytes | str | int, bit: int) -> bytes | str | int:
    """Return the value with one bit changed, as it is stored."""
    if isinstance(value, int):
        return value ^ (1 << bit % 63)
    data = bytearray(value if isinstance(value, bytes) else value.encode())
    data[bit // 8 % len(data)] ^= 1 << bit % 8
    return bytes(data) if isinstance(value, bytes) else data.decode("utf-8", "surrogateescape")


@given(
    number=st.integers(1, EVENTS),
    column=st.sampled_from(["sequence", "content", "previous_hash", "hash"]),
    bit=st.integers(0, 8 * 600),
    with_copy=st.booleans(),
)
def test_any_bit_of_any_event_counts(number: int, column: str, bit: int, with_copy: bool) -> None:
    whole = kept()
    row = whole.trail.rows[number - 1]
    wrong = replace(row, **{column: flipped(getattr(row, column), bit)})
    whole.trail.rows[number - 1] = wrong
    whole.trail.rows.sort(key=lambda each: each.sequence)  # by which the database would read them
    assert whole.first_bad(with_copy=with_copy) in {number, wrong.sequence}


@given(bit=st.integers(0, 400), column=st.sampled_from(["sequence", "hash"]))
def test_any_bit_of_the_noted_end_counts(bit: int, column: str) -> None:
    whole = kept()
    head = whole.trail.head
    whole.trail.head = replace(head, **{column: flipped(getattr(head, column), bit)})
    expected = EVENTS if column == "hash" else min(whole.trail.head.sequence, EVENTS) + 1
    assert whole.first_bad() == expected


@given(
    number=st.sampled_from(SIGNED),
    column=st.sampled_from(Checkpoint.__struct_fields__),
    bit=st.integers(0, 8 * 64),
)
def test_any_bit_of_a_checkpoint_counts(number: int, column: str, bit: int) -> None:
    whole = kept()
    mark = whole.trail.checkpoints.pop(number)
    wrong = replace(mark, **{column: flipped(getattr(mark, column), bit)})
    whole.trail.checkpoints[wrong.sequence] = wrong
    assert whole.first_bad() == wrong.sequence


@pytest.mark.parametrize("number", range(1, EVENTS + 1))
def test_an_event_that_was_taken_out_is_named(number: int) -> None:
    whole = kept()
    del whole.trail.rows[number - 1]
    assert whole.first_bad() == number


@pytest.mark.parametrize("number", range(1, EVENTS))
def test_events_that_changed_places_are_named(number: int) -> None:
    whole = kept()
    rows = whole.trail.rows
    first, second = rows[number - 1], rows[number]
    rows[number - 1] = replace(second, sequence=number)
    rows[number] = replace(first, sequence=number + 1)
    assert whole.first_bad() == number


def test_an_event_that_was_put_in_is_named() -> None:
    for number in (-3, 0, EVENTS + 1, EVENTS + 5):
        whole = kept()
        extra = replace(whole.trail.rows[0], sequence=number)
        whole.trail.rows.append(extra)
        whole.trail.rows.sort(key=lambda each: each.sequence)
        assert whole.first_bad() == min(number, EVENTS + 1)


def test_an_event_that_continues_the_chain_but_not_its_noted_end_is_named() -> None:
    whole = kept()
    whole.trail.rows.extend(some_rows(2, whole.trail.head))
    assert whole.first_bad() == EVENTS + 1


def _without_rows(whole: Kept) -> None:
    del whole.trail.rows[5:]


def _without_rows_and_end(whole: Kept) -> None:
    whole.cut(5)


def _without_anything(whole: Kept) -> None:
    whole.cut(0)
    whole.trail.checkpoints.clear()


def _without_the_unsigned_tail(whole: Kept) -> None:
    whole.cut(8)


def _without_checkpoints_either(whole: Kept) -> None:
    whole.cut(5)
    del whole.trail.checkpoints[7]


@pytest.mark.parametrize(
    ("tampered", "without_copy", "named"),
    [
        (_without_rows, 6, 6),
        (_without_rows_and_end, 6, 6),
        (_without_anything, None, 1),
        (_without_the_unsigned_tail, None, 9),
        (_without_checkpoints_either, None, 6),
    ],
)
def test_a_tail_that_was_cut_is_missed(
    tampered: Callable[[Kept], None], without_copy: int | None, named: int
) -> None:
    whole = kept()
    tampered(whole)
    assert whole.first_bad() == without_copy
    assert whole.first_bad(with_copy=True) == named


@pytest.mark.parametrize("number", range(1, EVENTS + 1))
def test_a_chain_that_was_written_anew_is_known_by_what_was_signed(number: int) -> None:
    whole = kept()
    whole.rewrite(number)
    first_signed_after = next((each for each in SIGNED if each >= number), None)
    assert whole.first_bad() == first_signed_after
    assert whole.first_bad(with_copy=True) == number


def test_an_edit_whose_own_hash_was_made_right_is_named_by_the_copy() -> None:
    whole = kept()
    row = whole.trail.rows[4]
    content = row.content.replace("create", "delete")
    whole.trail.rows[4] = replace(row, content=content, hash=link(row.previous_hash, content))
    assert whole.first_bad() == 6
    assert whole.first_bad(with_copy=True) == 5


def test_a_checkpoint_by_somebody_elses_key_is_no_checkpoint() -> None:
    whole = kept()
    report = whole.verify(signer=Ed25519Signer([b"x" * 32], purpose="audit"))
    assert report.first_bad is not None
    assert report.first_bad.sequence == SIGNED[0]
    assert "not in ENCRYPTION_KEY" in report.first_bad.fault


class Growing(MemoryAuditArchive):
    """A trail that gets an event, and a checkpoint of it, with everything that is read of it."""

    def __init__(self, trail: AuditTrail, most: int) -> None:
        super().__init__(trail)
        self.trail, self.left = trail, most

    async def rows(self, after: int, limit: int) -> list[ChainedEvent]:
        found = list(await super().rows(after, limit))
        if self.left:
            self.left -= 1
            self.trail.rows.extend(some_rows(1, self.trail.head))
            self.trail.head = head_of(self.trail.rows)
            last = self.trail.rows[-1]
            self.trail.checkpoints[last.sequence] = signed(last)
        return found


def test_a_trail_that_grows_meanwhile_is_intact() -> None:
    whole = kept()
    growing = Growing(whole.trail, 12)
    report = asyncio.run(VerifyTrail(growing, SIGNER, whole.copy, batch=2).run())
    assert report.intact
    assert report.events >= EVENTS + 10
