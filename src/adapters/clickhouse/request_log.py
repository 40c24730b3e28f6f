"""Queries on stored request records."""

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from adapters.clickhouse.client import ClickHouse
from adapters.clickhouse.rows import read_record
from application.ports.request_log import (
    Arrival,
    ArrivedRecord,
    Position,
    RequestFilter,
    RequestLog,
)
from domain.access.rights import Area
from domain.records.events import RequestRecord

HOUR_MS = 3600 * 1000
# Looking for the newest rows, the newest part of the log is read first: FINAL reads whole ranges.
SPANS_MS = (HOUR_MS, 24 * HOUR_MS, 30 * 24 * HOUR_MS)

_COLUMNS = ", ".join(f"`{column}`" for column in RequestRecord.__struct_fields__)
_CONDITIONS = {
    "since_ms": "started_at_ms >= {since_ms:Int64}",
    "until_ms": "started_at_ms < {until_ms:Int64}",
    "model": "(model_requested = {model:String} OR model_served = {model:String})",
    "provider": "provider = {provider:String}",
    "outcome": "outcome = {outcome:String}",
    "status": "status = {status:Int32}",
    "key_id": "key_id = {key_id:String}",
    "user": "(user_id = {user:String} OR user_email = {user:String})",
    "request_id": "request_id = {request_id:String}",
}
_FORMAT = """
SETTINGS output_format_json_quote_64bit_integers = 0,
    output_format_json_named_tuples_as_objects = 1,
    output_format_json_quote_denormals = 0,
    max_execution_time = 20
FORMAT JSONEachRow"""


_Values = dict[str, str | int | list[str]]


class Stored(Struct, frozen=True):
    """When a row was stored."""

    stored_at_ms: int


_stored = msgspec.json.Decoder(Stored)


class ClickHouseRequestLog(RequestLog):
    """Reads with FINAL, so that a record delivered twice is seen once."""

    def __init__(self, clickhouse: ClickHouse) -> None:
        """Ask through `clickhouse`."""
        self._clickhouse = clickhouse

    async def newest(
        self, wanted: RequestFilter, *, limit: int, before: Position | None = None
    ) -> Sequence[RequestRecord]:
        """Implement `RequestLog.newest`."""
        conditions, values = _conditions(wanted)
        values["limit"] = limit
        if before is not None:
            conditions.append("started_at_ms <= {before_ms:Int64}")
            conditions.append("(started_at_ms, event_id) < ({before_ms:Int64}, {before_id:String})")
            values["before_ms"] = before.started_at_ms
            values["before_id"] = before.event_id
        if wanted.since_ms is None:
            anchor = before.started_at_ms if before else await self._newest_start()
            if wanted.until_ms is not None:
                anchor = min(anchor, wanted.until_ms)
            for span in SPANS_MS:
                lines = await self._newest(
                    [*conditions, "started_at_ms >= {floor_ms:Int64}"],
                    {**values, "floor_ms": anchor - span},
                )
                if len(lines) == limit:
                    return [read_record(line) for line in lines]
        return [read_record(line) for line in await self._newest(conditions, values)]

    async def arrivals(
        self, wanted: RequestFilter, *, limit: int, after: Arrival
    ) -> Sequence[ArrivedRecord]:
        """Implement `RequestLog.arrivals`."""
        conditions, values = _conditions(wanted)
        moment = "fromUnixTimestamp64Milli({after_ms:Int64}, 'UTC')"
        conditions.append(f"stored_at >= {moment}")
        conditions.append(f"(stored_at, event_id) > ({moment}, {{after_id:String}})")
        values |= {"after_ms": after.stored_at_ms, "after_id": after.event_id, "limit": limit}
        lines = await self._lines(
            f"SELECT toUnixTimestamp64Milli(stored_at) AS stored_at_ms, {_COLUMNS} "  # noqa: S608
            f"FROM requests FINAL {_where(conditions)} "
            "ORDER BY stored_at, event_id LIMIT {limit:UInt32}",
            values,
        )
        return [
            ArrivedRecord(_stored.decode(line).stored_at_ms, read_record(line)) for line in lines
        ]

    async def find(self, event_id: str) -> RequestRecord | None:
        """Implement `RequestLog.find`."""
        lines = await self._newest(
            ["event_id = {event_id:String}"], {"event_id": event_id, "limit": 1}
        )
        return read_record(lines[0]) if lines else None

    async def _newest_start(self) -> int:
        """Return the newest start time; answered from the partitions' metadata."""
        lines = await self._lines(
            "SELECT toUnixTimestamp64Milli(max(started_at)) AS stored_at_ms FROM requests", {}
        )
        return _stored.decode(lines[0]).stored_at_ms

    async def _newest(self, conditions: list[str], values: _Values) -> list[bytes]:
        return await self._lines(
            f"SELECT {_COLUMNS} FROM requests FINAL {_where(conditions)} "  # noqa: S608
            "ORDER BY started_at_ms DESC, event_id DESC LIMIT {limit:UInt32}",
            values,
        )

    async def _lines(self, query: str, values: _Values) -> list[bytes]:
        answer = await self._clickhouse.run(
            lambda client: client.raw_query(query + _FORMAT, parameters=dict(values))
        )
        return answer.splitlines()


def _conditions(wanted: RequestFilter) -> tuple[list[str], _Values]:
    values: _Values = {
        name: value for name in _CONDITIONS if (value := getattr(wanted, name)) is not None
    }
    conditions = [_CONDITIONS[name] for name in values]
    if wanted.within is not None:
        conditions.append(_covered("allowed", wanted.within.allowed, values))
        conditions.append(f"NOT {_covered('denied', wanted.within.denied, values)}")
    return conditions, values


def _covered(name: str, area: Area, values: _Values) -> str:
    """Return the condition that a record belongs to the area; its parameters go to `values`."""
    if area.everything:
        return "(1 = 1)"
    values[f"{name}_teams"] = sorted(area.team_ids)
    within = f"hasAny(team_ids, {{{name}_teams:Array(String)}})"
    if area.owner_id is None:
        return f"({within})"
    values[f"{name}_owner"] = area.owner_id
    return f"({within} OR user_id = {{{name}_owner:String}})"


def _where(conditions: list[str]) -> str:
    return f"WHERE {' AND '.join(conditions)}" if conditions else ""
