"""Ledger: sums of stored records per bearer of costs, each request once."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from adapters.clickhouse.client import ClickHouse
from adapters.clickhouse.ledger import ClickHouseLedger
from adapters.clickhouse.migrations import migrate
from adapters.clickhouse.writer import ClickHouseRequests
from adapters.memory.ledger import MemoryLedger
from adapters.sql.migrations import scripts_directory
from application.ports.ledger import Ledger, Spent
from domain.records.events import Outcome, RequestRecord
from domain.subjects import SubjectKind
from tests.support.request_records import STARTED_MS, batch_of_records, make_record
from tests.support.stores import ClickHouseDatabase

Write = Callable[..., Awaitable[None]]
FOREVER = (0, 2**53)


@pytest.fixture(params=["memory", "clickhouse"])
async def books(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Ledger, Write]]:
    """A ledger, and how records get into it."""
    if request.param == "memory":
        kept: dict[str, RequestRecord] = {}

        async def keep(*records: RequestRecord) -> None:
            for record in records:
                held = kept.get(record.event_id)
                if held is None or held.outcome is Outcome.ABANDONED:
                    kept[record.event_id] = record

        yield MemoryLedger(kept.values()), keep
        return
    database: ClickHouseDatabase = request.getfixturevalue("clickhouse")
    clickhouse = ClickHouse(database.url, database=database.name)
    await migrate(clickhouse, scripts_directory() / "clickhouse")
    sink = ClickHouseRequests(clickhouse)

    async def insert(*records: RequestRecord) -> None:
        await sink.deliver([batch_of_records(record) for record in records])

    yield ClickHouseLedger(clickhouse), insert
    await clickhouse.aclose()


def spending(tokens: int, nano_usd: int, **overrides: Any) -> RequestRecord:
    return make_record(
        weighted_tokens=tokens, cost_nano_usd=nano_usd, key_lineage="lineage-1", **overrides
    )


async def sums(ledger: Ledger, since: int, until: int) -> dict[tuple[str, str], tuple[int, int]]:
    spent = await ledger.spent(since, until)
    assert len({(each.kind, each.name) for each in spent}) == len(spent), "one row per bearer"
    return {(each.kind.value, each.name): (each.tokens, each.nano_usd) for each in spent}


async def test_a_request_counts_for_everyone_who_bears_it(books: tuple[Ledger, Write]) -> None:
    ledger, write = books
    await write(spending(10, 700, team_ids=("team-1", "team-2")))
    await write(spending(5, 2**52, user_id="user-2", team_ids=(), provider=""))
    everything = 15, 700 + 2**52
    assert await sums(ledger, *FOREVER) == {
        ("api_key", "lineage-1"): everything,
        ("user", "user-1"): (10, 700),
        ("user", "user-2"): (5, 2**52),
        ("team", "team-1"): (10, 700),
        ("team", "team-2"): (10, 700),
        ("model", "gpt-4o"): everything,
        ("provider", "openai"): (10, 700),
        ("platform", "platform"): everything,
    }


async def test_an_interval_has_its_start_and_not_its_end(books: tuple[Ledger, Write]) -> None:
    ledger, write = books
    for at in (999, 1000, 1999, 2000):
        await write(spending(at, 0, started_at_ms=STARTED_MS + at))
    found = await sums(ledger, STARTED_MS + 1000, STARTED_MS + 2000)
    assert found["platform", "platform"] == (2999, 0)


async def test_a_record_that_came_twice_counts_once(books: tuple[Ledger, Write]) -> None:
    ledger, write = books
    record = spending(10, 10)
    await write(record)
    await write(spending(1, 1))
    await write(record)
    assert (await sums(ledger, *FOREVER))["platform", "platform"] == (11, 11)


async def test_the_final_record_counts_and_not_the_abandoned_one(
    books: tuple[Ledger, Write],
) -> None:
    ledger, write = books
    last = spending(10, 10)
    cut = spending(
        99, 99, event_id=last.event_id, started_at_ms=last.started_at_ms, outcome=Outcome.ABANDONED
    )
    await write(cut)
    await write(last)
    assert (await sums(ledger, *FOREVER))["platform", "platform"] == (10, 10)


async def test_who_spent_nothing_is_left_out(books: tuple[Ledger, Write]) -> None:
    ledger, write = books
    await write(spending(0, 0, outcome=Outcome.RATE_LIMITED))
    assert await ledger.spent(*FOREVER) == []


async def test_kinds_are_those_of_subjects(books: tuple[Ledger, Write]) -> None:
    ledger, write = books
    await write(spending(1, 0))
    found = {each for each in await ledger.spent(*FOREVER) if each.kind is SubjectKind.PLATFORM}
    assert found == {Spent(SubjectKind.PLATFORM, "platform", 1, 0)}


async def test_sums_are_parted_at_the_instants_at_which_requests_ended(
    books: tuple[Ledger, Write],
) -> None:
    ledger, write = books
    for began, took_ms, tokens in (
        (0, 99.999, 1),
        (0, 100.0, 10),
        (90, 10.7, 100),
        (0, 250.2, 1000),
    ):
        await write(spending(tokens, 0, started_at_ms=STARTED_MS + began, duration_ms=took_ms))
    cuts = [STARTED_MS + 100, STARTED_MS + 101, STARTED_MS + 250]
    parts = {
        each.part: each.tokens
        for each in await ledger.spent(*FOREVER, cuts)
        if each.kind is SubjectKind.PLATFORM
    }
    assert parts == {0: 1, 1: 110, 3: 1000}
