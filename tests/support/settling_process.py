"""A gateway in miniature, to be killed: it admits requests, settles some, and delivers nothing.

`python -m tests.support.settling_process <root> <redis url> <requests> <settled> <lifetime ms>`:
admits `requests` of 10 tokens each, settles the first `settled` of them with 3, and says so; then
it waits for its end. The store is away from its point of view: no settlement leaves the process.
"""

import asyncio
import os
import sys
from pathlib import Path

from adapters.journal.settlement_log import FileSettlementLog
from adapters.redis.limits import RedisLimitStore
from adapters.redis.pipelined import PipelinedCommands
from adapters.system.clock import SystemClock
from application.gateway.abandonment import abandoned_context
from application.gateway.limit_settlements import LimitSettlements
from domain.limits.amounts import MAX_COUNT, Spend
from domain.limits.entries import BudgetEntry
from domain.limits.periods import Period
from domain.limits.reservations import Admitted, Claim
from tests.support.limits import budget_cap, concurrency_cap
from tests.support.sweeping import a_call, a_caller

SETTLED_TOKENS, ESTIMATED_TOKENS = 3, 10


def shared_budget() -> BudgetEntry:
    """Return the budget that parent and child count on; of a month, whose end is rarely near."""
    return budget_cap(1_000_000, SystemClock().now_ms(), Period.MONTHLY)


async def main(root: Path, redis_url: str, requests: int, settled: int, lifetime_ms: int) -> None:
    """Take, settle, report, wait."""
    clock = SystemClock()
    store = RedisLimitStore(PipelinedCommands.from_url(redis_url, timeout_s=5))
    settlements = LimitSettlements(FileSettlementLog.create(root, f"gateway-{os.getpid()}"), clock)
    entries = (shared_budget(), concurrency_cap(100_000))
    for number in range(requests):
        verdict = await store.admit(
            Claim(
                reservation_id=f"{os.getpid()}-{number}",
                entries=entries,
                estimate=Spend(tokens=ESTIMATED_TOKENS),
                lifetime_ms=lifetime_ms,
                started_at_ms=MAX_COUNT,
                context=abandoned_context(a_call(f"{os.getpid()}-{number}"), a_caller()),
            )
        )
        assert isinstance(verdict, Admitted)
        settlements.hold(verdict.reservation)
        if number < settled:
            settlements.settle(
                verdict.reservation,
                Spend(tokens=SETTLED_TOKENS),
                occurred_at_ms=clock.now_ms(),
            )
    os.write(1, b"ready\n")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], *(int(word) for word in sys.argv[3:6])))
