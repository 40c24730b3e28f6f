"""The analytics store of the roles `worker` and `console`."""

from adapters.clickhouse.client import ClickHouse
from adapters.clickhouse.migrations import migrate as migrate_clickhouse
from adapters.sql.migrations import scripts_directory
from entrypoints.container.process import Process
from entrypoints.datadir import DataDir


async def open_clickhouse(process: Process) -> ClickHouse:
    """Connect to the server, or open the engine inside, and bring its schema up to date."""
    url = process.config.clickhouse_url
    clickhouse = ClickHouse(
        url.reveal() if url is not None else f"chdb://{DataDir(process.config.data_dir).clickhouse}"
    )
    process.stack.push_async_callback(clickhouse.aclose)
    await migrate_clickhouse(clickhouse, scripts_directory() / "clickhouse")
    return clickhouse
