"""The stores that are sink and log of request records, for the suites of both ports."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from adapters.clickhouse.client import ClickHouse
from adapters.clickhouse.migrations import migrate
from adapters.clickhouse.request_log import ClickHouseRequestLog
from adapters.clickhouse.writer import ClickHouseRequests
from adapters.memory.request_log import MemoryRequestLog
from adapters.system.clock import SystemClock
from tests.support.clickhouse_bridge import ClickHouseBridge
from tests.support.record_store import Store
from tests.support.stores import ClickHouseDatabase, store_directory

MIGRATIONS = Path(__file__).resolve().parents[3] / "migrations" / "clickhouse"


@pytest.fixture(scope="session")
def clickhouse_bridge() -> Iterator[ClickHouseBridge]:
    """ClickHouse over HTTP for this pytest process. A test that stops it must start it again."""
    with store_directory() as directory:
        bridge = ClickHouseBridge(directory / "clickhouse")
        bridge.start()
        yield bridge
        bridge.stop()


@pytest.fixture(params=["memory", "clickhouse-embedded", "clickhouse-http"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """An empty store."""
    if request.param == "memory":
        memory = MemoryRequestLog(clock=SystemClock())
        yield Store(memory, memory)
        return
    if request.param == "clickhouse-embedded":
        database: ClickHouseDatabase = request.getfixturevalue("clickhouse")
        clickhouse = ClickHouse(database.url, database=database.name)
    else:
        bridge: ClickHouseBridge = request.getfixturevalue("clickhouse_bridge")
        clickhouse = ClickHouse(bridge.url, database="contract")
    await migrate(clickhouse, MIGRATIONS)
    yield Store(ClickHouseRequests(clickhouse), ClickHouseRequestLog(clickhouse))
    await clickhouse.run(lambda client: client.command(f"DROP DATABASE {clickhouse.database} SYNC"))
    await clickhouse.aclose()
