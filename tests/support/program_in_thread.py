"""The whole program in a thread of its own, for tests that wait without an event loop."""

import asyncio
import contextlib
import threading
from collections.abc import Generator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from tests.support.stores import ClickHouseDatabase, PostgresServer
from tests.support.whole_program import WholeProgram, whole_program

PATIENCE_S = 60.0


@contextlib.contextmanager
def program_in_thread(
    postgres: PostgresServer,
    redis_url: str,
    clickhouse: ClickHouseDatabase,
    data_dir: Path,
    **document: Any,
) -> Generator[WholeProgram]:
    """Serve everything on a database of its own, with `document` applied."""
    started: Future[tuple[WholeProgram, asyncio.AbstractEventLoop]] = Future()
    stop = asyncio.Event()

    async def serve() -> None:
        postgres_url = await postgres.create()
        async with whole_program(postgres_url, redis_url, clickhouse, data_dir) as running:
            await running.apply(**document)
            started.set_result((running, asyncio.get_running_loop()))
            await stop.wait()
        await postgres.drop(postgres_url)

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    thread = threading.Thread(target=run, name="whole-program")
    thread.start()
    try:
        running, loop = started.result(PATIENCE_S)
        try:
            yield running
        finally:
            loop.call_soon_threadsafe(stop.set)
    finally:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
