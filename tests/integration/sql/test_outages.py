"""A database that is away, paused or full: every wait ends, and is called what it is."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Generator

import pytest
from sqlalchemy import text

from adapters.embedded.postgres import EmbeddedPostgres
from adapters.sql import migrations
from adapters.sql.configuration import SqlConfigurationSource
from adapters.sql.engine import create_engine, driver_url, ping
from adapters.sql.errors import database_errors
from adapters.sql.key_directory import SqlKeyDirectory
from adapters.sql.unit_of_work import SqlUnitOfWork
from adapters.system.clock import SystemClock
from adapters.system.identifiers import UuidGenerator
from domain.errors import Conflict, InvalidRequest, ServiceUnavailable
from tests.support.configuration import RecordingFeed
from tests.support.stores import store_directory

LONGEST_WAIT_S = 30


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://nobody@127.0.0.1:1/nothing",
        "postgres://nobody@/nothing?host=/nonexistent",
        "postgresql+asyncpg://nobody@127.0.0.1:1/nothing",
    ],
)
async def test_a_database_that_is_not_there_is_unavailable(url: str) -> None:
    engine = create_engine(url)
    try:
        with pytest.raises(ServiceUnavailable):
            await ping(engine)
        with pytest.raises(ServiceUnavailable):
            await SqlKeyDirectory(engine).find(b"0" * 32)
        with pytest.raises(ServiceUnavailable):
            await SqlConfigurationSource(engine).revisions()
        with pytest.raises(ServiceUnavailable):
            async with SqlUnitOfWork(
                engine, RecordingFeed(), SystemClock(), UuidGenerator(), allow_unaudited=True
            ).begin():
                pass
    finally:
        await engine.dispose()


async def test_a_database_of_another_name_is_unavailable(postgres_url: str) -> None:
    engine = create_engine(postgres_url.replace("/test_", "/absent_"))
    try:
        with pytest.raises(ServiceUnavailable):
            await ping(engine)
    finally:
        await engine.dispose()


@pytest.mark.parametrize("url", ["mysql://x", "sqlite://", "", "postgresql:"])
def test_another_kind_of_url_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest, match="postgresql://"):
        driver_url(url)


async def test_a_pool_that_is_used_up_refuses_after_a_bounded_wait(postgres_url: str) -> None:
    engine = create_engine(postgres_url, pool_size=1)
    try:
        async with engine.connect():
            with pytest.raises(ServiceUnavailable, match="in time"):
                await ping(engine, within=0.2)
    finally:
        await engine.dispose()


async def test_a_statement_that_takes_too_long_is_ended_by_the_server(postgres_url: str) -> None:
    engine = create_engine(postgres_url, statement_timeout=0.2)
    try:
        with pytest.raises(ServiceUnavailable):
            async with database_errors(), engine.connect() as connection:
                await connection.execute(text("SELECT pg_sleep(10)"))
        await ping(engine)
    finally:
        await engine.dispose()


async def test_an_exclusive_transaction_waits_a_bounded_time_for_another(
    postgres_url: str,
) -> None:
    first, second = create_engine(postgres_url), create_engine(postgres_url, lock_timeout=0.3)
    try:
        async with asyncio.timeout(LONGEST_WAIT_S):
            async with SqlUnitOfWork(
                first, RecordingFeed(), SystemClock(), UuidGenerator(), allow_unaudited=True
            ).begin(exclusive=True):
                with pytest.raises(Conflict, match="in progress"):
                    async with SqlUnitOfWork(
                        second,
                        RecordingFeed(),
                        SystemClock(),
                        UuidGenerator(),
                        allow_unaudited=True,
                    ).begin(exclusive=True):
                        pass
    finally:
        await first.dispose()
        await second.dispose()


async def test_a_cut_connection_is_replaced(postgres_url: str) -> None:
    engine, other = create_engine(postgres_url), create_engine(postgres_url)
    try:
        async with engine.connect() as connection:
            own = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()
        async with other.connect() as connection:
            await connection.execute(text("SELECT pg_terminate_backend(:own)"), {"own": own})
        await ping(engine)
    finally:
        await engine.dispose()
        await other.dispose()


@contextlib.contextmanager
def paused(*pids: int) -> Generator[None]:
    """Freeze processes, as a stalled disk or a debugger would."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


async def test_a_paused_database_holds_nobody_for_ever() -> None:
    with store_directory() as directory:
        server = EmbeddedPostgres(directory / "postgres", directory / "run")
        server.start()
        engine = create_engine(server.url, statement_timeout=0.5)
        try:
            await migrations.upgrade(server.url)
            async with engine.connect() as connection:
                backend = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()
            assert server.pid is not None
            with paused(server.pid, backend):
                async with asyncio.timeout(LONGEST_WAIT_S):
                    with pytest.raises(ServiceUnavailable):
                        await SqlKeyDirectory(engine).find(b"0" * 32)
                    with pytest.raises(ServiceUnavailable):
                        await ping(engine, within=0.5)
            async with asyncio.timeout(LONGEST_WAIT_S):
                assert await SqlKeyDirectory(engine).find(b"0" * 32) is None
        finally:
            await engine.dispose()
            server.stop()
