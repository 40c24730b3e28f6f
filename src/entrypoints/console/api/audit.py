"""`/api/audit`: the administrative audit trail (audit.md section 4)."""

from datetime import datetime

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery
from litestar.response import Response, Stream

from application.console.audit import AuditEventView, ShowAudit, TrailView
from application.ports.audit_log import AuditFilter
from application.resources import Page
from domain.errors import InvalidRequest
from domain.records.audit import AuditOutcome
from entrypoints.console.answers import answer
from entrypoints.console.security import By

JSON_LINES = "application/jsonl"


class AuditPage(Page[AuditEventView], frozen=True):
    """Some events, newest first; `next_cursor` is null on the last page."""


def audit_routes(audit: ShowAudit) -> list[HTTPRouteHandler]:
    """Return the route handlers."""

    @get("/api/audit", operation_id="list_audit_events", tags=["audit"])
    async def list_audit_events(
        by: By,
        limit: FromQuery[int] = 50,
        cursor: FromQuery[str | None] = None,
        actor_id: FromQuery[str | None] = None,
        action: FromQuery[str | None] = None,
        target_kind: FromQuery[str | None] = None,
        target_id: FromQuery[str | None] = None,
        outcome: FromQuery[AuditOutcome | None] = None,
        ip: FromQuery[str | None] = None,
        request_id: FromQuery[str | None] = None,
        since: FromQuery[datetime | None] = None,
        until: FromQuery[datetime | None] = None,
        text: FromQuery[str | None] = None,
    ) -> Response[AuditPage]:
        """List events, newest first; every filter narrows the list.

        `action` is exact, or a prefix that ends in a dot; `since` (included) and `until` (not) are
        instants with their offset from UTC; `text` is part of the actor's or target's name.
        """
        wanted = AuditFilter(
            actor_id=actor_id,
            action=action,
            target_kind=target_kind,
            target_id=target_id,
            outcome=outcome,
            ip=ip,
            request_id=request_id,
            since_ms=_milliseconds(since, "since"),
            until_ms=_milliseconds(until, "until"),
            text=text,
        )
        page = await audit.page(by, wanted, limit=limit, cursor=cursor)
        return answer(AuditPage(page.items, page.next_cursor, page.total))

    @get("/api/audit/verify", operation_id="verify_audit", tags=["audit"])
    async def verify_audit(by: By) -> Response[TrailView]:
        """Verify the whole trail: chain, end, signed checkpoints, copy in the log store."""
        return answer(await audit.verify(by))

    @get(
        "/api/audit/export",
        operation_id="export_audit",
        tags=["audit"],
        media_type=JSON_LINES,
    )
    async def export_audit(by: By) -> Stream:
        """Stream the whole trail as JSON lines with its proofs: header, events, checkpoints.

        `thinkwatch audit verify --file` checks such a file without any store.
        """
        return Stream(
            await audit.export(by),
            media_type=JSON_LINES,
            headers={"content-disposition": 'attachment; filename="audit.jsonl"'},
        )

    @get("/api/audit/{sequence:str}", operation_id="get_audit_event", tags=["audit"])
    async def get_audit_event(by: By, sequence: FromPath[str]) -> Response[AuditEventView]:
        """Return one event by its number."""
        return answer(await audit.find(by, sequence))

    return [list_audit_events, verify_audit, export_audit, get_audit_event]


def _milliseconds(at: datetime | None, name: str) -> int | None:
    if at is None:
        return None
    if at.tzinfo is None:
        raise InvalidRequest(f"'{name}' needs an offset from UTC, e.g. a 'Z'.", param=name)
    return round(at.timestamp() * 1000)
