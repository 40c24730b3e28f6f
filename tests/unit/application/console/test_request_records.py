from typing import Any

import pytest

from adapters.memory.request_log import MemoryRequestLog
from application.console.request_records import RecordPage, RecordQuery, RequestRecords
from domain.errors import InvalidRequest, NotFound
from domain.records.events import RequestRecord
from tests.support.acting import OPERATOR
from tests.support.manual_clock import ManualClock
from tests.support.request_records import batch_of_records, make_record


class Fixture:
    """The use case over a log in memory."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.log = MemoryRequestLog(clock=self.clock)
        self.records = RequestRecords(self.log, clock=self.clock)

    async def store(self, *records: RequestRecord) -> list[RequestRecord]:
        await self.log.deliver([batch_of_records(*records)])
        self.clock.advance(1)
        return list(records)

    async def page(self, **query: Any) -> RecordPage:
        return await self.records.page(OPERATOR, RecordQuery(**query))


@pytest.fixture
def given() -> Fixture:
    return Fixture()


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
async def test_pages_cover_the_log_and_end(given: Fixture, limit: int) -> None:
    stored = await given.store(*[make_record() for _ in range(7)])
    seen: list[RequestRecord] = []
    page = await given.page(limit=limit)
    while page.next is not None:
        seen += page.items
        page = await given.page(limit=limit, cursor=page.next)
    assert [*seen, *page.items] == stored[::-1]
    assert page.items, "the last page is never empty"


async def test_following_from_the_tail_gives_what_is_stored_later(given: Fixture) -> None:
    given.clock.advance(1000)
    await given.store(make_record())
    given.clock.advance(1000)
    page = await given.page()
    new = await given.store(make_record(started_at_ms=5), make_record())
    first = await given.page(order="arrival", cursor=page.tail, limit=1)
    assert list(first.items) == new[:1]
    second = await given.page(order="arrival", cursor=first.next)
    assert list(second.items) == new[1:]
    empty = await given.page(order="arrival", cursor=second.next)
    assert (empty.items, empty.next) == ((), second.next)
    late = await given.store(make_record())
    assert list((await given.page(order="arrival", cursor=empty.next)).items) == late


async def test_an_overlap_looks_back(given: Fixture) -> None:
    given.clock.advance(1000)
    stored = await given.store(make_record())
    page = await given.page(order="arrival")
    assert list(page.items) == stored
    again = await given.page(order="arrival", cursor=page.next, overlap_ms=10)
    assert list(again.items) == stored
    assert (await given.page(order="arrival", cursor=page.next)).items == ()


async def test_filters_reach_the_log(given: Fixture) -> None:
    match, _ = await given.store(make_record(status=429), make_record())
    assert (await given.page(status=429)).items == (match,)


@pytest.mark.parametrize(
    ("param", "query"),
    [
        ("limit", {"limit": 0}),
        ("limit", {"limit": 1001}),
        ("since_ms", {"since_ms": -1}),
        ("until_ms", {"until_ms": 2**60}),
        ("since_ms", {"since_ms": 5, "until_ms": 5}),
        ("status", {"status": 600}),
        ("outcome", {"outcome": "fine"}),
        ("order", {"order": "random"}),
        ("overlap_ms", {"overlap_ms": 60_001, "order": "arrival"}),
        ("overlap_ms", {"overlap_ms": 1}),
        ("model", {"model": ""}),
        ("user", {"user": "x" * 513}),
        ("request_id", {"request_id": "a\x00b"}),
        ("cursor", {"cursor": "???"}),
        ("cursor", {"cursor": "ünï"}),
        ("cursor", {"cursor": "bm90IGpzb24"}),
        ("cursor", {"cursor": ""}),
    ],
)
async def test_a_bad_parameter_is_named(given: Fixture, param: str, query: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await given.page(**query)
    assert caught.value.param == param


async def test_a_cursor_of_the_other_order_is_refused(given: Fixture) -> None:
    page = await given.page()
    with pytest.raises(InvalidRequest, match="order=newest"):
        await given.page(cursor=page.tail)


async def test_one_record_is_found_by_its_id(given: Fixture) -> None:
    (record,) = await given.store(make_record())
    assert await given.records.find(OPERATOR, record.event_id) == record
    with pytest.raises(NotFound):
        await given.records.find(OPERATOR, "nothing")
