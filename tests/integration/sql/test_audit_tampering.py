"""The trail in PostgreSQL: the database refuses changes, and those made past it are found."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from adapters.memory.audit_copy import MemoryAuditCopy
from application.records.verification import TrailReport, VerifyTrail
from domain.records.audit import AuditTarget
from tests.support.acting import OPERATOR
from tests.support.audit_trail import SIGNER, signed
from tests.support.configuration import Configuration, sql_configuration
from tests.support.stores import connect_postgres

EVENTS = 6
SWAP = (
    "UPDATE audit_events a SET content = b.content, hash = b.hash, previous_hash = b.previous_hash"
    " FROM audit_events b WHERE (a.sequence, b.sequence) IN ((3, 4), (4, 3))"
)
CUT = (
    "DELETE FROM audit_events WHERE sequence > 4; UPDATE audit_head SET sequence = 4,"
    " hash = (SELECT hash FROM audit_events WHERE sequence = 4)"
)


class Kept:
    """Six events, a checkpoint of the fifth, a copy, and somebody at the database."""

    def __init__(self, url: str, stored: Configuration) -> None:
        self.url = url
        self.stored = stored
        self.copy = MemoryAuditCopy()

    async def fill(self) -> None:
        async with self.stored.audited.begin() as tx:
            for number in range(EVENTS):
                target = AuditTarget(kind="key", id=str(number), name=f"ключ {number}")
                tx.audit.record(OPERATOR, "key.create", target, after={"number": number})
            await tx.commit()
        rows = await self.stored.archive.rows(0, EVENTS)
        await self.stored.archive.add_checkpoint(signed(rows[4]))
        await self.copy.add(rows)

    async def execute(self, *statements: str) -> None:
        async with connect_postgres(self.url) as connection:
            for statement in statements:
                await connection.execute(statement)

    async def tamper(self, *statements: str) -> None:
        """Run statements as somebody who knows how to get past the trigger."""
        await self.execute(
            "ALTER TABLE audit_events DISABLE TRIGGER audit_events_only_grow", *statements
        )

    async def verify(self, *, with_copy: bool = False) -> TrailReport:
        copy = self.copy if with_copy else None
        return await VerifyTrail(self.stored.archive, SIGNER, copy, batch=2).run()


@pytest.fixture
async def kept(postgres_url: str) -> AsyncIterator[Kept]:
    async with sql_configuration(postgres_url) as stored:
        whole = Kept(postgres_url, stored)
        await whole.fill()
        yield whole


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_events SET content = content WHERE sequence = 1",
        "DELETE FROM audit_events WHERE sequence = 6",
        "TRUNCATE audit_events",
    ],
)
async def test_the_database_refuses_every_change(kept: Kept, statement: str) -> None:
    with pytest.raises(asyncpg.RaiseError, match="only ever added to"):
        await kept.execute(statement)
    report = await kept.verify(with_copy=True)
    assert (report.intact, report.events, report.checkpoints) == (True, EVENTS, 1)


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        (
            (
                "UPDATE audit_events SET content = replace(content, 'key.create', 'key.creatE')"
                " WHERE sequence = 3"
            ),
            3,
        ),
        (
            "UPDATE audit_events SET hash = set_byte(hash, 7, 255 - get_byte(hash, 7)) WHERE sequence = 2",
            2,
        ),
        (
            (
                "UPDATE audit_events SET previous_hash = set_byte(previous_hash, 31, 255 - get_byte(previous_hash, 31))"
                " WHERE sequence = 4"
            ),
            4,
        ),
        ("UPDATE audit_events SET sequence = 60 WHERE sequence = 2", 2),
        ("UPDATE audit_events SET sequence = -1 WHERE sequence = 1", -1),
        ("DELETE FROM audit_events WHERE sequence = 1", 1),
        ("DELETE FROM audit_events WHERE sequence = 6", 6),
        ("DELETE FROM audit_events", 1),
        (
            (
                "INSERT INTO audit_events (sequence, content, previous_hash, hash)"
                " SELECT 7, content, previous_hash, hash FROM audit_events WHERE sequence = 6"
            ),
            7,
        ),
        (SWAP, 3),
        (CUT, 5),
        ("UPDATE audit_head SET sequence = 5", 6),
        ("UPDATE audit_head SET sequence = 9", 7),
        (
            "UPDATE audit_head SET hash = set_byte(hash, 0, 255 - get_byte(hash, 0)), sequence = 6",
            6,
        ),
        ("UPDATE audit_checkpoints SET hash = set_byte(hash, 3, 255 - get_byte(hash, 3))", 5),
        (
            "UPDATE audit_checkpoints SET signature = set_byte(signature, 63, 255 - get_byte(signature, 63))",
            5,
        ),
        ("UPDATE audit_checkpoints SET at = at + interval '1 second'", 5),
        ("UPDATE audit_checkpoints SET sequence = 4", 4),
        ("UPDATE audit_checkpoints SET key_id = 'another'", 5),
    ],
)
async def test_what_gets_past_it_is_found_and_named(kept: Kept, statement: str, named: int) -> None:
    await kept.tamper(statement)
    for with_copy in (False, True):
        report = await kept.verify(with_copy=with_copy)
        assert report.first_bad is not None
        assert report.first_bad.sequence == named


async def test_a_tail_cut_with_its_checkpoints_is_known_from_the_copy(kept: Kept) -> None:
    await kept.tamper(CUT, "DELETE FROM audit_checkpoints")
    assert (await kept.verify()).intact
    report = await kept.verify(with_copy=True)
    assert report.first_bad is not None
    assert report.first_bad.sequence == 5
    assert report.copied == EVENTS
