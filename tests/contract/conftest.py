"""Fixtures of the contract suites."""

from collections.abc import AsyncIterator

import pytest

from tests.support.configuration import Configuration, memory_configuration, sql_configuration


@pytest.fixture
async def in_memory() -> Configuration:
    """An empty configuration store in process memory."""
    return memory_configuration()


@pytest.fixture
async def in_sql(postgres_url: str) -> AsyncIterator[Configuration]:
    """An empty configuration store on PostgreSQL."""
    async with sql_configuration(postgres_url) as configuration:
        yield configuration


@pytest.fixture(params=["in_memory", "in_sql"])
def stored(request: pytest.FixtureRequest) -> Configuration:
    """An empty configuration store of each kind."""
    return request.getfixturevalue(request.param)
