"""Request records in memory: sink and log in one."""

from collections.abc import Sequence

import msgspec

from application.ports.clock import Clock
from application.ports.records import RecordBatch, Sink
from application.ports.request_log import (
    Arrival,
    ArrivedRecord,
    Position,
    RequestFilter,
    RequestLog,
    owner_of,
)
from domain.errors import InvalidRequest
from domain.records.events import Outcome, RequestRecord

_decoder = msgspec.json.Decoder(RequestRecord)


class MemoryRequestLog(RequestLog, Sink):
    """Keeps one row per event: a final record beats an abandoned one, then the first wins."""

    def __init__(self, *, clock: Clock) -> None:
        """Start empty; `clock` gives the times of arrival."""
        self._clock = clock
        self._rows: dict[str, ArrivedRecord] = {}

    async def deliver(self, batches: Sequence[RecordBatch]) -> None:
        """Implement `Sink.deliver`: all or nothing."""
        try:
            records = [_decoder.decode(line) for batch in batches for line in batch.lines]
        except msgspec.MsgspecError as error:
            raise InvalidRequest("not a request record") from error
        if not all(record.event_id and record.started_at_ms > 0 for record in records):
            raise InvalidRequest("a record needs an id and a time")
        now = self._clock.now_ms()
        for record in records:
            known = self._rows.get(record.event_id)
            if known is None or _supersedes(record, known.record):
                self._rows[record.event_id] = ArrivedRecord(now, record)

    async def newest(
        self, wanted: RequestFilter, *, limit: int, before: Position | None = None
    ) -> Sequence[RequestRecord]:
        """Implement `RequestLog.newest`."""
        found = [row.record for row in self._rows.values() if _matches(row.record, wanted)]
        found.sort(key=_position, reverse=True)
        if before is not None:
            place = (before.started_at_ms, before.event_id)
            found = [record for record in found if _position(record) < place]
        return found[:limit]

    async def arrivals(
        self, wanted: RequestFilter, *, limit: int, after: Arrival
    ) -> Sequence[ArrivedRecord]:
        """Implement `RequestLog.arrivals`."""
        found = [
            (Arrival(row.stored_at_ms, row.record.event_id), row)
            for row in self._rows.values()
            if _matches(row.record, wanted)
        ]
        return [row for arrival, row in sorted(found, key=lambda item: item[0]) if arrival > after][
            :limit
        ]

    async def find(self, event_id: str) -> RequestRecord | None:
        """Implement `RequestLog.find`."""
        row = self._rows.get(event_id)
        return row.record if row else None


def _supersedes(record: RequestRecord, known: RequestRecord) -> bool:
    return known.outcome is Outcome.ABANDONED and record.outcome is not Outcome.ABANDONED


def _position(record: RequestRecord) -> tuple[int, str]:
    return (record.started_at_ms, record.event_id)


def _matches(record: RequestRecord, wanted: RequestFilter) -> bool:
    return (
        (wanted.since_ms is None or record.started_at_ms >= wanted.since_ms)
        and (wanted.until_ms is None or record.started_at_ms < wanted.until_ms)
        and wanted.model in {None, record.model_requested, record.model_served}
        and wanted.provider in {None, record.provider}
        and wanted.outcome in {None, record.outcome}
        and wanted.status in {None, record.status}
        and wanted.key_id in {None, record.key_id}
        and wanted.user in {None, record.user_id, record.user_email}
        and wanted.request_id in {None, record.request_id}
        and (wanted.within is None or wanted.within.covers(owner_of(record)))
    )
