"""The audit trail is copied and signed as it grows, and nothing is signed that was changed."""

import asyncio
from collections.abc import Sequence

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from adapters.memory.audit_copy import MemoryAuditCopy
from adapters.memory.audit_log import AuditTrail, MemoryAuditArchive
from adapters.memory.leases import MemoryLeaderLease
from application.jobs.ship_audit import LEASE, ShipAudit
from domain.errors import ServiceUnavailable
from domain.records.audit import ChainedEvent, ChainHead
from tests.support.audit_trail import SIGNER, head_of, some_rows
from tests.support.manual_clock import EvenRandomness, ManualClock


class Copy(MemoryAuditCopy):
    """A log store that can be down."""

    def __init__(self) -> None:
        super().__init__()
        self.down = False
        self.inserted: list[int] = []
        self.got_some = asyncio.Event()

    async def head(self) -> ChainHead:
        if self.down:
            raise ServiceUnavailable("down")
        return await super().head()

    async def add(self, rows: Sequence[ChainedEvent]) -> None:
        if self.down:
            raise ServiceUnavailable("down")
        self.inserted.extend(row.sequence for row in rows)
        await super().add(rows)
        self.got_some.set()


class Shipping:
    """A trail, its copy, and one or more workers."""

    def __init__(self) -> None:
        self.trail = AuditTrail()
        self.copy = Copy()
        self.clock = ManualClock()
        self.leases = MemoryLeaderLease()
        self.job = self.worker()

    def worker(self) -> ShipAudit:
        return ShipAudit(
            MemoryAuditArchive(self.trail),
            self.copy,
            SIGNER,
            self.leases,
            clock=self.clock,
            randomness=EvenRandomness(),
            look_every_s=0.001,
        )

    def happen(self, count: int) -> None:
        self.trail.rows.extend(some_rows(count, self.trail.head))
        self.trail.head = head_of(self.trail.rows)

    @property
    def signed(self) -> list[int]:
        return sorted(self.trail.checkpoints)


@pytest.fixture
def shipping() -> Shipping:
    return Shipping()


async def test_what_happens_is_copied_and_signed_at_once(shipping: Shipping) -> None:
    shipping.happen(1200)
    with capture_logs() as logs:
        await shipping.job.round()
    assert await shipping.copy.head() == shipping.trail.head
    assert shipping.signed == [1200]
    mark = shipping.trail.checkpoints[1200]
    assert SIGNER.verify(mark.signed_text(), mark.signature, mark.key_id)
    assert (mark.hash, mark.at_ms) == (shipping.trail.head.hash, shipping.clock.now_ms())
    [line] = [line for line in logs if line["event"] == "audit_checkpoint"]
    assert (line["sequence"], line["signature"]) == (1200, mark.signature.hex())


async def test_a_checkpoint_is_made_only_when_something_happened_and_at_most_every_10_s(
    shipping: Shipping,
) -> None:
    await shipping.job.round()
    assert shipping.signed == []
    shipping.happen(1)
    await shipping.job.round()
    shipping.happen(1)
    shipping.clock.advance(9.9)
    await shipping.job.round()
    assert shipping.signed == [1]
    assert (await shipping.copy.head()).sequence == 2
    shipping.clock.advance(0.1)
    await shipping.job.round()
    shipping.clock.advance(60)
    await shipping.job.round()
    assert shipping.signed == [1, 2]


async def test_the_next_leader_carries_on_where_the_last_one_ended(shipping: Shipping) -> None:
    shipping.happen(3)
    await shipping.job.round()
    shipping.happen(2)
    other = shipping.worker()
    await other.round()
    assert shipping.copy.inserted == [1, 2, 3, 4, 5]
    assert shipping.signed == [3]
    shipping.clock.advance(10)
    await other.round()
    assert shipping.signed == [3, 5]


async def test_a_log_store_that_is_down_delays_only_the_copy(shipping: Shipping) -> None:
    shipping.copy.down = True
    shipping.happen(2)
    with capture_logs() as logs:
        await shipping.job.round()
        await shipping.job.round()
    assert [line["event"] for line in logs] == ["audit_checkpoint", "audit_copy_waits"]
    assert shipping.signed == [2]
    shipping.copy.down = False
    await shipping.job.round()
    assert shipping.copy.inserted == [1, 2]


@pytest.mark.parametrize("number", [1, 2, 3, 4])
async def test_a_chain_that_was_changed_is_neither_copied_nor_signed(
    shipping: Shipping, number: int
) -> None:
    shipping.happen(2)
    await shipping.job.round()
    shipping.happen(2)
    row = shipping.trail.rows[number - 1]
    shipping.trail.rows[number - 1] = replace(row, hash=bytes(32))
    shipping.clock.advance(10)
    with capture_logs() as logs:
        await shipping.job.round()
        await shipping.job.round()
    if number == 1:  # behind what was signed: that is for a verification to find
        assert shipping.signed == [2, 4]
        return
    broken = [line for line in logs if line["event"] == "audit_chain_broken"]
    # An event that was signed already is right by its checkpoint; the one after does not follow.
    assert [line["sequence"] for line in broken] == ([] if number == 2 else [number])
    assert shipping.signed == ([2, 4] if number == 2 else [2])
    assert shipping.copy.inserted == ([1, 2, 3, 4] if number == 2 else [1, 2])


@pytest.mark.parametrize("left", [0, 1])
async def test_a_trail_that_is_shorter_than_what_was_signed_is_reported(
    shipping: Shipping, left: int
) -> None:
    shipping.happen(2)
    await shipping.job.round()
    del shipping.trail.rows[left:]
    shipping.trail.head = head_of(shipping.trail.rows)
    shipping.clock.advance(10)
    with capture_logs() as logs:
        await shipping.job.round()
    assert [(line["event"], line["sequence"]) for line in logs] == [
        ("audit_chain_broken", left + 1)
    ]


@pytest.mark.parametrize("kept", [0, 2])
async def test_a_trail_that_was_rewritten_and_lost_its_checkpoints_is_not_signed_again(
    shipping: Shipping, kept: int
) -> None:
    for count in (2, 3):
        shipping.happen(count)
        shipping.clock.advance(10)
        await shipping.job.round()
    assert shipping.signed == [2, 5]
    for number in (2, 5):
        if number > kept:
            del shipping.trail.checkpoints[number]
    del shipping.trail.rows[kept:]
    shipping.trail.rows.extend(some_rows(4, head_of(shipping.trail.rows), word="forged"))
    shipping.trail.head = head_of(shipping.trail.rows)
    shipping.clock.advance(60)
    with capture_logs() as logs:
        await shipping.worker().round()
    assert [each for each in shipping.signed if each > kept] == []
    assert "is not the event that was copied" in [line.get("fault") for line in logs]


async def test_of_two_workers_one_leads(shipping: Shipping) -> None:
    async with shipping.leases.hold(LEASE):
        shipping.happen(1)
        waiting = asyncio.create_task(shipping.job.run())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert shipping.signed == []
        waiting.cancel()
    leading = asyncio.create_task(shipping.worker().run())
    async with asyncio.timeout(5):
        await shipping.copy.got_some.wait()
    assert shipping.signed == [1]
    leading.cancel()
