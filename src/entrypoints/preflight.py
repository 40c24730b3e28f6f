"""Checks of everything a server depends on, bounded in time, before a port opens."""

import asyncio
import importlib.util
import os
from collections.abc import Awaitable, Callable
from typing import TypeVar
from urllib.parse import unquote, urlsplit

import asyncpg
import httpx
from msgspec import Struct
from redis.exceptions import RedisError

from adapters.crypto.cipher import AesGcmCipher
from adapters.redis.connection import connect
from adapters.redis.limits import RedisLimitStore
from adapters.redis.pipelined import PipelinedCommands
from adapters.sql import migrations
from adapters.sql.engine import driver_url
from adapters.system.randomness import SystemRandomness
from domain.errors import DomainError, InvalidRequest, LimitStoreUnavailable
from entrypoints.config import BootConfig
from entrypoints.datadir import DataDir
from entrypoints.failures import EXIT_CONFIGURATION, Failure, StartFailed
from entrypoints.listeners import port_failure
from entrypoints.roles import Role, StoreUrls

_T = TypeVar("_T")
_TIMEOUT_SECONDS = 10.0
_OLDEST_POSTGRES = 14
_SEALED_SAMPLE = 1000


class Check(Struct, frozen=True, kw_only=True):
    """Outcome of one check. With neither failure nor warning it passed; `detail` says how."""

    name: str
    detail: str
    failure: Failure | None = None
    warning: str | None = None


async def check_dependencies(
    config: BootConfig, stores: StoreUrls, roles: frozenset[Role]
) -> list[Check]:
    """Check the stores side by side; each answers within ten seconds or has failed."""
    checks = [
        _bounded("PostgreSQL", "DATABASE_URL", lambda: _postgres(config, stores)),
        _bounded("Redis", "REDIS_URL", lambda: _redis(stores)),
    ]
    if roles - {Role.GATEWAY}:
        checks.append(_bounded("ClickHouse", "CLICKHOUSE_URL", lambda: _clickhouse(config)))
    return list(await asyncio.gather(*checks))


def check_ports(config: BootConfig, roles: frozenset[Role]) -> list[Check]:
    """Check that the ports of `roles` can be listened on."""
    places = {
        Role.GATEWAY: (config.gateway_host, config.gateway_port),
        Role.CONSOLE: (config.console_host, config.console_port),
    }
    return [
        Check(
            name=f"{role} port",
            detail=f"{host} port {port}" if port else f"{host}, a free port",
            failure=port_failure(role, host, port),
        )
        for role, (host, port) in places.items()
        if role in roles
    ]


