"""`GET /api/requests`: the request records (audit.md section 4)."""

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery

from application.console.request_records import NEWEST, RecordPage, RecordQuery, RequestRecords
from domain.records.events import RequestRecord
from entrypoints.console.security import By


def request_routes(records: RequestRecords) -> list[HTTPRouteHandler]:
    """Return the route handlers."""

    @get("/api/requests", operation_id="list_requests", tags=["requests"])
    async def list_requests(
        by: By,
        limit: FromQuery[int] = 50,
        since_ms: FromQuery[int | None] = None,
        until_ms: FromQuery[int | None] = None,
        model: FromQuery[str | None] = None,
        provider: FromQuery[str | None] = None,
        outcome: FromQuery[str | None] = None,
        status: FromQuery[int | None] = None,
        key_id: FromQuery[str | None] = None,
        user: FromQuery[str | None] = None,
        request_id: FromQuery[str | None] = None,
        order: FromQuery[str] = NEWEST,
        cursor: FromQuery[str | None] = None,
        overlap_ms: FromQuery[int] = 0,
    ) -> RecordPage:
        """List request records.

        Newest first by start time, or (`order=arrival`) in the order in which they were stored, for
        following the log. Every filter narrows the list; times are Unix milliseconds.
        """
        return await records.page(
            by,
            RecordQuery(
                limit=limit,
                since_ms=since_ms,
                until_ms=until_ms,
                model=model,
                provider=provider,
                outcome=outcome,
                status=status,
                key_id=key_id,
                user=user,
                request_id=request_id,
                order=order,
                cursor=cursor,
                overlap_ms=overlap_ms,
            ),
        )

    @get("/api/requests/{event_id:str}", operation_id="get_request", tags=["requests"])
    async def get_request(by: By, event_id: FromPath[str]) -> RequestRecord:
        """Return one request record by its event id."""
        return await records.find(by, event_id)

    return [list_requests, get_request]
