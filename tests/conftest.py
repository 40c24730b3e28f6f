"""Fixtures for everybody: the real stores. Each is started when the first test asks for it."""

from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis

from adapters.embedded.valkey import EmbeddedValkey
from tests.support.scripted_upstream import ScriptedUpstream
from tests.support.stores import (
    ClickHouseDatabase,
    ClickHouseEngine,
    PostgresServer,
    clickhouse_engine,
    running_postgres,
    running_valkey,
)


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a file's tests in one test process, and all that share an installation in another.

    `--dist loadgroup` then starts nothing twice.
    """
    for item in items:
        shared = "installation" in getattr(item, "fixturenames", ())
        group = "installation" if shared else item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """PostgreSQL for this pytest process."""
    with running_postgres() as server:
        yield server


@pytest.fixture
async def postgres_url(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """URL of a fresh database with the current schema."""
    url = await postgres_server.create()
    yield url
    await postgres_server.drop(url)


@pytest.fixture
async def empty_postgres_url(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """URL of a fresh database without any table."""
    url = await postgres_server.create(migrated=False)
    yield url
    await postgres_server.drop(url)


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[EmbeddedValkey]:
    """Valkey for this pytest process. A test that stops it must start it again."""
    with running_valkey() as server:
        yield server


@pytest.fixture
async def redis_client(valkey_server: EmbeddedValkey) -> AsyncIterator["Redis"]:
    """Client of an empty Valkey."""
    client = Redis.from_url(valkey_server.url)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture
async def redis_url(valkey_server: EmbeddedValkey, redis_client: Redis) -> str:
    """URL of an empty Valkey."""
    return valkey_server.url


@pytest.fixture(scope="session")
def clickhouse_engine_of_process() -> Iterator[ClickHouseEngine]:
    """The ClickHouse engine of this pytest process."""
    with clickhouse_engine() as engine:
        yield engine


@pytest.fixture
def clickhouse(clickhouse_engine_of_process: ClickHouseEngine) -> Iterator[ClickHouseDatabase]:
    """A fresh, empty ClickHouse database."""
    database = clickhouse_engine_of_process.create()
    yield database
    clickhouse_engine_of_process.drop(database)


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    """A scripted provider. A request nobody scripted an answer for fails the test."""
    async with ScriptedUpstream() as running:
        yield running
        assert running.errors == []
