"""What is remembered of kept answers, and what of their use is charged."""

import asyncio

from adapters.memory.response_origins import MemoryResponseOrigins
from application.gateway.kept_responses import MOST_WAITING, KeptResponses
from application.ports.response_origins import ResponseOrigin
from application.runtime.supervisor import TaskSupervisor
from domain.accounting.usage import TokenUsage


class SlowOrigins(MemoryResponseOrigins):
    """Writes nothing before it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.go_on = asyncio.Event(), asyncio.Event()

    async def remember(self, origin: ResponseOrigin) -> None:
        self.asked.set()
        await self.go_on.wait()
        await super().remember(origin)


def origin(number: int, charged: TokenUsage | None = None) -> ResponseOrigin:
    return ResponseOrigin(
        response_id=f"resp_{number}",
        provider_id="p",
        model="m",
        lineage_id="l",
        charged=charged,
    )


async def test_too_many_that_wait_cost_the_oldest_only() -> None:
    origins, tasks = SlowOrigins(), TaskSupervisor()
    kept = KeptResponses(origins)
    for number in range(MOST_WAITING):
        kept.remember(origin(number))
    tasks.run_forever("kept", kept.run)
    await origins.asked.wait()
    kept.remember(origin(MOST_WAITING))  # takes the place of the one that is being written
    origins.go_on.set()
    async with asyncio.timeout(10):
        while await origins.find(f"resp_{MOST_WAITING}") is None:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)
    await tasks.cancel_all(5)
    assert await origins.find("resp_1") == origin(1)


def test_what_was_charged_by_guess_is_made_up_once() -> None:
    kept = KeptResponses(MemoryResponseOrigins())
    guessed = origin(1, TokenUsage(input_uncached=120, output=5))
    told = TokenUsage(input_uncached=100, cache_read=50, output=40, reasoning=60)
    assert kept.rest_to_charge(guessed, told) == TokenUsage(cache_read=30, output=35, reasoning=60)
    assert kept.rest_to_charge(guessed, told) is None
    assert kept.rest_to_charge(origin(2), told) is None
