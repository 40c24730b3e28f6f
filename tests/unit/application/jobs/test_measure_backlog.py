"""MeasureBacklog: what waits is seen from the side that does not hang."""

from adapters.memory.event_bus import MemoryEventBus, MemoryStream
from application.jobs.measure_backlog import MeasureBacklog
from application.ports.records import BusBacklog
from domain.errors import ServiceUnavailable
from tests.support.manual_clock import ManualClock
from tests.support.offpath import CountingTelemetry
from tests.support.request_records import batch_of_records, make_record


class BusThatIsAway(MemoryEventBus):
    """Answers nothing about what waits."""

    async def backlog(self) -> BusBacklog:
        raise ServiceUnavailable("away")


async def test_the_age_of_the_oldest_record_and_the_size_of_the_journals_are_shown() -> None:
    clock, telemetry = ManualClock(), CountingTelemetry()
    bus = MemoryEventBus(MemoryStream(), consumer="c", clock=clock)
    job = MeasureBacklog(bus, lambda: 4096, telemetry)
    await bus.receive("clickhouse", count=1, wait_ms=1)
    await bus.publish(batch_of_records(make_record()))
    clock.advance(7)
    await job.measure()
    assert telemetry.lags == {"clickhouse": 7.0}
    assert telemetry.journal_bytes == 4096


async def test_a_bus_that_is_away_leaves_what_was_seen_last() -> None:
    clock, telemetry = ManualClock(), CountingTelemetry()
    bus = BusThatIsAway(MemoryStream(), consumer="c", clock=clock)
    telemetry.sink_lag("clickhouse", 3.0)
    await MeasureBacklog(bus, lambda: 1, telemetry).measure()
    assert telemetry.lags == {"clickhouse": 3.0}
    assert telemetry.journal_bytes == 1
