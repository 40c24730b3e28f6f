"""Every test starts in a clean place, whatever the one before it left behind."""

import clickhouse_connect
import pytest
from redis.asyncio import Redis

from adapters.sql.migrations import state
from tests.support.stores import ClickHouseDatabase, PostgresServer, connect_postgres


@pytest.mark.parametrize("round_", [1, 2])
async def test_postgres_is_empty_at_the_start(empty_postgres_url: str, round_: int) -> None:
    async with connect_postgres(empty_postgres_url) as connection:
        await connection.execute("CREATE TABLE left_behind (id int)")


@pytest.mark.parametrize("round_", [1, 2])
async def test_postgres_has_the_current_schema(postgres_url: str, round_: int) -> None:
    assert (await state(postgres_url)).is_current
    async with connect_postgres(postgres_url) as connection:
        await connection.execute("CREATE TABLE left_behind (id int)")


async def test_postgres_does_not_wait_for_the_disk(postgres_server: PostgresServer) -> None:
    async with connect_postgres(postgres_server.url) as connection:
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            assert await connection.fetchval(f"SHOW {setting}") == "off"


@pytest.mark.parametrize("round_", [1, 2])
async def test_valkey_is_empty_at_the_start(redis_client: Redis, round_: int) -> None:
    assert await redis_client.dbsize() == 0
    await redis_client.set("left", "behind")


@pytest.mark.parametrize("round_", [1, 2])
def test_clickhouse_is_empty_at_the_start(clickhouse: ClickHouseDatabase, round_: int) -> None:
    client = clickhouse_connect.get_client(dsn=clickhouse.url, database=clickhouse.name)
    client.command("CREATE TABLE left_behind (id Int32) ENGINE = MergeTree ORDER BY id")
    assert (
        client.command("SELECT count() FROM system.tables WHERE database = currentDatabase()") == 1
    )
    client.close()
