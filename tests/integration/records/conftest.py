"""The whole way of a record on real stores."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.clickhouse_bridge import ClickHouseBridge
from tests.support.record_pipeline import Pipeline, open_pipeline
from tests.support.stores import store_directory


@pytest.fixture(scope="session")
def clickhouse_bridge() -> Iterator[ClickHouseBridge]:
    """ClickHouse over HTTP for this pytest process. A test that stops it must start it again."""
    with store_directory() as directory:
        bridge = ClickHouseBridge(directory / "clickhouse")
        bridge.start()
        yield bridge
        bridge.stop()


@pytest.fixture
async def pipeline(
    tmp_path: Path, redis_url: str, clickhouse_bridge: ClickHouseBridge
) -> AsyncIterator[Pipeline]:
    """Journal, bus and sink on empty stores."""
    async with open_pipeline(
        tmp_path / "journal", redis_url, clickhouse_bridge.url, "outages"
    ) as opened:
        yield opened
