"""The request log as people and programs page through it."""

import base64
import binascii

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from application.console.reach import require_somewhere
from application.ports.clock import Clock
from application.ports.request_log import (
    Arrival,
    Position,
    RequestFilter,
    RequestLog,
    owner_of,
)
from domain.access.actor import Actor
from domain.access.permissions import Permission
from domain.access.rights import Reach
from domain.errors import InvalidRequest, NotFound
from domain.records.events import Outcome, RequestRecord

MAX_LIMIT = 1000
MAX_TEXT = 512
MAX_OVERLAP_MS = 60_000
# A follower starts this far back: what the clocks of the console and the store may differ by.
TAIL_MARGIN_MS = 60_000
LATEST_MS = 1 << 53

NEWEST = "newest"
ARRIVAL = "arrival"

_cursor = msgspec.json.Decoder(tuple[str, int, str])


class RecordQuery(Struct, frozen=True, kw_only=True):
    """What a caller asked for; None means any. Times are Unix milliseconds, `until_ms` exclusive.

    Attributes:
        model: requested or served name. `user`: id or email.
        order: `newest` first by start time, or `arrival`: oldest first by the time of storing,
            for following the log.
        cursor: the `next` or `tail` of an earlier page of the same order.
        overlap_ms: with `arrival`, look back this far before the cursor.
    """

    limit: int = 50
    since_ms: int | None = None
    until_ms: int | None = None
    model: str | None = None
    provider: str | None = None
    outcome: str | None = None
    status: int | None = None
    key_id: str | None = None
    user: str | None = None
    request_id: str | None = None
    order: str = NEWEST
    cursor: str | None = None
    overlap_ms: int = 0


class RecordPage(Struct, frozen=True, rename={"next": "next_cursor", "tail": "tail_cursor"}):
    """Some records; the JSON names of the cursors are those of every list of the console API.

    Attributes:
        next: cursor of the following page. None at the end of `newest`; in `arrival` order always
            given, and good for asking again later.
        tail: cursor in `arrival` order from which everything arrives that was not yet stored.
    """

    items: tuple[RequestRecord, ...]
    next: str | None
    tail: str


class RequestRecords:
    """Pages of request records, and single ones."""

    def __init__(self, log: RequestLog, *, clock: Clock) -> None:
        """Read from `log`."""
        self._log = log
        self._clock = clock

    async def page(self, by: Actor, query: RecordQuery) -> RecordPage:
        """Return the page that `query` describes, of the records within reach.

        Raises:
            PermissionDenied: no record at all may be seen.
            InvalidRequest: a parameter is out of bounds; `param` names it.
            ServiceUnavailable: the log cannot be asked now.
        """
        require_somewhere(by, Permission.REQUESTS_READ)
        wanted = replace(_filter(query), within=_reach(by))
        tail = _encode(ARRIVAL, max(0, self._clock.now_ms() - TAIL_MARGIN_MS), "")
        if query.order == ARRIVAL:
            return await self._arrivals(query, wanted, tail)
        before = _decode(query.cursor, NEWEST) if query.cursor is not None else None
        found = await self._log.newest(
            wanted, limit=query.limit + 1, before=Position(*before) if before else None
        )
        items = tuple(found[: query.limit])
        has_more = len(found) > query.limit
        last = items[-1] if has_more else None
        return RecordPage(
            items=items,
            next=_encode(NEWEST, last.started_at_ms, last.event_id) if last else None,
            tail=tail,
        )

    async def find(self, by: Actor, event_id: str) -> RequestRecord:
        """Return one record.

        Raises:
            PermissionDenied: no record at all may be seen.
            NotFound: there is none of that id (yet), or it is out of reach.
            ServiceUnavailable: the log cannot be asked now.
        """
        require_somewhere(by, Permission.REQUESTS_READ)
        record = await self._log.find(_text(event_id, "event_id") or "")
        reach = _reach(by)
        if record is None or (reach is not None and not reach.covers(owner_of(record))):
            raise NotFound("There is no request record with this id.")
        return record

    async def _arrivals(self, query: RecordQuery, wanted: RequestFilter, tail: str) -> RecordPage:
        moment, event_id = _decode(query.cursor if query.cursor is not None else tail, ARRIVAL)
        if query.overlap_ms:
            moment, event_id = max(0, moment - query.overlap_ms), ""
        found = await self._log.arrivals(wanted, limit=query.limit, after=Arrival(moment, event_id))
        if found:
            moment, event_id = found[-1].stored_at_ms, found[-1].record.event_id
        if len(found) < query.limit:
            # Nothing more is there up to now: a filter that matches little needs no longer look
            # through what it has seen.
            moment, event_id = max((moment, event_id), _decode(tail, ARRIVAL))
        return RecordPage(
            items=tuple(row.record for row in found),
            next=_encode(ARRIVAL, moment, event_id),
            tail=tail,
        )


