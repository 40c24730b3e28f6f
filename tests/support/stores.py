"""The real stores, once per pytest process, and a clean place in them for every test.

They are the embedded servers the program itself uses; they die with this process, also when it is
killed. What a crash of the machine would lose is of no interest here, so PostgreSQL does not sync.
"""

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import clickhouse_connect

from adapters.embedded.postgres import EmbeddedPostgres
from adapters.embedded.valkey import EmbeddedValkey
from adapters.sql.migrations import upgrade

TEMPLATE = "thinkwatch_template"
CONNECT_TIMEOUT_S = 20.0
_UNSAFE_BUT_FAST = ("fsync", "full_page_writes", "synchronous_commit", "autovacuum")


@contextlib.contextmanager
def store_directory() -> Generator[Path]:
    """Yield a private directory with a short path (unix sockets) that is removed at the end."""
    directory = Path(tempfile.mkdtemp(prefix="twt-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def with_database(url: str, database: str) -> str:
    """Return `url` with another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


@contextlib.asynccontextmanager
async def connect_postgres(url: str) -> AsyncGenerator[asyncpg.Connection]:
    """Yield a plain connection."""
    connection = await asyncpg.connect(url, timeout=CONNECT_TIMEOUT_S)
    try:
        yield connection
    finally:
        await connection.close(timeout=CONNECT_TIMEOUT_S)


@dataclass(slots=True)
class PostgresServer:
    """A running PostgreSQL whose databases come and go with the tests."""

    url: str
    _has_template: bool = False
    _numbers: "count[int]" = field(default_factory=count)

    async def create(self, *, migrated: bool = True) -> str:
        """Create a database of its own, with the current schema or empty; return its URL."""
        if migrated and not self._has_template:
            await self._execute(f"CREATE DATABASE {TEMPLATE}")
            await upgrade(with_database(self.url, TEMPLATE))
            self._has_template = True
        name = f"test_{next(self._numbers)}"
        template = TEMPLATE if migrated else "template1"
        await self._execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return with_database(self.url, name)

    async def drop(self, url: str) -> None:
        """Remove a database, cutting whoever is still connected."""
        await self._execute(f"DROP DATABASE {urlsplit(url).path[1:]} WITH (FORCE)")

    async def hurry(self) -> None:
        """Switch off everything that only guards against a crash of the machine."""
        for setting in _UNSAFE_BUT_FAST:
            await self._execute(f"ALTER SYSTEM SET {setting} = off")
        await self._execute("SELECT pg_reload_conf()")

    async def _execute(self, statement: str) -> None:
        async with connect_postgres(self.url) as connection:
            await connection.execute(statement)


@contextlib.contextmanager
def running_postgres() -> Generator[PostgresServer]:
    """Run a PostgreSQL of its own."""
    with store_directory() as directory:
        server = EmbeddedPostgres(directory / "postgres", directory / "run")
        server.start()
        try:
            postgres = PostgresServer(server.url)
            asyncio.run(postgres.hurry())
            yield postgres
        finally:
            server.stop()


@contextlib.contextmanager
def running_valkey() -> Generator[EmbeddedValkey]:
    """Run a Valkey of its own; the server object lets a test stop and start it."""
    with store_directory() as directory:
        server = EmbeddedValkey(directory / "valkey", directory / "run")
        server.start()
        try:
            yield server
        finally:
            server.stop()


@dataclass(frozen=True, slots=True)
class ClickHouseDatabase:
    """A database in the embedded ClickHouse engine. `url` is what `CLICKHOUSE_URL` would say."""

    url: str
    name: str


@dataclass(slots=True)
class ClickHouseEngine:
    """The engine of this process: chDB has one per process, on one path, for its whole life."""

    url: str
    _numbers: "count[int]" = field(default_factory=count)

    def create(self) -> ClickHouseDatabase:
        """Create an empty database."""
        database = ClickHouseDatabase(self.url, f"test_{next(self._numbers)}")
        self._command(f"CREATE DATABASE {database.name}")
        return database

    def drop(self, database: ClickHouseDatabase) -> None:
        """Remove a database."""
        self._command(f"DROP DATABASE IF EXISTS {database.name} SYNC")

    def _command(self, statement: str) -> None:
        client = clickhouse_connect.get_client(dsn=self.url)
        try:
            client.command(statement)
        finally:
            client.close()


@contextlib.contextmanager
def clickhouse_engine() -> Generator[ClickHouseEngine]:
    """Open the engine on a directory of its own."""
    with store_directory() as directory:
        path = directory / "clickhouse"
        yield ClickHouseEngine(f"chdb://{path}")
