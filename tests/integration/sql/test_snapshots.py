"""The catalogue is read as of one moment, whatever is committed meanwhile."""

import asyncio

from sqlalchemy import text

from adapters.sql.configuration import SqlConfigurationSource
from adapters.sql.engine import create_engine
from adapters.sql.unit_of_work import SqlUnitOfWork
from adapters.system.clock import SystemClock
from adapters.system.identifiers import UuidGenerator
from tests.support.configuration import RecordingFeed, a_model, a_provider, a_route

WAITING = text("SELECT count(*) FROM pg_locks WHERE NOT granted")


async def test_a_commit_between_two_queries_is_seen_whole_or_not_at_all(postgres_url: str) -> None:
    engine = create_engine(postgres_url)
    provider = a_provider()
    try:
        async with (
            engine.connect() as writer,
            SqlUnitOfWork(
                engine, RecordingFeed(), SystemClock(), UuidGenerator(), allow_unaudited=True
            ).begin() as tx,
        ):
            # Providers can be read already, routes not before the writer has committed.
            await writer.execute(text("LOCK TABLE routes IN ACCESS EXCLUSIVE MODE"))
            reading = asyncio.ensure_future(SqlConfigurationSource(engine).catalog())
            async with asyncio.timeout(4), engine.connect() as watcher:
                while not await watcher.scalar(WAITING):
                    await watcher.rollback()
            await tx.providers.add(provider)
            await tx.models.add(a_model("late"))
            await tx.commit()
            await writer.rollback()
        catalog = await reading
        assert (dict(catalog.providers), dict(catalog.models)) == ({}, {})
        later = await SqlConfigurationSource(engine).catalog()
        assert set(later.models) == {"late"}
        assert a_route(provider).provider_id in later.providers
    finally:
        await engine.dispose()
