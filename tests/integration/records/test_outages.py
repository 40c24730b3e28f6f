"""Stores that stop, freeze, forget and come back: afterwards there is one row per request."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable

from adapters.bus.redis_streams import STREAM
from adapters.embedded.valkey import EmbeddedValkey
from tests.support.clickhouse_bridge import ClickHouseBridge
from tests.support.record_pipeline import Pipeline

Step = Callable[[], Awaitable[None]]


async def under_load(pipeline: Pipeline, *steps: Step) -> None:
    """Run requests all the while the steps happen, then see that each has one row."""
    pipeline.start(pipeline.ship(), pipeline.store())
    await pipeline.run_requests(100)
    for step in steps:
        load = asyncio.ensure_future(pipeline.run_requests(200))
        await step()
        await load
    await pipeline.everything_stored()
    assert await pipeline.stored() == pipeline.expected()
    assert pipeline.journal.status().lost_records == 0


async def test_without_trouble_every_request_has_one_row(pipeline: Pipeline) -> None:
    await under_load(pipeline)
    assert int(await pipeline.redis.xlen(STREAM)) == 0


async def test_a_valkey_that_is_killed_and_started_again(
    pipeline: Pipeline, valkey_server: EmbeddedValkey
) -> None:
    async def kill() -> None:
        assert valkey_server.pid is not None
        os.kill(valkey_server.pid, signal.SIGKILL)
        valkey_server.stop(10.0)
        await asyncio.sleep(0.5)

    async def start() -> None:
        valkey_server.start()

    await under_load(pipeline, kill, start)


async def test_a_valkey_that_freezes(pipeline: Pipeline, valkey_server: EmbeddedValkey) -> None:
    pid = valkey_server.pid
    assert pid is not None

    async def freeze() -> None:
        os.kill(pid, signal.SIGSTOP)
        try:
            # Longer than a reply may take: what was on the way has timed out on our side.
            await asyncio.sleep(1.5)
        finally:
            os.kill(pid, signal.SIGCONT)

    await under_load(pipeline, freeze)


async def test_a_valkey_that_is_wiped_with_records_on_the_way(pipeline: Pipeline) -> None:
    async def wipe() -> None:
        await pipeline.redis.flushall()

    await under_load(pipeline, wipe, wipe, wipe)


async def test_a_valkey_that_is_wiped_while_the_sink_is_down(
    pipeline: Pipeline, clickhouse_bridge: ClickHouseBridge
) -> None:
    async def break_everything() -> None:
        clickhouse_bridge.stop()
        await pipeline.run_requests(300)
        await pipeline.redis.flushall()

    async def mend() -> None:
        clickhouse_bridge.start()

    await under_load(pipeline, break_everything, mend)


async def test_a_stream_deleted_by_hand_is_shipped_again(pipeline: Pipeline) -> None:
    async def delete() -> None:
        await pipeline.redis.delete(STREAM)

    await under_load(pipeline, delete, delete)


async def test_a_clickhouse_that_is_killed_and_started_again(
    pipeline: Pipeline, clickhouse_bridge: ClickHouseBridge
) -> None:
    async def stop() -> None:
        clickhouse_bridge.stop()
        await asyncio.sleep(1.0)

    async def start() -> None:
        clickhouse_bridge.start()

    await under_load(pipeline, stop, start, stop, start)


async def test_a_clickhouse_that_freezes(
    pipeline: Pipeline, clickhouse_bridge: ClickHouseBridge
) -> None:
    async def freeze() -> None:
        clickhouse_bridge.pause()
        try:
            await asyncio.sleep(6.0)  # longer than the client waits
        finally:
            clickhouse_bridge.resume()

    await under_load(pipeline, freeze)


async def test_a_worker_that_dies_between_storing_and_acknowledging(pipeline: Pipeline) -> None:
    await pipeline.run_requests(50)
    shipping = pipeline.ship()
    pipeline.start(shipping)
    doomed = pipeline.bus("doomed")
    taken = 0
    async with asyncio.timeout(20):
        while taken < 2:
            deliveries = await doomed.receive("clickhouse", count=2, wait_ms=50)
            await pipeline.sink.deliver([delivery.batch for delivery in deliveries])
            taken += len(deliveries)
    pipeline.start(pipeline.store("heir"))
    await pipeline.everything_stored()
    assert await pipeline.stored() == pipeline.expected()


async def test_two_workers_share_the_work_and_store_nothing_twice(pipeline: Pipeline) -> None:
    pipeline.start(pipeline.ship(), pipeline.store("one"), pipeline.store("two"))
    await pipeline.run_requests(1000)
    await pipeline.everything_stored()
    assert await pipeline.stored() == pipeline.expected()


async def test_a_full_bus_holds_the_records_back_in_the_journal(pipeline: Pipeline) -> None:
    await pipeline.run_requests(500)
    pipeline.start(pipeline.ship(max_entries=3))
    await pipeline.until_published(3)
    pipeline.start(pipeline.store())
    await pipeline.everything_stored()
    assert await pipeline.stored() == pipeline.expected()


async def test_a_clean_stop_leaves_no_journal(pipeline: Pipeline) -> None:
    await pipeline.run_requests(300)
    shipped, stored = await asyncio.gather(pipeline.ship().drain(20), pipeline.store().drain(20))
    pipeline.journal.shut()
    assert shipped
    assert stored
    assert await pipeline.stored() == pipeline.expected()
    assert not pipeline.root.joinpath("gateway-test").exists()
