"""A sweep of which some settlements fail still tells what the others charged."""

from collections.abc import AsyncIterator, Sequence

import pytest

from adapters.redis.limit_scripts import LimitScripts
from adapters.redis.limit_wire import record_key
from adapters.redis.limits import RedisLimitStore
from adapters.redis.link import Part, Reply
from adapters.redis.pipelined import PipelinedCommands, Script
from domain.errors import LimitStoreUnavailable
from domain.limits.amounts import NOTHING
from domain.limits.reservations import Abandoned, Admitted
from tests.support.limits import claim, concurrency_cap, made_ready, tokens_rule

SETTLE = LimitScripts.load().settle.sha


class Flaky(RedisLimitStore):
    """Answers no settlement of some reservations."""

    def __init__(self, commands: PipelinedCommands) -> None:
        super().__init__(commands)
        self.unanswered: set[str] = set()
        inner = commands.run

        async def run(script: Script, keys: Sequence[Part], arguments: Sequence[Part]) -> Reply:
            if script.sha == SETTLE and keys[2] in self.unanswered:
                raise LimitStoreUnavailable("no answer in time")
            return await inner(script, keys, arguments)

        commands.run = run


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[Flaky]:
    found = Flaky(PipelinedCommands.from_url(redis_url, timeout_s=5.0))
    await made_ready(found)
    yield found
    await found.aclose()


async def abandoned(store: Flaky, count: int) -> list[str]:
    """Leave `count` reservations to the sweeper; return their ids."""
    ids: list[str] = []
    for _ in range(count):
        asked = claim(tokens_rule(10_000, strict=True), concurrency_cap(9), tokens=7, lifetime_ms=1)
        assert isinstance(await store.admit(asked), Admitted)
        ids.append(asked.reservation_id)
    while (await store.usage((concurrency_cap(9),), NOTHING)).readings[0].used:
        pass
    return ids


def ids_of(swept: Sequence[Abandoned]) -> list[str]:
    return sorted(each.reservation.id for each in swept)


async def test_one_failure_does_not_hide_what_was_charged_for_the_others(store: Flaky) -> None:
    first, second, third = await abandoned(store, 3)
    store.unanswered = {record_key(second)}
    assert ids_of(await store.sweep(10)) == sorted([first, third])
    store.unanswered = set()
    assert ids_of(await store.sweep(10)) == [second], "the rest is swept the next time"


async def test_a_sweep_of_which_nothing_was_applied_raises(store: Flaky) -> None:
    ids = await abandoned(store, 2)
    store.unanswered = {record_key(each) for each in ids}
    with pytest.raises(LimitStoreUnavailable):
        await store.sweep(10)
