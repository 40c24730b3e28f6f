"""The connection pool. Owned by the composition root; disposed by it."""

from collections.abc import Mapping

import asyncpg
import msgspec
from sqlalchemy import URL, NullPool, QueuePool, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from adapters.sql.errors import database_errors
from application.ports.connections import PoolUse
from domain.errors import InvalidRequest

CONNECT_TIMEOUT = 5.0
STATEMENT_TIMEOUT = 10.0
LOCK_TIMEOUT = 5.0
POOL_TIMEOUT = 5.0
_SCHEMES = ("postgresql://", "postgres://", "postgresql+asyncpg://")


def driver_url(url: str) -> str:
    """Return the URL as asyncpg reads it.

    Everything libpq-like in the query (`host=/socket/dir`, `sslmode`, `application_name`, …) is
    left to asyncpg.

    Raises:
        InvalidRequest: another scheme.
    """
    for scheme in _SCHEMES:
        if url.startswith(scheme):
            return "postgresql://" + url.removeprefix(scheme)
    raise InvalidRequest(
        "DATABASE_URL must start with postgresql://, e.g. postgresql://user@host:5432/name"
    )


def create_engine(
    url: str,
    *,
    pool_size: int = 10,
    statement_timeout: float = STATEMENT_TIMEOUT,
    lock_timeout: float = LOCK_TIMEOUT,
) -> AsyncEngine:
    """Return an engine whose every wait ends: for a pool slot, a connection, a statement, a lock.

    No connection is made yet. The server gets the statement bound too, so that a client that dies
    leaves nothing running; ten times as long for a transaction that nobody continues.
    `pool_size` 0 means no pool: each use connects anew.

    Raises:
        InvalidRequest: not a PostgreSQL URL.
    """
    dsn = driver_url(url)
    server_settings: Mapping[str, str] = {
        "application_name": "thinkwatch",
        "statement_timeout": str(int(statement_timeout * 1000)),
        "idle_in_transaction_session_timeout": str(int(statement_timeout * 10_000)),
        "lock_timeout": str(int(lock_timeout * 1000)),
        "timezone": "UTC",
    }

    async def connect() -> asyncpg.Connection:
        try:
            return await asyncpg.connect(
                dsn,
                timeout=CONNECT_TIMEOUT,
                command_timeout=statement_timeout + 1,
                server_settings=dict(server_settings),
            )
        except asyncpg.exceptions.ClientConfigurationError as error:
            raise InvalidRequest(f"DATABASE_URL cannot be used: {error}") from error

    pool = (
        {"poolclass": NullPool}
        if pool_size == 0
        else {
            "pool_size": pool_size,
            "max_overflow": 0,
            "pool_timeout": POOL_TIMEOUT,
            "pool_recycle": 1800,
            "pool_pre_ping": True,
        }
    )
    return create_async_engine(
        URL.create("postgresql+asyncpg"),
        async_creator=connect,
        json_serializer=_json_text,
        json_deserializer=msgspec.json.decode,
        **pool,
    )


def _json_text(value: object) -> str:
    return msgspec.json.encode(value).decode()


async def server_version(engine: AsyncEngine, *, within: float = 2.0) -> str:
    """Return the version of the server. Raises `ServiceUnavailable` after `within` seconds."""
    async with database_errors(within), engine.connect() as connection:
        return str((await connection.execute(text("SHOW server_version"))).scalar_one())


def pool_use(engine: AsyncEngine) -> PoolUse | None:
    """Return how the pool is used; None without one."""
    pool = engine.pool
    if not isinstance(pool, QueuePool):
        return None
    return PoolUse(in_use=pool.checkedout(), idle=pool.checkedin(), most=pool.size())


async def ping(engine: AsyncEngine, *, within: float = 2.0) -> None:
    """Return when the database answers a query.

    Raises:
        ServiceUnavailable: it did not, within `within` seconds.
    """
    async with database_errors(within), engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
