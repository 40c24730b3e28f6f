"""Clients of a Redis, a Sentinel-guarded Redis or a Redis Cluster, built from one URL.

| URL | meaning |
|---|---|
| `redis://[user:password@]host:port/db`, `rediss://…` | one server; `rediss` speaks TLS |
| `unix:///path/to.sock?db=0` | one server on a socket |
| `redis+sentinel://[user:password@]host:port,host:port/service/db` | the master of `service` |
| `redis+cluster://[user:password@]host:port,host:port` | a cluster |

`rediss+sentinel` and `rediss+cluster` speak TLS. Options of redis-py may follow in the query, e.g.
`ssl_ca_certs`; `sentinel_username` and `sentinel_password` are for the sentinels themselves.
"""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from msgspec import Struct
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import RedisClusterException, RedisError
from redis.maint_notifications import MaintNotificationsConfig

from application.ports.connections import PoolUse
from domain.errors import InvalidRequest, ServiceUnavailable

RedisClient = Redis | RedisCluster
Counts = list[tuple[int, object]]
# What clients raise when the server is away or answers with an error.
FAILURES = (RedisError, RedisClusterException, OSError, TimeoutError)
_FORMS = "redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://"


class _Addresses(Struct, frozen=True):
    """Several hosts in one URL, and the rest of it as a URL redis-py can read."""

    hosts: tuple[tuple[str, int], ...]
    plain_url: str
    path: str
    query: dict[str, str]


class _BlockingSentinelPool(SentinelConnectionPool, BlockingConnectionPool):
    """Waits for a free connection, a bounded time, instead of refusing at once."""

    async def aclose(self) -> None:
        """Close the connections to the sentinels too: nobody else knows them."""
        await super().aclose()
        manager: Sentinel = self.sentinel_manager
        for sentinel in manager.sentinels:
            await sentinel.aclose()


def connect(
    url: str,
    *,
    connect_timeout: float = 1.0,
    operation_timeout: float = 1.0,
    max_connections: int = 32,
) -> RedisClient:
    """Return a client; nothing is connected yet. Close it with `await client.aclose()`.

    Every wait ends: for a connection of the pool and for a reply after `operation_timeout` seconds,
    for a handshake after `connect_timeout`. Nothing is retried: whoever sends a command knows
    whether sending it twice is harmless. Replies are bytes, the protocol is RESP3.

    Raises:
        InvalidRequest: the URL is of another form; its text is not repeated.
    """
    options: dict[str, Any] = {
        "socket_connect_timeout": connect_timeout,
        "socket_timeout": operation_timeout,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 3,
    }
    # The server would be asked at every connect whether it announces maintenance.
    quiet = MaintNotificationsConfig(enabled=False)
    waiting: dict[str, Any] = {"max_connections": max_connections, "timeout": operation_timeout}
    try:
        match urlsplit(url).scheme:
            case "redis" | "rediss" | "unix":
                pool = BlockingConnectionPool.from_url(
                    url, maint_notifications_config=quiet, **waiting, **options
                )
                return Redis.from_pool(pool)
            case "redis+sentinel" | "rediss+sentinel":
                return _sentinel(_addresses(url, 26379), {**options, **waiting})
            case "redis+cluster" | "rediss+cluster":
                addresses = _addresses(url, 6379)
                settings: dict[str, Any] = {
                    **options,
                    **_settings(addresses.plain_url),
                    "max_connections": max_connections,
                    "maint_notifications_config": quiet,
                }
                nodes = [ClusterNode(host, port) for host, port in addresses.hosts]
                return RedisCluster(startup_nodes=nodes, **settings)
            case _:
                raise InvalidRequest(f"REDIS_URL must start with {_FORMS}")
    except (ValueError, TypeError, RedisError, RedisClusterException) as error:
        raise InvalidRequest(f"REDIS_URL cannot be read; it has the form {_FORMS}") from error


def _sentinel(addresses: _Addresses, options: dict[str, Any]) -> Redis:
    query = addresses.query
    service, _, database = addresses.path.strip("/").partition("/")
    if not service:
        raise InvalidRequest("REDIS_URL of sentinels must name the service: …:26379/mymaster/0")
    own = {
        name.removeprefix("sentinel_"): query[name]
        for name in ("sentinel_username", "sentinel_password")
        if name in query
    }
    settings = _settings(addresses.plain_url)
    timeouts = {name: options[name] for name in ("socket_connect_timeout", "socket_timeout")}
    tls = {name: value for name, value in settings.items() if name.startswith("ssl")}
    sentinel = Sentinel(
        addresses.hosts, sentinel_kwargs={**timeouts, **tls, **own, "retry": options["retry"]}
    )
    pool = _BlockingSentinelPool(
        unquote(service), sentinel, **{**options, **settings, "db": int(database or 0)}
    )
    return Redis.from_pool(pool)


def _settings(plain_url: str) -> dict[str, Any]:
    settings: dict[str, Any] = dict(parse_url(plain_url))
    del settings["host"]
    if settings.pop("connection_class", None) is not None:
        settings["ssl"] = True
    return settings


def _addresses(url: str, default_port: int) -> _Addresses:
    parts = urlsplit(url)
    credentials, _, hosts = parts.netloc.rpartition("@")
    addresses: list[tuple[str, int]] = []
    for each in hosts.split(","):
        one = urlsplit(f"//{each}")
        if not one.hostname:
            raise ValueError("no host")
        addresses.append((unquote(one.hostname), one.port or default_port))
    query = dict(parse_qsl(parts.query))
    rest = urlencode({k: v for k, v in query.items() if not k.startswith("sentinel_")})
    scheme = parts.scheme.partition("+")[0]
    prefix = f"{credentials}@" if credentials else ""
    plain = f"{scheme}://{prefix}placeholder" + (f"?{rest}" if rest else "")
    return _Addresses(tuple(addresses), plain, parts.path, query)


@contextmanager
def redis_errors() -> Generator[None]:
    """Translate what goes wrong between us and the server into `ServiceUnavailable`."""
    try:
        yield
    except FAILURES as error:
        raise ServiceUnavailable("Redis cannot be reached.") from error


async def ping(client: RedisClient, *, within: float = 2.0) -> None:
    """Return when the server answers. Raises `ServiceUnavailable` after `within` seconds."""
    with redis_errors():
        async with asyncio.timeout(within):
            await client.execute_command("PING")


async def server_version(client: RedisClient, *, within: float = 2.0) -> str:
    """Return name and version of a server. Raises `ServiceUnavailable` after `within` seconds."""
    with redis_errors():
        async with asyncio.timeout(within):
            found = await client.info("server")
    values = cast("dict[str, object]", found)
    if "redis_version" not in values:  # of a cluster: by node
        values = cast("dict[str, object]", next(iter(values.values())))
    if "valkey_version" in values:
        return f"Valkey {values['valkey_version']}"
    return f"Redis {values.get('redis_version', '')}".strip()


def pool_use(client: RedisClient) -> PoolUse | None:
    """Return how the pool is used; None for a cluster, which has one for each node."""
    if isinstance(client, RedisCluster):
        return None
    pool = client.connection_pool
    idle, in_use = (count for count, _ in cast("Counts", pool.get_connection_count()))
    return PoolUse(in_use=in_use, idle=idle, most=pool.max_connections)