def _reach(by: Actor) -> Reach | None:
    """Return whose records may be seen; None for everybody's."""
    reach = by.rights.reach(Permission.REQUESTS_READ)
    return None if reach.allowed.everything and reach.denied.nothing else reach


def _filter(query: RecordQuery) -> RequestFilter:
    _within(query.limit, "limit", 1, MAX_LIMIT)
    _within(query.since_ms, "since_ms", 0, LATEST_MS)
    _within(query.until_ms, "until_ms", 0, LATEST_MS)
    _within(query.status, "status", 0, 599)
    _within(query.overlap_ms, "overlap_ms", 0, MAX_OVERLAP_MS)
    since, until = query.since_ms, query.until_ms
    if since is not None and until is not None and since >= until:
        raise InvalidRequest("'since_ms' must be before 'until_ms'.", param="since_ms")
    if query.order not in {NEWEST, ARRIVAL}:
        raise InvalidRequest(f"'order' must be {NEWEST} or {ARRIVAL}.", param="order")
    if query.overlap_ms and query.order != ARRIVAL:
        raise InvalidRequest(f"'overlap_ms' goes with order={ARRIVAL} only.", param="overlap_ms")
    if query.outcome is not None and query.outcome not in frozenset(Outcome):
        known = ", ".join(Outcome)
        raise InvalidRequest(f"'outcome' must be one of {known}.", param="outcome")
    return RequestFilter(
        since_ms=query.since_ms,
        until_ms=query.until_ms,
        model=_text(query.model, "model"),
        provider=_text(query.provider, "provider"),
        outcome=query.outcome,
        status=query.status,
        key_id=_text(query.key_id, "key_id"),
        user=_text(query.user, "user"),
        request_id=_text(query.request_id, "request_id"),
    )


def _within(value: int | None, param: str, least: int, most: int) -> None:
    if value is not None and not least <= value <= most:
        raise InvalidRequest(f"'{param}' must be between {least} and {most}.", param=param)


def _text(value: str | None, param: str) -> str | None:
    if value is not None and not (0 < len(value) <= MAX_TEXT and value.isprintable()):
        raise InvalidRequest(
            f"'{param}' must be 1 to {MAX_TEXT} printable characters.", param=param
        )
    return value


def _encode(order: str, moment_ms: int, event_id: str) -> str:
    raw = msgspec.json.encode((order, moment_ms, event_id))
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(cursor: str, order: str) -> tuple[int, str]:
    """Return the place a cursor of `order` stands for."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        made_for, moment_ms, event_id = _cursor.decode(
            base64.b64decode(padded, altchars=b"-_", validate=True)
        )
    except (UnicodeError, binascii.Error, msgspec.MsgspecError) as error:
        raise InvalidRequest("'cursor' was not made by this API.", param="cursor") from error
    if made_for != order or not 0 <= moment_ms <= LATEST_MS:
        raise InvalidRequest(f"'cursor' does not belong to order={order}.", param="cursor")
    return moment_ms, event_id
