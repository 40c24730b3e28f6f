"""`thinkwatch requests` over the real use case, with the log in memory and HTTP left out."""

import asyncio
from collections.abc import Iterator

import click
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.memory.request_log import MemoryRequestLog
from application.console.request_records import RecordQuery, RequestRecords
from application.ports.request_log import ArrivedRecord
from domain.records.events import Outcome, RequestRecord
from entrypoints.cli import record_feed
from entrypoints.cli.console_api import ConsoleUnreachable
from entrypoints.cli.record_feed import RecordFeed
from entrypoints.cli.record_table import HEADINGS, RecordTable
from entrypoints.cli.requests import Moment
from entrypoints.failures import unavailable
from tests.support.acting import OPERATOR
from tests.support.manual_clock import ManualClock
from tests.support.request_records import make_record, record_of


class Console:
    """The API as the feed sees it. A record can appear at an earlier place, like a slow insert's."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.log = MemoryRequestLog(clock=self.clock)
        self.records = RequestRecords(self.log, clock=self.clock)
        self.away = 0
        self.asked = 0

    def get(self, path: str, query: dict[str, str]) -> bytes:
        self.asked += 1
        if self.away:
            self.away -= 1
            raise ConsoleUnreachable(*unavailable("away", "wait").failures)
        assert path == "/api/requests"
        asked = msgspec.convert(query, RecordQuery, strict=False)
        return msgspec.json.encode(asyncio.run(self.records.page(OPERATOR, asked)))

    def store(self, *records: RequestRecord, ago_ms: int = 0) -> None:
        for record in records:
            arrived = ArrivedRecord(self.clock.now_ms() - ago_ms, record)
            self.log._rows.setdefault(record.event_id, arrived)  # pyright: ignore[reportPrivateUsage]


@pytest.fixture
def console() -> Console:
    return Console()


def events(lines: list[bytes]) -> list[str]:
    return [record_of(line).event_id for line in lines]


def names(*records: RequestRecord) -> list[str]:
    return [record.event_id for record in records]


def following(
    console: Console, limit: int = 10, pauses: list[float] | None = None, **filters: str
) -> Iterator[list[bytes]]:
    def sleep(seconds: float) -> None:
        console.clock.advance(seconds)
        if pauses is not None:
            pauses.append(seconds)

    return RecordFeed(console.get, filters).follow(limit, sleep)


def test_the_newest_are_given_oldest_first(console: Console) -> None:
    records = [make_record() for _ in range(5)]
    console.store(*records)
    assert events(RecordFeed(console.get, {}).newest(3)) == names(*records[2:])
    assert RecordFeed(console.get, {}).newest(0) == []


def test_more_than_a_page_is_asked_for_in_pages(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_feed, "PAGE", 4)
    records = [make_record() for _ in range(11)]
    console.store(*records)
    assert events(RecordFeed(console.get, {}).newest(100)) == names(*records)
    assert events(RecordFeed(console.get, {}).newest(9)) == names(*records[2:])


def test_following_shows_the_newest_and_then_only_what_arrives(console: Console) -> None:
    old = [make_record() for _ in range(30)]
    console.store(*old)
    feed = following(console, limit=5)
    assert events(next(feed)) == names(*old[25:])
    assert next(feed) == []
    console.store(new := make_record(started_at_ms=1))
    assert events(next(feed)) == [new.event_id]
    assert [next(feed) for _ in range(20)] == [[]] * 20


def test_a_record_that_becomes_visible_late_is_not_missed(console: Console) -> None:
    feed = following(console)
    next(feed)
    seen: list[str] = []
    late = make_record()
    for poll in range(30):
        console.store(quick := make_record())
        if poll == 12:
            console.store(late, ago_ms=14_000)
        seen += events(next(feed))
        assert quick.event_id in seen
    assert seen.count(late.event_id) == 1
    assert len(seen) == len(set(seen)) == 31


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 14_500)), min_size=1, max_size=25))
def test_every_record_is_shown_once_whatever_the_order(steps: list[tuple[int, int]]) -> None:
    console = Console()
    feed = following(console)
    next(feed)
    stored: list[str] = []
    seen: list[str] = []
    for count, delay in steps:
        records = [make_record() for _ in range(count)]
        for index, record in enumerate(records):
            console.store(record, ago_ms=delay * index // max(1, count - 1))
        stored += names(*records)
        seen += events(next(feed))
    for _ in range(10):
        seen += events(next(feed))
    assert sorted(seen) == sorted(stored)


def test_a_burst_larger_than_a_page_is_shown_at_once(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_feed, "PAGE", 4)
    feed = following(console)
    next(feed)
    burst = [make_record() for _ in range(13)]
    console.store(*burst)
    assert events(next(feed)) == names(*burst)


def test_a_page_that_fails_loses_nothing_of_the_pages_before_it(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_feed, "PAGE", 4)
    asked, get = -10, console.get

    def fail_once(path: str, query: dict[str, str]) -> bytes:
        console.away = int(console.asked == asked + 2)
        return get(path, query)

    monkeypatch.setattr(console, "get", fail_once)
    feed = following(console, limit=0)
    next(feed)
    console.store(*(burst := [make_record() for _ in range(13)]))
    asked = console.asked
    assert events(next(feed)) == names(*burst)


def test_a_filter_holds_for_both_kinds_of_pages(console: Console) -> None:
    console.store(make_record(), wanted := make_record(status=500))
    feed = following(console, status="500")
    assert events(next(feed)) == [wanted.event_id]
    console.store(make_record(), later := make_record(status=500))
    assert events(next(feed)) == [later.event_id]


def test_a_console_that_is_away_is_asked_less_and_less_and_nothing_is_missed(
    console: Console,
) -> None:
    pauses: list[float] = []
    feed = following(console, pauses=pauses)
    next(feed)
    console.away = 7
    console.store(record := make_record())
    assert events(next(feed)) == [record.event_id]
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


def test_a_console_that_is_away_at_the_start_is_an_error(console: Console) -> None:
    console.away = 1
    with pytest.raises(ConsoleUnreachable):
        next(following(console))


def table_of(*records: RequestRecord) -> list[dict[str, str]]:
    table = RecordTable()
    lines = table.lines([msgspec.json.encode(record) for record in records])
    heading = table.heading()
    starts = [heading.index(name) for name in HEADINGS if name not in {"IN", "OUT"}]
    assert len(starts) == 10
    return [dict(zip(HEADINGS, line.split(), strict=True)) for line in lines]


def test_a_row_shows_what_happened() -> None:
    (row,) = table_of(
        make_record(
            started_at_ms=1_760_000_000_123,
            request_id="req_1",
            tokens_cache_read=100,
            ttft_ms=12.6,
            duration_ms=12_345.0,
        )
    )
    assert row == {
        "TIME": "2025-10-09T08:53:20Z",
        "STATUS": "200",
        "OUTCOME": "ok",
        "MODEL": "gpt-4o-2024-11-20",
        "PROVIDER": "openai",
        "IN": "111",
        "OUT": "7",
        "COST USD": "0.001235",
        "TTFT": "13ms",
        "DURATION": "12.3s",
        "KEY": "ci",
        "REQUEST ID": "req_1",
    }


def test_what_is_not_known_is_a_dash() -> None:
    (row,) = table_of(
        make_record(
            outcome=Outcome.ABANDONED,
            status=0,
            price_known=False,
            ttft_ms=None,
            provider="",
            key_name="",
        )
    )
    unknown = {"STATUS", "COST USD", "TTFT", "PROVIDER", "KEY"}
    assert {name for name, cell in row.items() if cell == "-"} == unknown


def test_a_name_cannot_command_the_terminal() -> None:
    line = RecordTable().lines(
        [msgspec.json.encode(make_record(model_served="\x1b]0;x\x07evil\n" + "y" * 99))]
    )[0]
    assert "?]0;x?evil?" in line
    assert line.isprintable()
    assert "…" in line


def test_rows_of_different_width_stay_aligned() -> None:
    table = RecordTable()
    lines = table.lines(
        [msgspec.json.encode(make_record(key_name=name)) for name in ("a", "a-rather-long-name")]
    )
    assert lines[0].index("req_") == lines[1].index("req_") == table.heading().index("REQUEST ID")


@pytest.mark.parametrize(
    ("text", "moment"),
    [("2025-10-09T08:53:20Z", 1_760_000_000_000), ("2025-10-09T10:53:20+02:00", 1_760_000_000_000)],
)
def test_a_time_can_be_given_in_iso_8601(text: str, moment: int) -> None:
    assert Moment().convert(text, None, None) == moment


@pytest.mark.parametrize(
    ("text", "ago_s"), [("90s", 90), ("15m", 900), ("1h", 3600), ("7d", 604800)]
)
def test_a_time_can_be_given_as_an_age(text: str, ago_s: int) -> None:
    now, then = Moment().convert("0s", None, None), Moment().convert(text, None, None)
    assert abs(now - then - ago_s * 1000) < 1000


@pytest.mark.parametrize("text", ["", "soon", "5", "1y", "-1h", "2025-13-01"])
def test_another_time_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="ISO 8601"):
        Moment().convert(text, None, None)
