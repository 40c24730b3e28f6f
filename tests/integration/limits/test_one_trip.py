"""What an admission costs the store: one script, whatever the number of rules."""

from typing import cast

import pytest
from redis.asyncio import Redis

from adapters.redis.limits import RedisLimitStore
from adapters.redis.pipelined import PipelinedCommands
from domain.limits.amounts import Spend
from domain.limits.entries import Entry
from domain.limits.reservations import Admitted
from domain.limits.windows import Window
from tests.support.limits import (
    MONDAY_MS,
    budget_cap,
    claim,
    concurrency_cap,
    requests_rule,
    tokens_rule,
)


def rules(count: int) -> tuple[Entry, ...]:
    """Return `count` entries of every kind, each with a counter of its own."""
    made: list[Entry] = []
    for number in range(count):
        name = f"r{number}"
        made.append(
            [
                requests_rule(100, Window.HOUR, rule=name),
                tokens_rule(100, Window.DAY, rule=name, strict=True),
                budget_cap(100, MONDAY_MS, rule=name),
                concurrency_cap(100, rule=name),
            ][number % 4]
        )
    return tuple(made)


async def scripts_run(client: Redis) -> int:
    stats = cast("dict[str, dict[str, int]]", await client.info("commandstats"))
    assert "cmdstat_eval" not in stats
    return stats.get("cmdstat_evalsha", {"calls": 0})["calls"]


@pytest.mark.parametrize("count", [1, 4, 16])
async def test_an_admission_is_one_evalsha_and_so_is_a_settlement(
    redis_client: Redis, redis_url: str, count: int
) -> None:
    store = RedisLimitStore(PipelinedCommands.from_url(redis_url, timeout_s=5.0))
    entries = rules(count)
    warm = await store.admit(claim(*entries))  # loads the scripts
    assert isinstance(warm, Admitted)
    await store.settle(warm.reservation, Spend(tokens=1), occurred_at_ms=MONDAY_MS)
    await redis_client.config_resetstat()
    verdict = await store.admit(claim(*entries, tokens=1))
    assert isinstance(verdict, Admitted)
    assert await scripts_run(redis_client) == 1
    await store.settle(verdict.reservation, Spend(tokens=1), occurred_at_ms=MONDAY_MS)
    assert await scripts_run(redis_client) == 2
    await store.aclose()
