"""Cost of one admission and one settlement for 1, 4 and 16 rules.

Time in the script from `INFO commandstats` (wall time: only meaningful on an idle machine), CPU of the
server from `INFO cpu` (network included), CPU of the client from `time.process_time`. The server is the
embedded Valkey on a unix socket. Run: `python -m bench.limits [--url redis://…]`.
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from typing import cast

import uvloop

from adapters.embedded.valkey import EmbeddedValkey
from adapters.redis.limits import RedisLimitStore
from adapters.redis.pipelined import PipelinedCommands
from domain.limits.amounts import Spend
from domain.limits.budgets import BudgetUnit
from domain.limits.entries import BudgetEntry, Entry, LeaseEntry, WindowEntry
from domain.limits.periods import Period, periods_around
from domain.limits.reservations import Admitted, Claim
from domain.limits.rules import Metric
from domain.limits.windows import Window
from domain.subjects import Subject, SubjectKind

CALLS = 20_000
USERS = 200
LIMIT = 10**12


def rules(count: int, user: int) -> tuple[Entry, ...]:
    """Return `count` entries of the usual mixture: requests, tokens, budgets, one lease."""
    subject = Subject(SubjectKind.USER, f"user-{user:04d}-0192f0aa-1111-7000-8000")
    now_ms = int(time.time() * 1000)
    made: list[Entry] = []
    for number in range(count):
        rule = f"0192f0aa-{number:04d}-7000-8000-000000000000"
        if number % 4 == 3:
            made.append(
                BudgetEntry(
                    limit_id=rule, subject=subject, label="user:budget/monthly", limit=LIMIT,
                    counter=f"b:{subject.kind}:{subject.id}:{rule}",
                    unit=BudgetUnit.WEIGHTED_TOKENS,
                    periods=periods_around(Period.MONTHLY, now_ms, "UTC"),
                )
            )  # fmt: skip
        elif number == 14:
            made.append(
                LeaseEntry(
                    limit_id=rule, subject=subject, label="user:concurrency", limit=LIMIT,
                    counter=f"c:{subject.kind}:{subject.id}:{rule}",
                )
            )  # fmt: skip
        else:
            metric = Metric.TOKENS if number % 4 == 1 else Metric.REQUESTS
            window = (Window.MINUTE, Window.HOUR, Window.DAY)[number % 3]
            made.append(
                WindowEntry(
                    limit_id=rule, subject=subject, label=f"user:{metric}/{window}", limit=LIMIT,
                    counter=f"w:{subject.kind}:{subject.id}:{metric}/{window}:{rule}",
                    metric=metric, bucket_ms=window.bucket_ms,
                )
            )  # fmt: skip
    return tuple(made)


async def server_us(commands: PipelinedCommands) -> tuple[float, float]:
    """Return microseconds of wall time in scripts and of CPU of the server's main thread."""
    raw = cast("bytes", await commands.call("INFO", "everything")).decode()
    wall, cpu = 0.0, 0.0
    for line in raw.splitlines():
        name, _, value = line.partition(":")
        if name == "cmdstat_evalsha":
            wall = float(value.partition("usec=")[2].partition(",")[0])
        elif name in {"used_cpu_sys_main_thread", "used_cpu_user_main_thread"}:
            cpu += float(value) * 1e6
    return wall, cpu


async def measure(commands: PipelinedCommands, count: int, in_flight: int) -> None:
    """Print one line per operation."""
    store = RedisLimitStore(commands)
    await store.mark_restored((await store.begin()).at_ms)
    entries = [rules(count, user) for user in range(USERS)]
    estimate, actual = Spend(tokens=1_000), Spend(tokens=700)
    verdicts: list[Admitted] = []
    context = b"x" * 200

    async def admit_some(first: int) -> None:
        for number in range(first, CALLS, in_flight):
            claim = Claim(
                reservation_id=f"0192f0aa-{count:04d}-7000-{in_flight:04d}-{number:012d}",
                entries=entries[number % USERS],
                estimate=estimate,
                lifetime_ms=60_000,
                started_at_ms=0,
                context=context,
            )
            verdict = await store.admit(claim)
            assert isinstance(verdict, Admitted)
            verdicts.append(verdict)

    async def settle_some(first: int) -> None:
        for number in range(first, CALLS, in_flight):
            taken = verdicts[number].reservation
            await store.settle(taken, actual, occurred_at_ms=taken.admitted_at_ms)

    for name, work in (("admit", admit_some), ("settle", settle_some)):
        await commands.call("CONFIG", "RESETSTAT")
        before = await server_us(commands)
        cpu, wall = time.process_time(), time.perf_counter()
        await asyncio.gather(*(work(first) for first in range(in_flight)))
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        after = await server_us(commands)
        print(
            f"{name:7} rules={count:2} in_flight={in_flight:3}  script {(after[0] - before[0]) / CALLS:6.1f} us"
            f"  server cpu {(after[1] - before[1]) / CALLS:6.1f} us"
            f"  client cpu {cpu / CALLS * 1e6:6.1f} us  {CALLS / wall:8.0f}/s"
        )


async def run(url: str) -> None:
    """Measure every combination on an empty server."""
    commands = PipelinedCommands.from_url(url, timeout_s=5.0, connect_timeout_s=5.0)
    for in_flight in (1, 16):
        for count in (1, 4, 16):
            await commands.call("FLUSHALL")
            await measure(commands, count, in_flight)
    await commands.aclose()


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="a server that may be flushed; default: an embedded one")
    url: str | None = parser.parse_args().url
    if url is not None:
        uvloop.run(run(url))
        return
    with tempfile.TemporaryDirectory(prefix="twb-") as directory:
        server = EmbeddedValkey(Path(directory) / "data", Path(directory) / "run")
        server.start()
        try:
            uvloop.run(run(server.url))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
