"""An export proves itself: whatever is done to its lines is found without any store."""

import asyncio
import json
from hashlib import sha256
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.memory.audit_log import AuditTrail, MemoryAuditArchive
from application.records.export import ExportTrail, verify_export
from domain.errors import InvalidRequest
from tests.support.audit_trail import SIGNER, head_of, signed, some_rows
from tests.support.manual_clock import ManualClock

EVENTS, SIGNED = 7, (2, 6)


def exported(events: int = EVENTS, batch: int = 3) -> list[bytes]:
    rows = some_rows(events)
    trail = AuditTrail(
        head=head_of(rows),
        rows=rows,
        checkpoints={number: signed(rows[number - 1]) for number in SIGNED if number <= events},
    )

    async def read() -> bytes:
        export = ExportTrail(MemoryAuditArchive(trail), ManualClock(), batch=batch)
        return b"".join([part async for part in export.lines()])

    return asyncio.run(read()).splitlines(keepends=True)


WHOLE = exported()


def named(lines: list[bytes], *, checked: bool = True) -> int | None:
    bad = verify_export(lines, SIGNER if checked else None).first_bad
    return bad.sequence if bad is not None else None


def changed(line: bytes, **members: Any) -> bytes:
    return json.dumps({**json.loads(line), **members}).encode() + b"\n"


def test_an_export_has_a_header_the_events_and_the_checkpoints() -> None:
    kinds = [json.loads(line)["type"] for line in WHOLE]
    assert kinds == ["header", *["event"] * EVENTS, *["checkpoint"] * 2]
    report = verify_export(WHOLE, SIGNER)
    assert (report.intact, report.events, report.checkpoints) == (True, EVENTS, 2)


@pytest.mark.parametrize("batch", [1, 2, EVENTS, 100])
def test_the_size_of_a_batch_makes_no_difference(batch: int) -> None:
    assert exported(batch=batch) == WHOLE


def test_an_empty_trail_can_be_exported() -> None:
    lines = exported(0)
    assert len(lines) == 1
    assert named(lines) is None


def test_anybody_can_check_the_chain_with_a_few_lines_of_his_own() -> None:
    previous = bytes(32)
    for line in WHOLE[1 : 1 + EVENTS]:
        event = json.loads(line)
        assert event["previous_hash"] == previous.hex()
        previous = sha256(previous + event["content"].encode()).digest()
        assert event["hash"] == previous.hex()
    assert json.loads(WHOLE[0])["last_hash"] == previous.hex()


def test_without_keys_signatures_are_not_checked_and_that_is_said() -> None:
    report = verify_export(WHOLE, None)
    assert (report.intact, report.checkpoints, report.unchecked_checkpoints) == (True, 0, 2)


@given(line=st.integers(1, len(WHOLE) - 1), at=st.integers(0, 5000), bit=st.integers(0, 7))
def test_any_bit_of_any_line_counts(line: int, at: int, bit: int) -> None:
    data = bytearray(WHOLE[line].rstrip())
    data[at % len(data)] ^= 1 << bit
    before, after = json.loads(WHOLE[line]), _parsed(bytes(data))
    lines = [*WHOLE[:line], bytes(data) + b"\n", *WHOLE[line + 1 :]]
    # Hexadecimal digits have two cases, and JSON can write the same value in several ways.
    same = after is not None and {k: _folded(v) for k, v in after.items()} == before
    assert (named(lines) is None) == same


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return cast("dict[str, Any]", found) if isinstance(found, dict) else None


def _folded(value: object) -> object:
    is_hex = isinstance(value, str) and len(value) in {64, 128}
    return value.lower() if is_hex and isinstance(value, str) else value


def test_lines_that_are_gone_moved_or_new_are_named() -> None:
    events = range(1, EVENTS + 1)
    assert [named([*WHOLE[:n], *WHOLE[n + 1 :]]) for n in events] == list(events)
    moved = [*WHOLE[:3], WHOLE[4], WHOLE[3], *WHOLE[5:]]
    assert named(moved) == 3
    assert named([*WHOLE[:3], WHOLE[2], *WHOLE[3:]]) == 2
    assert named([*WHOLE[:3], b"no JSON\n", *WHOLE[3:]]) == 3


def test_an_end_that_is_not_the_header_s_is_named() -> None:
    assert named([*WHOLE[: EVENTS - 1]]) == EVENTS - 1
    assert named([changed(WHOLE[0], last_sequence=5), *WHOLE[1:]]) == 6
    assert named([changed(WHOLE[0], last_hash="00" * 32), *WHOLE[1:]]) == EVENTS


def test_a_chain_that_was_written_anew_does_not_fit_its_checkpoints() -> None:
    other = some_rows(EVENTS, word="team")
    lines = [
        changed(
            line,
            content=row.content,
            previous_hash=row.previous_hash.hex(),
            hash=row.hash.hex(),
        )
        for line, row in zip(WHOLE[1 : 1 + EVENTS], other, strict=True)
    ]
    header = changed(WHOLE[0], last_hash=other[-1].hash.hex())
    for checked in (True, False):
        assert named([header, *lines, *WHOLE[1 + EVENTS :]], checked=checked) == SIGNED[0]
    forged = [
        changed(line, hash=other[number - 1].hash.hex())
        for line, number in zip(WHOLE[1 + EVENTS :], SIGNED, strict=True)
    ]
    assert named([header, *lines, *forged]) == SIGNED[0]


@pytest.mark.parametrize("first", [b"", b"{}\n", b"[]\n", b"\xff\n", WHOLE[1]])
def test_what_has_no_header_is_no_export(first: bytes) -> None:
    with pytest.raises(InvalidRequest):
        verify_export([first], None)