async def _bounded(name: str, setting: str, check: Callable[[], Awaitable[Check]]) -> Check:
    mend = f"check {setting} and that it runs there"
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            return await check()
    except StartFailed as error:
        failure = error.failures[0]
    except TimeoutError:
        failure = Failure(f"{name} did not answer within {_TIMEOUT_SECONDS:.0f} s", mend)
    except DomainError as error:
        failure = Failure(f"{name}: {error.message}", mend)
    except (OSError, RedisError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        failure = Failure(f"{name} cannot be used: {_one_line(error)}", mend)
    except httpx.HTTPError as error:
        failure = Failure(f"{name} cannot be reached: {type(error).__name__}", mend)
    return Check(name=name, detail="", failure=failure)


def _one_line(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:300]


async def _postgres(config: BootConfig, stores: StoreUrls) -> Check:
    connection = await asyncpg.connect(driver_url(stores.database_url), timeout=5.0)
    try:
        major = connection.get_server_version().major
        if major < _OLDEST_POSTGRES:
            raise StartFailed(
                Failure(
                    f"PostgreSQL {major} is too old",
                    f"use PostgreSQL {_OLDEST_POSTGRES} or newer",
                    EXIT_CONFIGURATION,
                )
            )
        state = await migrations.state(stores.database_url)
        if not state.is_current and not state.ahead:
            found = f"at {state.current}" if state.current else "empty"
            raise StartFailed(
                Failure(
                    f"the database schema is {found}, this program needs {state.head}",
                    "run 'thinkwatch migrate'",
                    EXIT_CONFIGURATION,
                )
            )
        await _open_sealed(config, connection)
    finally:
        await connection.close(timeout=2.0)
    detail = f"version {major}, schema {state.current}"
    if state.ahead:
        detail += f" of a newer program (this one knows {state.head})"
    return Check(name="PostgreSQL", detail=detail)


async def _open_sealed(config: BootConfig, connection: asyncpg.Connection) -> None:
    """See that the key ring opens what is stored: a wrong key must not be found out by a request."""
    rows = await connection.fetch(
        "SELECT id, name, sealed_credentials FROM providers "
        "WHERE sealed_credentials IS NOT NULL AND deleted_at IS NULL LIMIT $1",
        _SEALED_SAMPLE,
    )
    cipher = AesGcmCipher(config.key_ring(), SystemRandomness())
    closed: list[str] = []
    for row in rows:
        try:
            cipher.open(row["sealed_credentials"], context=f"provider:{row['id']}")
        except InvalidRequest:
            closed.append(row["name"])
    if closed:
        raise StartFailed(
            Failure(
                f"ENCRYPTION_KEY does not open the credentials of {', '.join(sorted(closed)[:5])}",
                "add the key they were sealed with to the ring",
                EXIT_CONFIGURATION,
            )
        )


async def _redis(stores: StoreUrls) -> Check:
    client = connect(stores.redis_url)
    try:
        await client.ping()
        warning: str | None = None
        try:
            found = await client.config_get("maxmemory-policy")
        except RedisError:
            warning = "maxmemory-policy cannot be read; make sure that it is noeviction"
        else:
            policy = found.get("maxmemory-policy")
            if policy != "noeviction":
                warning = (
                    f"Redis evicts ({policy}): limits and records can be lost - "
                    "set maxmemory-policy noeviction"
                )
    finally:
        await client.aclose()
    return Check(name="Redis", detail="answers", warning=await _counting(stores) or warning)


async def _counting(stores: StoreUrls) -> str | None:
    """Return a warning when limits cannot be counted, over the connection that counts them.

    It is no failure: a server whose Redis is full or read-only has to be able to start again.
    """
    store = RedisLimitStore(PipelinedCommands.from_url(stores.redis_url, connect_timeout_s=1.0))
    try:
        await store.check()
    except LimitStoreUnavailable as error:
        return f"limits cannot be counted ({error.detail}) - see that Redis takes changes"
    finally:
        await store.aclose()
    return None


async def _clickhouse(config: BootConfig) -> Check:
    if config.clickhouse_url is None:
        return _clickhouse_engine(DataDir(config.data_dir))
    parts = urlsplit(config.clickhouse_url.reveal())
    host = parts.netloc.rpartition("@")[2]
    account = (unquote(parts.username or "default"), unquote(parts.password or ""))
    async with httpx.AsyncClient(timeout=5.0, trust_env=False) as client:
        answer = await client.get(
            f"{parts.scheme}://{host}/", params={"query": "SELECT version()"}, auth=account
        )
    if answer.status_code != 200:
        raise StartFailed(
            Failure(
                f"ClickHouse refused a query with status {answer.status_code}",
                "check user and password in CLICKHOUSE_URL",
            )
        )
    return Check(name="ClickHouse", detail=f"version {answer.text.strip()[:40]}")


def _clickhouse_engine(data_dir: DataDir) -> Check:
    if importlib.util.find_spec("chdb") is None:
        raise StartFailed(
            Failure(
                "the embedded ClickHouse engine is not installed",
                "install thinkwatch[embedded], or set CLICKHOUSE_URL",
            )
        )
    place = data_dir.clickhouse
    existing = place if place.exists() else data_dir.path
    if not os.access(existing, os.W_OK | os.X_OK):
        raise StartFailed(
            Failure(f"{existing} cannot be written", "correct its permissions", EXIT_CONFIGURATION)
        )
    return Check(name="ClickHouse", detail="embedded engine")
