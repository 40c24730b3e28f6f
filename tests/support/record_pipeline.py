"""The whole way of a record on real stores: journal, Valkey, ClickHouse over HTTP."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import cast

from adapters.bus.redis_streams import STREAM, RedisStreams
from adapters.clickhouse.client import ClickHouse
from adapters.clickhouse.migrations import migrate
from adapters.clickhouse.writer import ClickHouseRequests
from adapters.journal.adoption import FileDeadJournals
from adapters.journal.journal import FileJournal
from adapters.redis.connection import connect
from adapters.system.clock import SystemClock
from adapters.system.randomness import SystemRandomness
from application.jobs.adopt_journals import AdoptJournals
from application.jobs.ship_records import ShipRecords
from application.jobs.store_records import StoreRecords
from domain.records.events import RequestRecord
from tests.support.request_records import abandoned, make_record

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations" / "clickhouse"
PATIENCE_S = 60.0


class Pipeline:
    """A gateway and a worker; the test runs requests and breaks stores."""

    def __init__(self, root: Path, redis_url: str, clickhouse: ClickHouse) -> None:
        self.root = root
        self.clock = SystemClock()
        self.dice = SystemRandomness()
        self.redis = connect(redis_url)
        self.clickhouse = clickhouse
        self.sink = ClickHouseRequests(clickhouse)
        self.journal = FileJournal.create(
            root,
            "gateway-test",
            clock=self.clock,
            quota_bytes=lambda: 10**9,
            segment_bytes=100_000,
        )
        self.records: list[RequestRecord] = []
        self._tasks: list[asyncio.Task[None]] = []

    def bus(self, consumer: str, *, max_entries: int = 10_000) -> RedisStreams:
        """Return the bus as one process sees it; dead consumers are noticed quickly."""
        return RedisStreams(
            self.redis,
            consumer=consumer,
            clock=self.clock,
            max_entries=max_entries,
            claim_idle_ms=2_000,
            timeout_s=2.0,
        )

    def ship(self, *, max_entries: int = 10_000) -> ShipRecords:
        """Return the gateway's shipping job."""
        return ShipRecords(
            self.journal,
            self.bus("gateway", max_entries=max_entries),
            clock=self.clock,
            randomness=self.dice,
            max_records=20,
            linger_s=0.01,
            confirm_every_s=0.05,
            longest_pause_s=0.3,
        )

    def store(self, name: str = "worker") -> StoreRecords:
        """Return the worker's storing job."""
        return StoreRecords(
            self.bus(name),
            self.sink,
            group="clickhouse",
            clock=self.clock,
            randomness=self.dice,
            wait_ms=50,
            longest_pause_s=0.3,
        )

    def adopt(self) -> AdoptJournals:
        """Return the job that adopts dead journals."""
        return AdoptJournals(
            FileDeadJournals(self.root),
            self.bus("adopter"),
            clock=self.clock,
            randomness=self.dice,
            look_every_s=0.1,
            confirm_every_s=0.05,
        )

    def start(self, *jobs: ShipRecords | StoreRecords | AdoptJournals) -> None:
        """Run jobs until the pipeline is left."""
        self._tasks += [asyncio.ensure_future(job.run()) for job in jobs]

    async def run_requests(self, count: int) -> None:
        """Admit and finish some requests."""
        for _ in range(count):
            record = make_record()
            self.journal.open(abandoned(record))
            self.journal.close(record)
            self.records.append(record)
            await asyncio.sleep(0)

    async def until(self, reached: Callable[[], bool]) -> None:
        """Wait for a state; a job that ended meanwhile is an error."""
        async with asyncio.timeout(PATIENCE_S):
            while not reached():
                for task in self._tasks:
                    assert not task.done(), task
                await asyncio.sleep(0.01)

    async def until_published(self, batches: int) -> None:
        """Wait until so many batches are on the bus."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                if await self._published() >= batches:
                    return
                await asyncio.sleep(0.01)

    async def _published(self) -> int:
        return cast("int", await self.redis.execute_command("XLEN", STREAM))

    async def everything_stored(self) -> None:
        """Wait until the journal has confirmation for all it ever held."""
        start = self.journal.progress.confirmed
        end = (await self.journal.read(start, max_records=10**6, max_bytes=10**9)).mark
        await self.until(lambda: self.journal.progress.confirmed >= end)

    async def stored(self) -> Counter[tuple[str, str]]:
        """Count rows as queries see them, by event and outcome."""
        rows = await self.clickhouse.run(
            lambda client: client.query("SELECT event_id, outcome FROM requests FINAL").result_rows
        )
        return Counter((str(event), str(outcome)) for event, outcome in rows)

    def expected(self) -> Counter[tuple[str, str]]:
        """One row per request that was run."""
        return Counter((record.event_id, str(record.outcome)) for record in self.records)

    async def aclose(self) -> None:
        """Stop everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.journal.shut()
        await self.redis.aclose()


@contextlib.asynccontextmanager
async def open_pipeline(
    root: Path, redis_url: str, clickhouse_url: str, database: str
) -> AsyncGenerator[Pipeline]:
    """Yield a pipeline on empty stores."""
    clickhouse = ClickHouse(clickhouse_url, database=database, timeout_s=5.0)
    await migrate(clickhouse, MIGRATIONS)
    pipeline = Pipeline(root, redis_url, clickhouse)
    try:
        yield pipeline
    finally:
        await pipeline.aclose()
        await clickhouse.run(lambda client: client.command(f"DROP DATABASE {database} SYNC"))
        await clickhouse.aclose()
