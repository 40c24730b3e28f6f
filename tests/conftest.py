"""Fixtures for everybody: the real stores. Each is started when the first test asks for it."""

from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import HealthCheck, settings
from redis.asyncio import Redis
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

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

# Tests share cores with others: how long an example takes to make says nothing here.
settings.register_profile(
    "shared-cores", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("shared-cores")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the largest tests run at full size: `make test PYTEST=--thorough`."""
    parser.addoption("--thorough", action="store_true", help="Run the largest tests at full size.")


@pytest.fixture
def thorough(request: pytest.FixtureRequest) -> bool:
    """Whether this run takes its time."""
    return bool(request.config.getoption("--thorough"))


SHARING_AN_INSTALLATION = ("tests/e2e/installed/", "tests/e2e/clients/")


class ByFile(LoadScopeScheduling):
    """Deals whole files to the test processes, and two directories as if each were one file.

    What is expensive to start (stores, an installation) is then started once where it is used.
    """

    def _split_scope(self, nodeid: str) -> str:
        shared = (folder for folder in SHARING_AN_INSTALLATION if nodeid.startswith(folder))
        return next(shared, nodeid.partition("::")[0])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer | None) -> ByFile:
    """Called by xdist in the process that deals the tests."""
    return ByFile(config, log)


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
