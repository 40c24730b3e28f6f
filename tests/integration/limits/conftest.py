"""Every kind of server the limit store is made for."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis

from adapters.embedded.valkey import EmbeddedValkey
from adapters.redis.discovery import resolver
from adapters.redis.endpoint import Endpoint
from domain.errors import LimitStoreUnavailable
from tests.support.redis_servers import (
    LimitServer,
    RedisServer,
    redis_binary,
    running_cluster,
    running_server,
    valkey_binary,
)


@pytest.fixture(scope="session")
def redis7() -> Iterator[RedisServer]:
    """Redis 7 of the distribution."""
    binary = redis_binary()
    if binary is None:
        pytest.skip("the package redis-server is not installed")
    with running_server(binary) as server:
        yield server


@pytest.fixture(scope="session")
def cluster() -> Iterator[list[RedisServer]]:
    """Three Valkey primaries."""
    with running_cluster(valkey_binary()) as nodes:
        yield nodes


def cluster_url(nodes: list[RedisServer]) -> str:
    """Return a URL that names the node with the wanted slot last."""
    return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in reversed(nodes))


@pytest.fixture
def pausable() -> Iterator[RedisServer]:
    """A Valkey of one test's own."""
    with running_server(valkey_binary()) as server:
        yield server


async def _owner(url: str) -> Endpoint:
    """Ask until somebody answers: a busy machine may not do so within the resolver's timeout."""
    resolve = resolver(url)
    while True:
        with contextlib.suppress(LimitStoreUnavailable):
            return await resolve()


@pytest.fixture(params=["valkey", "redis7", "cluster"])
async def limit_server(request: pytest.FixtureRequest) -> AsyncIterator[LimitServer]:
    """An empty server of each kind."""
    match request.param:
        case "valkey":
            embedded: EmbeddedValkey = request.getfixturevalue("valkey_server")
            url = own = embedded.url
        case "redis7":
            server: RedisServer = request.getfixturevalue("redis7")
            url = own = server.url
        case _:
            url = cluster_url(request.getfixturevalue("cluster"))
            owner = await asyncio.wait_for(_owner(url), 10)
            own = f"redis://{owner.host}:{owner.port}"
    client = Redis.from_url(own)
    await client.flushall()
    yield LimitServer(url, client)
    await client.aclose()
