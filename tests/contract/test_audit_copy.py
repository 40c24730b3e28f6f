"""AuditCopy: what was copied first stays, whatever comes later."""

from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from adapters.clickhouse.audit_copy import ClickHouseAuditCopy
from adapters.clickhouse.client import ClickHouse
from adapters.clickhouse.migrations import migrate
from adapters.memory.audit_copy import MemoryAuditCopy
from application.ports.audit_copy import AuditCopy
from domain.records.audit import ChainHead
from tests.support.audit_trail import some_rows
from tests.support.record_pipeline import MIGRATIONS
from tests.support.stores import ClickHouseDatabase

PORTS = (AuditCopy,)


@pytest.fixture
def in_memory() -> AuditCopy:
    return MemoryAuditCopy()


@pytest.fixture
async def in_clickhouse(clickhouse: ClickHouseDatabase) -> AsyncIterator[AuditCopy]:
    client = ClickHouse(clickhouse.url, database=clickhouse.name)
    await migrate(client, MIGRATIONS)
    yield ClickHouseAuditCopy(client)
    await client.aclose()


@pytest.fixture(params=["in_memory", "in_clickhouse"])
def copy(request: pytest.FixtureRequest) -> AuditCopy:
    return request.getfixturevalue(request.param)


async def test_an_empty_copy_ends_before_the_first_event(copy: AuditCopy) -> None:
    assert await copy.head() == ChainHead()
    assert await copy.hashes(0, 10) == []


async def test_the_end_and_the_hashes_are_those_of_the_rows(copy: AuditCopy) -> None:
    rows = some_rows(7)
    await copy.add(rows[:4])
    await copy.add(rows[4:])
    assert await copy.head() == ChainHead(sequence=7, hash=rows[6].hash)
    expected = [ChainHead(sequence=row.sequence, hash=row.hash) for row in rows]
    assert await copy.hashes(0, 100) == expected
    assert await copy.hashes(2, 3) == expected[2:5]


async def test_rows_that_come_twice_are_there_once(copy: AuditCopy) -> None:
    rows = some_rows(4)
    await copy.add(rows)
    await copy.add(rows)
    await copy.add(rows[1:3])
    assert [each.sequence for each in await copy.hashes(0, 100)] == [1, 2, 3, 4]


async def test_other_content_never_replaces_what_was_copied(copy: AuditCopy) -> None:
    rows = some_rows(3)
    await copy.add(rows)
    await copy.add([replace(rows[2], hash=bytes(32))])
    assert await copy.head() == ChainHead(sequence=3, hash=rows[2].hash)
