"""What every request log promises to the console."""

from typing import Any

import pytest

from application.ports.request_log import Arrival, Position, RequestFilter
from domain.access.rights import Area, Reach
from domain.identifiers import TeamId, UserId
from domain.records.events import Outcome, RequestRecord
from tests.support.record_store import Store
from tests.support.request_records import STARTED_MS, batch_of_records, make_record

TEAM = frozenset({TeamId("team-1")})
DAY_MS = 24 * 3600 * 1000


async def filled(store: Store, *records: RequestRecord) -> list[RequestRecord]:
    await store.sink.deliver([batch_of_records(*records)])
    return list(records)


async def test_every_field_comes_back_as_it_was_stored(store: Store) -> None:
    record = make_record(
        trace_id="t",
        stream=True,
        team_ids=("a", "b"),
        team_names=("ä", "quote'\"\\"),
        tags={"k": "line\nbreak\ttab", "ünï": "💡"},
        cost_nano_usd=2**60,
        cost_by_kind_nano_usd={"output": -5},
        ttft_ms=None,
        duration_ms=0.1,
        tokens_reasoning=2**40,
        outcome=Outcome.CLIENT_CANCELLED,
        instance="gateway-1",
    )
    await filled(store, record)
    assert await store.log.find(record.event_id) == record


async def test_an_unknown_event_is_not_found(store: Store) -> None:
    assert await store.log.find("no-such-event") is None


async def test_an_empty_log_has_no_newest(store: Store) -> None:
    assert list(await store.log.newest(RequestFilter(), limit=5)) == []
    assert list(await store.log.arrivals(RequestFilter(), limit=5, after=Arrival(0, ""))) == []


async def test_records_come_newest_first_and_no_more_than_asked(store: Store) -> None:
    records = await filled(store, *[make_record() for _ in range(5)])
    found = await store.log.newest(RequestFilter(), limit=3)
    assert list(found) == records[:1:-1]


async def test_pages_cover_the_log_without_gap_or_repetition(store: Store) -> None:
    same = STARTED_MS + 500
    records = await filled(
        store,
        *[make_record(started_at_ms=same) for _ in range(5)],
        *[make_record(started_at_ms=same - days * DAY_MS) for days in (0, 1, 2, 40, 400)],
    )
    seen: list[RequestRecord] = []
    before: Position | None = None
    while page := await store.log.newest(RequestFilter(), limit=3, before=before):
        seen += page
        before = Position(page[-1].started_at_ms, page[-1].event_id)
    assert seen == sorted(records, key=lambda r: (r.started_at_ms, r.event_id), reverse=True)


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"model": "other-asked"}, {"model_requested": "other-asked"}),
        ({"model": "other-served"}, {"model_served": "other-served"}),
        ({"provider": "anthropic"}, {"provider": "anthropic"}),
        ({"outcome": "denied"}, {"outcome": Outcome.DENIED}),
        ({"status": 429}, {"status": 429}),
        ({"key_id": "key-2"}, {"key_id": "key-2"}),
        ({"user": "user-2"}, {"user_id": "user-2"}),
        ({"user": "eve@example.com"}, {"user_email": "eve@example.com"}),
        ({"request_id": "req_x"}, {"request_id": "req_x"}),
        (
            {"model": 'it\'s \\ a "test" {x:String}'},
            {"model_served": 'it\'s \\ a "test" {x:String}'},
        ),
    ],
)
async def test_a_filter_selects_what_it_names(
    store: Store, wanted: dict[str, Any], field: dict[str, Any]
) -> None:
    match, _ = await filled(store, make_record(**field), make_record())
    assert list(await store.log.newest(RequestFilter(**wanted), limit=5)) == [match]
    arrived = await store.log.arrivals(RequestFilter(**wanted), limit=5, after=Arrival(0, ""))
    assert [row.record for row in arrived] == [match]


@pytest.mark.parametrize(
    ("within", "found"),
    [
        (Reach(allowed=Area(everything=True)), {"mine", "of-my-team", "of-another", "of-nobody"}),
        (Reach(allowed=Area(owner_id=UserId("me"))), {"mine"}),
        (Reach(allowed=Area(team_ids=TEAM)), {"of-my-team"}),
        (Reach(allowed=Area(owner_id=UserId("me"), team_ids=TEAM)), {"mine", "of-my-team"}),
        (
            Reach(allowed=Area(everything=True), denied=Area(team_ids=TEAM)),
            {"mine", "of-another", "of-nobody"},
        ),
        (Reach(allowed=Area(everything=True), denied=Area(everything=True)), set[str]()),
        (Reach(), set[str]()),
    ],
)
async def test_only_records_within_reach_are_returned(
    store: Store, within: Reach, found: set[str]
) -> None:
    await filled(
        store,
        make_record(request_id="mine", user_id="me", team_ids=()),
        make_record(request_id="of-my-team", user_id="you", team_ids=("team-0", "team-1")),
        make_record(request_id="of-another", user_id="you", team_ids=("team-2",)),
        make_record(request_id="of-nobody", user_id="", team_ids=()),
    )
    wanted = RequestFilter(within=within)
    newest = await store.log.newest(wanted, limit=9)
    arrived = await store.log.arrivals(wanted, limit=9, after=Arrival(0, ""))
    assert {each.request_id for each in newest} == found
    assert {row.record.request_id for row in arrived} == found


async def test_filters_are_combined(store: Store) -> None:
    await filled(store, make_record(status=500), make_record(provider="anthropic"))
    both = RequestFilter(status=500, provider="anthropic")
    assert list(await store.log.newest(both, limit=5)) == []


async def test_the_time_range_includes_its_start_and_not_its_end(store: Store) -> None:
    records = await filled(store, *[make_record(started_at_ms=STARTED_MS + n) for n in range(4)])
    wanted = RequestFilter(since_ms=STARTED_MS + 1, until_ms=STARTED_MS + 3)
    assert list(await store.log.newest(wanted, limit=9)) == [records[2], records[1]]
    wanted = RequestFilter(until_ms=STARTED_MS + 2)
    assert list(await store.log.newest(wanted, limit=1)) == [records[1]]


async def test_arrivals_come_in_the_order_they_were_stored(store: Store) -> None:
    late = make_record(started_at_ms=STARTED_MS - DAY_MS)
    first = await filled(store, make_record(), make_record())
    (known, *_, last) = await store.log.arrivals(RequestFilter(), limit=9, after=Arrival(0, ""))
    assert [known.record, last.record] == first
    await filled(store, late)
    seen = Arrival(last.stored_at_ms, last.record.event_id)
    # Both may fall into one millisecond; then the id decides, as the port says.
    rest = await store.log.arrivals(RequestFilter(), limit=9, after=Arrival(seen.stored_at_ms, ""))
    assert rest[-1].record == late or rest[0].record == late
    everything = await store.log.arrivals(RequestFilter(), limit=2, after=Arrival(0, ""))
    assert len(everything) == 2


async def test_pages_of_arrivals_cover_the_log(store: Store) -> None:
    records = await filled(store, *[make_record() for _ in range(7)])
    seen: list[RequestRecord] = []
    after = Arrival(0, "")
    while page := await store.log.arrivals(RequestFilter(), limit=3, after=after):
        seen += [row.record for row in page]
        after = Arrival(page[-1].stored_at_ms, page[-1].record.event_id)
    assert seen == records
