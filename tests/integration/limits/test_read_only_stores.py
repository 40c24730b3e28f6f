"""A limit store that answers questions and refuses to count: full, or unable to save or replicate."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from adapters.redis.limits import RedisLimitStore
from adapters.redis.pipelined import PipelinedCommands
from adapters.system.clock import SystemClock
from application.gateway.limit_gate import PROBE_INTERVAL_S, FailureMode, LimitGate, Passed
from application.runtime.supervisor import TaskSupervisor
from domain.limits.amounts import NOTHING
from domain.limits.windows import Window
from tests.support.limits import claim, made_ready, requests_rule
from tests.support.redis_servers import RedisServer

HOUR = Window.HOUR


@pytest.fixture
async def store(pausable: RedisServer) -> AsyncIterator[RedisLimitStore]:
    store = RedisLimitStore(
        PipelinedCommands.from_url(pausable.url, connect_timeout_s=5.0, timeout_s=5.0)
    )
    await made_ready(store)
    yield store
    await store.aclose()


@pytest.fixture
async def gate(store: RedisLimitStore) -> AsyncIterator[LimitGate]:
    gate, tasks = LimitGate(store), TaskSupervisor()
    tasks.run_forever("probe", gate.probe)
    yield gate
    await tasks.cancel_all(5)


@pytest.mark.parametrize(
    ("setting", "bad", "good"),
    [("maxmemory", "1", "0"), ("min-replicas-to-write", "3", "0")],
)
async def test_a_store_that_only_answers_is_down_until_it_counts_again(
    gate: LimitGate,
    store: RedisLimitStore,
    pausable: RedisServer,
    setting: str,
    bad: str,
    good: str,
) -> None:
    async def ask() -> bool:
        verdict = await gate.admit(
            claim(requests_rule(3, HOUR)),
            FailureMode.LOCAL,
            replicas=1,
            now_ms=SystemClock().now_ms(),
        )
        return isinstance(verdict, Passed)

    server = pausable.client()
    server.config_set(setting, bad)
    passed: Counter[bool] = Counter()
    for _ in range(20):  # over several probes
        passed[await ask()] += 1
        await asyncio.sleep(PROBE_INTERVAL_S / 5)
    assert passed == {True: 3, False: 17}
    assert gate.is_down
    server.config_set(setting, good)
    async with asyncio.timeout(10):
        while gate.is_down:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(PROBE_INTERVAL_S / 5)
    assert await ask()
    (reading,) = (await store.usage((requests_rule(3, HOUR),), NOTHING)).readings
    assert reading.used == 1
